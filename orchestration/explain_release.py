"""What a release holds of a figure: its definition, its published rows, and the members that were frozen with it.

What belongs here: reading tables of a release and files of members. What does not: which figure is meant (``explain``),
and which members make one (``kpi_member``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.kpi_member import LEVEL_COLUMNS, belongs, slice_column
from orchestration.region import Region
from orchestration.release import read_manifest
from orchestration.warehouse import text_literal

Row = dict[str, Any]

TIMESERIES = "pub_kpi_timeseries"
GAP = "pub_equity_gap"
REACH = "pub_equity_reach"

_PLACE = ("level_code", "level_key", "period_type_code", "period_start_on", "period_end_on")


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
    """A published figure with its definition and what stands behind it: members, or parts that have them."""

    definition: Row
    value: Row
    """As published; of a part that nothing is published of, only where it would stand."""
    members: list[Row] | None
    """None where they are not to be read, or where the parts have them."""
    refusal: str | None
    """Why the members are not shown."""
    parts: tuple[Part, ...] = ()
    is_published: bool = True
    """False of a part that has no row in the release, such as a group that nobody is of."""


@dataclass(frozen=True)
class Part:
    """A figure that another one is made of, and what it is in that."""

    role: str
    figure: Figure


@dataclass(frozen=True)
class ReleaseReader:
    """A release that is being read, and the members that were frozen with it. Methods raise :class:`ExplainError`."""

    region: Region
    folder: Path
    served: duckdb.DuckDBPyConnection

    def definition(self, kpi: str, version: int | None = None) -> Row:
        """A definition, the latest one unless a version is named."""
        found = self._all(
            "SELECT * FROM pub.pub_kpi_catalogue WHERE kpi_id = $kpi AND version = coalesce($version, version) "
            "ORDER BY version DESC",
            kpi=kpi,
            version=version,
        )
        if not found:
            known = [row["kpi_id"] for row in self._all("SELECT DISTINCT kpi_id FROM pub.pub_kpi_catalogue ORDER BY 1")]
            raise ExplainError(f"no KPI '{kpi}' in {self.folder.name}; published: {', '.join(known)}")
        return found[0]

    def figures(self, definition: Row, level: str, key: str, period: Period) -> list[Row]:
        """All that is published of a KPI for an entity and a period, whatever it is broken down by."""
        table = definition["figures_table"]
        wanted = _of_kpi(definition) | {"level_code": level, "level_key": key}
        period_type = "'financial_year'" if table == REACH else "period_type_code"
        return self._all(
            f"SELECT * FROM pub.{table} WHERE {_where(wanted)} AND {period_type} = $period_type "
            f"AND period_start_on BETWEEN $first AND $last ORDER BY {_order(table)}",
            **wanted,
            period_type=period.type_code,
            first=period.first_start_on,
            last=period.last_start_on,
        )

    def entities(self, definition: Row, level: str) -> dict[str, str]:
        """Keys and names of a level that a KPI is published for."""
        kpi, wanted = definition["kpi_id"], _of_kpi(definition)
        found = self._all(
            f"SELECT DISTINCT level_code, level_key, level_name FROM pub.{definition['figures_table']} "
            f"WHERE {_where(wanted)} ORDER BY ALL",
            **wanted,
        )
        names = {row["level_key"]: row["level_name"] for row in found if row["level_code"] == level}
        if not names:
            levels = list(dict.fromkeys(row["level_code"] for row in found))
            raise ExplainError(f"{kpi} is not published at level '{level}'; there are: {', '.join(levels) or 'none'}")
        return names

    def series(self, kpi: str, by: str) -> str:
        """Levels and periods that a KPI is broken down at, in words."""
        found = self._all(
            f"SELECT DISTINCT level_code, period_type_code FROM pub.{TIMESERIES} "
            "WHERE kpi_id = $kpi AND slice_code = $by ORDER BY ALL",
            kpi=kpi,
            by=by,
        )
        words = [
            ", ".join(dict.fromkeys(row[column] for row in found)) or "none"
            for column in ("level_code", "period_type_code")
        ]
        return f"the levels {words[0]} and the periods {words[1]}"

    def figure(self, kpi: str, at: Mapping[str, Any], by: str, of: str) -> Figure:
        """The figure of a KPI at the place and time of another row."""
        place = {name: at[name] for name in _PLACE} | {"slice_code": by, "slice_value": of}
        wanted = {"kpi_id": kpi, **place}
        found = self._all(
            f"SELECT * FROM pub.{TIMESERIES} WHERE {_where(wanted)} ORDER BY {_order(TIMESERIES)}", **wanted
        )
        definition = self.definition(kpi, found[0]["version"] if found else None)
        value = found[0] if found else {"version": definition["version"], **place}
        members, refusal = self.members(definition, value)
        return Figure(definition, value, members, refusal, is_published=bool(found))

    def members(self, definition: Row, value: Row) -> tuple[list[Row] | None, str | None]:
        """Who was counted for a figure, or why they are not shown."""
        kpi, release_id, top = definition["kpi_id"], self.folder.name, self.region.members_dir
        path = top / release_id / f"{kpi}.parquet"
        if not top.exists():
            return None, "this copy of the region has no members/ folder; ask whoever runs the platform"
        if not os.access(top, os.R_OK | os.X_OK):
            return None, "members/ is restricted to the people who run the platform; ask one of them"
        if not path.exists():
            return None, f"no members of {kpi} were frozen with release {release_id}"
        if not os.access(path, os.R_OK):
            return None, "members/ is restricted to the people who run the platform; ask one of them"
        return _members(path, self._as_of(), definition, value)

    def _as_of(self) -> date:
        return date.fromisoformat(read_manifest(self.folder)["as_of"])

    def _all(self, query: str, **parameters: Any) -> list[Row]:
        return _rows(self.served.execute(query, parameters))


def _members(path: Path, as_of: date, definition: Row, value: Row) -> tuple[list[Row] | None, str | None]:
    """The members of a figure, from those of its KPI."""
    level, by, base = value["level_code"], value["slice_code"], definition["base_slice_code"]
    with duckdb.connect() as connection:
        source = f"read_parquet({text_literal(path.as_posix())})"
        described = connection.execute(f"SELECT * FROM {source} LIMIT 0").description or ()
        needed = {LEVEL_COLUMNS[level], slice_column(by, base)} - {None}
        if needed - {name for name, *_ in described}:
            return None, f"the members of this release do not say their {level} and {by}; run `trigpoint run` again"
        rolled = connection.execute(
            f"SELECT bool_or(period_start_on IS NOT NULL) FROM {source} WHERE version = ?", [value["version"]]
        ).fetchone()
        condition = belongs(
            level,
            by,
            base,
            definition["statistic_code"],
            is_rolled=bool(rolled and rolled[0]),
            is_stock=definition["is_stock"],
        )
        names = ("level_key", "slice_value", "period_type_code", "period_start_on", "period_end_on")
        found = connection.execute(
            f"SELECT m.* FROM {source} AS m CROSS JOIN (SELECT "
            f"{', '.join(f'${name} AS {name}' for name in (*names, 'as_of'))}) AS f "
            f"WHERE m.version = $version AND {condition} "
            "ORDER BY in_denominator DESC, in_numerator DESC, anchor_on, member_key",
            {name: value[name] for name in (*names, "version")} | {"as_of": as_of},
        )
        return _rows(found), None


def _of_kpi(definition: Row) -> dict[str, Any]:
    """What rows of the KPI asked for have; tables of groups are all of one, and name the KPIs that they compare."""
    return {"kpi_id": definition["kpi_id"]} if definition["figures_table"] == TIMESERIES else {}


def _where(wanted: Mapping[str, Any]) -> str:
    return " AND ".join(f"{name} = ${name}" for name in wanted) or "true"


def _order(table: str) -> str:
    """Of several versions the one in force comes first."""
    if table == TIMESERIES:
        return "is_current_definition DESC, version DESC, period_start_on, slice_code, slice_value"
    return "ALL"


def _rows(found: duckdb.DuckDBPyConnection) -> list[Row]:
    names = [d[0] for d in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
