"""ODK Central exports: what lands of submissions, repeats and edits, in both formats, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.errors import RefusedError
from sources.spec import Regime
from sources.survey import _odk_files
from sources.survey._xform import parse_definition
from sources.survey.odk import CONNECTOR
from tests.survey_landing import FIXTURES, PHQ9_MAPPING, Landed, land

WELLBEING = {**PHQ9_MAPPING, "assessed_on": "visit_date", "timepoint": "wave", "select_multiple": ["needs"]}
MAPPING: dict[str, Any] = {"forms": {"wellbeing_check": WELLBEING}, "missing_codes": {"-888": "declined"}}

A, B, C = "uuid:0000000a", "uuid:0000000b", "uuid:0000000c"
PLACE = {"place", "place/Latitude", "place/Longitude", "place/Altitude", "place/Accuracy"}


@pytest.fixture(scope="module")
def landed() -> Landed:
    return land(CONNECTOR, FIXTURES / "odk_json_repeats", MAPPING)


def test_answers_of_groups_and_repeats_are_found_by_path(landed: Landed) -> None:
    answers = landed.answers(A)
    assert answers.pop("place").startswith("vault: ")
    assert answers == {
        "client_ref": "P-001",
        "visit_date": "2024-03-04",
        "wave": "start",
        **{f"phq/phq9_{n}": v for n, v in enumerate(["1", "2", "3", "0", "1", "2", "3", "0", "-888"], start=1)},
        "phq/phq9_total": "12",
        "first_name": "vault: Kim",
        "needs": "housing debt",
        "needs/debt": "1",
        "needs/housing": "1",
        "rent": "950.5",
        "comment": "vault: Feels much better\nthan before",
        "members[1] members/age": "34",
        "members[1] members/relation": "vault: self",
        "members[2] members/age": "7",
        "members[2] members/relation": "vault: child",
        "members[2]/visits[1] members/visits/on": "2024-03-01",
        "members[2]/visits[2] members/visits/on": "2024-03-02",
    }


@pytest.mark.parametrize("fixture", ["odk_csv_repeats", "odk_json_expanded"])
def test_every_format_lands_the_same_answers(landed: Landed, fixture: str) -> None:
    other = land(CONNECTOR, FIXTURES / fixture, MAPPING)
    for code in (A, B, C):
        mine = {path: value for path, value in other.answers(code).items() if path not in PLACE}
        assert mine == {path: value for path, value in landed.answers(code).items() if path not in PLACE}
    assert all(answer["value"] is None for answer in other.table("answer") if answer["question_path"] in PLACE)


def test_several_forms_come_in_one_delivery(landed: Landed) -> None:
    assert [(f["form_code"], f["form_version"], f["question_count"]) for f in landed.table("form")] == [
        ("satisfaction", "1", "3"),
        ("wellbeing_check", "3", "22"),
        ("wellbeing_check", "2", "22"),
    ]
    assert landed.answers("uuid:0000000s") == {"client_ref": "vault: P-001", "overall": "5", "recommend": "4"}


def test_system_columns_become_columns_of_the_response(landed: Landed) -> None:
    row = next(r for r in landed.table("response") if r["response_code"] == C)
    assert {name: row[name] for name in ("form_version", "review_state", "edits", "submitted_at", "updated_at")} == {
        "form_version": "3",
        "review_state": "rejected",
        "edits": "0",
        "submitted_at": "2024-03-06T11:00:00.000Z",
        "updated_at": "2024-03-07T08:00:00.000Z",
    }
    assert row["started_at"] == "2024-03-06T09:00:00.000+01:00"


def test_a_response_names_person_day_and_timepoint(landed: Landed) -> None:
    columns = ("person_reference", "person_scheme", "assessed_on", "timepoint_code")
    assert {r["response_code"]: tuple(r[c] for c in columns) for r in landed.table("response")} == {
        "uuid:0000000s": (None, None, None, None),
        A: ("P-001", "harbour_hmis", "2024-03-04", "start"),
        B: ("P-002", "harbour_hmis", "2024-03-05", "start"),
        C: (None, "harbour_hmis", "2024-03-06", "end"),
    }


def test_people_who_submit_are_masked() -> None:
    assert {column.name for column in CONNECTOR.tables["response"].masked} == {"submitter_name", "device_id"}
    assert {column.name for column in CONNECTOR.tables["answer"].masked} == {"free_text"}


def test_missing_codes_are_kept_with_their_reason(landed: Landed) -> None:
    coded = [
        (r["question_code"], r["value"], r["missing_reason"]) for r in landed.table("answer") if r["missing_reason"]
    ]
    assert coded == [("phq9_9", "-888", "declined")]


def test_an_edit_is_a_greater_version_of_the_response_and_of_its_answers(landed: Landed) -> None:
    later = land(CONNECTOR, FIXTURES / "odk_json_edited", MAPPING)
    before, after = ({r["response_code"]: r for r in x.table("response")} for x in (landed, later))
    for code in (A, B):
        assert after[code]["version"] > before[code]["version"]
    assert {row["version"] for row in later.table("answer") if row["response_code"] == A} == {"000001"}
    assert {row["version"] for row in landed.table("answer") if row["response_code"] == A} == {"000000"}
    assert after[C]["deleted_at"] == "2024-03-10T00:00:00.000Z"
    assert CONNECTOR.tables["answer"].group == ("response_code",)
    assert "members[2] members/age" in landed.answers(A)
    assert "members[2] members/age" not in later.answers(A)


def test_ten_edits_are_more_than_nine(tmp_path: Path) -> None:
    assert CONNECTOR.tables["response"].version_is_text
    header = "KEY,Edits,q\n"
    (tmp_path / "f.csv").write_text(header + f"{A},9,1\n{B},10,1\n")
    first, second = (row["version"] for row in land(CONNECTOR, tmp_path).table("response"))
    assert first < second


def test_option_columns_of_central_are_read_as_options() -> None:
    landed = land(CONNECTOR, FIXTURES / "odk_csv_option_columns")
    options = [(r["response_code"], r["choice_code"], r["value"]) for r in landed.table("answer") if r["choice_code"]]
    assert options == [(A, "housing", "1"), (A, "debt", "1"), (B, "housing", "0"), (B, "debt", "1")]
    assert {r["question_code"] for r in landed.table("answer")} == {"needs"}
    assert landed.table("form")[0]["question_count"] == "1"


def test_a_form_definition_says_which_questions_have_options() -> None:
    landed = land(CONNECTOR, FIXTURES / "odk_json_with_definition")
    assert landed.answers(A) == {
        "contact/phone_calls": "vault: 3",
        "needs": "debt housing",
        "needs/debt": "1",
        "needs/housing": "1",
        "route": "gp",
        "remark": "vault: ok",
        "photo": "vault: 1.jpg",
    }
    assert landed.table("form")[0]["form_title"] == "Needs and wishes"


def test_without_definition_or_mapping_words_go_to_the_vault_and_numbers_stay() -> None:
    landed = land(CONNECTOR, FIXTURES / "odk_json_repeats")
    answers = landed.answers(A)
    kept = {path for path, value in answers.items() if not value.startswith("vault: ")}
    assert {"client_ref", "wave", "needs", "first_name", "comment", "place"} & kept == set()
    assert {"visit_date", "phq/phq9_1", "rent", "members[1] members/age"} <= kept


def test_a_submission_without_id_and_a_repeated_one_are_rejected_and_the_rest_lands() -> None:
    landed = land(CONNECTOR, FIXTURES / "odk_csv_missing_instance_id")
    assert [(r.rule, r.row_number, r.line) for r in landed.rejects] == [
        ("missing_instance_id", 2, 3),
        ("repeated_submission", 3, 4),
    ]
    assert landed.answers(A) == {"phq9_1": "1"}


def test_a_repeat_without_its_submission_is_rejected() -> None:
    landed = land(CONNECTOR, FIXTURES / "odk_json_repeat_without_submission", MAPPING)
    assert [(r.table, r.rule, r.line) for r in landed.rejects] == [("answer", "repeat_without_submission", 3)]
    assert json.loads(landed.rejects[0].raw)["members/age"] == "34"
    assert landed.answers(B)["members[1] members/age"] == "50"


def test_an_element_that_is_no_object_is_rejected() -> None:
    landed = land(CONNECTOR, FIXTURES / "odk_json_not_an_object", MAPPING)
    assert [(r.rule, r.row_number, r.line) for r in landed.rejects] == [("not_a_record", 2, 21)]
    assert [row["response_code"] for row in landed.table("response")] == [A]


@pytest.mark.parametrize(
    ("fixture", "rule", "line"),
    [("odk_json_malformed", "malformed_json", 4), ("odk_no_submissions", "no_submissions", None)],
)
def test_what_is_no_export_is_refused(fixture: str, rule: str, line: int | None) -> None:
    with pytest.raises(RefusedError) as refused:
        land(CONNECTOR, FIXTURES / fixture, MAPPING)
    assert (refused.value.rule, refused.value.line) == (rule, line)


def test_a_repeat_file_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f-members.csv").write_text("age,PARENT_KEY,KEY\n1,u,u/members[1]\n")
    with pytest.raises(RefusedError) as refused:
        land(CONNECTOR, tmp_path)
    assert refused.value.rule == "repeat_without_submissions"


def test_a_file_that_does_not_name_its_form_needs_one_form_in_the_region_file(tmp_path: Path) -> None:
    file = tmp_path / "Submissions.json"
    file.write_text(json.dumps({"value": [{"__id": A, "q": 1}]}))
    assert land(CONNECTOR, file, MAPPING).table("form")[0]["form_code"] == "wellbeing_check"
    with pytest.raises(RefusedError) as refused:
        land(CONNECTOR, file)
    assert refused.value.rule == "unknown_form"


def test_the_folder_names_the_form_also_when_it_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "intake").mkdir()
    (tmp_path / "intake" / "Submissions.json").write_text(json.dumps({"value": [{"__id": A, "q": 1}]}))
    assert land(CONNECTOR, tmp_path).table("form")[0]["form_code"] == "intake"


def test_an_empty_export_still_says_which_form_it_is(tmp_path: Path) -> None:
    (tmp_path / "intake.csv").write_text("SubmissionDate,q,KEY\n")
    landed = land(CONNECTOR, tmp_path)
    assert [f["form_code"] for f in landed.table("form")] == ["intake"]
    assert landed.table("response") == []


def test_a_complete_export_speaks_for_its_forms() -> None:
    facts = land(CONNECTOR, FIXTURES / "odk_json_repeats", {**MAPPING, "complete": True}).facts
    assert (facts.regime, facts.scope_values) == (Regime.FULL, ("satisfaction", "wellbeing_check"))


def test_repeats_are_counted_on_from_run_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_odk_files, "RECORDS_AT_ONCE", 2)
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "Submissions.json").write_text(json.dumps({"value": [{"__id": A}, {"__id": B}, {"__id": C}]}))
    members = [{"__id": f"m{n}", "__Submissions-id": parent, "age": n} for n, parent in enumerate([A, B, A, A, C, A])]
    (folder / "Submissions.members.json").write_text(json.dumps({"value": members}))
    landed = land(CONNECTOR, tmp_path)
    assert landed.answers(A) == {
        "members[1] members/age": "0",
        "members[2] members/age": "2",
        "members[3] members/age": "3",
        "members[4] members/age": "5",
    }


def test_a_repeated_submission_is_found_in_a_later_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_odk_files, "RECORDS_AT_ONCE", 2)
    file = tmp_path / "f" / "Submissions.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"value": [{"__id": code, "q": 1} for code in (A, B, C, A, A, B)]}))
    landed = land(CONNECTOR, tmp_path)
    assert [(r.rule, r.row_number) for r in landed.rejects] == [("repeated_submission", n) for n in (4, 5, 6)]
    assert [row["response_code"] for row in landed.table("response")] == [A, B, C]


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9999, 9999), st.sampled_from(["", "yes", "Kim", "a b"]))
RECORDS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]),
    st.one_of(SCALARS, st.dictionaries(st.sampled_from(["a", "b"]), SCALARS)),
)


@settings(max_examples=30)
@given(st.lists(RECORDS, max_size=9))
def test_answers_are_the_leaves_of_the_submissions(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]
) -> None:
    file = tmp_path_factory.mktemp("odk") / "f" / "Submissions.json"
    file.parent.mkdir()
    value = [{"__id": f"uuid:{number}", **record} for number, record in enumerate(records)]
    file.write_text(json.dumps({"value": value}))
    landed = land(CONNECTOR, file.parent.parent)
    found = Counter(
        (a["response_code"], a["question_path"], a["value"] or a["free_text"]) for a in landed.table("answer")
    )
    assert found == Counter(
        (f"uuid:{number}", path, text) for number, record in enumerate(records) for path, text in _leaves(record)
    )
    assert len(landed.table("response")) == len(records)


def _leaves(record: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in record.items():
        if isinstance(value, dict):
            found += _leaves(value, f"{prefix}{name}/")
        elif value is not None and value != "":
            found.append((prefix + name, str(value).lower() if isinstance(value, bool) else str(value)))
    return found


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_a_form_definition_with_entities_is_not_read(codec: str) -> None:
    entity = '<!DOCTYPE x [<!ENTITY a "b">]>'
    form = '<html><head><title>&a;</title><model><instance><data id="f"/></instance></model></head></html>'
    assert parse_definition(form.replace("&a;", "b").encode()) is not None
    assert parse_definition((entity + form).encode(codec)) is None
