"""The short summary at the end of a run.

What belongs here: counting what a run left behind, for a person. What does not: the counts' meaning.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import duckdb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestration.catalogue import FOLDER, INDEX
from orchestration.quality import lone_deltas
from orchestration.region import Region
from orchestration.release import LATEST, SERVED
from orchestration.runner import RunOutcome
from orchestration.status import lone_delta_line
from orchestration.warehouse import connect

_LOOK = "import duckdb; duckdb.connect('{path}', read_only=True).sql('from pub.pub_kpi_timeseries').show()"
_WORST = 4
"""Reasons for held-back rows that are listed."""


def summarise(region: Region, outcome: RunOutcome) -> RenderableType:
    """What the region holds after a run, and what to try next."""
    grid = Table.grid(padding=(0, 2))
    with connect(region.warehouse_path, read_only=True) as connection:
        grid.add_row("organisations", str(len(region.organisations)))
        grid.add_row("deliveries", _deliveries(connection))
        if silent := _silent(region, connection):
            grid.add_row("nothing from", silent)
        grid.add_row("rows landed", f"{_landed(connection):,}")
        grid.add_row("rows held back", _held_back(connection))
        grid.add_row("checks", _checks(connection))
        grid.add_row("KPIs published", _kpis(connection))
        lone = [lone_delta_line(delta) for delta in lone_deltas(connection)]
    grid.add_row("release", _shown(outcome.release))
    head = f"Published {outcome.release.name}" if outcome.is_new else f"Nothing changed since {outcome.release.name}"
    warned = [Text(), *lone] if lone else []
    return Group(Text(head, style="bold"), grid, *warned, Text(), *_next(region, outcome))


def _deliveries(connection: duckdb.DuckDBPyConnection) -> str:
    rows = connection.execute("SELECT status, count(*) FROM ops.delivery GROUP BY status ORDER BY status").fetchall()
    return ", ".join(f"{count} {status}" for status, count in rows)


def _silent(region: Region, connection: duckdb.DuckDBPyConnection) -> str:
    """Sources that have never delivered, with the place that was looked at."""
    heard = {row[0] for row in connection.execute("SELECT DISTINCT source_id FROM ops.delivery").fetchall()}
    return ", ".join(f"{source.id} ({source.location})" for source in region.sources if source.id not in heard)


def _landed(connection: duckdb.DuckDBPyConnection) -> int:
    return _one(connection, "SELECT coalesce(sum(landed_count + rejected_count), 0) FROM ops.row_account")


def _held_back(connection: duckdb.DuckDBPyConnection) -> str:
    total = _one(
        connection,
        "SELECT count(DISTINCT (delivery_id, table_name, file_name, row_number)) FROM ops.quarantine "
        "WHERE status = 'open'",
    )
    rows = connection.execute(
        """SELECT rule, count(DISTINCT (delivery_id, table_name, file_name, row_number)) AS n FROM ops.quarantine
           WHERE status = 'open' GROUP BY rule ORDER BY n DESC, rule"""
    ).fetchall()
    reasons = [f"{rule} {count}" for rule, count in rows[:_WORST]]
    more = [f"{len(rows) - _WORST} more reasons"] if len(rows) > _WORST else []
    return f"{total:,}" + (f" ({', '.join(reasons + more)})" if rows else "")


def _checks(connection: duckdb.DuckDBPyConnection) -> str:
    rows = dict(connection.execute("SELECT outcome, count(*) FROM ops.dq_result GROUP BY outcome").fetchall())
    named = (("pass", "passed"), ("fail", "failed"), ("error", "errored"), ("not_applicable", "not applicable"))
    return ", ".join(f"{rows.get(outcome, 0):,} {word}" for outcome, word in named)


def _kpis(connection: duckdb.DuckDBPyConnection) -> str:
    kpis = _one(connection, "SELECT count(DISTINCT kpi_id) FROM pub.pub_kpi_timeseries")
    rows = _one(connection, "SELECT count(*) FROM pub.pub_kpi_timeseries")
    return f"{kpis} in {rows:,} figures"


def _next(region: Region, outcome: RunOutcome) -> list[RenderableType]:
    file = _shown(region.path)
    organisation = next(iter(region.organisations))
    # A release as of an earlier date is not the latest.
    is_latest = (region.releases_dir / LATEST).resolve() == outcome.release.resolve()
    folder = region.releases_dir / LATEST if is_latest else outcome.release
    asked = f"explain OC-05 --organisation {organisation} --period FY2024"
    asked += "" if is_latest else f" --release {outcome.release.name}"
    return [
        Text("Next:"),
        Text(f"  read {_shown(folder / FOLDER / INDEX)} in a browser"),
        Text(f"  {_program('trigpoint')} quarantine list --region {file}"),
        Text(f"  {_program('trigpoint')} {asked} --region {file}"),
        Text(f'  {_program("python")} -c "{_LOOK.format(path=_shown(folder / SERVED))}"'),
    ]


def _program(name: str) -> str:
    """A program of this environment, as the person can call it: by name if it is on the path, else by where it is."""
    here = Path(sys.executable).parent
    found = shutil.which(name)
    return name if found and Path(found).parent == here else _shown(here / name)


def _shown(path: Path) -> str:
    """Relative to where the person is, if that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
