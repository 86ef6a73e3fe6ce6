"""Great Expectations on DuckDB: what the adapter repairs, and that a check that can't be run is not a failed one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.adapter import (
    Answer,
    IncompatibleVersionError,
    Session,
    keep_connection_open,
    session,
    without_values,
)
from expectations.suites import Check, Rule

pytestmark = pytest.mark.xdist_group("great_expectations")


def check(name: str, holds: str | None = None, *, column: str | None = None, **rule: Any) -> Check:
    described = {
        "rule": name,
        "targets": {"t": []},
        "severity": "warning",
        "dimension": "validity",
        "message": "Something is wrong.",
        "why": "It matters a lot.",
        "fix": "Mend what is wrong.",
        **rule,
    }
    if holds is not None:
        described["holds"] = holds
    return Check(f"t.{name}", "toy", "t", column, Rule.model_validate(described), "t", holds)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute(
            "CREATE TABLE t AS SELECT * FROM (VALUES ('a', 1, 'x{y}'), ('a', NULL, 'k:v'), ('b', 3, NULL), "
            "('c', 4, 'plain')) AS v (grp, n, s)"
        )
        yield opened


@pytest.fixture
def gx(connection: duckdb.DuckDBPyConnection) -> Iterator[Session]:
    with session(connection) as opened:
        yield opened


def answer(gx: Session, one: Check) -> Answer:
    return gx.validate("SELECT * FROM t", [one], group="grp")[one.check_id]


def test_pass_and_fail_by_group(gx: Session) -> None:
    assert answer(gx, check("fine", "n IS NULL OR n > 0")) == Answer(True)
    assert answer(gx, check("small", "n < 3 OR n IS NULL")) == Answer(False, failed={"b": 1, "c": 1})


def test_null_is_failing(gx: Session) -> None:
    assert answer(gx, check("null", "n > 0")).failed == {"a": 1}


@pytest.mark.parametrize(
    ("holds", "failed"),
    [
        ("s IS NULL OR s <> 'k:v'", {"a": 1}),
        ("s IS NULL OR s <> 'x{y}'", {"a": 1}),
        ("s IS NULL OR regexp_full_match(s, '[a-z]{5}')", {"a": 2}),
        ("n::VARCHAR <> '3' OR n IS NULL", {"b": 1}),
        ("s IS NULL OR s NOT LIKE '%ai%'", {"c": 1}),
    ],
)
def test_braces_colons_and_patterns_reach_duckdb_unchanged(gx: Session, holds: str, failed: dict[str, int]) -> None:
    assert answer(gx, check("pattern", holds)) == Answer(False, failed=failed)


def test_a_check_that_cannot_be_run_is_an_error_and_spoils_no_other(gx: Session) -> None:
    checks = [
        check("bad", "no_such_column > 1"),
        check("raises", "s IS NULL OR CAST(s AS INTEGER) > 0"),
        check("fine", "n IS NULL OR n > 0"),
        check("failing", "n IS NOT NULL"),
    ]
    answers = gx.validate("SELECT * FROM t", checks, group="grp")
    assert "no_such_column" in str(answers["t.bad"].error)
    assert answers["t.raises"].error is not None
    assert "x{y}" not in str(answers["t.raises"].error), "an error message must not quote the data"
    assert answers["t.fine"] == Answer(True)
    assert answers["t.failing"] == Answer(False, failed={"a": 1})


def test_one_bad_column_of_a_rule_leaves_the_others_their_verdict(gx: Session) -> None:
    """Checks of one rule share a scan; when it fails to run, each is run alone."""
    bad, good = check("shared", "no_such_column > 1"), check("shared", "n IS NOT NULL")
    good = Check("t.other", *(getattr(good, name) for name in ("kind", "table", "column", "rule", "relation", "holds")))
    answers = gx.validate("SELECT * FROM t", [bad, good], group="grp")
    assert answers["t.shared"].error is not None
    assert answers["t.other"] == Answer(False, failed={"a": 1})


def test_expectations_of_its_own(gx: Session) -> None:
    counted = check(
        "counted", expectation="expect_table_row_count_to_be_between", arguments={"min_value": 1, "max_value": 4}
    )
    unique = check("unique", column="grp", expectation="expect_column_values_to_be_unique")
    unknown = check("unknown", expectation="expect_the_unexpected")
    assert answer(gx, counted) == Answer(True)
    assert answer(gx, unique) == Answer(False, failed={"": 2})
    with pytest.raises(IncompatibleVersionError, match="expect_the_unexpected"):
        answer(gx, unknown)


def test_many_failing_groups_are_said_to_be_incomplete(connection: duckdb.DuckDBPyConnection, gx: Session) -> None:
    connection.execute("CREATE TABLE many AS SELECT 'g' || i AS grp, NULL AS n FROM range(300) AS r (i)")
    found = gx.validate("SELECT * FROM many", [check("many", "n IS NOT NULL")], group="grp")["t.many"]
    assert (found.success, found.is_complete) == (False, False)


def test_a_session_sees_what_the_connection_writes_meanwhile(
    connection: duckdb.DuckDBPyConnection, gx: Session
) -> None:
    one = check("late", "n <> 99 OR n IS NULL")
    assert answer(gx, one).success
    connection.execute("INSERT INTO t VALUES ('d', 99, '')")
    assert answer(gx, one).failed == {"d": 1}


@pytest.mark.parametrize("is_repaired", [False, True])
def test_stock_great_expectations_still_needs_the_repair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_repaired: bool
) -> None:
    """If the stock one works, it fetches before it closes a DuckDB connection: remove keep_connection_open."""
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    stock = tuple(dialect for dialect in engine._PERSISTED_CONNECTION_DIALECTS if dialect != "duckdb")
    monkeypatch.setattr(engine, "_PERSISTED_CONNECTION_DIALECTS", stock)
    if is_repaired:
        keep_connection_open()
    path = tmp_path / "t.duckdb"
    duckdb.connect(str(path)).execute("CREATE TABLE t AS SELECT 1 AS n").close()
    source = gx.get_context(mode="ephemeral").data_sources.add_sql(
        name="file", connection_string=f"duckdb:///{path}", create_temp_table=False
    )
    asset = source.add_query_asset(name="t", query="SELECT * FROM t")
    result = asset.add_batch_definition_whole_table("t").get_batch().validate(gxe.ExpectTableRowCountToEqual(value=1))
    assert result.success is is_repaired
    assert ("index out of range" in str(result.exception_info)) is not is_repaired


def test_an_upgrade_that_moves_the_repaired_place_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    monkeypatch.delattr(engine, "_PERSISTED_CONNECTION_DIALECTS")
    with pytest.raises(IncompatibleVersionError, match="_PERSISTED_CONNECTION_DIALECTS"):
        keep_connection_open()


def test_importing_the_gates_does_not_import_great_expectations() -> None:
    code = "import sys, expectations; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_messages_lose_what_they_quote() -> None:
    assert without_values("\n Could not convert string 'Jane Doe' to DATE\n more") == (
        "Could not convert string '…' to DATE"
    )
