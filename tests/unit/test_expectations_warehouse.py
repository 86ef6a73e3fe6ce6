"""The gates that read the warehouse: orphans and strangers as they stand now, and what keeps a release back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import yaml

from expectations import CheckContext, CheckResult, Outcome, WarehouseVerdict, check_publish, check_warehouse
from expectations.warehouse import blocks
from orchestration import quality
from orchestration.warehouse import ensure_tables

pytestmark = pytest.mark.xdist_group("great_expectations")

MODELS = """
CREATE TABLE staging.stg_hmis_csv__exit AS SELECT 'harbour_hmis' AS source_id, 'X1' AS exit_code, 'E1' AS episode_code,
    DATE '2024-01-01' AS end_on, 'd2' AS delivery_id, 'Exit.csv' AS file_name, 1 AS row_number, 2 AS line_number;
CREATE TABLE staging.stg_hmis_csv__enrollment AS SELECT 'harbour_hmis' AS source_id, 'E1' AS episode_code,
    DATE '2024-02-01' AS start_on;
CREATE TABLE input.in_survey__response AS SELECT * FROM (VALUES
    ('r1', 'P1', 'attached'), ('r2', 'P9', 'no_such_person'), ('r3', NULL, 'no_reference')
) AS v (response_code, person_reference, attach_status_code), (VALUES ('harbour_odk', 'harbour', 'check_in', 'd3',
    'a.csv', 4, 5)) AS w (source_id, organisation_id, form_code, delivery_id, file_name, row_number, line_number);
ALTER TABLE input.in_survey__response ADD COLUMN response_key VARCHAR;
UPDATE input.in_survey__response SET response_key = response_code;
CREATE TABLE core.fct_assessment AS SELECT * FROM (VALUES ('r1', true), ('r2', false)) AS v (response_key,
    is_total_mismatch), (VALUES ('harbour_odk', 'swemwbs', '1', 'd3', 'a.csv', 4, 5)) AS w (source_id, instrument_code,
    instrument_version, delivery_id, file_name, row_number, line_number);
CREATE TABLE reference.ref_instrument AS SELECT 'swemwbs' AS instrument_code, '1' AS instrument_version,
    'total' AS headline_scale_code;
CREATE TABLE reference.ref_instrument_scale AS SELECT 'swemwbs' AS instrument_code, '1' AS instrument_version,
    'total' AS scale_code, 1 AS basis_rank, true AS is_plain_sum;
INSERT INTO ops.survey_item VALUES ('harbour_odk', 'check_in', 'swemwbs', 'wellbeing', NULL, 'score');
CREATE TABLE benchmark.fct_benchmark_external AS SELECT * FROM (VALUES ('recovery', true), ('uptake', false))
    AS v (measure_id, is_contradictory), (VALUES ('yearbook', 'office', 'national', 'N1', '2023', 'all', 'd4',
    'yearbook.csv', 6, 7)) AS w (source_id, organisation_id, level_code, organisation_code, period_label, slice_code,
    delivery_id, file_name, row_number, line_number);
INSERT INTO ops.survey_form VALUES
    ('harbour_odk', 'check_in', 'phq9', NULL, 'client_ref', 'harbour_hmis', NULL, 'lives_in', NULL),
    ('harbour_odk', 'exit', 'phq9', NULL, 'client_ref', 'harbour_hmis', NULL, NULL, NULL);
INSERT INTO ops.source_config VALUES
    ('harbour_hmis', 'hmis_csv', 'case_management', 'harbour', NULL, NULL),
    ('harbour_odk', 'odk', 'survey', 'harbour', NULL, NULL),
    ('harbour_plan', 'sheet', 'management', 'harbour', NULL, NULL);
INSERT INTO ops.organisation VALUES ('harbour', 'Harbour', 4);
CREATE TABLE core.dim_service AS SELECT 'known' AS service_key;
CREATE TABLE core.person_xref AS SELECT 'known' AS source_person_key;
"""


PLACE = (
    "'harbour_plan' AS source_id, 'harbour' AS organisation_id, 'd5' AS delivery_id, 'plan.xlsx#Plan' AS file_name, "
    "CAST(line_number - 1 AS BIGINT) AS row_number"
)
# Tables of the models and, by line, what is right or wrong with a row.
SHEETS = {
    "input.in_case__staffing": ("service_key", [(2, "'known'"), (3, "'stranger'"), (4, "NULL")]),
    "input.in_case__review": ("service_key, source_person_key", [(2, "'known', 'known'"), (3, "NULL, 'stranger'")]),
    "input.in_case__contact": (
        "contact_kind_code, service_key, source_person_key",
        [(2, "'appointment', 'known', 'known'"), (3, "'appointment', 'stranger', 'stranger'"),
         (4, "'met', 'stranger', 'stranger'")],
    ),
    "input.in_case__goal": ("source_person_key", [(2, "'known'")]),
    **{
        f"input.in_management__{entity}": ("service_key", [(2, "'known'")])
        for entity in ("finance", "supervision", "training", "culture")
    },
    "input.in_management__sampling_frame": (
        "form_code", [(2, "'check_in'"), (3, "'exit'"), (4, "'nowhere'"), (5, "CAST(NULL AS VARCHAR)")],
    ),
    "core.fct_target": (
        "target_key, is_kpi_known, is_entity_known",
        [(2, "'t1', true, true"), (3, "'t2', false, true"), (4, "'t3', true, false")],
    ),
    "core.dim_objective": (
        "objective_code, parent_objective_key, is_parent_known, is_in_circle, organisation_mission_count, "
        "objective_type_code, is_leaf, is_active, kpi_count",
        [
            (2, "'M', NULL, true, false, 2, 'mission', false, true, 0"),
            (3, "'M2', NULL, true, false, 2, 'mission', true, true, 1"),
            (4, "'A', 'k', true, true, 2, 'goal', false, true, 0"),
            (5, "'B', NULL, false, false, 2, 'outcome', true, true, 0"),
            (6, "'I', 'k', true, false, 2, 'individual', true, true, 0"),
        ],
    ),
    "core.bridge_objective_kpi": (
        "objective_kpi_key, is_kpi_known, is_objective_known",
        [(2, "'l1', true, true"), (3, "'l2', false, true"), (4, "'l3', true, false")],
    ),
    "core.bridge_award_objective": ("award_objective_key, is_share_valid", [(2, "'a1', true"), (3, "'a2', false")]),
    "core.bridge_outcome_link": (
        "outcome_link_key, is_weight_sum_valid, is_from_known, is_to_known, is_upward",
        [(2, "'o1', true, true, true, true"), (3, "'o2', false, true, true, true"),
         (4, "'o3', true, true, false, true"), (5, "'o4', true, true, true, false")],
    ),
}  # fmt: skip


def create_sheets(connection: duckdb.DuckDBPyConnection) -> None:
    for table, (columns, rows) in SHEETS.items():
        values = ", ".join(f"({line}, {row})" for line, row in rows)
        connection.execute(
            f"CREATE TABLE {table} AS SELECT *, {PLACE} FROM (VALUES {values}) AS v (line_number, {columns})"
        )
    for entity, organisation, line in (("action", "harbour", 2), ("action", "nobody", 3), ("target", None, 4)):
        connection.execute(
            f"INSERT INTO raw.sheet__{entity} (_source_id, _delivery_id, _status, _file, _row_number, _line, "
            "organisation_code) VALUES ('harbour_plan', 'd5', 'current', 'plan.xlsx#Plan', ?, ?, ?)",
            [line - 1, line, organisation],
        )


def raw(connection: duckdb.DuckDBPyConnection, table: str, status: str = "current", **values: str) -> None:
    row = {"_source_id": "harbour_hmis", "_delivery_id": "d1", "_status": status, "_file": f"{table}.csv", **values}
    columns = ", ".join(f'"{name}"' for name in (*row, "_row_number", "_line"))
    marks = ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO raw.hmis_csv__{table} ({columns}) VALUES ({marks}, 7, 9)", list(row.values()))


@pytest.fixture(scope="module")
def verdict() -> Iterator[WarehouseVerdict]:
    with duckdb.connect() as connection:
        ensure_tables(connection)
        quality.ensure_tables(connection)
        connection.execute(MODELS)
        create_sheets(connection)
        raw(connection, "client", PersonalID="P1")
        raw(connection, "project", ProjectID="R1")
        raw(connection, "enrollment", EnrollmentID="E1", PersonalID="P1", ProjectID="R1")
        raw(connection, "enrollment", "orphan", EnrollmentID="E2", PersonalID="P2", ProjectID="R1")
        raw(connection, "enrollment", "superseded", EnrollmentID="E3", PersonalID="P3", ProjectID="R3")
        raw(connection, "exit", ExitID="X1", EnrollmentID="E1")
        raw(connection, "exit", "orphan", ExitID="X2", EnrollmentID="E2")
        raw(connection, "exit", "orphan", ExitID="X4", EnrollmentID="E4")
        raw(connection, "exit", "orphan", ExitID="X5", EnrollmentID="E5")
        connection.execute(
            "INSERT INTO ops.dq_finding (stage, source_id, kind, table_name, record_key, severity, status) "
            "VALUES ('landing', 'harbour_hmis', 'hmis_csv', 'enrollment', 'E5', 'record', 'open')"
        )
        yield check_warehouse(connection)


def test_an_orphan_is_listed_with_the_parent_it_lacks(verdict: WarehouseVerdict) -> None:
    rows = [r for r in verdict.quarantine.to_pylist() if r["rule"] == "orphan_record"]
    assert [(r["table"], r["record_key"], r["column"], r["row_number"], r["line"]) for r in rows] == [
        ("enrollment", "E2", "PersonalID", 7, 9),
        ("exit", "X4", "EnrollmentID", 7, 9),
    ]
    assert {(r["source_id"], r["organisation_id"], r["delivery_id"]) for r in rows} == {
        ("harbour_hmis", "harbour", "d1")
    }


def test_what_hangs_on_a_record_that_is_held_back_is_told_apart(verdict: WarehouseVerdict) -> None:
    """E2 is an orphan itself, E5 is in quarantine: their exits are fine."""
    rows = [r for r in verdict.quarantine.to_pylist() if r["rule"] == "held_with_parent"]
    assert [(r["table"], r["record_key"]) for r in rows] == [("exit", "X2"), ("exit", "X5")]


def test_tables_without_orphans_have_passed(verdict: WarehouseVerdict) -> None:
    outcomes = {(r.check_id, r.source_id): (r.outcome, r.checked_count, r.failed_count) for r in verdict.results}
    assert outcomes["hmis_csv.enrollment.ProjectID.orphan_record", "harbour_hmis"] == (Outcome.PASS, 1, 0)
    assert outcomes["hmis_csv.enrollment.PersonalID.orphan_record", "harbour_hmis"] == (Outcome.FAIL, 2, 1)
    assert outcomes["hmis_csv.exit.EnrollmentID.orphan_record", "harbour_hmis"] == (Outcome.FAIL, 4, 1)


def test_an_exit_before_an_entry_that_came_with_another_delivery(verdict: WarehouseVerdict) -> None:
    (row,) = [r for r in verdict.warnings.to_pylist() if r["rule"] == "exit_before_entry"]
    assert (row["check_id"], row["delivery_id"], row["record_key"]) == (
        "hmis_csv.exit.ExitDate.exit_before_entry", "d2", "X1",
    )  # fmt: skip


def test_a_response_that_names_a_stranger_is_shown_by_the_senders_column(verdict: WarehouseVerdict) -> None:
    (row,) = [r for r in verdict.warnings.to_pylist() if r["rule"] == "unattached_response"]
    assert (row["kind"], row["table"], row["column"], row["landed_column"], row["record_key"]) == (
        "odk", "response", "client_ref", "person_reference", "r2",
    )  # fmt: skip
    (result,) = [r for r in verdict.results if r.rule == "unattached_response"]
    assert (result.checked_count, result.failed_count, result.check_id) == (
        2, 1, "odk.response.client_ref.unattached_response",
    )  # fmt: skip


def test_what_sheets_refer_to_must_be_there(verdict: WarehouseVerdict) -> None:
    """Each finding with its table, rule and line; what is right is not among them."""
    held = {(r["table"], r["rule"], r["line"]) for r in verdict.quarantine.to_pylist() if r["kind"] == "sheet"}
    assert held == {("action", "unknown_organisation", 3)}
    found = {(r["table"], r["rule"], r["line"]) for r in verdict.warnings.to_pylist() if r["kind"] == "sheet"}
    assert found == {
        ("staffing", "unknown_service", 3),
        ("review", "unknown_person", 3),
        ("appointment", "unknown_service", 3),
        ("appointment", "unknown_person", 3),
        ("sampling_frame", "unknown_form", 3),
        ("sampling_frame", "unknown_form", 4),
        ("target", "unknown_kpi", 3),
        ("target", "unknown_entity", 4),
        ("objective", "one_mission", 2),
        ("objective", "one_mission", 3),
        ("objective", "objective_circle", 4),
        ("objective", "unknown_parent", 5),
        ("objective", "leaf_without_kpi", 5),
        ("objective_link", "unknown_kpi", 3),
        ("objective_link", "unknown_objective", 4),
        ("objective_link", "share_sum", 3),
        ("outcome_link", "weight_sum", 3),
        ("outcome_link", "unknown_outcome", 4),
        ("outcome_link", "link_direction", 5),
    }


def test_a_converted_score_that_its_answers_do_not_come_to_is_shown_by_its_question(verdict: WarehouseVerdict) -> None:
    (row,) = [r for r in verdict.warnings.to_pylist() if r["rule"] == "supplied_score_mismatch"]
    assert (row["table"], row["column"], row["record_key"], row["line"]) == ("response", "wellbeing", "r1", 5)


def test_a_published_value_that_its_counts_can_not_give_is_reported_where_it_stands(verdict: WarehouseVerdict) -> None:
    (row,) = [r for r in verdict.warnings.to_pylist() if r["rule"] == "contradictory_figure"]
    assert (row["check_id"], row["file"], row["line"], row["record_key"]) == (
        "indicator_table.cell.recovery.contradictory_figure", "yearbook.csv", 7, "recovery|national|N1|2023|all",
    )  # fmt: skip


# The publish edge ---------------------------------------------------------------------------------------------------

KEY = {
    "kpi_id": "'OC-05'", "version": "1", "level_code": "'region'", "level_key": "'demo'", "slice_code": "'all'",
    "slice_value": "'all'", "period_type_code": "'month'", "period_start_on": "DATE '2024-01-01'",
    "period_end_on": "DATE '2024-01-31'",
}  # fmt: skip
PUBLISHED = KEY | {
    "numerator": "10", "numerator_status": "'rounded'", "denominator": "20", "denominator_status": "'rounded'",
    "value": "50e0", "value_status": "'rounded'", "ci95_lower": "30e0", "ci95_upper": "70e0",
    "statistic_code": "'proportion'", "is_period_complete": "true",
}  # fmt: skip
TRUTH = {
    "numerator": "11", "denominator": "21", "value": "52e0", "statistic_code": "'proportion'",
    "status_code": "'computed'", "is_current_definition": "true",
}  # fmt: skip
SUPPRESSED = {"numerator": "NULL", "numerator_status": "'suppressed'"}
ALL_HIDDEN = {**SUPPRESSED, "value": "NULL", "value_status": "'suppressed'", "ci95_lower": "NULL", "ci95_upper": "NULL"}
SERIES, FIGURES, REACH = "pub.pub_kpi_timeseries", "kpi.fct_kpi", "pub.pub_equity_reach"
SECOND = "benchmark.fct_kpi_second"
REACHED = {
    "level_code": "'region'", "level_key": "'demo'", "slice_code": "'sex'", "slice_value": "'nobody'",
    "period_start_on": "DATE '2023-04-01'", "served_count": "0", "served_status": "'shown'",
    "served_share_pct": "0e0", "reach_ratio": "0e0", "reach_ci95_lower": "0e0", "reach_ci95_upper": "1.5e0",
}  # fmt: skip

# How a figure is published, what is true of it, and the checks that must fail.
FAULTS: dict[str, tuple[dict[str, str], dict[str, str], set[str]]] = {
    "small": ({"numerator": "5"}, {"numerator": "4"}, {f"{SERIES}.numerator.small_number"}),
    "small_rounded_up": ({"numerator": "10"}, {"numerator": "7"}, {f"{SERIES}.numerator.small_number"}),
    "not_rounded": ({"numerator": "11"}, {}, {f"{SERIES}.numerator.small_number"}),
    "few_concerned": ({"numerator": "0", "denominator": "5"}, {"numerator": "0", "denominator": "6"},
                      {f"{SERIES}.denominator.small_number"}),
    "rate_leaks": (SUPPRESSED, {"numerator": "4"}, {f"{SERIES}.value.hidden_with_its_parts"}),
    "all_hidden": (ALL_HIDDEN, {"numerator": "4"}, set()),
    "empty_without_reason": ({"numerator": "NULL"}, {}, {f"{SERIES}.numerator.number_fits_status"}),
    "value_despite_reason": ({"value_status": "'no_data'"}, {}, {f"{SERIES}.value.number_fits_status"}),
    "above_one": ({"numerator": "25"}, {"numerator": "24"},
                  {f"{SERIES}.numerator.published_share", f"{FIGURES}.numerator.numerator_within_denominator"}),
    "not_over_yet": ({"period_end_on": "DATE '2024-07-31'"}, {}, {f"{SERIES}.is_period_complete.complete_period"}),
    "not_a_number": ({}, {"value": "CAST('nan' AS DOUBLE)"}, {f"{FIGURES}.value.value_fits_status"}),
    "expected_beside_hidden": (ALL_HIDDEN, {"numerator": "4"}, {f"{SERIES}.denominator.expected_number"}),
    "expected_exactly": ({"denominator": "12.3"}, {}, {f"{SERIES}.denominator.expected_number"}),
    "no_data_but_zero": ({}, {"status_code": "'no_data'"}, {f"{FIGURES}.value.value_fits_status"}),
}  # fmt: skip


def warehouse(faults: dict[str, tuple[dict[str, str], dict[str, str], set[str]]]) -> duckdb.DuckDBPyConnection:
    """A built warehouse that publishes a sound figure and faulty ones, each a KPI of its own."""
    connection = duckdb.connect()
    ensure_tables(connection)
    connection.execute("DELETE FROM ops.run_context")
    connection.execute("INSERT INTO ops.run_context (as_of) VALUES (DATE '2024-06-30')")
    for table, key in (("fct_episode", "episode_key"), ("fct_assessment", "assessment_key"),
                       ("fct_survey_response", "response_key"), ("dim_award", "award_key"),
                       ("person_xref", "source_person_key")):  # fmt: skip
        connection.execute(f"CREATE TABLE core.{table} AS SELECT 'k' AS {key}, 's' AS source_id, 3 AS los_days")
    rows = {"OC-05": ({}, {}, set()), **faults}
    own = {name: {"kpi_id": f"'{name}'"} for name in rows}
    _create(connection, SERIES, [PUBLISHED | own[name] | published for name, (published, _, _) in rows.items()])
    _create(connection, FIGURES, [KEY | TRUTH | own[name] | true for name, (_, true, _) in rows.items()])
    person = {"numerator_disclosure_code": "'person'", "denominator_disclosure_code": "'person'"}
    defined = {"category_code": "'outcomes'", "valid_to_on": "CAST(NULL AS DATE)", "direction": "1",
               "balancing_kpi_id": "'EX-03'"}  # fmt: skip
    expected = {name: {"denominator_disclosure_code": "'expected'"} for name in rows if name.startswith("expected")}
    _create(
        connection,
        "kpi.kpi_definition",
        [{"version": "1", **person, **defined, **own[name], **expected.get(name, {})} for name in rows],
    )
    _create(connection, SECOND, [KEY | TRUTH | {"kpi_id": "'PI-01'"}])
    _create(
        connection, "reference.ref_measure_kind", [{"category_code": "'outcomes'", "is_on_board_scorecard": "true"}]
    )
    measure = {"programme_code": "'shelter'", "kind_code": "'outcome'", "kpi_count": "2"}
    _create(connection, "kpi.mart_measure_coverage", [measure])
    _create(connection, "core.dim_objective", [{"objective_key": "'o'"}])
    links = [{"objective_key": "'o'", "is_objective_known": "true", **own[name]} for name in rows]
    _create(connection, "core.bridge_objective_kpi", links)
    target = {"kpi_id": "'OC-05'", "is_kpi_known": "true", "source_id": "'region_file'",
              "measure_id": "CAST(NULL AS VARCHAR)",
              "file_name": "'region.yml'", "line_number": "88"}  # fmt: skip
    _create(connection, "core.fct_target", [target])
    _create(connection, "pub.pub_kpi_catalogue", [{"version": "1", **own[name]} for name in rows])
    _create(connection, "pub.pub_organisation", [{"organisation_id": "'harbour'"}])
    _create(
        connection, "pub.pub_data_quality", [dict.fromkeys(PERCENTAGES, "99e0"), dict.fromkeys(PERCENTAGES, "NULL")]
    )
    _create(connection, REACH, [REACHED])
    profile = {"is_active": "true", "suppress_from": "1", "suppress_to": "7", "round_to": "5"}
    _create(connection, "reference.ref_disclosure_profile", [profile])
    return connection


PERCENTAGES = ("completeness_pct", "validity_pct", "timeliness_pct", "consistency_pct")


def _create(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, str]]) -> None:
    selects = (", ".join(f"{sql} AS {name}" for name, sql in row.items()) for row in rows)
    union = " UNION ALL BY NAME ".join(f"SELECT {listed}" for listed in selects)
    connection.execute(f"CREATE TABLE {table} AS {union}")


def judged(connection: duckdb.DuckDBPyConnection) -> dict[str, CheckResult]:
    with connection:
        return {r.check_id.removeprefix("publish."): r for r in check_publish(connection)}


def test_a_sound_warehouse_may_be_published() -> None:
    results = judged(warehouse({}))
    assert [r for r in results.values() if r.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)] == []
    assert not any(blocks(r) for r in results.values())
    stated = results["loaded_provider.source_id.provider_without_episodes"]
    assert (stated.outcome, stated.message) == (Outcome.NOT_APPLICABLE, "no case management export is loaded")


def test_what_is_not_measured_or_not_known_is_named() -> None:
    connection = warehouse({})
    connection.execute("INSERT INTO reference.ref_measure_kind VALUES ('workforce', true), ('equity', true)")
    connection.execute(
        "INSERT INTO kpi.mart_measure_coverage VALUES ('shelter', 'quality', 0), ('shelter', 'input', 0)"
    )
    connection.execute("UPDATE kpi.kpi_definition SET balancing_kpi_id = NULL")
    connection.execute("DELETE FROM core.bridge_objective_kpi")
    connection.execute("INSERT INTO core.fct_target VALUES ('OC-99', false, 'region_file', NULL, 'region.yml', 91)")
    results = judged(connection)
    named = {r.rule: r.message.partition(" rows")[2] for r in results.values() if r.outcome is Outcome.FAIL}
    assert named == {
        "category_without_kpi": ": equity, workforce)",
        "programme_without_measure": ": shelter: quality)",
        "target_without_balance": ": OC-05)",
        "kpi_without_objective": ": OC-05)",
        "unknown_kpi": ": region.yml:91 OC-99)",
    }
    assert {r.rule for r in results.values() if blocks(r)} == {"unknown_kpi"}


def test_each_fault_fails_its_checks_and_no_other() -> None:
    expected = Counter(check for _, _, checks in FAULTS.values() for check in checks)
    failed = {name: r.failed_count for name, r in judged(warehouse(FAULTS)).items() if r.outcome is Outcome.FAIL}
    assert failed == expected


def test_people_served_are_published_in_no_small_number() -> None:
    """A group that nobody is of may be shown; one of four may not, as itself, rounded up, or by its share."""
    connection = warehouse({})
    hidden = {"served_count": "NULL", "served_status": "'suppressed'", "reach_ratio": "NULL",
              "reach_ci95_lower": "NULL", "reach_ci95_upper": "NULL"}  # fmt: skip
    groups = {
        "sound": ({"served_count": "60"}, 61),
        "hidden": ({**hidden, "served_share_pct": "NULL"}, 4),
        "small": ({"served_count": "4"}, 4),
        "rounded_up": ({"served_count": "5"}, 4),
        "not_rounded": ({"served_count": "61"}, 61),
        "not_nobody": ({"served_count": "0"}, 4),
        "leaks": (hidden, 4),
    }
    for name, (row, count) in groups.items():
        values = ", ".join(({**REACHED, "slice_value": f"'{name}'", **row}).values())
        connection.execute(f"INSERT INTO {REACH} VALUES ({values})")
        truth = KEY | TRUTH | {
            "kpi_id": "'AV-05'", "slice_code": "'sex'", "slice_value": f"'{name}'", "numerator": str(count),
            "period_type_code": "'financial_year'", "period_start_on": "DATE '2023-04-01'",
            "statistic_code": "'distinct_count'",
        }  # fmt: skip
        selected = ", ".join(f"{sql} AS {column}" for column, sql in truth.items())
        connection.execute(f"INSERT INTO {FIGURES} BY NAME SELECT {selected}")
    failed = {
        name: r.failed_count for name, r in judged(connection).items() if name.startswith(REACH) and r.failed_count
    }
    assert failed == {f"{REACH}.served_count.small_number": 4, f"{REACH}.reach_ratio.hidden_with_its_parts": 1}


def test_what_is_missing_double_or_points_at_people_keeps_the_release_back() -> None:
    connection = warehouse({})
    connection.execute(f"UPDATE {SECOND} SET numerator = 25")
    connection.execute("DROP TABLE pub.pub_organisation")
    connection.execute("DELETE FROM pub.pub_kpi_catalogue")
    connection.execute(f"INSERT INTO {FIGURES} SELECT * FROM {FIGURES}")
    connection.execute("INSERT INTO core.dim_award SELECT * FROM core.dim_award")
    connection.execute("CREATE TABLE pub.people AS SELECT 'a' AS person_key, 'b' AS contact_email, 1 AS person_count")
    blocking = {name: r for name, r in judged(connection).items() if blocks(r)}
    assert {name: (str(r.outcome), r.failed_count) for name, r in blocking.items()} == {
        "core.dim_award.award_key.unique_key": ("fail", 2),
        f"{FIGURES}.unique_figure": ("fail", 2),
        f"{SECOND}.numerator.numerator_within_denominator": ("fail", 1),
        "pub.pub_kpi_catalogue.rows_present": ("fail", 1),
        f"{SERIES}.kpi_id.defined_figure": ("fail", 1),
        "pub.pub_organisation.rows_present": ("error", 0),
        "pub_column.column_name.identifying_column": ("fail", 2),
    }
    assert "pub_organisation" in blocking["pub.pub_organisation.rows_present"].message


def test_the_gate_opens_a_file_for_reading_only(tmp_path: Path) -> None:
    path, suites = tmp_path / "w.duckdb", tmp_path / "suites"
    duckdb.connect(str(path)).execute("CREATE SCHEMA pub; CREATE TABLE pub.t AS SELECT 1 AS n").close()
    suites.mkdir()
    rule = {
        "rule": "one", "targets": {"pub.t": ["n"]}, "holds": "{column} = 1", "severity": "error",
        "dimension": "validity", "message": "It is not 1.", "why": "It matters.", "fix": "Mend it, please.",
    }  # fmt: skip
    (suites / "publish.yml").write_text(yaml.safe_dump({"kind": "publish", "rules": [rule]}))
    with duckdb.connect(str(path), read_only=True):
        (result,) = check_publish(path, CheckContext(suites_dir=suites))
    assert (result.outcome, result.checked_count) == (Outcome.PASS, 1)
