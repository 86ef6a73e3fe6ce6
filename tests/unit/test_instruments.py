"""Instrument definitions: their errors, the seeds made from them, and the one scoring path over their vectors."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.definition_ledger import Ledger
from orchestration.instruments import (
    DEFINITIONS,
    PROGRAMMES,
    SEEDS,
    Instrument,
    InstrumentError,
    as_csv,
    compiled,
    latest,
    read_instrument,
    read_instruments,
    read_programmes,
    seed_rows,
)
from orchestration.instruments.ledger import as_text, broken_promises, fingerprints, read_ledger
from tests.dbt_macros import render
from tests.scoring import score_answers, score_vectors

SHIPPED = read_instruments()

# Scoring ----------------------------------------------------------------------------------------------------------


def differences(instruments: list[Instrument]) -> list[str]:
    """What the vectors of definitions say, against what the SQL of the models makes of them."""
    scored = score_vectors(instruments)
    return [
        f"{instrument.code} {instrument.version}, {vector.name}: {key} is {got[key]}, not {getattr(vector.expect, key)}"
        for instrument in instruments
        for index, vector in enumerate(instrument.vectors)
        for got in [scored.of_vector(instrument, index)]
        for key in sorted(vector.expect.model_fields_set)
        if got[key] != getattr(vector.expect, key)
    ]


def check_vectors(instrument: Instrument) -> None:
    assert differences([instrument]) == []


def test_vectors_of_shipped_definitions() -> None:
    """All of them in one go through the SQL that the models use."""
    assert differences(SHIPPED) == []


def test_a_wrong_vector_is_found() -> None:
    wrong = _trial(
        items={"count": 2, "min": 0, "max": 3},
        scales=[{"code": "total", "items": "all", "method": "sum"}],
        vectors=[{"name": "one and one", "items": [1, 1], "expect": {"score": 3}}],
    )
    assert differences([wrong]) == ["trial 1, one and one: score is 2.0000, not 3"]


def test_every_shipped_definition_tries_every_score_of_its_table() -> None:
    """SWEMWBS: each raw total from 7 to 35 gives the metric score of the published table."""
    swemwbs = next(i for i in SHIPPED if i.code == "swemwbs")
    table = swemwbs.scales[0].table
    assert table is not None
    assert len(table) == 29
    answers = [
        (str(total), "swemwbs", number, str(total // 7 + (1 if number <= total % 7 else 0)))
        for total in range(7, 36)
        for number in range(1, 8)
    ]
    got = score_answers([swemwbs], answers).query("SELECT assessment_key, score FROM score")
    assert {int(key): value for key, value in got} == table


BASE = {
    "code": "trial",
    "version": "1",
    "name": "Trial",
    "use": "outcome",
    "respondent": "self",
    "direction": "lower_better",
    "orientation": "deficit",
    "headline": "total",
    "licence": {"holder": "nobody", "terms": "free", "registration_required": False, "may_ship_items": False},
    "source": "test",
    "verified": True,
}


def _trial(**parts: Any) -> Instrument:
    return Instrument.model_validate({**BASE, **parts})


def test_reversal_happens_once_whoever_does_it() -> None:
    parts = {
        "items": {"count": 3, "min": 0, "max": 4, "reverse": [2]},
        "scales": [{"code": "total", "items": "all", "method": "sum"}],
    }
    check_vectors(
        _trial(
            **parts,
            vectors=[
                {"name": "as answered", "items": [1, 1, 1], "expect": {"score": 5}},
                {"name": "reversed by the sender", "items": [1, 3, 1], "prereversed": True, "expect": {"score": 5}},
            ],
        )
    )


def test_a_profile_is_digits_and_an_index_is_looked_up() -> None:
    """EQ-5D: a state is no number; its index is in a value set, or made of weights with a term for the worst level."""
    check_vectors(
        _trial(
            direction="higher_better",
            headline="index",
            items={"count": 2, "min": 1, "max": 3},
            scales=[
                {"code": "state", "items": "all", "method": "profile"},
                {"code": "worst", "items": "all", "method": "max"},
                {
                    "code": "index",
                    "items": "all",
                    "scales": ["worst"],
                    "method": "sum",
                    "offset": 1,
                    "weights": {
                        1: {1: 0, 2: Decimal("-0.1"), 3: Decimal("-0.2")},
                        2: {1: 0, 2: 0, 3: 0},
                        "worst": {1: 0, 2: 0, 3: Decimal("-0.5")},
                    },
                },
            ],
            vectors=[
                {"name": "state", "scale": "state", "items": [1, 3], "expect": {"raw": 13, "score": None}},
                {"name": "index", "items": [2, 3], "expect": {"score": Decimal("0.4")}},
                {"name": "no index of half a state", "items": [2, None], "expect": {"score": None, "answered": 1}},
            ],
        )
    )


def test_a_factor_multiplies_points() -> None:
    check_vectors(
        _trial(
            items={"count": 2, "min": 0, "max": 3},
            scales=[{"code": "total", "items": "all", "method": "sum", "weights": {2: Decimal("0.5")}}],
            vectors=[{"name": "half of the second", "items": [1, 3], "expect": {"score": Decimal("2.5")}}],
        )
    )


ITEMS = st.lists(st.one_of(st.none(), st.integers(-2, 6)), min_size=9, max_size=9)


@given(st.lists(ITEMS, min_size=1, max_size=100))
@settings(max_examples=10)
def test_a_total_is_the_sum_of_nine_valid_items_or_nothing(administrations: list[list[int | None]]) -> None:
    phq9 = next(i for i in SHIPPED if i.code == "phq9")
    rows = [
        (str(key), "phq9", number, value)
        for key, items in enumerate(administrations)
        for number, value in enumerate(items, start=1)
    ]
    found = score_answers([phq9], rows).query(
        "SELECT assessment_key, score, answered_count FROM score WHERE scale_code = 'total'"
    )
    got = {int(key): (value, answered) for key, value, answered in found}
    for key, items in enumerate(administrations):
        valid = [v for v in items if v is not None and 0 <= v <= 3]
        assert got[key] == (Decimal(sum(valid)) if len(valid) == 9 else None, len(valid))


# Definitions ------------------------------------------------------------------------------------------------------


def test_seeds_are_what_the_definitions_say() -> None:
    behind = [name for name, text in compiled().items() if (SEEDS / name).read_text(encoding="utf-8") != text]
    assert not behind, f"run `python -m orchestration.instruments`: {', '.join(behind)}"


def test_every_instrument_seed_has_its_definition() -> None:
    made = set(compiled())
    lying = {path.name for path in SEEDS.glob("ref_instrument*.csv")}
    assert lying <= made


def _written(folder: Path, text: str, name: str = "trial.yml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


GOOD = """\
code: trial
version: "1"
name: Trial
use: outcome
respondent: self
direction: lower_better
orientation: deficit
items: {count: 2, min: 0, max: 3}
headline: total
scales:
  - {code: total, items: all, method: sum}
licence: {holder: nobody, terms: free, registration_required: false, may_ship_items: false}
source: test
verified: true
vectors:
  - {name: one, items: [1, 1], expect: {score: 2}}
"""


def test_a_good_definition_is_read(tmp_path: Path) -> None:
    assert read_instrument(_written(tmp_path, GOOD)).item_numbers == [1, 2]


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (("use: outcome", "use: output"), "trial.yml:4: use", "'outcome', 'experience' or 'recommendation'"),
        (("headline: total", "headline: sum"), "trial.yml:9: headline", "no scale 'sum'; scales are total"),
        (("max: 3}", "max: 0}"), "trial.yml:8: items", "must be above min"),
        (("max: 3}", "max: 3, reverse: [7]}"), "trial.yml:8: items", "item 7, which is not among items 1 to 2"),
        (("items: all, method", "items: [1, 5], method"), "trial.yml:11: scales[0]", "item 5, which is not defined"),
        (
            ("method: sum", "method: sum, minimum_answered: 1"),
            "trial.yml:11: scales[0]",
            "only enough with 'prorate: true'",
        ),
        (("method: sum", "method: sum, prorate: true, lookup: {1: 1}"), "trial.yml:11: scales[0]", "no lookup table"),
        (("method: sum", "method: sum, lookup: {1: 2, 2: 2}"), "trial.yml:11: scales[0]", "must rise"),
        (
            ("method: sum", "method: sum, lookup: {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 6: 6}"),
            "trial.yml:11: scales[0].lookup",
            "no score for the total 5; name every total",
        ),
        (
            ("method: sum", "method: sum, weights: {1: {0: 0, 1: 1, 3: 3}}"),
            "trial.yml:11: scales[0].weights",
            "of 1 has no weight for 2; name every value it can have",
        ),
        (("method: sum", "method: sum, weights: {7: 2}"), "trial.yml:11: scales[0]", "names 7, which is no member"),
        (("method: sum", "method: profile, prorate: true"), "trial.yml:11: scales[0]", "a profile is no number"),
        (("max: 3}", "max: 3, missing: {2: unknown}}"), "trial.yml:8: items", "names 2, which is an answer (0 to 3)"),
        (("direction: lower_better", "respondents: all"), "trial.yml:1: direction", "is required and missing"),
        (("source: test", "wording: {1: Why}\nsource: test"), "trial.yml:13: wording", "does not allow item wording"),
        (("headline: total", "headline: null"), "trial.yml:1: measures", "whose change is an outcome"),
        (
            ("source: test", "bands: [{scale: sum, code: low, from: 0}]\nsource: test"),
            "trial.yml:13: bands[0].scale",
            "no scale 'sum'; scales are total",
        ),
        (("headline: total", "headline: total\noutcome: any_scale"), "trial.yml:10: outcome", "is of several scales"),
        (
            ("headline: total", "headline: total\noutcome: any_scale\nmeasures: [total]"),
            "trial.yml:10: outcome",
            "list them in 'measures', or remove it",
        ),
        (("[1, 1]", "[1]"), "trial.yml:16: vectors[0].items", "1 answers for 2 items"),
        (("source: test", "sauce: test"), "trial.yml:13: sauce", "not a known key"),
        (("code: trial", "code: other"), "trial.yml:1: code", "named after its instrument"),
        (("name: Trial", "name: [Trial"), "trial.yml:", "not valid YAML"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else None,
)
def test_errors_name_file_line_and_key(tmp_path: Path, change: tuple[str, str], place: str, words: str) -> None:
    with pytest.raises(InstrumentError) as raised:
        read_instrument(_written(tmp_path, GOOD.replace(*change)))
    problem = next(p for p in raised.value.problems if words in p)
    assert problem.startswith(place)


def _second(valid_from: str = "2024-07-01") -> str:
    return GOOD.replace('version: "1"', f'version: "2"\nvalid_from: {valid_from}').replace("max: 3}", "max: 4}")


def test_a_version_ends_where_the_next_begins(tmp_path: Path) -> None:
    _written(tmp_path, GOOD)
    _written(tmp_path, _second(), "trial_2.yml")
    versions = read_instruments(tmp_path)
    rows = seed_rows(versions, [])["ref_instrument"]
    assert [(r["instrument_version"], str(r["valid_from"]), str(r["valid_to"]), r["is_current"]) for r in rows] == [
        ("1", "None", "2024-06-30", False),
        ("2", "2024-07-01", "None", True),
    ]
    assert latest(versions)["trial"].version == "2"


def test_versions_that_overlap_are_refused(tmp_path: Path) -> None:
    _written(tmp_path, GOOD)
    _written(tmp_path, GOOD.replace('version: "1"', 'version: "2"'), "trial_2.yml")
    with pytest.raises(InstrumentError) as raised:
        read_instruments(tmp_path)
    assert raised.value.problems == [
        "trial_2.yml:1: valid_from: overlaps with trial.yml: both apply from the beginning on; "
        "write in the later version from which day on answers are scored by it"
    ]


def test_a_version_is_defined_once(tmp_path: Path) -> None:
    _written(tmp_path, GOOD)
    _written(tmp_path, _second().replace('version: "2"', 'version: "1"'), "trial_2.yml")
    with pytest.raises(InstrumentError, match=r"trial_2.yml:2: version: version '1' is in trial.yml too"):
        read_instruments(tmp_path)


# Released definitions ---------------------------------------------------------------------------------------------


def test_released_definitions_are_as_they_were_released() -> None:
    """A changed definition needs a new version; and what is new is in the ledger."""
    now = fingerprints(SHIPPED)
    assert broken_promises(read_ledger(), now) == []
    assert as_text(now) == as_text(read_ledger()), "run `python -m orchestration.instruments`"


RULE = """\
rules:
  - {programme: here, default: true, reliable_change: 2, criterion: c, verified: true, source: s}
source: test
"""


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("max: 3}", "max: 4}"), "scoring has changed"),
        (("direction: lower_better", "direction: higher_better"), "scoring has changed"),
        (("reliable_change: 2", "reliable_change: 3"), "rule here total has changed"),
        (("code: low, from: 0", "code: low, from: 1"), "bands total has changed"),
        (('version: "1"', 'version: "2"'), "scoring is gone"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_changed_definition_needs_a_new_version(tmp_path: Path, change: tuple[str, str], part: str) -> None:
    text = GOOD.replace("source: test\n", "bands: [{scale: total, code: low, from: 0}]\n" + RULE)
    released = fingerprints([read_instrument(_written(tmp_path, text))])
    broken = broken_promises(released, fingerprints([read_instrument(_written(tmp_path, text.replace(*change)))]))
    assert any(f"trial, version 1: {part} since it was released" in problem for problem in broken)
    assert "trial_2.yml" in broken[0]


def test_what_changes_no_figure_may_change(tmp_path: Path) -> None:
    """Better sources, marks and vectors, another way to write a number, and a rule for one more programme."""
    released = fingerprints([read_instrument(_written(tmp_path, GOOD))])
    better = (
        GOOD.replace("source: test\n", RULE.replace("source: test", "source: the manual"))
        .replace("verified: true\nvectors", "verified: false\nunverified: {items: hearsay}\nvectors")
        .replace("method: sum", "method: sum, multiplier: 1.0")
    )
    assert broken_promises(released, fingerprints([read_instrument(_written(tmp_path, better))])) == []


JOINED = ", method: sum}\n  - {code: worst, joined: score, items: all, method: max}"


def test_a_scale_may_join_a_released_version_and_stays_then(tmp_path: Path) -> None:
    def now(text: str) -> Ledger:
        return fingerprints([read_instrument(_written(tmp_path, text))])

    assert GOOD.count(", method: sum}") == 1
    joined = GOOD.replace(", method: sum}", JOINED)
    released = now(joined)
    assert broken_promises(now(GOOD), released) == []
    for changed, part in (
        (joined.replace("method: max", "method: mean"), "scale worst has changed"),
        (GOOD, "scale worst is gone"),
        (joined.replace("joined: score", "joined: measure"), "scale worst has changed"),
        (joined.replace("joined: score, ", ""), "scoring has changed"),
    ):
        assert any(part in problem for problem in broken_promises(released, now(changed))), part


PARTS = """\
headline: null
measures: [first, second]
scales:
  - {code: first, items: [1], method: sum}
  - {code: second, items: [2], method: sum}
"""
STAR = (
    GOOD.replace("headline: total\nscales:\n  - {code: total, items: all, method: sum}\n", PARTS)
    .replace("measures:", "outcome: any_scale\nmeasures:")
    .replace("{name: one, items", "{name: one, scale: first, items")
    .replace("score: 2", "score: 1")
)


def test_any_scale_is_of_the_measures_and_not_of_what_joined(tmp_path: Path) -> None:
    joined = STAR.replace("licence:", "  - {code: both, joined: measure, items: all, method: mean}\nlicence:")
    rows = seed_rows([read_instrument(_written(tmp_path, joined))], [])["ref_instrument_scale"]
    assert {r["scale_code"]: (r["is_measure"], r["is_outcome_part"]) for r in rows} == {
        "first": (True, True),
        "second": (True, True),
        "both": (True, False),
    }
    without = read_instrument(_written(tmp_path, joined.replace("outcome: any_scale\n", "")))
    assert not any(r["is_outcome_part"] for r in seed_rows([without], [])["ref_instrument_scale"])


def test_any_scale_may_join_a_released_version_and_stays_then(tmp_path: Path) -> None:
    without = fingerprints([read_instrument(_written(tmp_path, STAR.replace("outcome: any_scale\n", "")))])
    released = fingerprints([read_instrument(_written(tmp_path, STAR))])
    assert broken_promises(without, released) == []
    assert any("outcome is gone" in problem for problem in broken_promises(released, without))


def test_a_profile_is_no_part_of_any_scale(tmp_path: Path) -> None:
    text = STAR.replace("{code: second, items: [2], method: sum}", "{code: second, items: [2], method: profile}")
    with pytest.raises(InstrumentError, match=r"trial.yml:10: outcome: 'second' is a profile"):
        read_instrument(_written(tmp_path, text))


def test_what_an_instrument_is_judged_by_cannot_join_it(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match="cannot join it later; write a new version"):
        read_instrument(_written(tmp_path, GOOD.replace(", method: sum}", ", method: sum, joined: score}")))


def test_rules_name_programmes_that_exist(tmp_path: Path) -> None:
    rule = "rules: [{programme: nowhere, default: true, criterion: c, verified: true, source: s}]\nsource: test"
    _written(tmp_path, GOOD.replace("source: test", rule))
    _written(tmp_path, "- {code: here, multi_measure_rule: tt, default: true, source: own}\n", PROGRAMMES)
    with pytest.raises(InstrumentError, match=r"trial.yml:13: rules\[0\].programme: no programme 'nowhere'; add it to"):
        read_instruments(tmp_path)


PAIRED = """\
rules:
  - {programme: here, default: true, pairing: {group: mood, rank: 1}, criterion: c, verified: true, source: s}
source: test
"""
HERE = "- {code: here, multi_measure_rule: tt, default: true, source: own, problems: {low: [trial, other]}}\n"


def test_measures_of_a_problem_stand_for_one_thing_in_the_programme(tmp_path: Path) -> None:
    _written(tmp_path, GOOD.replace("source: test\n", PAIRED))
    _written(tmp_path, HERE, PROGRAMMES)
    with pytest.raises(InstrumentError, match=r"programmes.yml:1: .*low: other has no rule of here with 'pairing'"):
        read_instruments(tmp_path)
    other = GOOD.replace("code: trial", "code: other").replace("source: test\n", PAIRED)
    _written(tmp_path, other.replace("group: mood", "group: sleep"), "other.yml")
    with pytest.raises(InstrumentError, match="low: measures are of the groups mood and sleep; name those of one"):
        read_instruments(tmp_path)
    _written(tmp_path, other, "other.yml")
    rows = seed_rows(read_instruments(tmp_path), read_programmes(tmp_path))["ref_problem_measure"]
    assert [(r["problem_code"], r["instrument_code"], r["measure_group_code"], r["measure_rank"]) for r in rows] == [
        ("low", "trial", "mood", 1),
        ("low", "other", "mood", 2),
    ]


def test_programmes_have_one_default() -> None:
    assert [p.code for p in read_programmes(DEFINITIONS) if p.default] == ["talking_therapies"]


@pytest.mark.parametrize("number", ["1", "0.5", "12.340"])
def test_numbers_reach_the_seed_as_they_were_written(number: str) -> None:
    assert as_csv(["value"], [{"value": Decimal(number)}]) == f"value\n{number}\n"


# Reliable change --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "sd", "reliability", "expected"),
    [(None, "6", "0.90", "5.26"), ("4", None, None, "4.00"), (None, None, None, None)],
)
def test_reliable_change_is_published_or_follows_from_reliability(
    published: str | None, sd: str | None, reliability: str | None, expected: str | None
) -> None:
    """Jacobson and Truax: 1.96 standard errors of a difference; SD 6 and reliability 0.90 give 5.26."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE r AS SELECT ?::decimal(9,4) AS reliable_change, ?::decimal(9,4) AS reliability_sd, "
        "?::decimal(9,4) AS reliability_coefficient",
        [published, sd, reliability],
    )
    (found,) = connection.execute(f"SELECT round({render(_CHANGE, 'assessment')}, 2) FROM r").fetchone() or ()
    assert found == (None if expected is None else Decimal(expected))


_CHANGE = "{{ reliable_change('r') }}"
