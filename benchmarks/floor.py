"""The floor beside which the pipeline is timed: ``floor.sql`` over the deliveries that the pipeline loaded.

What belongs here: unpacking, running the script, and comparing its figures with those of the warehouse. What does not:
the script's arithmetic.
"""

from __future__ import annotations

import shutil
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.ledger import Ledger
from orchestration.region import Region
from orchestration.warehouse import connect, memory_limit

SCRIPT = Path(__file__).with_name("floor.sql")
FILES = ("Project.csv", "Client.csv", "Enrollment.csv", "Exit.csv")
TABLES = (
    ("length_of_stay", "AC-06.mean", "month"),
    ("people_served", "AV-05", "month"),
    ("exits_to_permanent", "OC-12", "financial_year"),
)
"""Table of the script, the KPI it repeats, and the period."""


@dataclass(frozen=True)
class Floor:
    """What the floor took and came to."""

    unzip_seconds: float
    script_seconds: float
    rows: int
    """Enrolments and exits read."""
    figures: int
    """Figures of the same KPI, organisation and period in the warehouse, where a delivery covers the period."""
    agreeing: int


def run_floor(region: Region, scratch: Path) -> Floor:
    """Run the script over the loaded HMIS deliveries of a region that was built, and compare."""
    shutil.rmtree(scratch, ignore_errors=True)
    started = time.perf_counter()
    deliveries = _unzip(region, scratch)
    unzipped = time.perf_counter()
    with duckdb.connect(str(scratch / "floor.duckdb"), config={"memory_limit": memory_limit()}) as floor:
        floor.execute(
            "CREATE TABLE delivery "
            "(number INTEGER, source_id VARCHAR, organisation_id VARCHAR, is_full BOOLEAN, stated_at TIMESTAMP)"
        )
        floor.executemany("INSERT INTO delivery VALUES (?, ?, ?, ?, ?)", deliveries)
        floor.execute(SCRIPT.read_text(encoding="utf-8").replace("{folder}", scratch.as_posix()))
        done = time.perf_counter()
        rows = floor.execute("SELECT (SELECT count(*) FROM enrolment) + (SELECT count(*) FROM leaving)").fetchone()
    figures, agreeing = _compare(region, scratch / "floor.duckdb")
    shutil.rmtree(scratch)
    return Floor(unzipped - started, done - unzipped, rows[0] if rows else 0, figures, agreeing)


def _unzip(region: Region, scratch: Path) -> list[list[object]]:
    paths = {receipt.delivery_id: region.root / receipt.path for receipt in Ledger(region.state_dir).receipts}
    with connect(region.warehouse_path, read_only=True) as connection:
        loaded = connection.execute(
            "SELECT delivery_id, source_id, organisation_id, regime = 'full', stated_at FROM ops.delivery "
            "WHERE kind = 'hmis_csv' AND status = 'loaded' ORDER BY source_id, stated_at"
        ).fetchall()
    for number, (delivery_id, *_) in enumerate(loaded):
        with zipfile.ZipFile(paths[delivery_id]) as archive:
            (scratch / str(number)).mkdir(parents=True)
            for file in FILES:
                (scratch / str(number) / file).write_bytes(_as_utf8(archive.read(file)))
    return [[number, *facts] for number, (_, *facts) in enumerate(loaded)]


def _as_utf8(content: bytes) -> bytes:
    """Some senders write cp1252."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace").encode("utf-8")
    return content


def _compare(region: Region, path: Path) -> tuple[int, int]:
    """How many figures the warehouse has, and how many of them the script has, too, to the last digit."""
    figures = agreeing = 0
    with connect(region.warehouse_path, read_only=True) as connection:
        connection.execute(f"ATTACH '{path.as_posix()}' AS floor (READ_ONLY)")
        for table, kpi, period in TABLES:
            found = connection.execute(
                f"""SELECT count(*), count(*) FILTER (
                        WHERE coalesce(k.numerator, 0) = coalesce(f.numerator, 0)
                        AND coalesce(k.denominator, 0) = coalesce(f.denominator, 0))
                    FROM kpi.fct_kpi AS k
                    LEFT JOIN floor.{table} AS f
                        ON k.level_key = f.organisation_id AND k.period_start_on = f.period_start_on
                    WHERE k.kpi_id = ? AND k.period_type_code = ? AND k.level_code = 'organisation'
                        AND k.slice_code = 'all' AND k.is_current_definition
                        AND k.coverage_code <> 'none'""",
                [kpi, period],
            ).fetchone()
            if found:
                figures, agreeing = figures + found[0], agreeing + found[1]
    return figures, agreeing
