"""What becomes of check results: kept once whatever is run again, followed from delivery to delivery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from expectations.results import FINDING_SCHEMA, CheckResult, LandingVerdict, Outcome, Status, WarehouseVerdict
from orchestration import quality
from orchestration.warehouse import ensure_tables

SOURCE = "harbour_hmis"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        ensure_tables(opened)
        quality.ensure_tables(opened)
        yield opened


def finding(delivery: str, key: str | None, *, row: int = 1, severity: str = "record", **more: Any) -> dict[str, Any]:
    return {
        "delivery_id": delivery,
        "source_id": SOURCE,
        "organisation_id": "harbour",
        "kind": "hmis_csv",
        "table": "exit",
        "file": "Exit.csv",
        "row_number": row,
        "line": row + 1,
        "record_key": key,
        "column": "ExitDate",
        "landed_column": "ExitDate",
        "rule": "invalid_date",
        "severity": severity,
        "check_id": "hmis_csv.exit.ExitDate.invalid_date",
        "message": "ExitDate is not a date.",
        "fix": "Give ExitDate as YYYY-MM-DD.",
        **more,
    }


def result(delivery: str, failed: int, outcome: Outcome = Outcome.FAIL) -> CheckResult:
    return CheckResult(
        check_id="hmis_csv.exit.ExitDate.invalid_date",
        kind="hmis_csv",
        delivery_id=delivery,
        source_id=SOURCE,
        organisation_id="harbour",
        table="exit",
        column="ExitDate",
        rule="invalid_date",
        severity="record",
        dimension="validity",
        outcome=outcome,
        checked_count=10,
        failed_count=failed,
        failed_records=failed,
        message="",
        why="It matters.",
        fix="Mend it.",
    )


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], FINDING_SCHEMA)


def verdict(delivery: str, rows: Sequence[Mapping[str, Any]] = (), status: Status = Status.ACCEPTED) -> LandingVerdict:
    return LandingVerdict(
        kind="hmis_csv",
        results=[result(delivery, len(rows), Outcome.FAIL if rows else Outcome.PASS)],
        quarantine=table([r for r in rows if r["severity"] == "record"]),
        warnings=table([r for r in rows if r["severity"] == "warning"]),
        status={delivery: status},
    )


def deliveries(connection: duckdb.DuckDBPyConnection, *listed: tuple[str, str], status: str = "loaded") -> None:
    """(delivery, regime), in the order of application."""
    connection.execute("DELETE FROM ops.delivery")
    for order, (delivery_id, regime) in enumerate(listed, start=1):
        connection.execute(
            "INSERT INTO ops.delivery (delivery_id, source_id, kind, received_order, regime, status) "
            "VALUES (?, ?, 'hmis_csv', ?, ?, ?)",
            [delivery_id, SOURCE, order, regime, status],
        )


def stored(connection: duckdb.DuckDBPyConnection, delivery: str, key: str, status: str = "current") -> None:
    connection.execute(
        'INSERT INTO raw.hmis_csv__exit ("ExitID", _delivery_id, _source_id, _status) VALUES (?, ?, ?, ?)',
        [key, delivery, SOURCE, status],
    )


def statuses(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str | None], tuple[str, str | None]]:
    rows = connection.execute("SELECT delivery_id, record_key, status, resolved_by FROM ops.dq_finding").fetchall()
    return {(delivery, key): (status, by) for delivery, key, status, by in rows}


def test_storing_again_replaces(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1"), finding("d1", "X2", row=2)]))
    quality.store(connection, verdict("d2", [finding("d2", "X9")]))
    quality.store(connection, verdict("d1", [finding("d1", "X1")]), run_id="second")
    assert set(statuses(connection)) == {("d1", "X1"), ("d2", "X9")}
    kept = connection.execute("SELECT delivery_id, failed_count, run_id FROM ops.dq_result ORDER BY 1").fetchall()
    assert kept == [("d1", 1, "second"), ("d2", 1, "")]


def test_a_failure_while_storing_leaves_what_was_there(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1")]))
    broken = verdict("d1")
    object.__setattr__(broken, "warnings", pa.table({"delivery_id": ["d1"]}))
    with pytest.raises(pa.ArrowInvalid):
        quality.store(connection, broken)
    assert set(statuses(connection)) == {("d1", "X1")}


def test_rows_to_hold_back_are_listed_once_each(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [
        finding("d1", "X1", row=3),
        finding("d1", "X1", row=3, rule="missing_required_value"),
        finding("d1", "X2", row=4, severity="warning"),
    ]
    quality.store(connection, verdict("d1", rows))
    assert quality.held_rows(connection, "d1").to_pylist() == [{"table": "exit", "file": "Exit.csv", "row_number": 3}]


def test_a_delivery_that_is_not_loaded_holds_no_rows_back(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1")], Status.PAUSED))
    assert statuses(connection) == {("d1", "X1"): ("not_loaded", None)}
    assert connection.execute("SELECT count(*) FROM ops.quarantine").fetchone() == (0,)
    assert quality.open_defects(connection) == []


def test_a_mended_version_brings_the_record_back(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1"), finding("d1", "X2", row=2)]))
    deliveries(connection, ("d1", "delta"), ("d2", "delta"))
    stored(connection, "d2", "X1")
    quality.follow_findings(connection)
    assert statuses(connection) == {("d1", "X1"): ("fixed_at_source", "d2"), ("d1", "X2"): ("open", None)}


def test_an_earlier_version_mends_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d2", [finding("d2", "X1")]))
    deliveries(connection, ("d1", "delta"), ("d2", "delta"))
    stored(connection, "d1", "X1")
    quality.follow_findings(connection)
    assert statuses(connection) == {("d2", "X1"): ("open", None)}


def test_a_version_of_another_source_mends_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1")]))
    deliveries(connection, ("d1", "delta"), ("d2", "delta"))
    connection.execute(
        'INSERT INTO raw.hmis_csv__exit ("ExitID", _delivery_id, _source_id, _status) '
        "VALUES ('X1', 'd2', 'other', 'current')"
    )
    quality.follow_findings(connection)
    assert statuses(connection) == {("d1", "X1"): ("open", None)}


def test_the_same_defect_again_is_followed_in_the_newer_delivery(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1")]))
    quality.store(connection, verdict("d2", [finding("d2", "X1", row=44)]))
    deliveries(connection, ("d1", "full"), ("d2", "full"))
    quality.follow_findings(connection)
    assert statuses(connection) == {("d1", "X1"): ("repeated", "d2"), ("d2", "X1"): ("open", None)}
    (event,) = connection.execute(
        "SELECT first_delivery_id, last_delivery_id, delivery_count, is_open, status FROM ops.dq_event"
    ).fetchall()
    assert event == ("d1", "d2", 2, True, "open")


def test_a_full_delivery_that_carries_the_record_unchanged_mends_it(connection: duckdb.DuckDBPyConnection) -> None:
    """Good in d1, bad in d2, again as in d1 in d3: the row is not stored again, but it is current."""
    quality.store(connection, verdict("d2", [finding("d2", "X1")]))
    deliveries(connection, ("d1", "full"), ("d2", "full"), ("d3", "full"))
    stored(connection, "d1", "X1")
    quality.follow_findings(connection)
    assert statuses(connection) == {("d2", "X1"): ("fixed_at_source", "d3")}


def test_a_record_that_a_later_full_delivery_no_longer_has_is_expired(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1")]))
    deliveries(connection, ("d1", "full"), ("d2", "full"))
    quality.follow_findings(connection)
    assert statuses(connection) == {("d1", "X1"): ("expired", "d2")}


def test_a_delta_without_the_record_says_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1")]))
    deliveries(connection, ("d1", "full"), ("d2", "delta"))
    quality.follow_findings(connection)
    assert statuses(connection) == {("d1", "X1"): ("open", None)}


def test_a_delivery_that_is_not_loaded_mends_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1")]))
    deliveries(connection, ("d1", "full"), ("d2", "full"))
    connection.execute("UPDATE ops.delivery SET status = 'paused' WHERE delivery_id = 'd2'")
    quality.follow_findings(connection)
    assert statuses(connection) == {("d1", "X1"): ("open", None)}


def test_a_record_that_could_not_be_read_is_mended_by_the_next_full_delivery(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    quality.store(connection, verdict("d1", [finding("d1", None, row=7, rule="bad_quoting")]))
    deliveries(connection, ("d1", "full"), ("d2", "full"))
    quality.follow_findings(connection)
    assert statuses(connection) == {("d1", None): ("fixed_at_source", "d2")}


def test_following_twice_changes_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    quality.store(connection, verdict("d1", [finding("d1", "X1"), finding("d1", "X2", row=2)]))
    deliveries(connection, ("d1", "delta"), ("d2", "delta"))
    stored(connection, "d2", "X1")
    quality.follow_findings(connection)
    first = statuses(connection)
    quality.follow_findings(connection)
    assert statuses(connection) == first


def test_findings_of_the_loaded_warehouse_are_mended_when_they_are_gone(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    orphans = [finding("d1", "X1", rule="orphan_record"), finding("d1", "X2", row=2, rule="orphan_record")]

    def store(*rows: Mapping[str, Any]) -> None:
        quality.store_warehouse(connection, WarehouseVerdict([result("", len(rows))], table(rows), table([])))

    store(*orphans)
    store(*orphans)
    assert statuses(connection) == {("d1", "X1"): ("open", None), ("d1", "X2"): ("open", None)}
    store(orphans[1])
    assert statuses(connection) == {("d1", "X1"): ("fixed_at_source", None), ("d1", "X2"): ("open", None)}
    assert connection.execute("SELECT count(*), max(failed_count) FROM ops.dq_result").fetchone() == (1, 1)


def test_open_defects_are_counted_by_what_is_wrong(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [finding("d1", f"X{n}", row=n) for n in range(3)] + [finding("d1", "X0", rule="exit_before_entry")]
    quality.store(connection, verdict("d1", rows))
    assert [(d.table_name, d.rule, d.row_count) for d in quality.open_defects(connection)] == [
        ("exit", "exit_before_entry", 1),
        ("exit", "invalid_date", 3),
    ]


def test_every_outcome_is_counted() -> None:
    counts = quality.outcome_counts([result("d1", 1), result("d2", 0, Outcome.PASS), result("d3", 2)])
    assert counts == {Outcome.PASS: 1, Outcome.FAIL: 2, Outcome.ERROR: 0, Outcome.NOT_APPLICABLE: 0}


def waiting(delivery: str, *rules: str) -> list[dict[str, Any]]:
    """One row for each rule."""
    return [finding(delivery, f"{delivery}-{n}", row=n, rule=rule) for n, rule in enumerate(rules, start=1)]


@pytest.mark.parametrize(
    ("before", "rules", "expected"),
    [
        ([], ["orphan_record", "held_with_parent", "unknown_service"], 2),
        ([("d0", "delta")], ["orphan_record"], 1),
        ([("d0", "full")], ["orphan_record"], None),
        ([], ["held_with_parent"], None),
        ([], ["unknown_service"], None),
    ],
)
def test_a_delta_whose_rows_wait_for_a_full_export_is_told(
    connection: duckdb.DuckDBPyConnection, before: list[tuple[str, str]], rules: list[str], expected: int | None
) -> None:
    """A parent that is held back itself is no reason to ask for a full export."""
    deliveries(connection, *before, ("d1", "delta"), ("d2", "full"))
    connection.execute("UPDATE ops.delivery SET is_changes_only = (regime = 'delta')")
    quality.store_warehouse(connection, WarehouseVerdict([], table(waiting("d1", *rules)), table([])))
    found = quality.lone_deltas(connection)
    assert [(lone.delivery_id, lone.waiting_count) for lone in found] == ([("d1", expected)] if expected else [])
    assert all("no full export came before it" in lone.sentence for lone in found)


def test_a_delivery_that_is_not_said_to_be_a_delta_is_no_lone_one(connection: duckdb.DuckDBPyConnection) -> None:
    deliveries(connection, ("d1", "delta"))
    connection.execute("UPDATE ops.delivery SET is_changes_only = false")
    quality.store_warehouse(connection, WarehouseVerdict([], table(waiting("d1", "orphan_record")), table([])))
    assert quality.lone_deltas(connection) == []
