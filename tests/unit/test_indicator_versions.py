"""Several editions of one publication: which figures are in force, by what the mapping says an edition replaces."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.landing import Landed, landing_schema
from orchestration.loader import Accepted
from orchestration.warehouse import connect, ensure_tables
from sources.benchmark.indicator_table import CELL, CONNECTOR
from sources.connector import Batch
from sources.delivery import open_delivery
from tests.landing_files import apply_source

HEAD = "org,month,seen\n"
FIRST = HEAD + "A,2024-01-01,1\nA,2024-02-01,2\nB,2024-02-01,3\nB,2024-03-01,4\n"
SECOND = HEAD + "A,2024-02-01,20\nA,2024-03-01,5\n"
"""Revises A's February, adds A's March, and carries no B."""

NOTHING_HELD = pa.schema([("table", pa.string()), ("file", pa.string()), ("row_number", pa.int64())]).empty_table()


def edition(folder: Path, name: str, text: str, replaces: str) -> Accepted:
    """An edition as it lands."""
    mapping: dict[str, Any] = {
        "publication": {"code": "yearbook", "method_version": "1", "comparability": "exact"},
        "layout": {"type": "wide"},
        "organisation": {"code": "org", "level": "provider"},
        "period": {"type": "month", "start": "month"},
        "measures": {
            "seen": {"name": "Seen", "direction": 0, "unit": "count", "statistic": "count", "value": "seen"},
        },
        "replaces": replaces,
    }
    place = folder / name
    place.mkdir()
    path = place / f"{name}.csv"
    path.write_text(text)
    with open_delivery(path) as delivery:
        facts = CONNECTOR.inspect(delivery, mapping)
        batches = [item for item in CONNECTOR.read(delivery, facts, mapping) if isinstance(item, Batch)]
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    for row in rows:
        content = repr([row[column] for column in CELL.column_names])
        row["_row_hash"] = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
        row["_delivery_id"] = name
    pq.write_table(pa.Table.from_pylist(rows, landing_schema(CELL)), place / "cell.parquet")
    landed = Landed(
        delivery_id=name,
        content_id=name,
        source_id="yearbook",
        organisation_id="office",
        kind=CONNECTOR.kind,
        connector_version=CONNECTOR.version,
        name=path.name,
        rows={"cell": len(rows)},
        format_version=facts.format_version,
        regime=facts.regime,
        scope_from=facts.scope_from,
        scope_to=facts.scope_to,
    )
    return Accepted(landed, place, NOTHING_HELD)


@pytest.mark.parametrize(
    ("replaces", "in_force"),
    [
        ("figures", {"A1": "1", "A2": "20", "A3": "5", "B2": "3", "B3": "4"}),
        ("periods", {"A1": "1", "A2": "20", "A3": "5"}),
        ("everything", {"A2": "20", "A3": "5"}),
    ],
)
def test_a_new_edition_replaces_what_the_mapping_says(tmp_path: Path, replaces: str, in_force: dict[str, str]) -> None:
    editions = [edition(tmp_path, name, text, replaces) for name, text in (("first", FIRST), ("second", SECOND))]
    with connect(tmp_path / "build.duckdb") as warehouse:
        ensure_tables(warehouse)
        apply_source(warehouse, "yearbook", "indicator_table", editions)
        rows = warehouse.execute(
            "SELECT organisation_code || substr(period_start_on, 7, 1), number FROM raw.indicator_table__cell "
            "WHERE _status = 'current'"
        ).fetchall()
    assert len(rows) == len(in_force)
    assert dict(rows) == in_force
