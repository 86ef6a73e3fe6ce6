"""`trigpoint explain`: one published figure, its definition, and who was counted, down to file and line.

What belongs here: reading a release and its frozen members. What does not: computing anything: what is shown is what
was published, and the members are those that the release counted.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestration.region import Region
from orchestration.release import SERVED, latest, read_manifest


class ExplainError(Exception):
    """The figure can't be explained; the message says why and what would work."""


@dataclass(frozen=True)
class Period:
    """A period as named on the command line."""

    type_code: str
    first_start_on: date
    last_start_on: date
    """Of financial years and quarters, several can be meant: organisations and KPIs have calendars of their own."""


@dataclass(frozen=True)
class Figure:
    """A published figure with its definition and what stands behind it."""

    definition: dict[str, Any]
    value: dict[str, Any]
    members: list[dict[str, Any]] | None
    """None where they are not to be read."""
    refusal: str | None
    """Why the members are not shown."""


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


def find_figure(
    region: Region,
    kpi: str,
    period: str,
    organisation: str | None = None,
    release_id: str | None = None,
    slice_value: str | None = None,
) -> tuple[Path, Figure]:
    """Look a figure up in a release. Returns the release's folder and the figure. Raises :class:`ExplainError`.

    ``slice_value``: which of several figures, for KPIs that are only published by a slice, such as currency.
    """
    folder = _release(region, release_id)
    if organisation is not None and organisation not in region.organisations:
        raise ExplainError(f"no organisation '{organisation}'; known: {', '.join(sorted(region.organisations))}")
    wanted = parse_period(period)
    level, key = ("organisation", organisation) if organisation else ("region", region.id)
    with duckdb.connect(str(folder / SERVED), read_only=True) as served:
        definition = _one(served, "SELECT * FROM pub.pub_kpi_catalogue WHERE kpi_id = ? ORDER BY version DESC", [kpi])
        if definition is None:
            known = [row[0] for row in served.execute("SELECT kpi_id FROM pub.pub_kpi_catalogue ORDER BY 1").fetchall()]
            raise ExplainError(f"no KPI '{kpi}' in {folder.name}; published: {', '.join(known)}")
        values = _all(
            served,
            "SELECT * FROM pub.pub_kpi_timeseries WHERE kpi_id = ? AND level_code = ? AND level_key = ? "
            "AND slice_code = ? AND period_type_code = ? AND period_start_on BETWEEN ? AND ? "
            "ORDER BY version DESC, period_start_on, slice_value",
            [
                *(kpi, level, key, definition["base_slice_code"]),
                *(wanted.type_code, wanted.first_start_on, wanted.last_start_on),
            ],
        )
    if not values and definition["figures_table"] != "pub_kpi_timeseries":
        raise ExplainError(
            f"{kpi} compares groups of people; its figures are in pub.{definition['figures_table']} of served.duckdb"
        )
    if not values:
        raise ExplainError(
            f"{kpi} is not published for {level} {key} and {wanted.type_code} {period} in {folder.name}; it has the "
            f"levels {definition['levels']} and the periods {definition['periods']}"
        )
    value = _of_slice(definition, values, slice_value)
    members, refusal = _members(region, folder.name, definition, organisation, value)
    return folder, Figure(definition, value, members, refusal)


def _of_slice(definition: dict[str, Any], values: list[dict[str, Any]], slice_value: str | None) -> dict[str, Any]:
    """The one value that is meant, of a KPI that is always broken down."""
    known = list(dict.fromkeys(value["slice_value"] for value in values))
    if slice_value is None and len(known) > 1:
        raise ExplainError(
            f"{definition['kpi_id']} is published by {definition['base_slice_code']}; add --of with one of "
            f"{', '.join(known)}"
        )
    for value in values:
        if slice_value in (None, value["slice_value"]):
            return value
    raise ExplainError(f"{definition['kpi_id']} is not published for '{slice_value}'; there are: {', '.join(known)}")


def explain_figure(
    region: Region,
    kpi: str,
    period: str,
    organisation: str | None,
    release_id: str | None,
    limit: int,
    slice_value: str | None = None,
) -> RenderableType:
    """A figure for the terminal."""
    folder, figure = find_figure(region, kpi, period, organisation, release_id, slice_value)
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
    parts: list[RenderableType] = [head, Text(), _published(figure.value)]
    if figure.members is None:
        parts.append(Text(f"\nMembers are not shown: {figure.refusal}"))
    else:
        parts += [Text(), _counted(figure), Text(), _member_table(figure.members, limit)]
    return Group(*parts)


def numerator_and_denominator(figure: Figure) -> tuple[Decimal | None, Decimal | None]:
    """The exact terms of a figure, from its members; None: its kind has no such term."""
    members = figure.members or []
    statistic = figure.definition["statistic_code"]
    if statistic == "distinct_count":
        return Decimal(len({m["person_key"] for m in members if m["in_numerator"]})), None
    below = sum((m["denominator_value"] or Decimal(0) for m in members if m["in_denominator"]), Decimal(0))
    above = sum((m["numerator_value"] or Decimal(0) for m in members if m["in_numerator"]), Decimal(0))
    return (
        None if statistic in ("median", "quantile") else above,
        None if statistic in ("sum", "count") else below,
    )


def _counted(figure: Figure) -> Table:
    table = Table(title="From its members (restricted)", title_justify="left", show_header=False, box=None)
    for name, number in zip(("numerator", "denominator"), numerator_and_denominator(figure), strict=True):
        shown = "none: this figure has no such term" if number is None else f"{number.normalize():,f}"
        table.add_row(name, shown)
    return table


def _published(value: dict[str, Any]) -> Table:
    table = Table(title="Published value", title_justify="left", show_header=False, box=None)
    for name, content in value.items():
        if content not in (None, "all") and name not in ("kpi_id", "version"):
            table.add_row(name, str(content))
    return table


def _member_table(members: list[dict[str, Any]], limit: int) -> Table:
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


def _members(
    region: Region, release_id: str, definition: dict[str, Any], organisation: str | None, value: dict[str, Any]
) -> tuple[list[dict[str, Any]] | None, str | None]:
    kpi = definition["kpi_id"]
    if definition["statistic_code"] == "difference":
        return None, f"it is the difference of two KPIs, which have them: explain {definition['numerator']}"
    path = region.members_dir / release_id / f"{kpi}.parquet"
    if not region.members_dir.exists():
        return None, "this copy of the region has no members/ folder; ask whoever runs the platform"
    if not os.access(region.members_dir, os.R_OK | os.X_OK):
        return None, "members/ is restricted to the people who run the platform; ask one of them"
    if not path.exists():
        return None, f"no members of {kpi} were frozen with release {release_id}"
    if not os.access(path, os.R_OK):
        return None, "members/ is restricted to the people who run the platform; ask one of them"
    with duckdb.connect() as connection:
        # Rows of facts that already are of a level and period belong to those; others to every period that they meet,
        # of a stock to the last month that the period has.
        found = connection.execute(
            "SELECT * FROM read_parquet($path) "
            "WHERE version = $version AND base_slice_value = $slice AND CASE WHEN period_start_on IS NULL "
            "THEN anchor_on <= $end AND coalesce(anchor_end_on, DATE '9999-12-31') >= $start "
            "AND ($stock_month IS NULL OR date_trunc('month', anchor_on) = $stock_month) "
            "AND ($organisation IS NULL OR organisation_id = $organisation) "
            "ELSE level_code = $level AND level_key = $key AND period_type_code = $type "
            "AND period_start_on = $start END "
            "ORDER BY in_denominator DESC, in_numerator DESC, anchor_on, member_key",
            {
                "path": path.as_posix(),
                "version": value["version"],
                "slice": value["slice_value"],
                "stock_month": _stock_month(region, release_id, definition, value),
                "organisation": organisation,
                "level": value["level_code"],
                "key": value["level_key"],
                "type": value["period_type_code"],
                "start": value["period_start_on"],
                "end": value["period_end_on"],
            },
        )
        names = [d[0] for d in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()], None


def _stock_month(region: Region, release_id: str, definition: dict[str, Any], value: dict[str, Any]) -> date | None:
    """The month whose stock a figure is: the last of its period, or that of the as-of date."""
    if not definition["is_stock"]:
        return None
    as_of = date.fromisoformat(read_manifest(region.releases_dir / release_id)["as_of"])
    last: date = min(value["period_end_on"], as_of)
    return last.replace(day=1)


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


def _all(connection: duckdb.DuckDBPyConnection, query: str, parameters: list[Any]) -> list[dict[str, Any]]:
    found = connection.execute(query, parameters)
    names = [d[0] for d in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _one(connection: duckdb.DuckDBPyConnection, query: str, parameters: list[Any]) -> dict[str, Any] | None:
    return next(iter(_all(connection, query, parameters)), None)
