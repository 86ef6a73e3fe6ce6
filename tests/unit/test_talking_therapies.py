"""The truth table of Talking Therapies: caseness, recovery and reliable change on two measures, every combination.

Each measure begins a case or not, ends a case, no case or unknown, and is reliably better, worse or neither, as far as
these go together: 12 ways for PHQ-9, 12 for GAD-7, or no measure at all, which makes 168 courses. What each comes to is
worked out here from the published rules and by ``mart_episode_course``; CORC's rule stands beside it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from orchestration.instruments import SEEDS, read_programmes
from tests.courses import courses


@dataclass(frozen=True)
class Measure:
    """First and last score of a measure with a cut-off and a reliable change."""

    instrument: str
    cut_off: int
    threshold: int
    first: int
    last: int | None

    @property
    def begins_as_case(self) -> bool:
        return self.first >= self.cut_off

    @property
    def ends_below(self) -> bool:
        """Known to be below: a measure without a second score is not."""
        return self.last is not None and self.last < self.cut_off

    @property
    def is_up(self) -> bool:
        return self.last is not None and self.first - self.last >= self.threshold

    @property
    def is_down(self) -> bool:
        return self.last is not None and self.last - self.first >= self.threshold

    def row(self, course: str) -> dict[str, Any]:
        paired = self.last is not None
        return {
            **{"episode_key": course, "instrument_code": self.instrument, "first_score": self.first},
            **{"last_score": self.last, "gain_score": self.first - self.last if paired else None, "is_paired": paired},
        }


def ways(instrument: str, cut: int, threshold: int) -> list[Measure]:
    """Scores for every combination of caseness at both ends and change that there can be."""
    scores = [
        *((cut - 1, cut - 2), (cut - 1, cut - 1 - threshold), (cut - 1 - threshold, cut - 1)),
        *((cut - 1, cut), (cut - 1, cut - 1 + threshold)),
        *((cut, cut - 1), (cut, cut - threshold)),
        *((cut + 1, cut), (cut + threshold, cut), (cut, cut + threshold)),
        *((cut, None), (cut - 1, None)),
    ]
    return [Measure(instrument, cut, threshold, first, last) for first, last in scores]


PHQ9, GAD7 = ways("phq9", 10, 6), ways("gad7", 8, 4)
PAIRS = [pair for pair in product([*PHQ9, None], [*GAD7, None]) if any(pair)]
COURSES = {str(number): [m for m in pair if m is not None] for number, pair in enumerate(PAIRS)}


def expected(measures: list[Measure], rule: str) -> dict[str, bool]:
    """domain rules, one line each."""
    up, down = any(m.is_up for m in measures), any(m.is_down for m in measures)
    case_at_start = any(m.begins_as_case for m in measures)
    recovered = case_at_start and all(m.ends_below for m in measures)
    improved = up and not down
    deteriorated = down and not up if rule == "tt" else down
    return {
        "is_finished": True,
        "is_not_case": not case_at_start,
        "is_finished_case": case_at_start,
        "is_recovered": recovered,
        "is_reliably_improved": improved,
        "is_reliably_deteriorated": deteriorated,
        "is_reliably_recovered": recovered and improved,
    }


@pytest.mark.parametrize("rule", ["tt", "corc"])
def test_every_combination(rule: str) -> None:
    got = courses([m.row(course) for course, measures in COURSES.items() for m in measures], rule=rule)
    assert len(got) == 13 * 13 - 1
    wrong = {
        course: [(m.instrument, m.first, m.last) for m in measures]
        for course, measures in COURSES.items()
        if {key: got[course][key] for key in expected(measures, rule)} != expected(measures, rule)
    }
    assert wrong == {}


def test_the_table_tells_rules_apart() -> None:
    """One up and one down: no reliable change in Talking Therapies, deterioration at CORC. The table has both kinds of
    every flag."""
    apart = [m for m in COURSES.values() if expected(m, "tt") != expected(m, "corc")]
    assert apart
    assert all(any(x.is_up for x in m) and any(x.is_down for x in m) for m in apart)
    flags = [expected(m, "tt") for m in COURSES.values()]
    assert all({f[key] for f in flags} == {True, False} for key in flags[0] if key != "is_finished")


def test_an_anxiety_measure_made_for_the_problem_is_judged_instead_of_gad7() -> None:
    unchanged = Measure("gad7", 8, 4, 15, 15).row("c")
    below = Measure("phq9", 10, 6, 5, 5).row("c")
    got = courses([below, unchanged, Measure("spin", 19, 10, 30, 12).row("c")])["c"]
    assert got["is_recovered"]
    assert got["is_reliably_improved"]
    assert not courses([below, unchanged])["c"]["is_recovered"]


MADE_FOR = {
    **{problem: ["gad7"] for problem in ("depression", "gad", "mixed", "none")},
    **{"social_anxiety": ["spin"], "ptsd": ["pcl_5", "ies_r"], "agoraphobia": ["mi"], "ocd": ["oci"]},
    **{"panic": ["pdss"], "health_anxiety": ["hai"]},
}
"""Problem descriptor → its anxiety measure (PMC5942544, table 2; PCL-5 has replaced IES-R)."""
ANXIETY = ("spin", "pcl_5", "ies_r", "mi", "oci", "pdss", "hai", "gad7")


@pytest.mark.parametrize("problem", MADE_FOR)
def test_the_measure_of_the_problem_is_judged_and_no_other(problem: str) -> None:
    """Everything was taken twice, and one measure after the other is the only one that ends below its cut-off."""
    below = {"first_score": 60, "last_score": 0, "gain_score": 60, "is_paired": True}
    unchanged = {"first_score": 60, "last_score": 60, "gain_score": 0, "is_paired": True}
    measures = [
        {"episode_key": recovers, "instrument_code": code, **(below if code == recovers else unchanged)}
        for recovers in ANXIETY
        for code in ANXIETY
    ]
    got = courses(measures, problems=dict.fromkeys(ANXIETY, problem))
    assert [code for code in ANXIETY if got[code]["is_recovered"]] == MADE_FOR[problem][:1]


@pytest.mark.parametrize("problem", MADE_FOR)
def test_gad7_stands_for_the_measure_of_the_problem(problem: str) -> None:
    gad7 = Measure("gad7", 8, 4, 15, 5).row("c")
    other = next(code for code in ANXIETY if code not in (*MADE_FOR[problem], "gad7"))
    once = [{**Measure(code, 0, 0, 60, None).row("c")} for code in MADE_FOR[problem] if code != "gad7"]
    stranger = {**Measure(other, 0, 0, 60, 60).row("c")}
    assert courses([gad7, stranger, *once], problems={"c": problem})["c"]["is_reliably_recovered"]


def test_problems_are_those_of_the_sheet_of_appointments() -> None:
    with (SEEDS / "ref_sheet_code.csv").open(encoding="utf-8") as file:
        listed = [row["code"] for row in csv.DictReader(file) if row["list_code"] == "problem"]
    assert [list(p.problems) for p in read_programmes() if p.problems] == [listed]
    assert set(MADE_FOR) == set(listed)


def test_wsas_is_no_part_of_recovery() -> None:
    wsas = {**Measure("wsas", 10, 8, 40, 40).row("c")}
    got = courses([Measure("phq9", 10, 6, 15, 5).row("c"), wsas])["c"]
    assert got["is_recovered"]
