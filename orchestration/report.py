"""`trigpoint report`: the reports that HUD asks for, made on demand from the warehouse.

What belongs here: finding the project, asking dbt for the report's SQL, and writing its tables as CSV files. What does
not: any rule of a report (``dbt_project/macros/hmis``). Reports count people, in small numbers too: they are for the
project and its funder, and no part of a release.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from orchestration.region import Region
from orchestration.transform import compiled
from orchestration.warehouse import connect

CELLS = "table_code, row_number, row_name, column_number, column_name, value"


class ReportError(Exception):
    """The report can't be made; the message says why and what would work."""


def performance_report(
    region: Region, project: str, start: date, end: date, to: Path, source: str | None
) -> list[Path]:
    """Write the annual performance report (APR, CAPER) of a project for a period, both days included: one file a table.

    ``project`` is the sender's id; ``source`` tells which sender is meant where several use it. Raises
    :class:`ReportError`.
    """
    _check_period(region, start, end)
    if start.day != 1:
        raise ReportError(
            f"--from {start}: the period must start on the first of a month, so that ages at its start are exact"
        )
    with connect(region.warehouse_path, read_only=True) as connection:
        service_key = _service_key(connection, project, source)
    variables = {"apr_start": start.isoformat(), "apr_end": end.isoformat(), "apr_service_key": service_key}
    cells = _asked(region, f"SELECT {CELLS} FROM ({compiled(region, 'apr', variables)}) ORDER BY ALL")
    if not cells:
        raise ReportError(f"project {project} served nobody from {start} to {end}")
    to.mkdir(parents=True, exist_ok=True)
    by_table: dict[str, list[Sequence[object]]] = {}
    for table, *cell in cells:
        by_table.setdefault(str(table), []).append(cell)
    return [_write(to / f"{table}.csv", _grid(listed)) for table, listed in by_table.items()]


def system_measures(region: Region, start: date, end: date, to: Path) -> Path:
    """Write the system performance measures 1a, 1b and 3.2 of every sender for a period, both days included."""
    _check_period(region, start, end)
    rows = _asked(region, compiled(region, "spm", {"spm_start": start.isoformat(), "spm_end": end.isoformat()}))
    to.mkdir(parents=True, exist_ok=True)
    written = [[_text(value) for value in row] for row in rows]
    return _write(to / "spm.csv", [["source_id", "question", "cell", "value"], *written])


def _asked(region: Region, query: str) -> list[tuple[object, ...]]:
    with connect(region.warehouse_path, read_only=True) as connection:
        try:
            return connection.execute(query).fetchall()
        except (duckdb.BinderException, duckdb.CatalogException):
            raise ReportError(
                "the warehouse lacks what the report reads: an older version built it; run `trigpoint run` first"
            ) from None


def _check_period(region: Region, start: date, end: date) -> None:
    if end < start:
        raise ReportError(f"--to {end} lies before --from {start}")
    if not region.warehouse_path.exists():
        raise ReportError("this region has not run yet; run `trigpoint run` first")


def _service_key(connection: duckdb.DuckDBPyConnection, project: str, source: str | None) -> str:
    found = connection.execute(
        "SELECT source_id, service_key FROM core.dim_service "
        "WHERE service_code = ? AND source_id = coalesce(?, source_id) ORDER BY ALL",
        [project, source],
    ).fetchall()
    if len(found) == 1:
        return str(found[0][1])
    if found:
        senders = ", ".join(source_id for source_id, _key in found)
        raise ReportError(f"several senders have a project {project}: {senders}; say which with --source")
    raise ReportError(f"no project {project}{f' of {source}' if source else ''}; it is the sender's ProjectID")


def _grid(cells: list[Sequence[object]]) -> list[list[str]]:
    """Rows and columns of a table from its cells, which come in order."""
    columns: dict[object, str] = {}
    rows: dict[object, list[str]] = {}
    for row_number, row_name, column_number, column_name, value in cells:
        columns[column_number] = str(column_name)
        rows.setdefault(row_number, [str(row_name)]).append(_text(value))
    return [["", *columns.values()], *rows.values()]


def _text(value: object) -> str:
    """A count without decimals, a share with four, nothing for an empty cell."""
    if not isinstance(value, Decimal):
        return "" if value is None else str(value)
    return str(int(value)) if value == value.to_integral_value() else f"{value:.4f}"


def _write(path: Path, rows: list[list[str]]) -> Path:
    partial = path.with_suffix(f".{os.getpid()}.part")
    with partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    partial.replace(path)
    return path
