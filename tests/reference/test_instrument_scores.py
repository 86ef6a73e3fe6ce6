"""Scores, indices, profiles and reliable change against figures that others published.

What belongs here: the definitions and macros of instruments, over real answers. What does not: vectors that a
definition carries itself (tests/unit/test_instruments.py).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.instruments import Instrument, read_instrument, read_instruments
from orchestration.instruments.known import awaited_value_sets, read_value_set
from tests.dbt_macros import render
from tests.models import project_sql
from tests.reference.agreement import Agreement
from tests.scoring import score_answers, score_supplied
from tests.tables import create_table

pytestmark = pytest.mark.reference

BY_CODE = {instrument.code: instrument for instrument in read_instruments()}
DIMENSIONS = ("MO", "SC", "UA", "PD", "AD")
EQ5D = "EuroQol value sets, as the R package eq5d applies them"
PCHC = "Paretian classification of health change, R package eq5d"
SIGNIFICANCE = "Jacobson and Truax by the R package clinicalsignificance"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# EQ-5D ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eq5d(reference_data: Path) -> Path:
    return reference_data / "survey/eq5d"


@pytest.fixture(scope="module")
def crosswalk(eq5d: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, int, Decimal]]:
    """The UK column of the crosswalk as a region would bring it: a file with state and index."""
    path = tmp_path_factory.mktemp("value_sets") / "uk_crosswalk.csv"
    lines = [f"{row['']},{row['UK']}" for row in rows_of(eq5d / "value-sets/CW.csv")]
    path.write_text("\n".join(["state,index", *lines]) + "\n", encoding="utf-8")
    states = awaited_value_sets()["eq5d5l", "uk_crosswalk"]
    assert len(states) == 3125
    return [("uk_crosswalk", "eq5d5l", state, index) for state, index in read_value_set(path, states)]


@pytest.mark.parametrize(
    ("code", "answers", "scales"),
    [
        ("eq5d3l", "eq5d3l", {"TTO_UK": "index_uk_tto", "VAS_UK": "index_uk_vas"}),
        ("eq5d5l", "eq5d5l", {"VT_England": "index_england", "CW_UK": "index_uk_crosswalk"}),
    ],
)
def test_indices(
    agreement: Agreement,
    eq5d: Path,
    crosswalk: list[tuple[str, str, int, Decimal]],
    code: str,
    answers: str,
    scales: dict[str, str],
) -> None:
    """Two value sets each for 200 answers of three and of five levels: 800 indices, to three decimals."""
    given = rows_of(eq5d / f"{answers}_example.csv")
    published = rows_of(eq5d / f"expected/{answers}_example_index.csv")
    assert [[g[d] for d in DIMENSIONS] for g in given] == [[p[d] for d in DIMENSIONS] for p in published]
    scored = score_answers([BY_CODE[code]], list(answers_of(code, given)), crosswalk)
    for column, scale in scales.items():
        found = dict(scored.query("SELECT assessment_key, score FROM score WHERE scale_code = ?", [scale]))
        agreement.compare(
            EQ5D,
            f"{BY_CODE[code].name}, index {column}, of 200 example answers",
            {key: round(float(value), 3) for key, value in found.items()},
            {str(number): float(row[column]) for number, row in enumerate(published)},
        )
    sets = scored.query("SELECT DISTINCT scale_code, value_set_code, mapping_code FROM score WHERE score IS NOT NULL")
    named = {scale: (value_set, mapping) for scale, value_set, mapping in sets if scale in scales.values()}
    assert len(set(named.values())) == len(scales)


def test_every_state_of_the_crosswalk_has_its_index(crosswalk: list[tuple[str, str, int, Decimal]]) -> None:
    """The table goes through the scoring path for each of the 3,125 states."""
    states = [str(state) for _, _, state, _ in crosswalk]
    rows = [(state, "eq5d5l", number, digit) for state in states for number, digit in enumerate(state, start=1)]
    found = score_answers([BY_CODE["eq5d5l"]], rows, crosswalk).query(
        "SELECT assessment_key, score FROM score WHERE scale_code = 'index_uk_crosswalk'"
    )
    assert dict(found) == {str(state): index for _, _, state, index in crosswalk}


@pytest.mark.parametrize("source", ["example", "package"])
def test_paretian_classes(agreement: Agreement, eq5d: Path, source: str) -> None:
    """100 pairs of the example; 79 pairs of the package's own tests, of which two have a level that does not exist and
    so no state."""
    if source == "example":
        given = rows_of(eq5d / "eq5d3l_example.csv")
        before = [row for row in given if row["Group"] == "Group1"]
        after = [row for row in given if row["Group"] == "Group2"]
        table = rows_of(eq5d / "expected/pchc_3l_overall.csv")
        published = {row["class"]: int(row["Number"]) for row in table if row["class"] in CLASSES}
    else:
        before, after = (rows_of(eq5d / f"package-tests/{name}_df.csv") for name in ("pre", "post"))
        table = rows_of(eq5d / "package-tests/pchc_noprob_false_totals_false.csv")
        published = {row[""]: int(row["Number"]) for row in table}
    answers = [*answers_of("eq5d3l", before, "before "), *answers_of("eq5d3l", after, "after ")]
    scored = score_answers([BY_CODE["eq5d3l"]], answers)
    counted = scored.query(
        f"SELECT {render(_PARETIAN, 'assessment')} AS class_code, count(*) FROM score AS b JOIN score AS a "
        "ON a.assessment_key = replace(b.assessment_key, 'before', 'after') AND a.scale_code = b.scale_code "
        "WHERE b.scale_code = 'state' AND b.assessment_key LIKE 'before%' GROUP BY ALL"
    )
    found = {CLASS_NAMES[name]: count for name, count in counted if name is not None}
    assert sum(found.values()) == {"example": 100, "package": 77}[source]
    agreement.compare(PCHC, f"Pairs by class, {source}", found, published)


_PARETIAN = "{{ paretian_class('b.raw_total', 'a.raw_total') }}"
CLASS_NAMES = {"same": "No change", "better": "Improve", "worse": "Worsen", "mixed": "Mixed change"}
CLASSES = set(CLASS_NAMES.values())


def answers_of(code: str, rows: Sequence[Mapping[str, str]], prefix: str = "") -> Iterator[tuple[Any, ...]]:
    """EQ-5D answers of a file that has a column a dimension."""
    for number, row in enumerate(rows):
        for item, dimension in enumerate(DIMENSIONS, start=1):
            yield f"{prefix}{number}", code, item, row[dimension]


# Reliable change --------------------------------------------------------------------------------------------------

RESULTS_ONLY = """\
code: {code}
version: "1"
name: {code}
use: outcome
respondent: self
direction: {direction}
orientation: deficit
items: {{count: 1, min: 0, max: {highest}}}
headline: total
scales:
  - {{code: total, items: all, method: sum}}
licence: {{holder: unknown, terms: results only, registration_required: false, may_ship_items: false}}
source: reference data
verified: false
vectors:
  - {{name: nothing, items: [0], expect: {{score: 0}}}}
"""
"""A results-only instrument: a definition is all that a new one needs."""

SETS = {
    # file: (time column, before, after, {column: (direction, highest)})
    "claus_2020": (
        *("time", "1", "4"),
        {
            "hamd": ("lower_better", 52),
            "bdi": ("lower_better", 63),
            "shaps": ("lower_better", 14),
            "who": ("higher_better", 25),
        },
    ),
    "jacobson_1989": (*("time", "pre", "post"), {"das": ("higher_better", 151), "gds": ("lower_better", 100)}),
    "anxiety": (*("measurement", "0", "4"), {"anxiety": ("lower_better", 100)}),
    "antidepressants": (*("measurement", "Before", "After"), {"mom_di": ("lower_better", 100)}),
}


def significance(
    folder: Path, definitions: Path, name: str, column: str, **variables: object
) -> tuple[list[dict[str, Any]], int]:
    """The pairs of a measure as the analysis judges them, and how many scores there were."""
    time, before, after, measures = SETS[name]
    direction, highest = measures[column]
    path = definitions / f"{column}.yml"
    path.write_text(RESULTS_ONLY.format(code=column, direction=direction, highest=highest), encoding="utf-8")
    instrument = read_instrument(path)
    scores = _scores(instrument, rows_of(folder / f"{name}.csv"), time)
    pairs = [
        {
            **{"episode_instrument_key": person, "instrument_code": column, "instrument_version": "1"},
            **{"scale_code": "total", "first_score": scores.get((person, before)), "is_closed": True},
            **{"last_score": scores.get((person, after)), "is_paired": True},
        }
        for person in dict.fromkeys(person for person, _ in scores)
    ]
    connection = duckdb.connect()
    create_table(connection, "mart_episode_outcome", _PAIR, pairs)
    create_table(
        connection,
        "ref_instrument_scale",
        _SCALE,
        [{**dict.fromkeys(_SCALE, "1"), "instrument_code": column, "scale_code": "total", "direction_code": direction}],
    )
    query = project_sql("analyses/clinical_significance.sql", instrument=column, **variables)
    found = connection.execute(query)
    names = [each[0] for each in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()], len(scores)


def _scores(instrument: Instrument, rows: list[dict[str, str]], time: str) -> dict[tuple[str, str], Decimal]:
    """Person and time → score, through the path of supplied scores; missing ones have none."""
    person = next(iter(rows[0]))
    given = [(f"{row[person]}|{row[time]}", instrument.code, row[instrument.code]) for row in rows]
    sent = [(key, code, value) for key, code, value in given if value not in ("", "NA")]
    found = score_supplied([instrument], sent).query(
        "SELECT assessment_key, score FROM headline WHERE score IS NOT NULL"
    )
    by_key = {key: value for key, _, value in sent}
    assert {key for key in by_key if Decimal(by_key[key]) >= 0} == {key for key, _ in found}
    assert all(abs(score - Decimal(by_key[key])) <= Decimal("0.00005") for key, score in found)
    return {(key.split("|")[0], key.split("|")[1]): score for key, score in found}


_PAIR = {
    **dict.fromkeys(("episode_instrument_key", "instrument_code", "instrument_version", "scale_code"), "varchar"),
    **dict.fromkeys(("first_score", "last_score"), "decimal(9,4)"),
    **dict.fromkeys(("is_closed", "is_paired"), "boolean"),
}
_SCALE = {
    **dict.fromkeys(("instrument_code", "instrument_version", "scale_code", "direction_code"), "varchar"),
    "basis_rank": "integer",
}
HAMD = {"reliability": 0.8, "functional_mean": 8, "functional_sd": 8}


@pytest.fixture(scope="module")
def clinical(reference_data: Path) -> Path:
    return reference_data / "survey/clinical-significance"


def test_reliable_change_of_hamd(agreement: Agreement, clinical: Path, tmp_path: Path) -> None:
    pairs, count = significance(clinical, tmp_path, "claus_2020", "hamd", **HAMD)
    assert count > 120
    assert {pair["pair_count"] for pair in pairs} == {40}
    assert pairs[0]["first_sd"] == pytest.approx(3.34012, abs=5e-6)
    assert pairs[0]["cut_off_score"] == pytest.approx(19.887, abs=5e-4)
    official = {row["id"]: row for row in rows_of(clinical / "expected/claus_hamd_combined_jt_c_individual.csv")}
    agreement.compare(
        SIGNIFICANCE,
        "HAM-D, reliable change index of 40 persons",
        {pair["pair_key"]: pair["rci"] for pair in pairs},
        {person: float(row["rci"]) for person, row in official.items()},
        relative=1e-9,
    )
    agreement.compare(
        SIGNIFICANCE,
        "HAM-D, class of 40 persons against cut-off c",
        {pair["pair_key"]: pair["rci_class_code"] for pair in pairs},
        {person: row["category"].lower() for person, row in official.items()},
    )
    assert Counter(pair["rci_class_code"] for pair in pairs) == {
        **{"recovered": 26, "improved": 3, "unchanged": 10, "deteriorated": 1}
    }


@pytest.mark.parametrize("deteriorated_share", [0.5, 0.3])
def test_percentage_change_of_hamd(
    agreement: Agreement, clinical: Path, tmp_path: Path, deteriorated_share: float
) -> None:
    pairs, _ = significance(clinical, tmp_path, "claus_2020", "hamd", deteriorated_share=deteriorated_share, **HAMD)
    found = Counter({"improved": 0, "unchanged": 0, "deteriorated": 0})
    found.update(pair["percentage_class_code"] for pair in pairs)
    agreement.compare(
        SIGNIFICANCE,
        f"HAM-D, persons by class of percentage change, half better or {deteriorated_share} worse",
        dict(found),
        {"improved": 16, "unchanged": 24, "deteriorated": 0},
    )


@pytest.mark.parametrize(
    ("name", "column", "scores", "pairs"),
    [
        ("claus_2020", "bdi", 163, 40),
        ("claus_2020", "shaps", 162, 40),
        ("claus_2020", "who", 163, 40),
        ("jacobson_1989", "das", 60, 30),
        ("jacobson_1989", "gds", 56, 26),
        ("anxiety", "anxiety", 542, 90),
        ("antidepressants", "mom_di", 1107, 552),
    ],
)
def test_other_sets_load_and_score(
    clinical: Path, tmp_path: Path, name: str, column: str, scores: int, pairs: int
) -> None:
    """Every score that is there is taken, every complete pair is judged; missing ones stay missing, and three scores
    of the antidepressants set that are below zero are out of range and none."""
    found, count = significance(clinical, tmp_path, name, column, reliability=0.8, functional_mean=10, functional_sd=5)
    assert count == scores
    assert len(found) == pairs
    assert all(pair["rci_class_code"] and pair["rci"] is not None for pair in found)


# PHQ-9, volume ----------------------------------------------------------------------------------------------------


def test_phq9_weekly(agreement: Agreement, reference_data: Path) -> None:
    """60,000 sheets of nine answers; every total is the one that the file states."""
    rows = rows_of(reference_data / "survey/phq9-weekly/phq9_weekly.csv")
    answers = [
        (f"{row['Patient_Identifier']}|{row['Week']}", "phq9", item, row[f"DPQ{item}"])
        for row in rows
        for item in range(1, 10)
    ]
    found = score_answers([BY_CODE["phq9"]], answers).query(
        "SELECT assessment_key, score FROM score WHERE scale_code = 'total'"
    )
    agreement.compare(
        "Weekly PHQ-9 simulation from NHANES respondents",
        "PHQ-9 totals of 60,000 sheets",
        dict(found),
        {f"{row['Patient_Identifier']}|{row['Week']}": Decimal(row["PHQ9_Score"]) for row in rows},
    )
