"""The rules of HUD's reports (domain brief §12.1, §12.2) at their edges: the people of the annual performance report,
and the nights of the system performance measures.

What belongs here: one person or household a rule. What does not: HUD's own tables (``tests/reference``).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

import duckdb
import pytest

from orchestration.project import DBT_PROJECT
from tests.dbt_macros import render

Row = dict[str, Any]

PERIOD = ("2020-10-01", "2021-09-30")

TABLES: Mapping[str, Mapping[str, tuple[str, Any]]] = {
    "fct_episode": {
        "source_id": ("VARCHAR", "src"),
        "organisation_id": ("VARCHAR", "org"),
        "service_key": ("VARCHAR", "service"),
        "service_type_code": ("VARCHAR", "permanent_supportive_housing"),
        "episode_key": ("VARCHAR", None),
        "episode_code": ("VARCHAR", None),
        "source_person_key": ("VARCHAR", None),
        "person_key": ("VARCHAR", None),
        "household_key": ("VARCHAR", None),
        "relationship_to_head_code": ("VARCHAR", "head"),
        "start_on": ("DATE", "2020-11-01"),
        "end_on": ("DATE", None),
        "is_date_order_valid": ("BOOLEAN", True),
        "move_in_on": ("DATE", None),
        "destination_class_code": ("VARCHAR", None),
        "is_destination_excluded": ("BOOLEAN", False),
        "living_situation_class_code": ("VARCHAR", "permanent"),
        "date_to_street_on": ("DATE", None),
        "disabling_condition_code": ("VARCHAR", "no"),
        "coc_code": ("VARCHAR", "XX-500"),
        "age_at_start_years": ("INTEGER", 30),
    },
    "in_case__episode": {
        "episode_key": ("VARCHAR", None),
        "destination_detail_code": ("VARCHAR", None),
        "length_of_stay_code": ("VARCHAR", "year_or_longer"),
        "times_homeless_code": ("VARCHAR", "one"),
        "months_homeless_code": ("VARCHAR", "months_01"),
        "birth_relation_at_start": ("VARCHAR", "before"),
        "is_los_under_threshold_code": ("VARCHAR", "no"),
        "previous_street_es_sh_code": ("VARCHAR", "no"),
    },
    "in_case__person": {
        "source_person_key": ("VARCHAR", None),
        "birth_month": ("DATE", "1990-06-01"),
        "is_born_on_first": ("BOOLEAN", False),
        "birth_status": ("VARCHAR", "valid"),
        "birth_date_quality_code": ("VARCHAR", "full"),
        "national_id_quality_code": ("VARCHAR", "full"),
        "national_id_status": ("VARCHAR", "valid"),
        "name_quality_code": ("VARCHAR", "full"),
        "is_name_given": ("BOOLEAN", True),
        "gender_code": ("VARCHAR", "female"),
        "race_answer_code": ("VARCHAR", "given"),
        "is_hispanic_code": ("VARCHAR", "no"),
        "veteran_status_code": ("VARCHAR", "not_veteran"),
    },
    "dim_service": {"service_key": ("VARCHAR", "service"), "is_night_by_night": ("BOOLEAN", False)},
    "fct_income": {
        "episode_key": ("VARCHAR", None),
        "information_on": ("DATE", None),
        "collection_stage_code": ("VARCHAR", "entry"),
        "has_income_code": ("VARCHAR", "yes"),
        "is_source_contradictory": ("BOOLEAN", False),
    },
    "fct_health_status": {
        "episode_key": ("VARCHAR", None),
        "disability_type_code": ("VARCHAR", None),
        "response_code": ("VARCHAR", "yes"),
        "is_indefinite_code": ("VARCHAR", "no"),
    },
    "fct_bed_night": {
        "bed_night_key": ("VARCHAR", None),
        "source_id": ("VARCHAR", "src"),
        "source_person_key": ("VARCHAR", None),
        "person_key": ("VARCHAR", None),
        "organisation_id": ("VARCHAR", "org"),
        "episode_key": ("VARCHAR", None),
        "service_type_code": ("VARCHAR", "emergency_shelter"),
        "night_on": ("DATE", None),
    },
}
"""Columns that the reports read, with a value for those that a case does not state."""


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    """One database for all cases; each makes its tables anew."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        "CREATE TABLE dim_date AS SELECT CAST(range AS DATE) AS date_on "
        "FROM range(DATE '2010-01-01', DATE '2022-01-01', INTERVAL 1 DAY)"
    )
    return connection


@cache
def _sql(text: str) -> str:
    return render(text, "hmis", "core", "")


def query(text: str, tables: Mapping[str, list[Row]]) -> list[Row]:
    """What SQL with macros gives over tables with these rows."""
    connection = _connection()
    for table, columns in TABLES.items():
        listed = ", ".join(f"{name} {type_name}" for name, (type_name, _default) in columns.items())
        connection.execute(f"CREATE OR REPLACE TABLE {table} ({listed})")
        rows = tables.get(table, [])
        for row in rows:
            assert set(row) <= set(columns), f"{table}: {set(row) - set(columns)}"
        if rows:
            values = [[row.get(name, default) for name, (_type, default) in columns.items()] for row in rows]
            marks = ", ".join(f"({', '.join('?' * len(columns))})" for _row in rows)
            connection.execute(f"INSERT INTO {table} VALUES {marks}", [value for row in values for value in row])
    relation = connection.execute(_sql(text))
    names = [column[0] for column in relation.description]
    return [dict(zip(names, record, strict=True)) for record in relation.fetchall()]


def stay(name: str, **given: Any) -> dict[str, list[Row]]:
    """One stay of a person of that name, alone in a household unless told otherwise; columns of all its tables."""
    keys = {"episode_key": name, "episode_code": name, "source_person_key": name, "household_key": name}
    everything: Row = {**keys, **given}
    return {
        table: [{column: value for column, value in everything.items() if column in TABLES[table]}]
        for table in ("fct_episode", "in_case__episode", "in_case__person")
    }


def universe(*stays: dict[str, list[Row]], **more: list[Row]) -> dict[str, Row]:
    """Episode → what the report knows of the person; people with several stays are given once."""
    tables: dict[str, list[Row]] = {"dim_service": [{}], **more}
    for one in stays:
        for table, rows in one.items():
            known = tables.setdefault(table, [])
            known += [row for row in rows if table != "in_case__person" or row not in known]
    found = query("select * from {{ apr_universe('" + "', '".join(PERIOD) + "') }}", tables)
    return {row["episode_key"]: row for row in found}


def household(name: str, *members: Row) -> list[dict[str, list[Row]]]:
    """Stays of one household; the first is its head."""
    return [
        stay(
            f"{name}{number}",
            **{"household_key": name, "relationship_to_head_code": "child" if number else "head", **member},
        )
        for number, member in enumerate(members)
    ]


# Codes (§12.1) ---------------------------------------------------------------------------------------------------


def situations(version: str) -> list[dict[str, str]]:
    """Destinations and living situations of a format."""
    with (DBT_PROJECT / "seeds/ref_hmis_situation.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["format_version"] == version]


@pytest.mark.parametrize("version", ["FY2020", "FY2022"])
def test_situations_until_fy2022(version: str) -> None:
    codes: dict[str, set[int]] = {}
    for row in situations(version):
        codes.setdefault(row["situation_class_code"], set()).add(int(row["situation_code"]))
        if row["is_destination_excluded"] == "true":
            codes.setdefault("excluded", set()).add(int(row["situation_code"]))
    assert codes["permanent"] == {3, 10, 11, 19, 20, 21, 22, 23, 26, 28, 31, 33, 34}
    assert codes["excluded"] == {6, 15, 24, 25}
    assert codes["homeless"] == {1, 16, 18}
    assert codes["institutional"] == {4, 5, 6, 7, 15, 25}


def test_situations_since_fy2024_are_families_of_numbers_and_the_same_places() -> None:
    family = {"homeless": 1, "institutional": 2, "temporary": 3, "permanent": 4}
    rows = situations("FY2024")
    for row in rows:
        assert int(row["situation_code"]) // 100 == family.get(row["situation_class_code"], 0), row
    assert {row["situation_code"] for row in rows if row["is_destination_excluded"] == "true"} == {
        *("206", "215", "225", "24")
    }
    before = {row["situation_detail_code"]: row["situation_class_code"] for row in situations("FY2022")}
    for row in rows:
        if row["situation_detail_code"] != "rental_subsidy":
            assert before[row["situation_detail_code"]] == row["situation_class_code"], row


# Who is in the report --------------------------------------------------------------------------------------------


def test_served_is_who_was_there_on_a_day_of_the_period() -> None:
    people = universe(
        stay("left_before", start_on="2020-01-01", end_on="2020-09-30"),
        stay("left_on_first_day", start_on="2020-01-01", end_on="2020-10-01"),
        stay("came_on_last_day", start_on="2021-09-30"),
        stay("came_after", start_on="2021-10-01"),
    )
    assert set(people) == {"left_on_first_day", "came_on_last_day"}


def test_leavers_left_within_the_period_and_whoever_leaves_later_stays() -> None:
    people = universe(
        stay("last_day", end_on="2021-09-30"), stay("day_after", end_on="2021-10-01"), stay("open", end_on=None)
    )
    assert {name: person["is_leaver"] for name, person in people.items()} == {
        "last_day": True,
        "day_after": False,
        "open": False,
    }


def test_a_person_with_two_stays_is_one_and_reported_by_the_latest() -> None:
    people = universe(
        stay("first", source_person_key="p", start_on="2020-10-05", end_on="2020-12-01"),
        stay("second", source_person_key="p", start_on="2021-01-05"),
    )
    assert set(people) == {"second"}
    assert not people["second"]["overlaps_earlier_stay"]


def test_stays_of_a_person_in_one_service_that_overlap_are_told() -> None:
    people = universe(
        stay("first", source_person_key="p", start_on="2020-10-05", end_on="2021-01-06"),
        stay("second", source_person_key="p", start_on="2021-01-05"),
    )
    assert people["second"]["overlaps_earlier_stay"]


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2020-11-01", "2020-11-01", 1),
        ("2020-11-01", "2020-11-02", 1),
        ("2020-11-01", "2020-12-01", 30),
        ("2021-09-30", None, 1),
        ("2020-10-01", None, 365),
        ("2020-09-30", None, 366),
    ],
)
def test_days_of_a_stay_are_to_the_exit_or_include_the_last_day_of_the_period(
    start: str, end: str | None, days: int
) -> None:
    assert universe(stay("p", start_on=start, end_on=end))["p"]["stay_days"] == days


# Ages and households ---------------------------------------------------------------------------------------------


def test_age_is_that_at_entry_or_at_the_start_of_the_period_if_that_is_later() -> None:
    people = universe(
        stay("at_entry", start_on="2020-11-01", age_at_start_years=17, birth_month="2002-11-01"),
        stay("turned_18_since", start_on="2019-01-01", age_at_start_years=16, birth_month="2002-09-01"),
        stay(
            "on_the_first",
            start_on="2019-01-01",
            age_at_start_years=16,
            birth_month="2002-10-01",
            is_born_on_first=True,
        ),
        stay("later_that_month", start_on="2019-01-01", age_at_start_years=16, birth_month="2002-10-01"),
    )
    assert {name: person["age_years"] for name, person in people.items()} == {
        "at_entry": 17,
        "turned_18_since": 18,
        "on_the_first": 18,
        "later_that_month": 17,
    }


@pytest.mark.parametrize(
    ("ages", "type_code"),
    [
        ((30, 5), "with_children"),
        ((30, 5, None), "with_children"),
        ((30, None), "unknown"),
        ((5, None), "unknown"),
        ((30, 18), "without_children"),
        ((17, 3), "only_children"),
        ((None,), "unknown"),
    ],
)
def test_household_type_is_that_of_all_its_members(ages: tuple[int | None, ...], type_code: str) -> None:
    people = universe(*household("h", *({"age_at_start_years": age} for age in ages)))
    assert {person["household_type_code"] for person in people.values()} == {type_code}


@pytest.mark.parametrize(
    ("ages", "youth", "parenting"),
    [
        ((24, 2), {"h0"}, {"h0"}),
        ((12,), {"h0"}, set()),
        ((11,), set(), set()),
        ((24, 25), set(), set()),
        ((24, None), {"h0"}, set()),
        ((17, 1), {"h0"}, {"h0"}),
    ],
)
def test_youth_live_with_nobody_of_25_and_parents_with_nobody_of_unknown_age(
    ages: tuple[int | None, ...], youth: set[str], parenting: set[str]
) -> None:
    people = universe(*household("h", *({"age_at_start_years": age} for age in ages)))
    assert {name for name, person in people.items() if person["is_youth"]} == youth
    assert {name for name, person in people.items() if person["is_parenting_youth"]} == parenting


def test_a_young_head_with_a_young_partner_is_no_parent() -> None:
    people = universe(
        *household("h", {"age_at_start_years": 20}, {"age_at_start_years": 20, "relationship_to_head_code": "partner"})
    )
    assert not any(person["is_parenting_youth"] for person in people.values())


def test_veterans_are_adults() -> None:
    people = universe(
        stay("adult", age_at_start_years=18, veteran_status_code="veteran"),
        stay("child", age_at_start_years=17, veteran_status_code="veteran"),
        stay("unknown", age_at_start_years=None, veteran_status_code="veteran"),
    )
    assert {name for name, person in people.items() if person["is_veteran"]} == {"adult"}


def test_an_age_not_told_is_apart_from_one_not_collected() -> None:
    people = universe(
        stay("refused", age_at_start_years=None, birth_date_quality_code="unknown"),
        stay("missing", age_at_start_years=None, birth_date_quality_code="not_collected"),
        stay("known", age_at_start_years=40, birth_date_quality_code="not_collected"),
    )
    assert {name for name, person in people.items() if person["is_age_unknown"]} == {"refused", "missing"}
    assert {name for name, person in people.items() if person["is_age_not_told"]} == {"refused"}


# Chronic homelessness --------------------------------------------------------------------------------------------

CHRONIC: Row = {
    "disabling_condition_code": "yes",
    "living_situation_class_code": "homeless",
    "date_to_street_on": "2019-11-01",
}


OFTEN: Row = {"date_to_street_on": None, "times_homeless_code": "four_or_more"}


@pytest.mark.parametrize(
    ("answers", "is_chronic"),
    [
        ({}, True),
        ({"disabling_condition_code": "no"}, False),
        ({"disabling_condition_code": "unknown"}, False),
        ({"date_to_street_on": "2019-11-02"}, False),
        ({"date_to_street_on": None}, False),
        ({**OFTEN, "months_homeless_code": "months_12"}, True),
        ({**OFTEN, "months_homeless_code": "more_than_12_months"}, True),
        ({**OFTEN, "months_homeless_code": "months_11"}, False),
        ({**OFTEN, "months_homeless_code": "months_12", "times_homeless_code": "three"}, False),
        ({"living_situation_class_code": "institutional"}, False),
        (
            {
                "living_situation_class_code": "institutional",
                "is_los_under_threshold_code": "yes",
                "previous_street_es_sh_code": "yes",
            },
            True,
        ),
        ({"living_situation_class_code": "institutional", "is_los_under_threshold_code": "yes"}, False),
        ({"living_situation_class_code": "permanent", "service_type_code": "emergency_shelter"}, True),
    ],
)
def test_chronic_homelessness(answers: Row, is_chronic: bool) -> None:
    assert universe(stay("p", **{**CHRONIC, **answers}))["p"]["is_chronic"] is is_chronic


def test_a_household_is_chronically_homeless_by_an_adult_or_its_head_not_by_a_child() -> None:
    adult: Row = {"age_at_start_years": 30}
    child: Row = {"age_at_start_years": 9}
    by_head = universe(*household("h", {**child, **CHRONIC}, child))
    by_adult = universe(*household("h", adult, {**adult, **CHRONIC}, child))
    by_child = universe(*household("h", adult, {**child, **CHRONIC}))
    assert all(person["is_chronic"] for person in [*by_head.values(), *by_adult.values()])
    assert not any(person["is_chronic"] for person in by_child.values())


# Moving in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "member", "moved_in"),
    [
        ({"move_in_on": "2020-11-01"}, {}, True),
        ({"move_in_on": "2020-10-31"}, {}, False),
        ({"move_in_on": "2021-09-30"}, {}, True),
        ({"move_in_on": "2021-10-01"}, {}, False),
        ({"move_in_on": "2021-03-01"}, {"end_on": "2021-03-01"}, True),
        ({"move_in_on": "2021-03-01"}, {"end_on": "2021-02-28"}, False),
        ({"move_in_on": "2021-10-01", "end_on": "2021-12-01"}, {"end_on": "2021-12-01"}, False),
        ({"move_in_on": "2021-03-01"}, {"start_on": "2021-05-01"}, True),
        ({"move_in_on": None}, {"move_in_on": "2021-03-01"}, False),
    ],
)
def test_members_move_in_with_the_head(head: Row, member: Row, moved_in: bool) -> None:
    assert universe(*household("h", head, member))["h1"]["has_moved_in"] is moved_in


# Income ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "stage"),
    [
        ({"information_on": "2020-05-01"}, "entry"),
        ({"information_on": "2020-05-02"}, None),
        ({"information_on": "2020-05-01", "has_income_code": "no"}, "entry"),
        ({"information_on": "2020-05-01", "has_income_code": "unknown"}, None),
        ({"information_on": "2020-05-01", "has_income_code": "not_collected"}, None),
        ({"information_on": "2020-05-01", "is_source_contradictory": True}, None),
        ({"information_on": "2021-08-01", "collection_stage_code": "exit"}, "exit"),
        ({"information_on": "2021-07-31", "collection_stage_code": "exit"}, None),
        ({"information_on": "2021-04-01", "collection_stage_code": "annual"}, "annual"),
        ({"information_on": "2021-05-31", "collection_stage_code": "annual"}, "annual"),
        ({"information_on": "2021-03-31", "collection_stage_code": "annual"}, None),
        ({"information_on": "2021-06-01", "collection_stage_code": "annual"}, None),
        ({"information_on": "2020-05-10", "collection_stage_code": "annual"}, None),
    ],
)
def test_income_counts_on_the_day_of_entry_or_exit_and_a_month_around_the_anniversary(
    record: Row, stage: str | None
) -> None:
    person = universe(
        stay("p", start_on="2020-05-01", end_on="2021-08-01"), fct_income=[{"episode_key": "p", **record}]
    )["p"]
    assert {name for name in ("entry", "annual", "exit") if person[f"has_income_at_{name}"]} == {stage} - {None}


def test_the_anniversary_is_that_of_the_head() -> None:
    head, member = household("h", {"start_on": "2020-05-01"}, {"start_on": "2020-07-05", "age_at_start_years": 30})
    annual = {"information_on": "2021-05-01", "collection_stage_code": "annual"}
    people = universe(head, member, fct_income=[{"episode_key": "h1", **annual}])
    assert people["h1"]["has_income_at_annual"]


@pytest.mark.parametrize(
    ("record", "has_condition"),
    [
        ({"disability_type_code": "physical", "is_indefinite_code": "yes"}, True),
        ({"disability_type_code": "physical", "is_indefinite_code": "no"}, False),
        ({"disability_type_code": "physical", "response_code": "unknown", "is_indefinite_code": "yes"}, False),
        ({"disability_type_code": "developmental"}, True),
        ({"disability_type_code": "hiv", "response_code": "no"}, False),
        ({"disability_type_code": "substance_use", "response_code": "alcohol", "is_indefinite_code": "yes"}, True),
    ],
)
def test_a_condition_of_long_duration_contradicts_no_disabling_condition(record: Row, has_condition: bool) -> None:
    person = universe(stay("p"), fct_health_status=[{"episode_key": "p", **record}])["p"]
    assert person["has_long_condition"] is has_condition


# System performance measures -------------------------------------------------------------------------------------


def homeless_days(
    *stays: Row, nights: tuple[str, ...] = (), period: tuple[str, str] = ("2021-01-01", "2021-12-31")
) -> dict[tuple[str, int], int]:
    """(measure, line) → days of the one person."""
    episodes = [
        {"episode_key": str(n), "source_person_key": "p", "service_type_code": "emergency_shelter", **given}
        for n, given in enumerate(stays)
    ]
    bed_nights = [{"episode_key": "0", "source_person_key": "p", "night_on": night} for night in nights]
    services = [{"service_key": "service"}, {"service_key": "nights", "is_night_by_night": True}]
    found = query(
        "select * from {{ spm_homeless_days('" + "', '".join((*period, "2012-10-01")) + "') }}",
        {"fct_episode": episodes, "fct_bed_night": bed_nights, "dim_service": services},
    )
    return {(row["question"], row["line_number"]): row["homeless_days"] for row in found}


def test_nights_run_from_entry_to_the_one_before_exit() -> None:
    assert homeless_days({"start_on": "2021-03-01", "end_on": "2021-03-04"})["1a", 1] == 3
    assert homeless_days({"start_on": "2021-12-30", "end_on": None})["1a", 1] == 2
    assert homeless_days({"start_on": "2021-03-01", "end_on": "2021-03-01"}) == {}


def test_nights_before_the_period_count_for_who_has_one_in_it() -> None:
    assert homeless_days({"start_on": "2020-12-01", "end_on": "2021-01-01"}) == {}
    assert homeless_days({"start_on": "2020-12-01", "end_on": "2021-01-02"})["1a", 1] == 32


def test_looking_back_a_year_and_to_the_start_of_the_time_that_was_unbroken_then() -> None:
    recent = {"start_on": "2021-05-31", "end_on": "2021-06-02"}
    assert homeless_days(recent, {"start_on": "2020-05-01", "end_on": "2020-06-01"})["1a", 1] == 2
    assert homeless_days(recent, {"start_on": "2020-05-01", "end_on": "2020-06-02"})["1a", 1] == 2 + 32
    assert homeless_days(recent, {"start_on": "2020-06-02", "end_on": "2020-06-04"})["1a", 1] == 2 + 2
    assert (
        homeless_days({"start_on": "2012-09-01", "end_on": "2021-02-01"})["1a", 1]
        == (date(2021, 2, 1) - date(2012, 10, 1)).days
    )


def test_transitional_housing_ends_homelessness_in_line_1_and_counts_in_line_2() -> None:
    days = homeless_days(
        {"start_on": "2021-03-01", "end_on": "2021-03-11"},
        {"start_on": "2021-03-06", "end_on": "2021-03-21", "service_type_code": "transitional_housing"},
    )
    assert days == {("1a", 1): 5, ("1a", 2): 20, ("1b", 1): 5, ("1b", 2): 20}


def test_permanent_housing_is_homeless_until_moving_in_and_housed_after_it() -> None:
    days = homeless_days(
        {"start_on": "2021-03-01", "end_on": "2021-03-31"},
        {
            "start_on": "2021-02-20",
            "end_on": None,
            "move_in_on": "2021-03-06",
            "service_type_code": "permanent_supportive_housing",
        },
    )
    assert days == {("1a", 1): 5, ("1a", 2): 5, ("1b", 1): 14, ("1b", 2): 14}


def test_measure_1b_adds_the_time_on_the_street_once() -> None:
    days = homeless_days(
        {"start_on": "2021-03-11", "end_on": "2021-03-21", "date_to_street_on": "2021-03-01"},
        {"start_on": "2021-03-16", "end_on": "2021-03-21", "date_to_street_on": "2021-03-06"},
    )
    assert days == {("1a", 1): 10, ("1a", 2): 10, ("1b", 1): 20, ("1b", 2): 20}


def test_the_time_on_the_street_before_transitional_housing_counts_in_line_2() -> None:
    transitional = {"service_type_code": "transitional_housing", "date_to_street_on": "2021-03-01"}
    days = homeless_days({"start_on": "2021-03-11", "end_on": "2021-03-21", **transitional})
    assert days == {("1a", 2): 10, ("1b", 2): 20}


# Pitfalls of the domain brief, §9 --------------------------------------------------------------------------------


def test_pitfall_12_nights_of_overlapping_stays_count_once() -> None:
    days = homeless_days(
        {"start_on": "2021-03-01", "end_on": "2021-03-11"}, {"start_on": "2021-03-05", "end_on": "2021-03-15"}
    )
    assert days["1a", 1] == 14


def test_pitfall_12_open_stays_have_a_length() -> None:
    people = universe(stay("open", start_on="2019-10-01"), stay("left", end_on="2020-11-08"))
    assert {name: person["stay_days"] for name, person in people.items()} == {"open": 731, "left": 7}


def test_pitfall_12_a_shelter_that_counts_nights_is_taken_by_them() -> None:
    nightly = {"service_key": "nights", "start_on": "2021-01-01", "end_on": "2021-12-01"}
    assert homeless_days(nightly, nights=("2021-02-01", "2021-02-05")) == {
        ("1a", 1): 2,
        ("1a", 2): 2,
        ("1b", 1): 2,
        ("1b", 2): 2,
    }


def test_pitfall_26_hud_periods_include_their_last_day_and_stays_do_not() -> None:
    people = universe(stay("p", start_on="2021-09-30"), stay("q", start_on="2021-09-29", end_on="2021-09-30"))
    assert {name: person["stay_days"] for name, person in people.items()} == {"p": 1, "q": 1}
    assert homeless_days({"start_on": "2021-12-31", "end_on": None})["1a", 1] == 1


@pytest.mark.parametrize(
    ("start", "end", "is_long"), [("2020-10-01", None, True), ("2020-10-02", None, False), ("2020-02-29", None, True)]
)
def test_pitfall_26_a_year_is_365_days_not_a_calendar_year(start: str, end: str | None, is_long: bool) -> None:
    assert (universe(stay("p", start_on=start, end_on=end))["p"]["stay_days"] >= 365) is is_long
