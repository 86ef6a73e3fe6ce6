"""Data tests run together: each has its own result, whatever becomes of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.data_tests import run_data_tests
from orchestration.warehouse import connect


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "build.duckdb"
    with connect(path) as connection:
        connection.execute("CREATE TABLE person AS SELECT * FROM (VALUES ('a'), ('b'), ('b'), (NULL)) AS v (code)")
    return path


def data_test(name: str, sql: str, severity: str = "ERROR", fail_calc: str = "count(*)") -> tuple[str, dict[str, Any]]:
    node = {
        "unique_id": f"test.{name}",
        "name": name,
        "resource_type": "test",
        "config": {"severity": severity, "fail_calc": fail_calc},
        "compiled_code": sql,
    }
    return f"test.{name}", node


REPEATED = "SELECT code FROM person WHERE code IS NOT NULL GROUP BY code HAVING count(*) > 1"
MISSING = "SELECT code FROM person WHERE code IS NULL"
NONE = "SELECT code FROM person WHERE code = 'z'"


def test_each_test_has_its_own_result(warehouse: Path) -> None:
    nodes = dict(
        [
            data_test("repeated", REPEATED),
            data_test("missing", MISSING, severity="warn"),
            data_test("none", NONE),
            data_test("counted", REPEATED, fail_calc="count(code) - 1"),
            ("model.person", {"unique_id": "model.person", "resource_type": "model"}),
        ]
    )
    found = {r.unique_id: (r.status, r.failures) for r in run_data_tests(warehouse, {"nodes": nodes})}
    assert found == {
        "test.counted": ("pass", 0),
        "test.missing": ("warn", 1),
        "test.none": ("pass", 0),
        "test.repeated": ("fail", 1),
    }


def test_one_that_cannot_run_does_not_hide_the_others(warehouse: Path) -> None:
    nodes = dict([data_test("broken", "SELECT nothing FROM nowhere"), data_test("repeated", REPEATED)])
    broken, repeated = run_data_tests(warehouse, {"nodes": nodes})
    assert broken.status == "error" and "nowhere" in broken.message
    assert (repeated.status, repeated.failures) == ("fail", 1)


def test_more_than_fit_in_one_query_all_run(warehouse: Path) -> None:
    nodes = dict(data_test(f"t{number:03}", REPEATED if number % 2 else NONE) for number in range(50))
    found = run_data_tests(warehouse, {"nodes": nodes})
    assert [r.status for r in found] == ["pass", "fail"] * 25


def test_only_those_that_are_asked_for_run(warehouse: Path) -> None:
    nodes = dict([data_test("broken", "SELECT nothing FROM nowhere"), data_test("repeated", REPEATED)])
    found = run_data_tests(warehouse, {"nodes": nodes}, {"test.repeated", "model.person"})
    assert [(r.unique_id, r.status) for r in found] == [("test.repeated", "fail")]
