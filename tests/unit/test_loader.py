"""The loader: which row of which delivery is current, for every regime, and that no row is lost.

Deliveries are made in code as landed Parquet of the HMIS connector; a delivery is a dict of table → rows.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.landing import Landed, landing_schema
from orchestration.loader import Accepted, apply_sources
from orchestration.warehouse import connect, ensure_tables
from sources.connector import connectors
from tests.landing_files import apply_source

SOURCE = "harbour_hmis"
TABLES = connectors()["hmis_csv"].tables
PROJECT = {"ProjectID": "P1", "DateUpdated": "2024-01-01 00:00:00"}
CLIENT = {"PersonalID": "C1", "DateUpdated": "2024-01-01 00:00:00"}
ENROLMENT = {
    "EnrollmentID": "E1",
    "PersonalID": "C1",
    "ProjectID": "P1",
    "EntryDate": "2024-02-01",
    "DateUpdated": "2024-02-01 00:00:00",
}

Rows = Sequence[Mapping[str, str | None]]


def delivery(
    folder: Path, name: str, tables: Mapping[str, Rows], *, held: Rows = (), source_id: str = SOURCE, **facts: Any
) -> Accepted:
    """A landed delivery whose rows have the given columns; its rows hash over all of them."""
    place = folder / name
    place.mkdir(parents=True)
    rows = {}
    for table in TABLES.values():
        records = [
            {
                **record,
                "_extra": [],
                "_delivery_id": name,
                "_file": f"{table.name}.csv",
                "_row_number": number,
                "_line": number + 1,
                "_row_hash": hashlib.md5(repr(sorted(record.items())).encode(), usedforsecurity=False).hexdigest(),
            }
            for number, record in enumerate(tables.get(table.name, ()), start=1)
        ]
        pq.write_table(pa.Table.from_pylist(records, landing_schema(table)), place / f"{table.name}.parquet")
        rows[table.name] = len(records)
    landed = Landed(
        delivery_id=name,
        content_id=name,
        source_id=source_id,
        organisation_id="harbour",
        kind="hmis_csv",
        connector_version="1",
        name=f"{name}.zip",
        rows=rows,
        **{"format_version": "FY2022", "regime": "delta", **facts},
    )
    schema = pa.schema([("table", pa.string()), ("file", pa.string()), ("row_number", pa.int64())])
    return Accepted(landed, place, pa.Table.from_pylist(list(held), schema))


def current(connection: duckdb.DuckDBPyConnection, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """Current rows of a raw table, sorted."""
    listed = ", ".join(f'"{c}"' for c in columns)
    found = connection.execute(
        f"SELECT {listed} FROM raw.hmis_csv__{table} WHERE _status = 'current' AND _source_id = ? ORDER BY ALL",
        [SOURCE],
    )
    return found.fetchall()


def statuses(connection: duckdb.DuckDBPyConnection, table: str) -> dict[tuple[str, str | None], int]:
    """(status, reason) → rows."""
    rows = connection.execute(
        f"SELECT _status, _end_reason, count(*) FROM raw.hmis_csv__{table} GROUP BY ALL"
    ).fetchall()
    return {(status, reason): count for status, reason, count in rows}


@pytest.fixture(scope="module")
def empty_warehouse(tmp_path_factory: Any) -> Path:
    """A warehouse with no rows, to be copied: making its many tables takes longer than a test."""
    path: Path = tmp_path_factory.mktemp("empty") / "build.duckdb"
    with connect(path) as opened:
        ensure_tables(opened)
    return path


@pytest.fixture
def connection(tmp_path: Path, empty_warehouse: Path) -> Any:
    with connect(Path(shutil.copy(empty_warehouse, tmp_path))) as opened:
        yield opened


def apply(connection: duckdb.DuckDBPyConnection, *deliveries: Accepted) -> Any:
    return apply_source(connection, SOURCE, "hmis_csv", deliveries)


def test_an_unchanged_row_is_counted_and_keeps_its_first_provenance(connection: Any, tmp_path: Path) -> None:
    first = delivery(tmp_path, "a", {"client": [CLIENT]})
    again = delivery(tmp_path, "b", {"client": [CLIENT]})
    apply(connection, first, again)
    assert current(connection, "client", "PersonalID", "_delivery_id") == [("C1", "a")]
    account = connection.execute(
        "SELECT delivery_id, landed_count, unchanged_count, loaded_count FROM ops.row_account "
        "WHERE table_name = 'client' ORDER BY 1"
    ).fetchall()
    assert account == [("a", 1, 0, 1), ("b", 1, 1, 0)]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_pitfall_13_the_newest_version_wins_in_any_order(connection: Any, tmp_path: Path, order: Any) -> None:
    made = [
        delivery(tmp_path, name, {"client": [{**CLIENT, "VeteranStatus": name, "DateUpdated": updated}]})
        for name, updated in (("initial", "2024-01-01"), ("newer", "2024-03-01"), ("older", "2023-01-01"))
    ]
    apply(connection, *(made[i] for i in order))
    assert current(connection, "client", "VeteranStatus") == [("newer",)]


def test_of_two_rows_with_one_key_in_a_delivery_the_newest_is_kept(connection: Any, tmp_path: Path) -> None:
    rows = [{**CLIENT, "VeteranStatus": "1", "DateUpdated": "2024-05-01"}, CLIENT]
    apply(connection, delivery(tmp_path, "a", {"client": rows}))
    assert current(connection, "client", "VeteranStatus") == [("1",)]
    assert statuses(connection, "client")["superseded", "duplicate_in_delivery"] == 1


def test_a_tombstone_removes_a_record_and_an_older_version_does_not_bring_it_back(
    connection: Any, tmp_path: Path
) -> None:
    base = {"project": [PROJECT], "client": [CLIENT], "enrollment": [ENROLMENT]}
    gone = {**ENROLMENT, "DateUpdated": "2024-06-01", "DateDeleted": "2024-06-01 10:00:00"}
    late = {**ENROLMENT, "DateUpdated": "2024-05-01", "EntryDate": "2024-02-02"}
    apply(
        connection,
        delivery(tmp_path, "a", base),
        delivery(tmp_path, "b", {"enrollment": [gone]}),
        delivery(tmp_path, "c", {"enrollment": [late]}),
    )
    assert current(connection, "enrollment", "EnrollmentID") == []
    assert statuses(connection, "enrollment") == {
        ("superseded", "newer_version"): 1,
        ("deleted", "deleted_by_sender"): 1,
        ("superseded", "older_version"): 1,
    }


def full(**facts: Any) -> dict[str, Any]:
    return {"regime": "full", "scope_values": ("P1",), "scope_from": "2024-01-01", "scope_to": "2024-12-31", **facts}


@pytest.mark.parametrize(
    ("facts", "enrolment", "stays"),
    [
        (full(), ENROLMENT, False),
        ({"regime": "delta"}, ENROLMENT, True),
        (full(scope_values=("P2",)), ENROLMENT, True),
        (full(scope_from="2025-01-01", scope_to="2025-12-31"), {**ENROLMENT, "EntryDate": "2026-01-01"}, True),
        (full(rejected={"enrollment": 1}), ENROLMENT, True),
    ],
    ids=["full_deletes_absent", "delta_never_deletes", "other_project", "other_dates", "unreadable_records"],
)
def test_pitfall_13_absence_deletes_only_in_the_scope_of_a_full_delivery(
    connection: Any, tmp_path: Path, facts: Any, enrolment: Any, stays: bool
) -> None:
    base = {"project": [PROJECT], "client": [CLIENT], "enrollment": [enrolment]}
    without = {"project": [PROJECT], "client": [CLIENT]}
    apply(connection, delivery(tmp_path, "a", base), delivery(tmp_path, "b", without, **facts))
    assert bool(current(connection, "enrollment", "EnrollmentID")) is stays
    assert current(connection, "client", "PersonalID") == [("C1",)], "people are never deleted by absence"


def test_a_file_that_a_full_delivery_lacks_says_nothing_about_its_rows(connection: Any, tmp_path: Path) -> None:
    base = {"project": [PROJECT], "client": [CLIENT], "enrollment": [ENROLMENT]}
    service = {"ServicesID": "S1", "EnrollmentID": "E1", "PersonalID": "C1", "DateProvided": "2024-02-02"}
    first = delivery(tmp_path, "a", {**base, "services": [service]}, **full())
    without_file = delivery(tmp_path, "b", base, **full(absent_tables=("services",)))
    apply(connection, first, without_file)
    assert current(connection, "services", "ServicesID") == [("S1",)]
    with_empty_file = delivery(tmp_path, "c", base, **full())
    apply(connection, first, without_file, with_empty_file)
    assert current(connection, "services", "ServicesID") == []


@pytest.mark.parametrize(("ended", "stays"), [("2023-12-31", True), ("2024-01-01", False), ("1/2/2024", False)])
def test_a_full_delivery_speaks_for_stays_that_last_into_its_dates(
    connection: Any, tmp_path: Path, ended: str, stays: bool
) -> None:
    enrolment = {**ENROLMENT, "EntryDate": "2023-11-01"}
    leaving = {"ExitID": "X1", "EnrollmentID": "E1", "PersonalID": "C1", "ExitDate": ended}
    base = {"project": [PROJECT], "client": [CLIENT]}
    apply(
        connection,
        delivery(tmp_path, "a", {**base, "enrollment": [enrolment], "exit": [leaving]}),
        delivery(tmp_path, "b", base, **full()),
    )
    assert bool(current(connection, "enrollment", "EnrollmentID")) is stays
    assert bool(current(connection, "exit", "ExitID")) is stays


def test_the_same_text_in_another_format_is_a_change(connection: Any, tmp_path: Path) -> None:
    """Project type 1 is any shelter in FY2022 and a night shelter in FY2024."""
    project = {"project": [{**PROJECT, "ProjectType": "1"}]}
    apply(
        connection,
        delivery(tmp_path, "a", project),
        delivery(tmp_path, "b", project),
        delivery(tmp_path, "c", project, format_version="FY2024"),
    )
    assert current(connection, "project", "_format_version", "_delivery_id") == [("FY2024", "c")]


def test_versions_are_compared_as_moments_not_as_text(connection: Any, tmp_path: Path) -> None:
    made = [
        delivery(tmp_path, name, {"client": [{**CLIENT, "VeteranStatus": name, "DateUpdated": updated}]})
        for name, updated in (("newer", "10/2/2024 9:00"), ("older", "9/30/2024 10:00"), ("oldest", "2024-09-29"))
    ]
    apply(connection, *made)
    assert current(connection, "client", "VeteranStatus") == [("newer",)]


def test_a_row_held_back_leaves_the_earlier_good_version_in_force(connection: Any, tmp_path: Path) -> None:
    bad = {**ENROLMENT, "EntryDate": "garbage", "DateUpdated": "2024-09-01"}
    base = {"project": [PROJECT], "client": [CLIENT], "enrollment": [ENROLMENT]}
    held = [{"table": "enrollment", "file": "enrollment.csv", "row_number": 1}]
    apply(
        connection,
        delivery(tmp_path, "a", base),
        delivery(tmp_path, "b", {**base, "enrollment": [bad]}, held=held, **full()),
    )
    assert current(connection, "enrollment", "EntryDate", "_delivery_id") == [("2024-02-01", "a")]


def test_an_orphan_is_held_back_until_its_parent_comes(connection: Any, tmp_path: Path) -> None:
    child_first = delivery(tmp_path, "a", {"project": [PROJECT], "enrollment": [ENROLMENT]})
    apply(connection, child_first)
    assert statuses(connection, "enrollment") == {("orphan", "parent_not_current"): 1}
    apply(connection, child_first, delivery(tmp_path, "b", {"client": [CLIENT]}))
    assert statuses(connection, "enrollment") == {("current", None): 1}


def test_pitfall_14_an_open_stay_and_its_closed_version_are_one(connection: Any, tmp_path: Path) -> None:
    base = {"project": [PROJECT], "client": [CLIENT]}
    leaving = {"ExitID": "X1", "EnrollmentID": "E1", "PersonalID": "C1", "ExitDate": "2024-03-01"}
    closed = {**ENROLMENT, "DateUpdated": "2024-03-02 00:00:00"}
    apply(
        connection,
        delivery(tmp_path, "open", {**base, "enrollment": [ENROLMENT]}),
        delivery(tmp_path, "closed", {**base, "enrollment": [closed], "exit": [leaving]}),
    )
    assert current(connection, "enrollment", "EnrollmentID", "_delivery_id") == [("E1", "closed")]
    assert current(connection, "exit", "EnrollmentID") == [("E1",)]


def test_a_delivery_that_belongs_earlier_replays_the_source(connection: Any, tmp_path: Path) -> None:
    early = delivery(tmp_path, "early", {"project": [{**PROJECT, "ProjectType": "1"}]}, **full())
    late = delivery(tmp_path, "late", {"project": [{**PROJECT, "ProjectType": "2"}]}, **full())
    apply(connection, late)
    done = apply(connection, early, late)
    assert done.replayed and done.deliveries == ("early", "late")
    assert current(connection, "project", "ProjectType") == [("2",)]


records = st.fixed_dictionaries(
    {
        "PersonalID": st.sampled_from(["C1", "C2", "C3"]),
        "DateUpdated": st.sampled_from([None, "2024-01-01", "2024-02-01"]),
        "VeteranStatus": st.sampled_from(["0", "1"]),
    }
)
histories = st.lists(st.lists(records, max_size=4), min_size=1, max_size=4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories)
def test_one_by_one_equals_rebuilt_and_no_row_is_lost(
    tmp_path_factory: Any, empty_warehouse: Path, history: Any
) -> None:
    folder = tmp_path_factory.mktemp("history")
    deliveries = [delivery(folder, f"d{i}", {"client": rows}) for i, rows in enumerate(history)]
    found = []
    for name, steps in (("stepwise", range(1, len(deliveries) + 1)), ("at_once", [len(deliveries)])):
        with connect(Path(shutil.copy(empty_warehouse, folder / f"{name}.duckdb"))) as opened:
            for count in steps:
                apply(opened, *deliveries[:count])
            found.append(current(opened, "client", "PersonalID", "DateUpdated", "VeteranStatus", "_delivery_id"))
            lost = opened.execute(
                "SELECT * FROM ops.row_account WHERE landed_count <> quarantined_count + unchanged_count + loaded_count"
            ).fetchall()
            assert lost == []
    assert found[0] == found[1]
    assert {row[0] for row in found[0]} == {r["PersonalID"] for rows in history for r in rows}


versions = st.lists(
    st.tuples(st.sampled_from(["full", "delta"]), st.lists(records, max_size=3, unique_by=lambda r: r["PersonalID"])),
    min_size=1,
    max_size=3,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(versions, min_size=2, max_size=3))
def test_sources_applied_together_are_as_if_each_were_alone(
    tmp_path_factory: Any, empty_warehouse: Path, histories: Any
) -> None:
    """They share person and enrolment ids, which mean nothing across sources."""
    folder = tmp_path_factory.mktemp("together")
    ordered: dict[str, list[Accepted]] = {}
    for source, history in enumerate(histories):
        name = f"source_{source}"
        ordered[name] = []
        for number, (regime, people) in enumerate(history):
            tables = {"project": [PROJECT], "client": people, "enrollment": [ENROLMENT] * (len(people) > 1)}
            held = [{"table": "client", "file": "client.csv", "row_number": 1}] * (len(people) > 2)
            facts = full(regime=regime)
            made = delivery(folder, f"{name}_{number}", tables, held=held, source_id=name, **facts)
            ordered[name].append(made)
    found = []
    for way in ("together", "alone"):
        with connect(Path(shutil.copy(empty_warehouse, folder / f"{way}.duckdb"))) as opened:
            for sources in [ordered] if way == "together" else [{name: ordered[name]} for name in ordered]:
                dict(apply_sources(opened, "hmis_csv", sources))
            found.append(
                [
                    opened.execute(f"SELECT * EXCLUDE (_loaded_seq, _changed_seq) FROM {table} ORDER BY ALL").fetchall()
                    for table in ("raw.hmis_csv__client", "raw.hmis_csv__enrollment", "raw.hmis_csv__project")
                ]
                + [opened.execute("SELECT * FROM ops.row_account ORDER BY ALL").fetchall()]
            )
    assert found[0] == found[1]
