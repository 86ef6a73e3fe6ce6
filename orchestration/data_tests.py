"""The models' data tests, run together.

What belongs here: running the SQL that dbt compiled for its data tests, and what came of each. What does not: the tests
(``dbt_project``), and compiling them (``transform.prepare``).

As nodes of a dbt build each of them would cost more for dbt than for the database; together they take a second.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from orchestration.dbt_process import NodeResult
from orchestration.warehouse import connect

_AT_ONCE = 16
"""Tests in one query."""


def run_data_tests(
    warehouse: Path, manifest: Mapping[str, Any], only: Collection[str] | None = None
) -> list[NodeResult]:
    """Run the data tests of the manifest, or those with the unique ids of ``only``, on a built warehouse, in order of
    their ids.

    A test fails if it finds rows (a warning if that is its severity); one that can't be run is an error of its own.
    """
    chosen = (test for test in _data_tests(manifest) if only is None or test["unique_id"] in only)
    tests = iter(sorted(chosen, key=lambda test: test["unique_id"]))
    with connect(warehouse, read_only=True) as connection:
        found: list[NodeResult] = []
        while several := list(islice(tests, _AT_ONCE)):
            found += _run(connection, several)
        return found


def _data_tests(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (node for node in manifest["nodes"].values() if node["resource_type"] == "test")


def _run(connection: duckdb.DuckDBPyConnection, tests: Sequence[Mapping[str, Any]]) -> list[NodeResult]:
    started = time.perf_counter()
    try:
        counts = dict(connection.execute(" UNION ALL ".join(map(_count, range(len(tests)), tests))).fetchall())
    except duckdb.Error as error:
        if len(tests) > 1:
            return [result for test in tests for result in _run(connection, [test])]
        return [_result(tests[0], "error", 0, str(error), time.perf_counter() - started)]
    seconds = (time.perf_counter() - started) / len(tests)
    return [_judged(test, counts[place], seconds) for place, test in enumerate(tests)]


def _count(place: int, test: Mapping[str, Any]) -> str:
    return f"SELECT {place}, (SELECT {test['config']['fail_calc']} FROM ({test['compiled_code']}) AS found)"


def _judged(test: Mapping[str, Any], failures: int, seconds: float) -> NodeResult:
    if not failures:
        return _result(test, "pass", 0, "", seconds)
    status = "warn" if test["config"]["severity"].lower() == "warn" else "fail"
    plural = "s" if failures > 1 else ""
    return _result(test, status, failures, f"{test['name']}: found {failures} row{plural} that should not be", seconds)


def _result(test: Mapping[str, Any], status: str, failures: int, message: str, seconds: float) -> NodeResult:
    return NodeResult(test["unique_id"], "test", status, round(seconds, 3), failures, message)
