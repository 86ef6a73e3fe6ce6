"""The ``mapping`` block of a 360Giving source in the region file: what it may say, and what is wrong with it.

See the package's docstring for an example.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sources.funder.threesixtygiving import fields
from sources.funder.threesixtygiving.fields import Leaf
from sources.spec import Regime

_CURRENCY = re.compile(r"[A-Z]{3}")


class Mapped(NamedTuple):
    """A publisher's own header and the field that it stands for."""

    header: str
    leaf: Leaf


@dataclass(frozen=True)
class Options:
    """The mapping block, checked."""

    columns: Mapping[str, Mapped] = field(default_factory=dict)
    """By the header as :func:`folded`."""
    currency: str | None = None
    funder_id: str | None = None
    funder_name: str | None = None
    regime: Regime = Regime.DELTA
    dates: str | None = None
    delimiter: str = ","
    sheets: tuple[str, ...] = ()


def options_of(mapping: Mapping[str, Any]) -> tuple[Options, list[str]]:
    """The block as options, and what is wrong with it, each a sentence that names the key."""
    known = ("columns", "currency", "funder", "regime", "dates", "delimiter", "sheets")
    problems = [f"'{key}' is unknown here; known are {', '.join(known)}" for key in mapping if key not in known]
    columns = _mapped_columns(mapping.get("columns", {}), problems)
    currency = mapping.get("currency")
    if currency is not None and not (isinstance(currency, str) and _CURRENCY.fullmatch(currency)):
        problems.append(f"currency: '{currency}' is no currency code; write three capital letters such as GBP")
    funder = mapping.get("funder", {})
    if not isinstance(funder, Mapping) or set(funder) - {"id", "name"} or not all(_is_text(v) for v in funder.values()):
        problems.append("funder: write {id: <organisation identifier>, name: <name>}, both text")
        funder = {}
    regime = _one_of(mapping, "regime", ("delta", "full"), problems) or "delta"
    dates = _one_of(mapping, "dates", ("day_first", "month_first"), problems)
    delimiter = mapping.get("delimiter", ",")
    if not (isinstance(delimiter, str) and len(delimiter) == 1 and delimiter.isascii() and delimiter not in '"\r\n\0'):
        problems.append("delimiter: write one character, such as ';' (in quotes) or \"\\t\"")
        delimiter = ","
    sheets = mapping.get("sheets", [])
    if not isinstance(sheets, Sequence) or isinstance(sheets, str) or not all(_is_text(s) for s in sheets):
        problems.append("sheets: write a list of sheet names, such as [Awards]")
        sheets = []
    return (
        Options(
            columns, currency, funder.get("id"), funder.get("name"), Regime(regime), dates, delimiter, tuple(sheets)
        ),
        problems,
    )


def _mapped_columns(columns: Any, problems: list[str]) -> dict[str, Mapped]:
    if not isinstance(columns, Mapping):
        problems.append("columns: write pairs of header and field, such as {Programme Name: grantProgramme/0/title}")
        return {}
    found: dict[str, Mapped] = {}
    for header, target in columns.items():
        leaf = fields.resolve(target) if isinstance(target, str) else None
        if leaf is None:
            near = fields.closest_path(str(target))
            hint = f"; did you mean '{near}'?" if near else "; fields are paths such as grantProgramme/0/title"
            problems.append(f"columns: '{header}': '{target}' is no field of the 360Giving standard{hint}")
        elif not _is_text(header) or folded(header) in found:
            problems.append(f"columns: '{header}' is no text or occurs twice (case and blanks do not matter)")
        else:
            found[folded(header)] = Mapped(header, leaf)
    return found


def _one_of(mapping: Mapping[str, Any], key: str, allowed: tuple[str, ...], problems: list[str]) -> str | None:
    value = mapping.get(key)
    if value is None or value in allowed:
        return value
    problems.append(f"{key}: '{value}' is not possible; write {' or '.join(allowed)}")
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def folded(header: str) -> str:
    """A header in the form in which headers are compared."""
    return " ".join(header.split()).casefold()
