"""A figure for the terminal: its definition, its value, and who was counted, down to file and line.

What belongs here: showing what ``explain`` found. What does not: finding anything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestration.explain import numerator_and_denominator
from orchestration.explain_release import Figure, Part, Row
from orchestration.release import read_manifest

_POPULATION = ("population_count", "population_share_pct", "reference_year", "population_of_code", "area", "origin")
_OF_A_PART = ("numerator", "numerator_status", "denominator", "denominator_status", "value", "value_status")


def show_figure(folder: Path, figure: Figure, limit: int) -> RenderableType:
    """A figure of the release in a folder, with so many members of it and of each of its parts."""
    manifest = read_manifest(folder)
    head = Table.grid(padding=(0, 2))
    for label, name in (
        ("KPI", "kpi_id"),
        ("name", "kpi_name"),
        ("definition", "description"),
        ("question", "question"),
        ("version", "version"),
        ("owner", "owner"),
    ):
        head.add_row(label, str(figure.definition.get(name, "")))
    head.add_row("release", f"{folder.name} ({manifest['status']}, as of {manifest['as_of']})")
    shown: list[RenderableType] = [head, Text()]
    own = [name for name in figure.value if name not in ("version", *_POPULATION)]
    if figure.value.get("kpi_id") == figure.definition["kpi_id"]:
        own.remove("kpi_id")
    shown.append(_values("Published value", figure.value, own))
    if "origin" in figure.value:
        shown += [Text(), _values("Population that it is held against", figure.value, _POPULATION)]
    shown += _members(figure, limit) if not figure.parts else []
    for part in figure.parts:
        shown += [Text(), Text(_title(part), style="bold"), *_published(part.figure), *_members(part.figure, limit)]
    return Group(*shown)


def _title(part: Part) -> str:
    """Such as: Reference group: OC-05 Recovery rate, sex male."""
    definition, value = part.figure.definition, part.figure.value
    of = "" if value["slice_code"] == "all" else f", {value['slice_code']} {value['slice_value']}"
    return f"{part.role[:1].upper()}{part.role[1:]}: {definition['kpi_id']} {definition['kpi_name']}{of}"


def _published(figure: Figure) -> Iterator[RenderableType]:
    if figure.is_published:
        yield _values("Published value", figure.value, _OF_A_PART)
    else:
        yield Text("nothing is published of it")


def _members(figure: Figure, limit: int) -> Iterator[RenderableType]:
    if figure.members is None:
        yield Text(f"\nMembers are not shown: {figure.refusal}")
    else:
        yield from (Text(), _counted(figure), Text(), _member_table(figure.members, limit))


def _values(title: str, row: Row, names: Collection[str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for name in names:
        if row[name] not in (None, "all"):
            table.add_row(name, str(row[name]))
    return table


def _counted(figure: Figure) -> Table:
    table = Table(title="From its members (restricted)", title_justify="left", show_header=False, box=None)
    for name, number in zip(("numerator", "denominator"), numerator_and_denominator(figure), strict=True):
        shown = "none: this figure has no such term" if number is None else f"{number.normalize():,f}"
        table.add_row(name, shown)
    return table


def _member_table(members: list[Row], limit: int) -> Table:
    numerator = sum(1 for m in members if m["in_numerator"])
    denominator = sum(1 for m in members if m["in_denominator"])
    title = f"{len(members)} members: {numerator} in the numerator, {denominator} in the denominator"
    table = Table(title=title, title_justify="left", box=None)
    for name in ("anchor", "num", "den", "excluded", "delivery", "file", "line"):
        table.add_column(name, overflow="fold")
    for m in members[:limit]:
        table.add_row(
            str(m["anchor_on"]),
            "1" if m["in_numerator"] else "",
            "1" if m["in_denominator"] else "",
            m["exclusion_code"] or "",
            (m["delivery_id"] or "")[:12],
            m["file_name"] or _told(m["member_key"]),
            str(m["line_number"] or ""),
        )
    notes = []
    if len(members) > limit:
        notes.append(f"and {len(members) - limit} more; --members {len(members)} lists all")
    if members and not any(m["file_name"] or _told(m["member_key"]) for m in members):
        notes.append("these members are days or elements worked out from many records; they have no line of their own")
    table.caption = "\n".join(notes) or None
    table.caption_justify = "left"
    return table


def _told(member_key: str) -> str:
    """The key of a member if it says something to a reader, such as which signal it is; hashes don't."""
    return "" if re.fullmatch("[0-9a-f]{32}", member_key) else member_key
