"""Which models a change concerns: those that read what changed, until a build with it has succeeded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from orchestration import changes

GRAPH = {
    "model.stg": ["source.rows"],
    "model.fct": ["model.stg", "source.context"],
    "model.kpi": ["model.fct", "source.targets"],
    "model.list": ["seed.codes"],
    "test.unique_stg": ["model.stg"],
    "test.unique_list": ["model.list"],
    "seed.codes": [],
}
MANIFEST: dict[str, Any] = {
    "sources": {
        "source.rows": {"schema": "raw", "identifier": "rows"},
        "source.context": {"schema": "ops", "identifier": "run_context"},
        "source.targets": {"schema": "ops", "identifier": "target"},
        "source.results": {"schema": "ops", "identifier": "dq_result"},
    },
    "nodes": {unique_id: {"depends_on": {"nodes": parents}} for unique_id, parents in GRAPH.items()},
}


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA raw; CREATE SCHEMA ops")
        connection.execute("CREATE TABLE raw.rows AS SELECT 'a' AS code, 1 AS _changed_seq")
        connection.execute("CREATE TABLE ops.run_context AS SELECT DATE '2025-01-31' AS as_of, 1 AS load_seq")
        connection.execute("CREATE TABLE ops.target AS SELECT * FROM (VALUES ('x', 50), ('y', 60)) AS t (kpi, target)")
        connection.execute("CREATE TABLE ops.dq_result AS SELECT 'landing' AS stage, 'rule' AS check_id")
        connection.execute("CREATE TABLE ops.built_input (input_name VARCHAR, fingerprint VARCHAR)")
        yield connection


def build(connection: duckdb.DuckDBPyConnection) -> None:
    found = changes.find(connection, MANIFEST)
    changes.forget(connection, found)
    changes.remember(connection, found)


def concerned(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return changes.find(connection, MANIFEST).concern(MANIFEST)


def test_at_first_everything_that_reads_a_table_is_concerned(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert concerned(warehouse) == {"model.stg", "model.fct", "model.kpi", "test.unique_stg"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("SELECT 1", set()),
        (
            "UPDATE raw.rows SET code = 'b', _changed_seq = 2",
            {"model.stg", "model.fct", "model.kpi", "test.unique_stg"},
        ),
        ("DELETE FROM raw.rows", {"model.stg", "model.fct", "model.kpi", "test.unique_stg"}),
        ("UPDATE ops.run_context SET as_of = DATE '2025-02-28'", {"model.fct", "model.kpi"}),
        ("UPDATE ops.run_context SET load_seq = 2", set()),
        ("UPDATE ops.target SET target = 51 WHERE kpi = 'x'", {"model.kpi"}),
        ("UPDATE ops.target SET target = CASE kpi WHEN 'x' THEN 60 ELSE 50 END", {"model.kpi"}),
        ("INSERT INTO ops.target SELECT * FROM ops.target", {"model.kpi"}),
        ("CREATE OR REPLACE TABLE ops.target AS SELECT * FROM ops.target ORDER BY kpi DESC", set()),
        ("INSERT INTO ops.dq_result VALUES ('publish', 'gate')", set()),
    ],
)
def test_a_change_concerns_those_who_read_it(
    warehouse: duckdb.DuckDBPyConnection, change: str, expected: set[str]
) -> None:
    build(warehouse)
    warehouse.execute(change)
    assert concerned(warehouse) == expected


def test_what_a_build_that_broke_off_had_changed_stays_concerned_even_if_it_is_taken_back(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    build(warehouse)
    warehouse.execute("UPDATE ops.target SET target = target + 1")
    changes.forget(warehouse, changes.find(warehouse, MANIFEST))
    warehouse.execute("UPDATE ops.target SET target = target - 1")
    assert concerned(warehouse) == {"model.kpi"}


def test_a_gates_new_word_on_deliveries_is_a_change(warehouse: duckdb.DuckDBPyConnection) -> None:
    build(warehouse)
    warehouse.execute("INSERT INTO ops.dq_result VALUES ('landing', 'another rule')")
    assert changes.find(warehouse, MANIFEST).changed == {"ops.dq_result"}
