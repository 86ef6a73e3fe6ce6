"""Landing folders made in code, for tests of gates and of what follows from their verdicts.

What belongs here: Parquet landing files as the landing zone writes them, for any connector, from a few values a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from expectations import LandedDelivery
from orchestration.landing import REJECTS, REJECTS_SCHEMA, landing_schema
from orchestration.loader import Accepted, Applied, apply_sources
from sources.connector import connectors

Rows = Sequence[Mapping[str, Any]]

CLIENT = {"PersonalID": "P1", "DOBDataQuality": "1", "SSNDataQuality": "1", "NameDataQuality": "1",
          "VeteranStatus": "0", "DateUpdated": "2024-01-05 10:00:00"}  # fmt: skip
ENROLLMENT = {"EnrollmentID": "E1", "PersonalID": "P1", "ProjectID": "R1", "EntryDate": "2024-01-05",
              "HouseholdID": "H1", "RelationshipToHoH": "1", "DateUpdated": "2024-01-05 10:00:00"}  # fmt: skip
EXIT = {"ExitID": "X1", "EnrollmentID": "E1", "ExitDate": "2024-02-01", "Destination": "10",
        "DateUpdated": "2024-02-02 10:00:00"}  # fmt: skip


def landed(
    folder: Path,
    tables: Mapping[str, Rows],
    *,
    delivery_id: str = "d1",
    kind: str = "hmis_csv",
    rejects: Rows = (),
    **facts: Any,
) -> LandedDelivery:
    """Write a landing folder and describe it. A row's ``_row_number`` and ``_line`` default to its place."""
    path = folder / delivery_id
    path.mkdir(parents=True)
    for name, table in connectors()[kind].tables.items():
        schema = landing_schema(table)
        rows = [
            {
                "_delivery_id": delivery_id,
                "_file": f"{name}.csv",
                "_row_number": number,
                "_line": number + 1,
                "_row_hash": f"{name}{number}",
                **row,
            }
            for number, row in enumerate(tables.get(name, ()), start=1)
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema), path / f"{name}.parquet")
    listed = [{"_delivery_id": delivery_id, "file": f"{r['table']}.csv", **r} for r in rejects]
    pq.write_table(pa.Table.from_pylist(listed, REJECTS_SCHEMA), path / REJECTS)
    described: dict[str, Any] = {
        "source_id": "harbour_hmis",
        "organisation_id": "harbour",
        "stated_at": "2024-06-30 03:00:00",
        "format_version": "FY2022",
        "regime": "full",
        **facts,
    }
    return LandedDelivery(delivery_id=delivery_id, path=path, **described)


def reject(table: str, row_number: int, rule: str = "wrong_field_count", **more: Any) -> dict[str, Any]:
    """A record that could not be read."""
    return {"table": table, "row_number": row_number, "line": row_number + 1, "rule": rule,
            "message": "The record has 3 fields, the header 5.", "fix": "Quote values that hold a comma.",
            **more}  # fmt: skip


def apply_source(
    connection: duckdb.DuckDBPyConnection, source_id: str, kind: str, ordered: Sequence[Accepted]
) -> Applied:
    """Bring the raw tables of one source to the state after its deliveries."""
    return dict(apply_sources(connection, kind, {source_id: ordered}))[source_id]
