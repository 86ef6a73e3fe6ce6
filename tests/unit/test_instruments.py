"""Instrument definitions: their errors, the seeds made from them, and the one scoring path over their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.instruments import (
    DEFINITIONS,
    PROGRAMMES,
    SEEDS,
    Instrument,
    InstrumentError,
    Vector,
    as_csv,
    compiled,
    read_instrument,
    read_instruments,
    read_programmes,
    seed_rows,
)
from tests.dbt_macros import render

SHIPPED = read_instruments()

_TYPES = {
    "item_value": "decimal(9,4)",
    "points": "decimal(12,6)",
    "points_if_prereversed": "decimal(12,6)",
    "multiplier": "decimal(9,4)",
    "score_offset": "decimal(9,4)",
    "raw_min": "decimal(18,6)",
    "raw_max": "decimal(18,6)",
    "raw_total": "decimal(18,6)",
    "score": "decimal(9,4)",
    "score_from": "decimal(9,4)",
    "item_number": "integer",
    "basis_rank": "integer",
    "stage": "integer",
    "member_count": "integer",
    "minimum_answered": "integer",
    "has_lookup": "boolean",
    "is_prereversed": "boolean",
}
_LOOKUP = ["instrument_code", "instrument_version", "scale_code", "raw_total", "score"]
_ANSWER = [
    *("assessment_key", "instrument_code", "instrument_version", "item_number", "answer_value"),
    *("missing_reason_code", "is_prereversed"),
]


# Scoring ----------------------------------------------------------------------------------------------------------


SCORED = render("{{ scored_items('answer', 'ref_instrument_item') }}", "assessment")
SCORES = render(
    "{{ all_scale_scores('item', 'ref_instrument_scale', 'ref_instrument_member', 'ref_score_lookup') }}", "assessment"
)


def _create(
    connection: duckdb.DuckDBPyConnection, name: str, columns: list[str], rows: Sequence[Sequence[Any]]
) -> None:
    arrays = {
        c: pa.array([None if r[i] is None else str(r[i]) for r in rows], pa.string()) for i, c in enumerate(columns)
    }
    connection.register("given", pa.table(arrays))
    typed = ", ".join(f"CAST({c} AS {_TYPES.get(c, 'varchar')}) AS {c}" for c in columns)
    connection.execute(f"CREATE TABLE {name} AS SELECT {typed} FROM given")
    connection.unregister("given")


def score(instruments: list[Instrument], answers: list[tuple[Any, ...]]) -> duckdb.DuckDBPyConnection:
    """Tables ``item`` and ``score`` for answers: assessment, instrument, item, value, missing reason, prereversed."""
    connection = duckdb.connect()
    for name, rows in seed_rows(instruments, []).items():
        if name == "ref_outcome_programme":
            continue
        columns = list(rows[0]) if rows else _LOOKUP
        _create(connection, name, columns, [[None if row[c] is None else str(row[c]) for c in columns] for row in rows])
    versions = {i.code: i.version for i in instruments}
    _create(connection, "answer", _ANSWER, [(key, code, versions[code], *rest) for key, code, *rest in answers])
    connection.execute(f"CREATE TABLE item AS {SCORED}")
    connection.execute(f"CREATE TABLE score AS {SCORES}")
    return connection


def _answers(instrument: Instrument, vector: Vector, key: str) -> list[tuple[Any, ...]]:
    return [
        (
            key,
            instrument.code,
            number,
            None if value is None else str(value),
            vector.missing.get(number),
            vector.prereversed,
        )
        for number, value in zip(instrument.item_numbers, vector.items, strict=True)
    ]


def _band(instrument: Instrument, scale: str, value: Decimal | None) -> str | None:
    if value is None:
        return None
    reached = [band for band in instrument.bands if band.scale == scale and band.from_ <= value]
    return max(reached, key=lambda band: band.from_).code if reached else None


def check_vectors(instrument: Instrument) -> None:
    """Every vector of a definition comes out as it says, through the SQL that the models use."""
    answers = [
        row for index, vector in enumerate(instrument.vectors) for row in _answers(instrument, vector, str(index))
    ]
    connection = score([instrument], answers)
    for index, vector in enumerate(instrument.vectors):
        scale = vector.scale or instrument.headline
        found = connection.execute(
            "SELECT score, raw_total, basis_code, answered_count FROM score "
            "WHERE assessment_key = ? AND scale_code = ?",
            [str(index), scale],
        ).fetchone()
        assert found is not None, vector.name
        invalid = connection.execute(
            "SELECT count(*) FROM item WHERE assessment_key = ? AND is_invalid", [str(index)]
        ).fetchone()
        got = {
            **dict(zip(("score", "raw", "basis", "answered"), found, strict=True)),
            "band": _band(instrument, scale, found[0]),
            "invalid": invalid[0] if invalid else None,
        }
        for key in vector.expect.model_fields_set:
            assert got[key] == getattr(vector.expect, key), f"{instrument.code}, {vector.name}: {key}"


@pytest.mark.parametrize("instrument", SHIPPED, ids=lambda i: i.code)
def test_vectors_of_shipped_definitions(instrument: Instrument) -> None:
    check_vectors(instrument)


def test_every_shipped_definition_tries_every_score_of_its_table() -> None:
    """SWEMWBS: each raw total from 7 to 35 gives the metric score of the published table."""
    swemwbs = next(i for i in SHIPPED if i.code == "swemwbs")
    table = swemwbs.scales[0].lookup
    assert table is not None
    assert len(table) == 29
    answers = []
    for total in range(7, 36):
        items = [total // 7 + (1 if position < total % 7 else 0) for position in range(7)]
        answers += [(str(total), "swemwbs", n, str(value), None, False) for n, value in enumerate(items, start=1)]
    got = dict(score([swemwbs], answers).execute("SELECT assessment_key, score FROM score").fetchall())
    assert {int(key): value for key, value in got.items()} == table


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


def test_mean_times_ten_prorated_for_one_missing_item() -> None:
    """CORE-10: 23 over nine items is 25.56."""
    check_vectors(
        _trial(
            items={"count": 10, "min": 0, "max": 4},
            scales=[
                {
                    "code": "total",
                    "items": "all",
                    "method": "mean",
                    "multiplier": 10,
                    "minimum_answered": 9,
                    "prorate": True,
                }
            ],
            vectors=[
                {
                    "name": "nine items",
                    "items": [3, 3, 3, 3, 3, 2, 2, 2, 2, None],
                    "expect": {"score": Decimal("25.5556"), "basis": "prorated"},
                },
                {"name": "all missing is no zero", "items": [None] * 10, "expect": {"score": None, "answered": 0}},
            ],
        )
    )


def test_bases_where_an_item_does_not_apply() -> None:
    """WSAS: five items, or four (at most 32) for people who do not work; a work item left open gives no score."""
    check_vectors(
        _trial(
            items={"count": 5, "min": 0, "max": 8},
            scales=[
                {
                    "code": "total",
                    "method": "sum",
                    "bases": [
                        {"code": "items_5", "items": [1, 2, 3, 4, 5]},
                        {"code": "items_4", "items": [2, 3, 4, 5], "not_applicable": 1},
                    ],
                }
            ],
            vectors=[
                {"name": "five", "items": [8, 8, 8, 8, 8], "expect": {"score": 40, "basis": "items_5"}},
                {
                    "name": "four",
                    "items": [None, 8, 8, 8, 8],
                    "missing": {1: "not_applicable"},
                    "expect": {"score": 32, "basis": "items_4", "answered": 4},
                },
                {"name": "left open", "items": [None, 8, 8, 8, 8], "expect": {"score": None, "basis": None}},
            ],
        )
    )


def test_subscales_and_their_total() -> None:
    """SDQ: a subscale from three of five items, rounded; the total only where every subscale has a score."""
    scales = [
        {
            "code": code,
            "items": items,
            "method": "sum",
            "minimum_answered": 3,
            "prorate": True,
            "rounding": "half_up",
        }
        for code, items in (("first", [1, 2, 3, 4, 5]), ("second", [6, 7, 8, 9, 10]))
    ]
    check_vectors(
        _trial(
            items={"count": 10, "min": 0, "max": 2},
            scales=[*scales, {"code": "total", "scales": ["first", "second"], "method": "sum"}],
            vectors=[
                {
                    "name": "4 from 3 items is 7",
                    "scale": "first",
                    "items": [2, 1, 1, None, None, 0, 0, 0, 0, 0],
                    "expect": {"score": 7, "basis": "prorated", "answered": 3},
                },
                {
                    "name": "total of both",
                    "items": [2, 1, 1, None, None, 1, 1, 1, 1, 1],
                    "expect": {"score": 12, "basis": "complete"},
                },
                {
                    "name": "no total without a subscale",
                    "items": [2, 1, None, None, None, 1, 1, 1, 1, 1],
                    "expect": {"score": None},
                },
            ],
        )
    )


def test_weights_and_profiles() -> None:
    """ASCOT: weights by answer, then a linear conversion. EQ-5D: a state looked up in a value set, not a number."""
    check_vectors(
        _trial(
            direction="higher_better",
            items={"count": 2, "min": 1, "max": 2, "points": {1: {1: 1, 2: "0.5"}, 2: {1: "0.9", 2: 0}}},
            scales=[{"code": "total", "items": "all", "method": "sum", "multiplier": "0.203", "offset": "-0.466"}],
            vectors=[
                {"name": "best", "items": [1, 1], "expect": {"score": Decimal("-0.0803")}},
                {"name": "worst", "items": [2, 2], "expect": {"score": Decimal("-0.3645")}},
            ],
        )
    )
    digits = {1: {v: v * 10 for v in (1, 2, 3)}}
    check_vectors(
        _trial(
            direction="profile",
            items={"count": 2, "min": 1, "max": 3, "points": digits},
            scales=[{"code": "total", "items": "all", "method": "sum", "lookup": {11: 1, 12: "1.1", 13: "1.2"}}],
            vectors=[
                {"name": "state 12", "items": [1, 2], "expect": {"raw": 12, "score": Decimal("1.1")}},
                {"name": "a state that the value set lacks", "items": [3, 3], "expect": {"raw": 33, "score": None}},
            ],
        )
    )


ITEMS = st.lists(st.one_of(st.none(), st.integers(-2, 6)), min_size=9, max_size=9)


@given(st.lists(ITEMS, min_size=1, max_size=100))
@settings(max_examples=10)
def test_a_total_is_the_sum_of_nine_valid_items_or_nothing(administrations: list[list[int | None]]) -> None:
    phq9 = next(i for i in SHIPPED if i.code == "phq9")
    rows = [
        (str(key), "phq9", number, value, None, False)
        for key, items in enumerate(administrations)
        for number, value in enumerate(items, start=1)
    ]
    found = score([phq9], rows).execute("SELECT assessment_key, score, answered_count FROM score").fetchall()
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
        (("use: outcome", "use: output"), "trial.yml:4: use", "'outcome' or 'experience'"),
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


def test_one_version_is_current(tmp_path: Path) -> None:
    _written(tmp_path, GOOD)
    _written(tmp_path, GOOD.replace('version: "1"', 'version: "2"'), "trial_2.yml")
    with pytest.raises(InstrumentError, match="exactly one version must be current"):
        read_instruments(tmp_path)


def test_rules_name_programmes_that_exist(tmp_path: Path) -> None:
    rule = "rules: [{programme: nowhere, default: true, criterion: c, verified: true, source: s}]\nsource: test"
    _written(tmp_path, GOOD.replace("source: test", rule))
    _written(tmp_path, "- {code: here, multi_measure_rule: tt, default: true, source: own}\n", PROGRAMMES)
    with pytest.raises(InstrumentError, match=r"no programme 'nowhere'; add it to programmes.yml"):
        read_programmes(tmp_path, read_instruments(tmp_path))


def test_programmes_have_one_default() -> None:
    assert [p.code for p in read_programmes(DEFINITIONS, SHIPPED) if p.default] == ["talking_therapies"]


@pytest.mark.parametrize("number", ["1", "0.5", "12.340"])
def test_numbers_reach_the_seed_as_they_were_written(number: str) -> None:
    assert as_csv([{"value": Decimal(number)}]) == f"value\n{number}\n"
