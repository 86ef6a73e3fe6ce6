"""The landing gate: a verdict for each delivery, failing rows by their true place, what is paused and refused.

One validation covers all deliveries of a kind, so most tests look at one verdict on many deliveries, each named by what
is wrong with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from expectations import (
    CheckContext,
    CheckResult,
    LandedDelivery,
    LandingVerdict,
    Outcome,
    PauseLimits,
    SurveyItem,
    check_landing,
)
from expectations.landing import typing_macros
from sources.errors import RefusedError
from tests.landing_files import CLIENT, ENROLLMENT, EXIT, landed, reject

pytestmark = pytest.mark.xdist_group("great_expectations")


def clients(count: int) -> list[dict[str, str]]:
    return [CLIENT | {"PersonalID": f"P{n}"} for n in range(1, count + 1)]


GOOD = {"client": [CLIENT], "enrollment": [ENROLLMENT], "exit": [EXIT]}
MANY = {**GOOD, "client": clients(100)}
"""A hundred clients, so that a bad row is not yet a bad delivery."""

DEFECTS = {
    "client": [
        *clients(100),
        CLIENT | {"PersonalID": "P101", "SSN": "[vault]", "_national_id_status": "group_00"},
        CLIENT | {"PersonalID": "P102", "DOB": "[vault]", "_birth_status": "malformed"},
        CLIENT | {"PersonalID": "P1", "VeteranStatus": "1", "DateUpdated": "2024-03-01 10:00:00"},
    ],
    "enrollment": [
        ENROLLMENT,
        ENROLLMENT | {"EnrollmentID": "E2", "EntryDate": None, "_row_number": 7, "_line": 12},
        ENROLLMENT | {"EnrollmentID": "E3", "EntryDate": "2024-02-30", "RelationshipToHoH": "7"},
        ENROLLMENT | {"EnrollmentID": "E4", "EntryDate": "2024-07-15"},
    ],
    "exit": [
        EXIT | {"ExitDate": "2023-12-31"},
        EXIT | {"ExitID": "X2", "Destination": "77"},
        EXIT | {"ExitID": "X3", "EnrollmentID": "E9", "ExitDate": "2020-01-01"},
    ],
}
CODES = {**MANY, "exit": [EXIT | {"Destination": "435"}, EXIT | {"ExitID": "X2", "Destination": "3"}]}
"""Destination 435 came with FY2024, 3 went with it."""
FUTURE = {**MANY, "enrollment": [ENROLLMENT | {"EntryDate": "2099-01-01"}]}
ONE_IN_TWENTY = {"client": clients(19), "exit": [EXIT | {"ExitDate": "soon"}]}


def unreadable(folder: Path, name: str, rule: str) -> LandedDelivery:
    delivery = landed(folder, {}, delivery_id=name)
    return replace(delivery, path=None, refusal=RefusedError(rule, "It can't be read.", "Send it again."))


def of_another_connector_version(folder: Path, name: str) -> LandedDelivery:
    delivery = landed(folder, MANY, delivery_id=name)
    assert delivery.path is not None
    path = delivery.path / "client.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["YearSeparated"]), path)
    return delivery


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> LandingVerdict:
    folder = tmp_path_factory.mktemp("landing")
    deliveries = [
        landed(folder, GOOD, delivery_id="good"),
        landed(
            folder,
            DEFECTS,
            delivery_id="defects",
            rejects=[reject("services", 40), reject("event", 3, "bad_quoting"), reject("event", 9, "odd_record")],
        ),
        landed(folder, CODES, delivery_id="codes_fy2022"),
        landed(folder, CODES, delivery_id="codes_fy2024", format_version="FY2024"),
        landed(folder, FUTURE, delivery_id="future"),
        landed(folder, FUTURE, delivery_id="future_unstated", stated_at=None),
        unreadable(folder, "corrupt_zip", "corrupt_zip"),
        unreadable(folder, "missing_file", "missing_file"),
        unreadable(folder, "bad_header", "bad_header"),
        unreadable(folder, "version_conflict", "version_conflict"),
        landed(folder, ONE_IN_TWENTY, delivery_id="errors_at_limit"),
        *(
            landed(folder, ONE_IN_TWENTY, delivery_id=name, rejects=[reject("user", 9)], limits=limits)
            for name, limits in (
                ("errors_beyond", PauseLimits()),
                ("errors_beyond_released", PauseLimits()),
                ("errors_within_own_limit", PauseLimits(max_error_share=0.1)),
            )
        ),
        *(
            landed(folder, {"client": clients(100)}, delivery_id=f"from_{n}", previous_row_counts={"client": n})
            for n in (79, 80, 133, 134)
        ),
        landed(
            folder,
            {"client": clients(100)},
            delivery_id="delta_from_10",
            regime="delta",
            previous_row_counts={"client": 10},
        ),
        landed(
            folder,
            {"client": clients(300)},
            delivery_id="emptied",
            previous_row_counts={"client": 300, "exit": 60, "event": 3},
        ),
        of_another_connector_version(folder, "older_connector"),
    ]
    return check_landing("hmis_csv", deliveries, CheckContext(released=frozenset({"errors_beyond_released"})))


def result(verdict: LandingVerdict, check_id: str, delivery_id: str) -> CheckResult:
    (found,) = [r for r in verdict.results if r.check_id == check_id and r.delivery_id == delivery_id]
    return found


def failing(verdict: LandingVerdict, delivery_id: str) -> set[str]:
    bad = (Outcome.FAIL, Outcome.ERROR)
    return {r.check_id for r in verdict.results if r.delivery_id == delivery_id and r.outcome in bad}


def of(findings: pa.Table, delivery_id: str) -> list[dict[str, Any]]:
    return [row for row in findings.to_pylist() if row["delivery_id"] == delivery_id]


def places(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(r["table"], r["row_number"], r["line"], r["column"], r["rule"]) for r in rows]


@pytest.mark.parametrize("name", ["good", "older_connector"])
def test_a_good_delivery_is_accepted_whatever_comes_with_it(verdict: LandingVerdict, name: str) -> None:
    assert verdict.status[name] == "accepted"
    assert failing(verdict, name) == set()
    assert verdict.held_back[name] == 0
    assert verdict.reasons[name] == []


def test_each_defect_is_found_and_nothing_else(verdict: LandingVerdict) -> None:
    assert failing(verdict, "defects") == {
        "hmis_csv._delivery.error_share",
        "hmis_csv._reject.bad_quoting",
        "hmis_csv._reject.unreadable_record",
        "hmis_csv._reject.wrong_field_count",
        "hmis_csv.client.DOB.invalid_date",
        "hmis_csv.client.SSN.invalid_national_id",
        "hmis_csv.client.duplicate_key",
        "hmis_csv.enrollment.EntryDate.date_in_future",
        "hmis_csv.enrollment.EntryDate.invalid_date",
        "hmis_csv.enrollment.EntryDate.missing_required_value",
        "hmis_csv.enrollment.RelationshipToHoH.invalid_code",
        "hmis_csv.exit.Destination.invalid_code",
        "hmis_csv.exit.ExitDate.exit_before_entry",
    }


def test_rows_to_hold_back_have_their_true_place(verdict: LandingVerdict) -> None:
    rows = of(verdict.quarantine, "defects")
    assert places(rows) == [
        ("enrollment", 3, 4, "EntryDate", "invalid_date"),
        ("enrollment", 7, 12, "EntryDate", "missing_required_value"),
        ("event", 3, 4, None, "bad_quoting"),
        ("event", 9, 10, None, "odd_record"),
        ("exit", 1, 2, "ExitDate", "exit_before_entry"),
        ("services", 40, 41, None, "wrong_field_count"),
    ]
    assert verdict.held_back["defects"] == 6
    by_rule = {row["rule"]: row for row in rows}
    assert by_rule["exit_before_entry"]["record_key"] == "X1"
    assert by_rule["wrong_field_count"]["record_key"] is None
    assert by_rule["wrong_field_count"]["message"] == "The record has 3 fields, the header 5."
    assert by_rule["odd_record"]["check_id"] == "hmis_csv._reject.unreadable_record"
    assert by_rule["missing_required_value"]["fix"].startswith("Fill in EntryDate")


def test_warnings_list_every_row_that_takes_part(verdict: LandingVerdict) -> None:
    repeated = [r for r in of(verdict.warnings, "defects") if r["rule"] == "duplicate_key"]
    assert places(repeated) == [
        ("client", 1, 2, "PersonalID", "duplicate_key"),
        ("client", 103, 104, "PersonalID", "duplicate_key"),
    ]
    counted = result(verdict, "hmis_csv.client.duplicate_key", "defects")
    assert (counted.failed_count, counted.failed_records, counted.checked_count) == (2, 1, 103)


def test_every_expected_check_has_one_result_for_each_delivery(verdict: LandingVerdict) -> None:
    counts = Counter((r.check_id, r.delivery_id) for r in verdict.results)
    assert set(counts.values()) == {1}
    expected = {check for check, _ in counts}
    assert len(expected) > 140
    assert all((check, delivery) in counts for check in expected for delivery in verdict.status)


def test_what_does_not_apply_says_why(verdict: LandingVerdict) -> None:
    empty = result(verdict, "hmis_csv.services.duplicate_key", "good")
    assert (empty.outcome, empty.message, empty.checked_count) == ("not_applicable", "no rows", 0)
    alone = result(verdict, "hmis_csv._delivery.row_count_change", "good")
    assert (alone.outcome, alone.message) == (
        "not_applicable",
        "there is no accepted full delivery to compare with, or this one is not a full one",
    )


def test_the_future_begins_with_the_export_not_today(verdict: LandingVerdict) -> None:
    check = "hmis_csv.enrollment.EntryDate.date_in_future"
    assert result(verdict, check, "future").outcome is Outcome.FAIL
    unstated = result(verdict, check, "future_unstated")
    assert (unstated.outcome, unstated.message) == (
        "not_applicable",
        "the delivery does not state when it was exported",
    )


def test_codes_are_judged_by_the_deliverys_format(verdict: LandingVerdict) -> None:
    bad = {(r["delivery_id"], r["record_key"]) for r in verdict.warnings.to_pylist() if r["rule"] == "invalid_code"}
    assert {b for b in bad if b[0].startswith("codes")} == {("codes_fy2022", "X1"), ("codes_fy2024", "X2")}


# Refused and paused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delivery", "check"),
    [
        ("corrupt_zip", "unreadable_archive"),
        ("missing_file", "missing_file"),
        ("bad_header", "missing_column"),
        ("version_conflict", "unusable_delivery"),
    ],
)
def test_every_refusal_fails_exactly_one_check(verdict: LandingVerdict, delivery: str, check: str) -> None:
    assert verdict.status[delivery] == "refused"
    assert verdict.reasons[delivery] == ["It can't be read. Send it again."]
    assert failing(verdict, delivery) == {f"hmis_csv._delivery.{check}"}
    assert result(verdict, f"hmis_csv._delivery.{check}", delivery).message == "It can't be read."
    assert result(verdict, "hmis_csv._delivery.error_share", delivery).message == "the delivery could not be read"
    assert result(verdict, "hmis_csv.exit.duplicate_key", delivery).outcome is Outcome.NOT_APPLICABLE


def test_five_percent_are_fine_more_are_paused(verdict: LandingVerdict) -> None:
    assert verdict.status["errors_at_limit"] == "accepted"
    assert verdict.status["errors_beyond"] == "paused"
    assert verdict.reasons["errors_beyond"] == ["9.5% of the rows (2 of 21) can't be used; the limit is 5.0%."]


def test_limits_are_the_sources_own(verdict: LandingVerdict) -> None:
    assert verdict.status["errors_within_own_limit"] == "accepted"


def test_a_person_releases_a_paused_delivery(verdict: LandingVerdict) -> None:
    name = "errors_beyond_released"
    assert verdict.status[name] == "accepted"
    assert result(verdict, "hmis_csv._delivery.error_share", name).outcome is Outcome.FAIL
    assert verdict.reasons[name] == [
        "released by a person: 9.5% of the rows (2 of 21) can't be used; the limit is 5.0%."
    ]
    assert places(of(verdict.quarantine, name)) == [
        ("exit", 1, 2, "ExitDate", "invalid_date"),
        ("user", 9, 10, None, "wrong_field_count"),
    ]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("from_80", "accepted"),
        ("from_79", "paused"),
        ("from_133", "accepted"),
        ("from_134", "paused"),
        ("delta_from_10", "accepted"),
    ],
)
def test_a_full_export_may_change_by_a_quarter(verdict: LandingVerdict, name: str, status: str) -> None:
    assert verdict.status[name] == status


def test_a_table_that_is_suddenly_empty_pauses(verdict: LandingVerdict) -> None:
    assert verdict.status["emptied"] == "paused"
    assert verdict.reasons["emptied"] == [
        "These tables had rows in the last accepted delivery and have none now: exit."
    ]


# Caps, errors, expectations of Great Expectations' own ----------------------------------------------------------------


def test_warnings_and_what_is_not_loaded_are_capped_what_is_held_back_never(tmp_path: Path) -> None:
    rows = {
        "client": [row | {"VeteranStatus": "5"} for row in clients(30)],
        "exit": [EXIT | {"ExitID": f"X{n}", "ExitDate": "soon"} for n in range(30)],
    }
    deliveries = [landed(tmp_path, rows, delivery_id=name) for name in ("paused", "released")]
    context = CheckContext(warning_cap=4, refused_cap=5, released=frozenset({"released"}))
    verdict = check_landing("hmis_csv", deliveries, context)
    assert [r["row_number"] for r in of(verdict.warnings, "released")] == [1, 2, 3, 4]
    assert result(verdict, "hmis_csv.client.VeteranStatus.invalid_code", "released").failed_count == 30
    assert len(of(verdict.quarantine, "paused")) == 5
    assert len(of(verdict.quarantine, "released")) == 30
    assert verdict.held_back == {"paused": 30, "released": 30}


def suite_of(folder: Path, *rules: dict[str, Any], **more: Any) -> CheckContext:
    """A context whose only rules are these."""
    described = {
        "severity": "record",
        "dimension": "validity",
        "message": "It is wrong.",
        "why": "It matters.",
        "fix": "Mend it, please.",
    }
    suites = folder / "suites"
    suites.mkdir()
    content = {"kind": "hmis_csv", "rules": [described | rule for rule in rules], **more}
    (suites / "hmis_csv.yml").write_text(yaml.safe_dump(content))
    return CheckContext(suites_dir=suites)


def test_a_check_that_cannot_be_run_is_an_error_and_pauses(tmp_path: Path) -> None:
    context = suite_of(
        tmp_path,
        {"rule": "broken", "targets": {"client": []}, "holds": "no_such_column > 1"},
        {"rule": "broken_relation", "targets": {"exit": []}, "holds": "true", "relation": "r"},
        {"rule": "sound", "targets": {"client": ["PersonalID"]}, "holds": "{column} <> 'P7'"},
        {"rule": "null", "targets": {"client": ["YearSeparated"]}, "holds": "{column} = '1999'"},
        relations={"r": "SELECT * FROM nowhere"},
    )
    verdict = check_landing("hmis_csv", [landed(tmp_path, MANY)], context)
    outcomes = {r.rule: (r.outcome, r.failed_count) for r in verdict.results}
    assert outcomes == {
        "broken": ("error", 0),
        "broken_relation": ("error", 0),
        "sound": ("fail", 1),
        "null": ("fail", 100),
    }
    assert verdict.status == {"d1": "paused"}
    assert any("hmis_csv.client.broken could not be run" in reason for reason in verdict.reasons["d1"])


def test_expectations_of_its_own_have_a_verdict_for_each_delivery(tmp_path: Path) -> None:
    context = suite_of(
        tmp_path,
        {
            "rule": "client_count",
            "targets": {"client": []},
            "expectation": "expect_table_row_count_to_be_between",
            "arguments": {"min_value": 50},
            "severity": "submission",
            "then": "refuse",
        },
    )
    deliveries = [landed(tmp_path, GOOD, delivery_id="few"), landed(tmp_path, MANY, delivery_id="many")]
    verdict = check_landing("hmis_csv", deliveries, context)
    assert verdict.status == {"few": "refused", "many": "accepted"}


def test_no_deliveries_no_verdict() -> None:
    verdict = check_landing("hmis_csv", [])
    assert (verdict.results, verdict.status, verdict.quarantine.num_rows) == ([], {}, 0)


def test_the_order_of_deliveries_does_not_matter(tmp_path: Path) -> None:
    exits = [EXIT | {"ExitID": f"X{n}", "ExitDate": "soon" if n % 3 else "2020-01-01"} for n in range(90)]
    deliveries = [landed(tmp_path, {**MANY, "exit": exits}, delivery_id=name) for name in ("d2", "d1")]
    first, second = check_landing("hmis_csv", deliveries), check_landing("hmis_csv", deliveries[::-1])
    assert first.results == second.results
    assert first.quarantine.equals(second.quarantine)


# Other kinds --------------------------------------------------------------------------------------------------------

GRANT = {
    "grantKey": "G1",
    "recordHash": "h1",
    "id": "G1",
    "title": "Roof",
    "currency": "GBP",
    "amountAwarded": "1000.00",
    "awardDate": "2024-03-01",
    "fundingOrganization_name": "A Fund",
}


def test_grants(tmp_path: Path) -> None:
    grants = [
        GRANT,
        GRANT | {"recordHash": "h2", "amountAwarded": "2000"},
        GRANT | {"grantKey": "G2", "id": "G2", "amountAwarded": None},
        GRANT | {"grantKey": "G3", "id": "G3", "awardDate": "2024-13-45"},
        GRANT | {"grantKey": "G4", "id": "G4", "amountAwarded": "-5"},
        GRANT | {"grantKey": "G5", "id": "G5", "amountAwarded": "£5,000"},
        *(GRANT | {"grantKey": f"R{n}", "id": f"R{n}"} for n in range(80)),
    ]
    recipients = [{"grantKey": g["grantKey"], "recordHash": g["recordHash"], "name": "Us"} for g in grants[:-1]]
    tables = {"grant": grants, "recipient_organization": recipients}
    delivery = landed(tmp_path, tables, kind="threesixtygiving", format_version="1.4", regime="delta")
    verdict = check_landing("threesixtygiving", [delivery])
    assert verdict.status == {"d1": "accepted"}
    assert [(r["record_key"], r["column"], r["rule"]) for r in verdict.quarantine.to_pylist()] == [
        ("G2", "amountAwarded", "missing_required_value"),
        ("G3", "awardDate", "invalid_date"),
        ("G4", "amountAwarded", "negative_amount"),
        ("G5", "amountAwarded", "invalid_amount"),
    ]
    assert [(r["record_key"], r["row_number"], r["rule"]) for r in verdict.warnings.to_pylist()] == [
        ("G1", 1, "duplicate_key"),
        ("G1", 2, "duplicate_key"),
        ("R79", 86, "missing_recipient"),
    ]


PHQ9 = [SurveyItem("harbour_odk", "check_in", "phq9", f"phq9_{n}", n, "item") for n in range(1, 10)]
TOTAL = SurveyItem("harbour_odk", "check_in", "phq9", "phq9_total", None, "total")
METRIC = SurveyItem("harbour_odk", "check_in", "swemwbs", "wellbeing", None, "score")
SHEETS: dict[str, tuple[dict[str, str | None], list[tuple[str, str]]]] = {
    "as_it_should_be": ({}, []),
    "out_of_range": ({"phq9_3": "7"}, [("phq9_3", "out_of_range_answer")]),
    "between_two_answers": ({"phq9_3": "1.5"}, [("phq9_3", "out_of_range_answer")]),
    "written_as_decimal": ({"phq9_3": "1.0"}, []),
    "one_declined": ({"phq9_3": None, "phq9_total": "8"}, []),
    "wrong_total": ({"phq9_total": "12"}, [("phq9_total", "total_mismatch")]),
    "total_no_number": (
        {"phq9_total": "nine"},
        [("phq9_total", "out_of_range_total"), ("phq9_total", "total_mismatch")],
    ),
    "higher_total": ({"phq9_3": "3", "phq9_total": "11"}, []),
    "metric_score": ({"wellbeing": "25.03"}, []),
    "raw_total_as_a_score": ({"wellbeing": "28"}, []),
    "prorated_score": ({"wellbeing": "24.5"}, [("wellbeing", "out_of_range_total")]),
    "score_too_high": ({"wellbeing": "36"}, [("wellbeing", "out_of_range_total")]),
}
"""Answer sheets of PHQ-9: what differs from nine answers 1 and the total 9; what must be found."""


@pytest.fixture(scope="module")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LandingVerdict]:
    folder = tmp_path_factory.mktemp("surveys")
    described: dict[str, Any] = {"kind": "odk", "regime": "delta", "format_version": "odata"}
    usual = {f"phq9_{n}": "1" for n in range(1, 10)} | {"phq9_total": "9"}
    deliveries = [
        landed(folder, _sheet({**usual, **given}), delivery_id=name, source_id="harbour_odk", **described)
        for name, (given, _) in SHEETS.items()
    ]
    deliveries.append(landed(folder, _sheet(dict(usual)), delivery_id="unmapped", source_id="other_odk", **described))
    yield check_landing("odk", deliveries, CheckContext(survey_items=[*PHQ9, TOTAL, METRIC]))


def _sheet(given: dict[str, str | None]) -> dict[str, list[dict[str, Any]]]:
    response = {"response_code": "r1", "form_code": "check_in", "form_version": "1", "assessed_on": "2024-01-01"}
    answers = [
        {
            "response_code": "r1",
            "form_code": "check_in",
            "question_code": code,
            "question_path": code,
            "repeat_path": "/",
            "value": value,
            "missing_reason": None if value is not None else "declined",
            "_line": 7,
        }
        for code, value in given.items()
    ]
    return {"response": [response], "answer": answers}


@pytest.mark.parametrize("name", SHEETS)
def test_answers_of_mapped_forms(surveys: LandingVerdict, name: str) -> None:
    rows = of(surveys.warnings, name)
    assert [(r["column"], r["rule"]) for r in rows] == SHEETS[name][1]
    assert all((r["landed_column"], r["line"]) == ("value", 7) for r in rows)
    assert surveys.status[name] == "accepted"


def test_a_source_without_instruments_has_no_items_to_judge(surveys: LandingVerdict) -> None:
    found = result(surveys, "odk.answer.value.out_of_range_answer", "unmapped")
    assert (found.outcome, found.message) == ("not_applicable", "no form of this source is mapped to an instrument")


# One truth with the models ------------------------------------------------------------------------------------------


def test_a_date_is_bad_for_the_gate_exactly_when_staging_cannot_type_it() -> None:
    """The gate reads the models' own macro."""
    expected = {
        "2024-01-05": "2024-01-05",
        "2015-2-1": "2015-02-01",
        "1/1/2015": "2015-01-01",
        "2024-01-05 10:00:00": "2024-01-05",
        "2024-01-05\t": "2024-01-05",
        "2024-02-30": "None",
        "soon": "None",
        "": "None",
    }
    with duckdb.connect() as connection:
        connection.execute(f"CREATE MACRO try_date(value) AS {typing_macros()['try_date']}")
        typed = {text: connection.execute("SELECT try_date(?)::VARCHAR", [text]).fetchall()[0][0] for text in expected}
    assert {text: str(day) for text, day in typed.items()} == expected
