"""What naive implementations get wrong about instruments and outcomes, one test each, named by its number in the brief.

What belongs here: pitfalls 3 to 10. What does not: those of charts, disclosure and deliveries, which stand with theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import yaml

from orchestration.instruments import read_instruments
from orchestration.project import DBT_PROJECT
from tests.courses import courses, outcomes
from tests.scoring import score_answers

BY_CODE = {instrument.code: instrument for instrument in read_instruments()}


def scored(
    code: str,
    items: list[Any],
    scale: str | None = None,
    *,
    prereversed: bool = False,
    missing: Mapping[int, str] | None = None,
) -> Decimal | None:
    """The score of one sheet of answers. ``missing``: item → reason for no answer."""
    instrument = BY_CODE[code]
    rows = [
        ("a", code, number, value, (missing or {}).get(number), None, prereversed)
        for number, value in zip(instrument.item_numbers, items, strict=True)
    ]
    wanted = scale or instrument.headline
    found = score_answers([instrument], rows).query("SELECT score FROM score WHERE scale_code = ?", [wanted])
    value: Decimal | None = found[0][0]
    return value


def measure(course: str, code: str, first: int, last: int | None) -> dict[str, Any]:
    gain = None if last is None else first - last
    return {
        **{"episode_key": course, "instrument_code": code, "first_score": first, "last_score": last},
        **{"gain_score": gain, "is_paired": last is not None},
    }


def test_pitfall_03_denominators_of_recovery_and_reliable_improvement_differ() -> None:
    """Four courses: recovered, never a case but better, unpaired case, case without change. Recovery is 1 of 3 (the
    one that was no case is out, the unpaired one is in); reliable improvement 2 of 4."""
    got = courses(
        [
            measure("recovered", "phq9", 15, 5),
            measure("no case", "phq9", 9, 3),
            measure("unpaired", "phq9", 15, None),
            measure("unchanged", "phq9", 15, 15),
        ]
    ).values()

    def count(flag: str) -> int:
        return sum(row[flag] for row in got)

    assert (count("is_recovered"), count("is_finished_case")) == (1, 3)
    assert (count("is_reliably_improved"), count("is_finished")) == (2, 4)
    catalogue = yaml.safe_load((DBT_PROJECT / "models/kpi/catalogue/outcomes.yml").read_text(encoding="utf-8"))
    ratios = {m["name"]: m["type_params"] for m in catalogue["metrics"] if m["type"] == "ratio"}
    denominators = {name: ratios[name]["denominator"] for name in ("oc_03", "oc_04", "oc_05", "oc_06")}
    assert denominators == {
        **{"oc_03": "finished_courses", "oc_04": "finished_courses"},
        **{"oc_05": "finished_case_courses", "oc_06": "finished_case_courses"},
    }


def test_pitfall_04_caseness_if_either_recovery_only_if_both() -> None:
    got = courses(
        [
            *(measure("one still a case", "phq9", 15, 5), measure("one still a case", "gad7", 12, 8)),
            *(measure("both below", "phq9", 15, 9), measure("both below", "gad7", 12, 7)),
            *(measure("one was a case", "phq9", 9, 9), measure("one was a case", "gad7", 8, 7)),
        ]
    )
    assert {name: row["is_finished_case"] for name, row in got.items()} == dict.fromkeys(got, True)
    assert {name: row["is_recovered"] for name, row in got.items()} == {
        "one still a case": False,
        "both below": True,
        "one was a case": True,
    }


def test_pitfall_05_swemwbs_raw_is_converted() -> None:
    """Raw 21 is 19.25, not 21; a prorated total has no place in the table. The same seven items in WEMWBS, and raw
    totals that a sender calls scores, are vectors of the definitions."""
    assert scored("swemwbs", [3] * 7) == Decimal("19.25")
    assert scored("swemwbs", [3] * 6 + [None]) is None
    assert scored("wemwbs", [3] * 14, "swemwbs") == Decimal("19.25")


def test_pitfall_06_each_scale_has_its_own_good_direction() -> None:
    rows = outcomes(
        [
            *({"instrument_code": c, "assessed_on": d, "score": s} for c, d, s in _TWICE),
            {"assessment_key": "ons first", "instrument_code": "ons4", "assessed_on": "2024-02-01"},
            {"assessment_key": "ons last", "instrument_code": "ons4", "assessed_on": "2024-03-01"},
        ],
        [
            {"assessment_key": "ons first", "scale_code": "anxiety", "score": 8},
            {"assessment_key": "ons last", "scale_code": "anxiety", "score": 3},
            {"assessment_key": "ons first", "scale_code": "happiness", "score": 8},
            {"assessment_key": "ons last", "scale_code": "happiness", "score": 3},
        ],
    )
    gains = {(r["instrument_code"], r["scale_code"]): (r["gain_score"], r["is_improved"]) for r in rows}
    assert gains == {
        ("phq9", "total"): (10, True),
        ("wemwbs", "total"): (-10, False),
        ("ons4", "anxiety"): (5, True),
        ("ons4", "happiness"): (-5, False),
    }
    sdq = BY_CODE["sdq_parent"]
    assert sdq.direction_of(sdq.scale("prosocial")) == "higher_better"
    assert sdq.direction_of(sdq.scale("total")) == "lower_better"


_TWICE = [
    *(("phq9", "2024-02-01", 20), ("phq9", "2024-03-01", 10)),
    *(("wemwbs", "2024-02-01", 50), ("wemwbs", "2024-03-01", 40)),
]


def test_pitfall_07_codes_for_no_answer_are_no_values() -> None:
    """EQ-5D 9 and 999 and the FFT's 6 are missing and no mistake; PHQ-9 has no 9, no -999 and no 99."""
    rows = [
        *(("state", "eq5d3l", 1, 9), ("vas", "eq5d3l", 6, 999), ("fft", "fft", 1, 6)),
        *(("phq", "phq9", 1, 9), ("phq", "phq9", 2, -999), ("phq", "phq9", 3, 99)),
    ]
    found = score_answers(list(BY_CODE.values()), rows).query(
        "SELECT assessment_key, item_number, points, missing_reason_code, is_invalid FROM item ORDER BY ALL"
    )
    assert found == [
        ("fft", 1, None, "unknown", False),
        *[("phq", number, None, None, True) for number in (1, 2, 3)],
        ("state", 1, None, "not_answered", False),
        ("vas", 6, None, "not_answered", False),
    ]


def test_pitfall_08_reversal_is_once_and_missing_is_not_zero() -> None:
    as_answered, by_the_sender = [1, 3, 3, 1, 1, 1, 1, 1, 1, 1], [1] * 10
    assert scored("core_10", as_answered) == scored("core_10", by_the_sender, prereversed=True) == Decimal(10)
    assert scored("core_10", [None] * 10) is None
    assert scored("phq9", [3, 3, 3, 3, 3, 3, 3, 3, None]) is None
    assert scored("ascot_sct4", [1] * 7 + [None]) is None


def test_pitfall_09_only_like_is_compared_with_like() -> None:
    """Another version, another basis (WSAS of four items), another respondent (SDQ of a teacher): no change score."""
    rows = outcomes(
        [
            {"instrument_code": "phq9", "assessed_on": "2024-02-01", "score": 20},
            {"instrument_code": "phq9", "assessed_on": "2024-03-01", "score": 10, "instrument_version": "2"},
            {"instrument_code": "wsas", "assessed_on": "2024-02-01", "score": 30, "score_basis_code": "items_5"},
            {"instrument_code": "wsas", "assessed_on": "2024-03-01", "score": 20, "score_basis_code": "items_4"},
            {"instrument_code": "sdq_parent", "assessed_on": "2024-02-01", "score": 20},
            {"instrument_code": "sdq_teacher", "assessed_on": "2024-03-01", "score": 10},
        ],
        versions=[{"instrument_code": "phq9", "instrument_version": "2"}],
    )
    assert {r["instrument_code"]: (r["first_score"], r["is_paired"]) for r in rows} == {
        **{"phq9": (20, False), "wsas": (30, False)},
        **{"sdq_parent": (20, False), "sdq_teacher": (10, False)},
    }


def test_wsas_of_five_and_of_four_items_is_compared_by_per_cent_of_the_maximum() -> None:
    """20 of 40 and then 8 of 32: the totals are of two bases, 50 and 25 per cent are not."""
    wsas = {"instrument_code": "wsas", "instrument_version": "1"}
    rows = outcomes(
        [
            {**wsas, "assessment_key": "a", "assessed_on": "2024-02-01", "score": 20, "score_basis_code": "items_5"},
            {**wsas, "assessment_key": "b", "assessed_on": "2024-03-01", "score": 8, "score_basis_code": "items_4"},
        ],
        scores=[
            {"assessment_key": key, "scale_code": "percent_of_maximum",
             "score": scored("wsas", answers, scale="percent_of_maximum", missing=missing)}
            for key, answers, missing in (
                ("a", [4, 4, 4, 4, 4], {}),
                ("b", [None, 2, 2, 2, 2], {1: "not_applicable"}),
            )
        ],
    )  # fmt: skip
    assert {r["measure_code"]: (r["is_paired"], r["first_score"], r["gain_score"]) for r in rows} == {
        "wsas": (False, 20, None),
        "wsas.percent_of_maximum": (True, 50, 25),
    }


def test_pitfall_10_first_and_last_are_of_the_episode() -> None:
    """Not the earliest ever, not a follow-up; of several on one day the last by the clock, then by key."""
    phq9 = {"instrument_code": "phq9"}
    (row,) = outcomes(
        [
            {**phq9, "assessed_on": "2023-06-01", "score": 27, "episode_key": None},
            {**phq9, "assessed_on": "2024-01-05", "score": 22, "assessed_at": "2024-01-05 09:00:00"},
            {**phq9, "assessed_on": "2024-01-05", "score": 21, "assessed_at": "2024-01-05 11:00:00"},
            {**phq9, "assessed_on": "2024-06-01", "score": 12, "assessment_key": "b"},
            {**phq9, "assessed_on": "2024-06-01", "score": 11, "assessment_key": "c"},
            {**phq9, "assessed_on": "2024-06-29", "score": 4, "timepoint_code": "follow_up"},
        ]
    )
    assert (row["first_score"], row["last_score"], row["days_between_count"]) == (21, 11, 148)
