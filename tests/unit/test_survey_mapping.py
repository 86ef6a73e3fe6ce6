"""The mapping block of a survey source: what follows from it, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sources.survey.mapping import check_survey_mapping, parse_mapping, survey_mapping_rows

BLOCK = """
forms:
  wellbeing_check:
    instruments: {phq9: {phq9_1: 1, phq9_2: 2}, gad7: {gad7_1: 1}}
    total: {phq9: phq9_total}
    person: {field: client_ref, scheme: harbour_hmis}
    assessed_on: visit_date
    timepoint: wave
    free_text: [comment]
    stratum: lives_in
  exit_survey:
  satisfaction: {instrument: satisfaction, items: {overall: 1}, total: overall_total, stratum: {person: age_band},
    person: {field: ref, scheme: harbour_hmis}}
missing_codes: {-999: not_answered}
"""


def mapping(**form: Any) -> dict[str, Any]:
    return {"forms": {"f": form}}


def test_rows_are_one_a_form_and_instrument_and_one_a_question() -> None:
    forms, items = survey_mapping_rows("odk_1", yaml.safe_load(BLOCK))
    rest = ("visit_date", "client_ref", "harbour_hmis", "wave", "lives_in", None)
    by_age = (None, "ref", "harbour_hmis", None, None, "age_band")
    assert forms == [
        ("odk_1", "exit_survey", None, None, None, None, None, None, None),
        ("odk_1", "satisfaction", "satisfaction", *by_age),
        ("odk_1", "wellbeing_check", "gad7", *rest),
        ("odk_1", "wellbeing_check", "phq9", *rest),
    ]
    assert items == [
        ("odk_1", "satisfaction", "satisfaction", "overall", 1, "item"),
        ("odk_1", "satisfaction", "satisfaction", "overall_total", None, "total"),
        ("odk_1", "wellbeing_check", "gad7", "gad7_1", 1, "item"),
        ("odk_1", "wellbeing_check", "phq9", "phq9_1", 1, "item"),
        ("odk_1", "wellbeing_check", "phq9", "phq9_2", 2, "item"),
        ("odk_1", "wellbeing_check", "phq9", "phq9_total", None, "total"),
    ]
    assert check_survey_mapping(yaml.safe_load(BLOCK), has_events=False) == []


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"form": {}}, "unknown key 'form'"),
        ({"forms": []}, None),
        ({"forms": ["f"]}, "'forms' must be a block"),
        (mapping(instruments="phq9"), "form 'f': 'instruments' must be a block"),
        (mapping(intrument="phq9"), "form 'f': unknown key 'intrument'"),
        (mapping(items={"q1": 1}), "form 'f': 'items' needs 'instrument'"),
        (
            mapping(stratum={"person": "shoe_size"}),
            "form 'f': 'stratum' must be a question, or {person: …} with one of age",
        ),
        (mapping(stratum=["q1"]), "form 'f': 'stratum' must be a question"),
        (mapping(stratum={"person": "sex"}), "form 'f': 'stratum' is read from the person's records"),
        (mapping(stratum="q1", free_text=["q1"]), "form 'f': 'q1' is named as free text and for use"),
        (mapping(instrument="phq9"), "form 'f': 'instrument' needs 'items', 'total' or 'score'"),
        (mapping(instrument="phq9", items={"q1": 1, "q2": 1}), "form 'f': phq9: item number 1 is used twice"),
        (mapping(instrument="phq9", items={"q1": 0}), "the item number of 'q1' must be a whole number"),
        (mapping(instrument="phq9", items={"q1": True}), "the item number of 'q1' must be a whole number"),
        (mapping(instrument="phq9", items={"q1": 1}, total="q1"), "question 'q1' is used twice"),
        (mapping(instruments={"a": {"q1": 1}, "b": {"q1": 2}}), "question 'q1' is used for a and b"),
        (mapping(instrument="a", items={"q1": 1}, instruments={"b": {"q2": 1}}), "either 'instrument' with 'items'"),
        (mapping(instruments={"a": {"q1": 1}}, total="t"), "'total' needs 'instrument'"),
        (mapping(instruments={"a": {"q1": 1}}, total={"b": "t"}), "instrument 'b', which the form does not carry"),
        (mapping(instruments={"a": "q1"}), "instrument 'a' must be a block"),
        (mapping(person={"field": "ref"}), "form 'f': person: 'scheme' is required"),
        (mapping(person={"field": "ref", "scheme": "s", "id": 1}), "person: unknown key 'id'"),
        (mapping(instruments={"a": {"q1": 1}}, score={"b": "t"}), "'score' names instrument 'b'"),
        (mapping(instrument="a", items={"q1": 1}, items_are_prereversed="yes"), "must be true or false"),
        (mapping(free_text="comment"), "'free_text' must be a list"),
        (mapping(assessed_on=["d"]), "'assessed_on' must be a name"),
        (mapping(assessed_on="d", free_text=["d"]), "'d' is named as free text and for use"),
        ({"missing_codes": {"-9": "lost"}}, "missing code '-9': 'lost' is no known reason"),
        ({"complete": "yes"}, "'complete' must be true or false"),
        ({"events": {"e": "start"}}, "'events' belongs to REDCap"),
    ],
)
def test_problems_are_sentences_that_name_the_place(block: dict[str, Any], problem: str | None) -> None:
    found = check_survey_mapping(block, has_events=False)
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


def test_supplied_scores_and_reversed_items_have_roles_of_their_own() -> None:
    form = {"instrument": "swemwbs", "items": {"q1": 1}, "score": "metric", "items_are_prereversed": True}
    _, items = survey_mapping_rows("s", mapping(**form))
    assert [(question, role) for _, _, _, question, _, role in items] == [
        ("q1", "item_prereversed"),
        ("metric", "score"),
    ]


def test_weights_go_with_the_items_that_they_weigh() -> None:
    block = {"instrument": "gas", "items": {"goal_1": 1}, "weights": {"goal_1_weight": 1}}
    _, items = survey_mapping_rows("s", mapping(**block))
    assert [(question, number, role) for _, _, _, question, number, role in items] == [
        ("goal_1", 1, "item"),
        ("goal_1_weight", 1, "weight"),
    ]
    assert "goal_1_weight" in parse_mapping(mapping(**block)).form("f").readable
    several = {"instruments": {"gas": {"goal_1": 1}}, "weights": {"gas": {"goal_1_weight": 1}}}
    assert survey_mapping_rows("s", mapping(**several))[1] == items


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (
            {"instruments": {"gas": {"q": 1}}, "weights": {"w": 1}},
            "write weights: {instrument: {question: item number}}",
        ),
        ({"instruments": {"gas": {"q": 1}}, "weights": {"phq9": {"w": 1}}}, "'weights' names instrument 'phq9'"),
        ({"instrument": "gas", "items": {"q": 1}, "weights": {"w": 0}}, "item number of 'w' must be a whole number"),
        ({"instrument": "gas", "items": {"q": 1}, "weights": {"q": 1}}, "question 'q' is used twice"),
        ({"weights": {"w": 1}}, "'weights' needs 'instrument' or 'instruments'"),
    ],
)
def test_weights_that_weigh_nothing_are_told(block: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in check_survey_mapping(mapping(**block), has_events=False))


def test_events_are_fine_where_surveys_have_them() -> None:
    assert check_survey_mapping({"events": {"baseline_arm_1": "start"}}, has_events=True) == []
    assert "must be a lower-case word" in check_survey_mapping({"events": {"e": "Start!"}}, has_events=True)[0]
