"""Several deliveries of one funder: which version of a grant is in force, with which parts."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.landing import Landed, landing_schema
from orchestration.loader import Accepted
from orchestration.warehouse import connect, ensure_tables
from sources.connector import Batch
from sources.delivery import open_delivery
from sources.funder.threesixtygiving import CONNECTOR
from tests.landing_files import apply_source

Grant = Mapping[str, Any]


def delivered(
    folder: Path, name: str, grants: Sequence[Grant], *, held: Sequence[int] = (), mapping: Mapping[str, Any] = {}
) -> Accepted:
    """A package as it lands; ``held`` are the records that a check keeps in quarantine."""
    place = folder / name
    place.mkdir()
    path = place / "grants.json"
    path.write_text(json.dumps({"grants": grants}))
    found: dict[str, list[dict[str, Any]]] = {table: [] for table in CONNECTOR.tables}
    with open_delivery(path) as delivery:
        facts = CONNECTOR.inspect(delivery, mapping)
        for item in CONNECTOR.read(delivery, facts, mapping):
            assert isinstance(item, Batch)
            found[item.table] += item.rows.to_pylist()
    for table, rows in found.items():
        spec = CONNECTOR.tables[table]
        for row in rows:
            content = repr([row[column] for column in (*spec.column_names, "_extra")])
            row["_row_hash"] = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
            row["_delivery_id"] = name
        pq.write_table(pa.Table.from_pylist(rows, landing_schema(spec)), place / f"{table}.parquet")
    landed = Landed(
        delivery_id=name,
        content_id=name,
        source_id="fund",
        organisation_id="fund",
        kind="threesixtygiving",
        connector_version="1",
        name="grants.json",
        rows={table: len(rows) for table, rows in found.items()},
        format_version=facts.format_version,
        regime=facts.regime,
    )
    quarantine = [{"table": "grant", "file": "grants.json", "row_number": number} for number in held]
    schema = pa.schema([("table", pa.string()), ("file", pa.string()), ("row_number", pa.int64())])
    return Accepted(landed, place, pa.Table.from_pylist(quarantine, schema))


@pytest.fixture(scope="module")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with no rows, to be copied: making its many tables takes longer than a test."""
    path = tmp_path_factory.mktemp("empty") / "build.duckdb"
    with connect(path) as opened:
        ensure_tables(opened)
    return path


@pytest.fixture
def warehouse(tmp_path: Path, empty_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(Path(shutil.copy(empty_warehouse, tmp_path / "build.duckdb"))) as opened:
        yield opened


def in_force(warehouse: duckdb.DuckDBPyConnection, *deliveries: Accepted) -> list[tuple[str, str, str | None]]:
    """(grant, amount, programmes) of the current grants, parts joined by content as staging does."""
    apply_source(warehouse, "fund", "threesixtygiving", deliveries)
    return warehouse.execute(
        """
        SELECT g.grantKey, g.amountAwarded, string_agg(DISTINCT p.code, '+' ORDER BY p.code)
        FROM raw.threesixtygiving__grant AS g
        LEFT JOIN raw.threesixtygiving__grant_programme AS p USING (_source_id, grantKey, occurrence, recordHash)
        WHERE g._status = 'current' GROUP BY g.grantKey, g.occurrence, g.amountAwarded ORDER BY ALL
        """
    ).fetchall()


def grant(identifier: str | None, amount: int, modified: str | None = None, *programmes: str) -> Grant:
    found: dict[str, Any] = {"currency": "GBP", "amountAwarded": amount}
    found |= {"id": identifier} if identifier else {}
    found |= {"dateModified": modified} if modified else {}
    return found | ({"grantProgramme": [{"code": code} for code in programmes]} if programmes else {})


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_latest_version_wins_in_any_order_with_its_own_parts(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, order: tuple[int, ...]
) -> None:
    versions = [
        grant("a", 10, "2024-01-01", "P", "Q"),
        grant("a", 20, "2024-03-01T00:30:00+01:00"),
        grant("a", 30, "2024-02-29", "R"),
    ]
    deliveries = [delivered(tmp_path, f"d{number}", [versions[number]]) for number in order]
    # 00:30 in Paris on 1 March is still February in UTC, and later than its beginning.
    assert in_force(warehouse, *deliveries) == [("a", "20", None)]


def test_within_one_delivery_no_date_wins_and_a_newer_delivery_replaces_all_of_an_identifier(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    first = delivered(tmp_path, "d1", [grant("a", 1, "2024-01-01", "P"), grant("a", 2, "2023-01-01"), grant("b", 3)])
    assert in_force(warehouse, first) == [("a", "1", "P"), ("a", "2", None), ("b", "3", None)]
    second = delivered(tmp_path, "d2", [grant("a", 4, "2024-02-01", "Q")])
    assert in_force(warehouse, first, second) == [("a", "4", "Q"), ("b", "3", None)]


def test_a_version_in_quarantine_leaves_the_parts_of_the_one_in_force_alone(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    first = delivered(tmp_path, "d1", [grant("a", 1, "2024-01-01", "P")])
    second = delivered(tmp_path, "d2", [grant("a", -1, "2024-02-01", "Q")], held=[1])
    assert in_force(warehouse, first, second) == [("a", "1", "P")]


def test_absence_deletes_only_from_a_full_delivery(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    first = delivered(tmp_path, "d1", [grant("a", 1), grant("b", 2), grant(None, 3)])
    partial = delivered(tmp_path, "d2", [grant("b", 4), grant(None, 3)])
    full = delivered(tmp_path, "d3", [grant("b", 4), grant(None, 5)], mapping={"regime": "full"})
    assert [row[1] for row in in_force(warehouse, first, partial)] == ["1", "4", "3"]
    assert [row[1] for row in in_force(warehouse, first, partial, full)] == ["4", "5"]


def test_the_same_grants_delivered_again_change_nothing(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    grants = [grant("a", 1, None, "P"), grant(None, 2), grant(None, 2)]
    deliveries = [delivered(tmp_path, "d1", grants), delivered(tmp_path, "d2", [grant("z", 9), *grants])]
    assert len(in_force(warehouse, *deliveries)) == 4
    counts = warehouse.execute(
        "SELECT table_name, unchanged_count, loaded_count FROM ops.row_account WHERE delivery_id = 'd2' ORDER BY ALL"
    ).fetchall()
    assert counts == [("grant", 3, 1), ("grant_programme", 1, 0)]
