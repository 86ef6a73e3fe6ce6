"""REDCap exports: what lands of forms, events, records, responses and answers, and what is refused."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.errors import RefusedError
from sources.spec import Regime
from sources.survey.redcap import CONNECTOR
from tests.survey_landing import FIXTURES, PHQ9_MAPPING, Landed, land

MAPPING: dict[str, Any] = {
    "forms": {
        "phq9": {**PHQ9_MAPPING, "items": {"phq9_1": 1, "phq9_2": 2}},
        "enrolment": {"person": {"field": "client_ref", "scheme": "harbour_hmis"}},
    },
    "events": {"baseline_arm_1": "start", "exit_arm_1": "end"},
    "missing_codes": {"-888": "declined"},
}


@pytest.fixture(scope="module")
def landed() -> Landed:
    return land(CONNECTOR, FIXTURES / "redcap_longitudinal", MAPPING)


def test_rows_are_told_apart_by_record_event_form_and_instance(landed: Landed) -> None:
    assert [row["response_code"] for row in landed.table("response")] == [
        "1|baseline_arm_1|enrolment|",
        "1|baseline_arm_1|phq9|",
        "1|baseline_arm_1|contact_log|1",
        "1|baseline_arm_1|contact_log|2",
        "1|exit_arm_1|phq9|",
        "2|baseline_arm_1|enrolment|",
        "2|baseline_arm_1|phq9|",
    ]


def test_every_row_of_the_data_file_lands_as_a_record(landed: Landed) -> None:
    assert [(row["record_code"], row["repeat_instrument"], row["access_group"]) for row in landed.table("record")] == [
        ("1", None, "north"),
        ("1", "contact_log", "north"),
        ("1", "contact_log", "north"),
        ("1", None, "north"),
        ("2", None, "south"),
        ("3", None, "south"),
    ]


def test_a_form_that_nobody_touched_is_no_response(landed: Landed) -> None:
    assert not [row for row in landed.table("response") if row["record_code"] == "3"]
    assert not [
        r for r in landed.table("response") if r["event_code"] == "exit_arm_1" and r["form_code"] == "enrolment"
    ]


def test_an_opened_survey_is_a_response_without_answers(landed: Landed) -> None:
    row = next(r for r in landed.table("response") if r["response_code"] == "2|baseline_arm_1|phq9|")
    assert (row["submitted_at"], row["complete_code"], row["answer_count"]) == (None, "0", "0")


def test_answers_keep_the_senders_spelling_and_identifiers_are_set_apart(landed: Landed) -> None:
    assert landed.answers("1|baseline_arm_1|enrolment|") == {
        "client_ref": "P-001",
        "full_name": "vault: Kim Example",
        "dob": "vault: 1980-05-06",
        "email": "vault: kim@example.org",
        "shoe_size": "42",
        "nickname_free": "vault: Kimmy",
        "needs___1": "1",
        "needs___2": "0",
        "needs____1": "0",
    }
    assert landed.answers("1|baseline_arm_1|phq9|") == {
        "phq9_1": "1",
        "phq9_2": "2",
        "phq9_total": "3",
        "comment": "vault: Long day,\nlong night",
    }


def test_the_survey_identifier_is_masked_and_the_person_code_is_not() -> None:
    masked = {column.name for column in CONNECTOR.tables["response"].masked}
    assert masked == {"survey_identifier"}
    assert {column.name for column in CONNECTOR.tables["answer"].masked} == {"free_text"}


def test_check_boxes_land_one_answer_an_option_with_the_option_as_in_the_dictionary(landed: Landed) -> None:
    boxes = [
        (row["question_code"], row["choice_code"], row["value"])
        for row in landed.table("answer")
        if row["response_code"] == "1|baseline_arm_1|enrolment|" and row["choice_code"]
    ]
    assert boxes == [("needs", "1", "1"), ("needs", "2", "0"), ("needs", "-1", "0")]


def test_missing_codes_are_kept_with_their_reason(landed: Landed) -> None:
    row = next(r for r in landed.table("answer") if r["value"] == "-888")
    assert (row["response_code"], row["question_code"], row["missing_reason"]) == (
        "1|exit_arm_1|phq9|",
        "phq9_1",
        "declined",
    )
    assert sum(r["missing_reason"] is not None for r in landed.table("answer")) == 1


def test_events_give_the_timepoint(landed: Landed) -> None:
    timepoints = {(row["event_code"], row["timepoint_code"]) for row in landed.table("response")}
    assert timepoints == {("baseline_arm_1", "start"), ("exit_arm_1", "end")}
    assert [(e["event_code"], e["event_name"], e["arm_name"]) for e in landed.table("event")] == [
        ("baseline_arm_1", "Baseline", "Only arm"),
        ("exit_arm_1", "Exit", "Only arm"),
    ]


def test_a_response_names_the_person_where_its_row_does(landed: Landed) -> None:
    named = {r["response_code"]: (r["person_reference"], r["person_scheme"]) for r in landed.table("response")}
    assert named["1|baseline_arm_1|enrolment|"] == ("P-001", "harbour_hmis")
    assert named["1|baseline_arm_1|phq9|"] == ("P-001", "harbour_hmis")
    assert named["1|exit_arm_1|phq9|"] == (None, None)  # another row of the record; the input layer looks there


def test_the_record_id_can_be_the_person_code() -> None:
    forms = {"phq9": {"person": {"field": "record_id", "scheme": "harbour_hmis"}, "assessed_on": "dob"}}
    landed = land(CONNECTOR, FIXTURES / "redcap_longitudinal", {"forms": forms})
    rows = [r for r in landed.table("response") if r["form_code"] == "phq9"]
    assert [(r["person_reference"], r["assessed_on"]) for r in rows] == [("1", "1980-05-06"), ("1", None), ("2", None)]


def test_forms_carry_title_question_count_and_the_record_field(landed: Landed) -> None:
    assert [
        (f["form_code"], f["form_title"], f["question_count"], f["record_field"], f["_row_number"])
        for f in landed.table("form")
    ] == [
        ("enrolment", "Enrolment", "7", "record_id", 1),
        ("phq9", "PHQ-9", "4", "record_id", 9),
        ("contact_log", None, "1", "record_id", 14),
    ]


def test_lines_are_those_of_the_record_also_behind_a_quoted_line_break(landed: Landed) -> None:
    lines = {row["response_code"]: row["_line"] for row in landed.table("response")}
    assert lines["1|baseline_arm_1|phq9|"] == 2
    assert lines["1|baseline_arm_1|contact_log|1"] == 4
    assert lines["2|baseline_arm_1|enrolment|"] == 7


def test_the_export_time_is_taken_from_the_file_name(landed: Landed) -> None:
    assert landed.facts.stated_at == "2024-06-01 09:15:00"


def test_a_complete_export_speaks_for_its_forms(landed: Landed) -> None:
    assert landed.facts.regime is Regime.DELTA
    whole = land(CONNECTOR, FIXTURES / "redcap_longitudinal", {**MAPPING, "complete": True}).facts
    assert (whole.regime, whole.scope_values) == (Regime.FULL, ("enrolment", "phq9", "contact_log"))


def test_the_region_file_overrules_the_dictionary() -> None:
    forms = {"enrolment": {"plain": ["nickname_free"], "free_text": ["shoe_size"]}}
    landed = land(CONNECTOR, FIXTURES / "redcap_longitudinal", {"forms": forms})
    answers = landed.answers("1|baseline_arm_1|enrolment|")
    assert (answers["nickname_free"], answers["shoe_size"]) == ("Kimmy", "vault: 42")
    assert answers["client_ref"] == "vault: P-001"


@pytest.mark.parametrize(
    ("fixture", "rule"),
    [
        ("redcap_missing_dictionary", "missing_dictionary"),
        ("redcap_labels_export", "missing_data"),
        ("redcap_eav_export", "eav_export"),
        ("redcap_two_projects", "several_projects"),
        ("redcap_identifying_record_id", "identifying_record_id"),
    ],
)
def test_what_can_not_be_read_safely_is_refused(fixture: str, rule: str) -> None:
    with pytest.raises(RefusedError) as refused:
        land(CONNECTOR, FIXTURES / fixture)
    assert refused.value.rule == rule
    assert refused.value.fix


def test_a_repeated_record_and_one_without_id_are_rejected_and_the_rest_lands() -> None:
    landed = land(CONNECTOR, FIXTURES / "redcap_repeated_record")
    assert [(r.rule, r.row_number, r.line, r.column) for r in landed.rejects] == [
        ("repeated_record", 2, 3, "record_id"),
        ("missing_record_id", 3, 4, "record_id"),
    ]
    assert [(row["record_code"], row["_row_number"]) for row in landed.table("record")] == [("1", 1), ("2", 4)]
    assert landed.answers("1||mood|") == {"happy": "1"}


def test_a_ragged_row_is_rejected_and_the_rest_lands() -> None:
    landed = land(CONNECTOR, FIXTURES / "redcap_ragged_row")
    assert [(r.table, r.rule, r.line) for r in landed.rejects] == [("record", "wrong_field_count", 3)]
    assert [row["record_code"] for row in landed.table("record")] == ["1", "3"]


def test_a_column_that_the_dictionary_does_not_know_goes_to_the_vault() -> None:
    landed = land(CONNECTOR, FIXTURES / "redcap_unknown_column")
    assert landed.answers("1||mood|") == {"happy": "1", "old_remark": "vault: 7"}
    assert landed.facts.details["columns_not_in_dictionary"] == "1"


def test_semicolons_are_read() -> None:
    assert land(CONNECTOR, FIXTURES / "redcap_semicolon").answers("1||mood|") == {"happy": "1"}


CELLS = st.sampled_from(["", "0", "1", "2", "-888", "a text", "x,y", 'say "so"'])


@settings(max_examples=30)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, st.sampled_from(["", "0", "1", "2"])), max_size=12))
def test_long_rows_are_the_filled_cells_of_the_wide_ones(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("redcap")
    _write(folder / "dictionary.csv", [["field_name", "form_name", "field_type"], *_FIELDS])
    wide = [[str(number), *row] for number, row in enumerate(rows, start=1)]
    _write(folder / "data.csv", [["record_id", "q1", "q2", "q3", "f_complete"], *wide])
    landed = land(CONNECTOR, folder)
    expected = Counter(
        (f"{number}||f|", question, cell)
        for number, row in enumerate(rows, start=1)
        for question, cell in zip(("q1", "q2", "q3"), row[:3], strict=True)
        if cell
    )
    found = Counter(
        (a["response_code"], a["question_code"], a["value"] or a["free_text"]) for a in landed.table("answer")
    )
    assert found == expected
    started = [number for number, row in enumerate(rows, start=1) if any(row[:3]) or row[3] in ("1", "2")]
    assert [r["response_code"] for r in landed.table("response")] == [f"{number}||f|" for number in started]
    assert [int(r["answer_count"]) for r in landed.table("response")] == [
        sum(bool(cell) for cell in rows[number - 1][:3]) for number in started
    ]


_FIELDS = [["record_id", "f", "text"], ["q1", "f", "radio"], ["q2", "f", "text"], ["q3", "f", "notes"]]


def _write(path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
