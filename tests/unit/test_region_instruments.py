"""What a region file may say of instruments: items that exist, value sets that are whole, a known programme."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import product
from pathlib import Path

import duckdb
import pytest

from orchestration.context import write_region
from orchestration.instruments import known
from orchestration.region import RegionFileError, load_region
from orchestration.warehouse import ensure_tables

REGION = """\
region: {id: demo, name: Demo region}
organisations:
  - {id: harbour, name: Harbour Housing}
sources:
  - id: harbour_odk
    kind: odk
    organisation: harbour
    location: deliveries/*.json
    mapping: {forms: {check: {instrument: phq9, items: {q1: 1}}}}
outcome_programme: corc
value_sets:
  - {instrument: eq5d5l, code: uk_crosswalk, file: crosswalk.csv}
"""
STATES = [int("".join(levels)) for levels in product("12345", repeat=5)]
Lines = list[str]


def table() -> Lines:
    """A made-up value set of all states."""
    return ["state,index", *(f"{state},{1 - number / 3125:.4f}" for number, state in enumerate(STATES))]


def written(folder: Path, text: str = REGION, lines: Lines | None = None) -> Path:
    (folder / "crosswalk.csv").write_text("\n".join(lines or table()) + "\n", encoding="utf-8")
    path = folder / "region.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_models_are_told_of_value_sets_and_programme(tmp_path: Path) -> None:
    region = load_region(written(tmp_path))
    connection = duckdb.connect()
    ensure_tables(connection)
    write_region(connection, region, date(2024, 1, 1))
    assert connection.execute("SELECT * FROM ops.outcome_programme").fetchall() == [("corc",)]
    assert connection.execute(
        "SELECT count(*), min(state), max(state), max(index_value) FROM ops.value_set "
        "WHERE value_set_code = 'uk_crosswalk' AND instrument_code = 'eq5d5l'"
    ).fetchall() == [(3125, 11111, 55555, Decimal(1))]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "instrument: phq9",
            "instrument: phq",
            "region.yml:9: sources[0].mapping: form 'check': no instrument 'phq'; see `trigpoint instrument list`",
        ),
        (
            "q1: 1}",
            "q1: 10}",
            "region.yml:9: sources[0].mapping: form 'check': 'q1' is mapped to item 10 of phq9, which has items 1 to 9",
        ),
        (
            "outcome_programme: corc",
            "outcome_programme: cork",
            "region.yml:10: outcome_programme: no programme 'cork'; known: talking_therapies, wellbeing, "
            "wellbeing_lenient, corc, after_stroke, general",
        ),
        (
            "code: uk_crosswalk",
            "code: uk_cross",
            "region.yml:12: value_sets[0]: no value set 'uk_cross' is awaited for eq5d5l; "
            "known: uk_crosswalk of eq5d5l",
        ),
        (
            "file: crosswalk.csv",
            "file: other.csv",
            "region.yml:12: value_sets[0]: other.csv can't be read: No such file or directory",
        ),
    ],
)
def test_what_nobody_knows_is_told(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(RegionFileError) as caught:
        load_region(written(tmp_path, REGION.replace(old, new)))
    assert caught.value.problems == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda lines: ["state;index", *lines[1:]], "crosswalk.csv:1: the header must be state,index"),
        (lambda lines: [*lines[:2], "11112,high", *lines[3:]], "crosswalk.csv:3: not a state and an index: 11112,high"),
        (lambda lines: [*lines, "11116,0"], "crosswalk.csv:3127: 11116 is no state of the instrument"),
        (lambda lines: [*lines, "11111,1"], "crosswalk.csv:3127: state 11111 is there twice"),
        (
            lambda lines: [*lines[:1], *lines[2:]],
            "crosswalk.csv: 1 states are missing, first 11111; name every state",
        ),
    ],
    ids=["header", "number", "state", "twice", "gap"],
)
def test_a_broken_value_set_is_told(tmp_path: Path, change: Callable[[Lines], Lines], expected: str) -> None:
    with pytest.raises(RegionFileError) as caught:
        load_region(written(tmp_path, lines=change(table())))
    assert caught.value.problems == [f"region.yml:12: value_sets[0]: {expected}"]


def test_only_tables_that_are_not_shipped_are_awaited() -> None:
    assert {key: len(states) for key, states in known.awaited_value_sets().items()} == {
        ("eq5d5l", "uk_crosswalk"): 3125
    }
