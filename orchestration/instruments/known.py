"""What a region file may refer to: instruments with their items, and value sets whose tables it must bring.

What belongs here: reading the compiled seeds, which takes milliseconds, and a value set's file. What does not: the
definitions themselves (``definition``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import product
from pathlib import Path

from orchestration.instruments.seeds import SEEDS


class ValueSetError(Exception):
    """A value set's file can't be used; the message says where and how to mend it."""


@cache
def known_items() -> dict[str, frozenset[int]]:
    """Item numbers of each instrument, of all its versions."""
    found: dict[str, set[int]] = {}
    for row in _seed("ref_instrument_item"):
        found.setdefault(row["instrument_code"], set()).add(int(row["item_number"]))
    return {code: frozenset(items) for code, items in found.items()}


@cache
def known_programmes() -> tuple[str, ...]:
    """Codes of all programmes."""
    return tuple(row["programme_code"] for row in _seed("ref_outcome_programme"))


@cache
def awaited_value_sets() -> dict[tuple[str, str], frozenset[int]]:
    """(Instrument, value set) whose table the region file must bring → every state that it must have."""
    scales = list(_seed("ref_instrument_scale"))
    levels: dict[tuple[str, str], set[int]] = {}
    for row in _seed("ref_instrument_item"):
        if row["points"]:
            levels.setdefault((row["instrument_code"], row["item_number"]), set()).add(int(row["points"]))
    profiles = {(row["instrument_code"], row["scale_code"]) for row in scales if row["method_code"] == "profile"}
    items: dict[str, list[str]] = {}
    for row in _seed("ref_instrument_member"):
        if (row["instrument_code"], row["scale_code"]) in profiles:
            items.setdefault(row["instrument_code"], []).append(row["member_code"])
    tables = {row["instrument_code"] for row in _seed("ref_score_lookup") if not row["member_code"]}
    return {
        (row["instrument_code"], row["value_set_code"]): frozenset(
            int("".join(map(str, state)))
            for state in product(
                *(sorted(levels[row["instrument_code"], item]) for item in items[row["instrument_code"]])
            )
        )
        for row in scales
        if row["has_lookup"] == "true" and row["value_set_code"] and row["instrument_code"] not in tables
    }


def read_value_set(path: Path, states: frozenset[int]) -> list[tuple[int, Decimal]]:
    """State and index of every line of a file with the header ``state,index``. Raises :class:`ValueSetError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueSetError(f"{path.name} can't be read: {error.strerror}") from error
    lines = csv.reader(text.splitlines())
    if [name.strip().lower() for name in next(lines, [])] != ["state", "index"]:
        raise ValueSetError(f"{path.name}:1: the header must be state,index")
    found: dict[int, Decimal] = {}
    for number, fields in enumerate(lines, start=2):
        where = f"{path.name}:{number}"
        try:
            state, index = int(fields[0]), Decimal(fields[1])
        except (ValueError, IndexError, InvalidOperation):
            raise ValueSetError(f"{where}: not a state and an index: {','.join(fields)}") from None
        if state not in states:
            raise ValueSetError(f"{where}: {state} is no state of the instrument")
        if state in found:
            raise ValueSetError(f"{where}: state {state} is there twice")
        found[state] = index
    missing = sorted(states - set(found))
    if missing:
        raise ValueSetError(f"{path.name}: {len(missing)} states are missing, first {missing[0]}; name every state")
    return sorted(found.items())


def _seed(name: str) -> Iterator[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
