"""`trigpoint explain`: which published figure is meant, and what stands behind it.

What belongs here: from what was asked to a figure, or to an error that says what there is. What does not: reading
tables and members (``explain_release``), showing what was found (``explain_terminal``), and computing anything: what is
shown is what was published, and the members are those that the release counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from orchestration.explain_release import (
    GAP,
    REACH,
    ExplainError,
    Figure,
    Part,
    Period,
    ReleaseReader,
    Row,
)
from orchestration.kpi_member import person_column
from orchestration.region import Region
from orchestration.release import SERVED, latest

_REACH_KPI = "AV-05"
"""Whose figures pub_equity_reach holds against a population."""

_LISTED = 20
"""How many names an error lists."""


@dataclass(frozen=True)
class Question:
    """A figure as asked for on the command line."""

    kpi: str
    period: str
    organisation: str | None = None
    at: str | None = None
    """``level:key`` or ``level:name``; neither this nor an organisation: the region."""
    by: str | None = None
    """What the figure is broken down by, such as sex."""
    of: str | None = None
    """Which value of that."""
    compared: str | None = None
    """Of an equity gap or a reach: the KPI whose groups are compared."""
    release: str | None = None


def parse_period(text: str) -> Period:
    """``2025-01`` month, ``2025-Q1`` the quarter that starts in January to March 2025, ``FY2024`` the financial year
    that starts in 2024, ``R12-2025-01`` the twelve months that end with January 2025. Raises :class:`ExplainError` for
    anything else."""
    if match := re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text):
        start = date(int(match[1]), int(match[2]), 1)
        return Period("month", start, start)
    if match := re.fullmatch(r"(\d{4})-Q([1-4])", text):
        year, last = int(match[1]), 3 * int(match[2])
        return Period("quarter", date(year, last - 2, 1), date(year, last, 1))
    if match := re.fullmatch(r"FY(\d{4})", text):
        return Period("financial_year", date(int(match[1]), 1, 1), date(int(match[1]), 12, 1))
    if match := re.fullmatch(r"R12-(\d{4})-(0[1-9]|1[0-2])", text):
        year, month = int(match[1]), int(match[2])
        start = date(year - 1, month + 1, 1) if month < 12 else date(year, 1, 1)
        return Period("rolling12", start, start)
    raise ExplainError(f"{text}: not a period; write 2025-01, 2025-Q1, FY2024 or R12-2025-01")


def find_figure(region: Region, question: Question) -> tuple[Path, Figure]:
    """Look a figure up in a release. Returns the release's folder and the figure. Raises :class:`ExplainError`."""
    folder = _release(region, question.release)
    wanted = parse_period(question.period)
    with duckdb.connect(str(folder / SERVED), read_only=True) as served:
        release = ReleaseReader(region, folder, served)
        definition = release.definition(question.kpi)
        table = definition["figures_table"]
        level, key = _entity(release, definition, question)
        rows = release.figures(definition, level, key, wanted)
        if not rows:
            raise ExplainError(
                f"{question.kpi} is not published for {level} {key} and {wanted.type_code} {question.period} in "
                f"{folder.name}; it has the levels {definition['levels']} and the periods {definition['periods']}"
                + ("; groups whose figure is hidden or rests on few people are left out" if table == GAP else "")
            )
        if table == GAP:
            return folder, _gap(release, definition, rows, question)
        if table == REACH:
            return folder, _reach(release, definition, rows, question)
        return folder, _counted(release, definition, rows, question)


def numerator_and_denominator(figure: Figure) -> tuple[Decimal | None, Decimal | None]:
    """The exact terms of a figure, from its members; None: its kind has no such term."""
    members = figure.members or []
    statistic = figure.definition["statistic_code"]
    if statistic == "distinct_count":
        person = person_column(figure.value["level_code"])
        return Decimal(len({m[person] for m in members if m["in_numerator"] and m[person] is not None})), None
    below = sum((m["denominator_value"] or Decimal(0) for m in members if m["in_denominator"]), Decimal(0))
    above = sum((m["numerator_value"] or Decimal(0) for m in members if m["in_numerator"]), Decimal(0))
    return (
        None if statistic in ("median", "quantile") else above,
        None if statistic in ("sum", "count") else below,
    )


def _entity(release: ReleaseReader, definition: Row, question: Question) -> tuple[str, str]:
    """Level and key that are meant."""
    if question.organisation is not None and question.at is not None:
        raise ExplainError("--organisation and --at both name whom the figure is of; leave one of them out")
    region = release.region
    if question.organisation is not None:
        if question.organisation not in region.organisations:
            known = ", ".join(sorted(region.organisations))
            raise ExplainError(f"no organisation '{question.organisation}'; known: {known}")
        return "organisation", question.organisation
    if question.at is None:
        return "region", region.id
    level, _, name = question.at.partition(":")
    if not name:
        raise ExplainError(
            f"{question.at}: not an entity; write LEVEL:KEY, such as organisation:{min(region.organisations)}"
        )
    names = release.entities(definition, level)
    if name in names:
        return level, name
    keys = [key for key, shown in names.items() if shown == name]
    if len(keys) == 1:
        return level, keys[0]
    if keys:
        raise ExplainError(f"there are {len(keys)} of level {level} with the name '{name}'; use a key: {_list(keys)}")
    shown = [key if shown == key else f"{key} ({shown})" for key, shown in names.items()]
    raise ExplainError(f"{question.kpi} has no figures for {level} '{name}'; there are: {_list(shown)}")


def _counted(release: ReleaseReader, definition: Row, rows: list[Row], question: Question) -> Figure:
    """A figure that is counted from members, or the difference of two that are."""
    kpi, base = question.kpi, definition["base_slice_code"]
    if question.compared is not None:
        raise ExplainError(f"{kpi} compares no groups of people; leave --compared out")
    by = question.by or base
    if question.of is not None and by == "all":
        raise ExplainError(f"--of goes with --by; {kpi} can be broken down by: {definition['slices'] or 'nothing'}")
    if by != base and by not in _slices(definition):
        raise ExplainError(f"{kpi} is not broken down by '{by}'; there are: {definition['slices'] or 'none'}")
    of_slice = [row for row in rows if row["slice_code"] == by]
    if not of_slice:
        raise ExplainError(f"{kpi} by {by} is not published here; it is for {release.series(kpi, by)}")
    value = _one_of(of_slice, "slice_value", question.of, f"{kpi} is published by {by}", "--of")
    definition = release.definition(kpi, value["version"])
    if definition["statistic_code"] != "difference":
        members, refusal = release.members(definition, value)
        return Figure(definition, value, members, refusal)
    of, less = definition["numerator"].split(" less ")
    return _made_of(
        definition,
        value,
        [
            Part(role, release.figure(part, value, value["slice_code"], value["slice_value"]))
            for role, part in (("of", of), ("less", less))
        ],
    )


def _gap(release: ReleaseReader, definition: Row, rows: list[Row], question: Question) -> Figure:
    """An equity gap: the figures of a group and of the reference group."""
    value = _of_group(rows, question, "kpi_id")
    groups = (("group", value["slice_value"]), ("reference group", value["reference_slice_value"]))
    return _made_of(
        definition,
        value,
        [Part(role, release.figure(value["kpi_id"], value, value["slice_code"], of)) for role, of in groups],
    )


def _reach(release: ReleaseReader, definition: Row, rows: list[Row], question: Question) -> Figure:
    """A reach: persons of a group, and everyone whose group is known."""
    if question.compared not in (None, _REACH_KPI):
        raise ExplainError(f"{question.kpi} compares {_REACH_KPI} with a population; leave --compared out")
    value = _of_group(rows, question)
    at = value | {"period_type_code": "financial_year"}
    by, group = value["slice_code"], value["slice_value"]
    parts = [Part("group", release.figure(_REACH_KPI, at, by, group))]
    if group != "unknown" and (unknown := release.figure(_REACH_KPI, at, by, "unknown")).is_published:
        parts.append(Part("group not known", unknown))
    parts.append(Part("everyone", release.figure(_REACH_KPI, at, "all", "all")))
    return _made_of(definition, value, parts)


def _made_of(definition: Row, value: Row, parts: Sequence[Part]) -> Figure:
    return Figure(definition, value, members=None, refusal=None, parts=tuple(parts))


def _of_group(rows: list[Row], question: Question, compared: str | None = None) -> Row:
    """The row of a table of groups; ``compared`` is its column of the KPI that is compared."""
    kpi = question.kpi
    if compared is not None:
        rows = _rows_of(rows, compared, question.compared, f"{kpi} compares groups by another KPI", "--compared")
    rows = _rows_of(rows, "slice_code", question.by, f"{kpi} compares groups of people", "--by")
    return _rows_of(rows, "slice_value", question.of, f"{kpi} is published by {rows[0]['slice_code']}", "--of")[0]


def _one_of(rows: list[Row], column: str, wanted: str | None, says: str, option: str) -> Row:
    """The row that is meant; the only value of a column needs no naming."""
    if wanted is None and len({row[column] for row in rows}) == 1:
        return rows[0]
    return _rows_of(rows, column, wanted, says, option)[0]


def _rows_of(rows: list[Row], column: str, wanted: str | None, says: str, option: str) -> list[Row]:
    """The rows with a value. Raises :class:`ExplainError`, with the values that there are."""
    known = _list(list(dict.fromkeys(row[column] for row in rows)))
    if wanted is None:
        raise ExplainError(f"{says}; add {option} with one of {known}")
    found = [row for row in rows if row[column] == wanted]
    if not found:
        raise ExplainError(f"{says}, and nothing is published for '{wanted}' here; {option} can be one of {known}")
    return found


def _slices(definition: Row) -> list[str]:
    return (definition["slices"] or "").split(", ")


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _release(region: Region, release_id: str | None) -> Path:
    if release_id is None:
        folder = latest(region)
        if folder is None:
            raise ExplainError("nothing is published yet; run `trigpoint run` first")
        return folder
    folder = region.releases_dir / release_id
    if not re.fullmatch(r"[\w.-]+", release_id) or not (folder / SERVED).exists():
        raise ExplainError(f"no release '{release_id}' below {region.releases_dir.name}/")
    return folder
