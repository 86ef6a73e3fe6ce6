"""Frameworks of outcomes and crosswalks between them: whether the seeds that hold them are sound.

What belongs here: reading ``ref_framework*.csv`` and ``ref_crosswalk.csv``, the ledger of released mappings, and every
problem as a sentence with file, line and mend. What does not: what the models make of them (``dbt_project``).

Mappings are only ever added. One that changes is closed (``superseded_on``, or ``valid_to_on`` where it ended in fact)
and asserted anew in a row of its own, so that a figure of the past can be worked out by what was held then. The ledger
(``dbt_project/frameworks/released.csv``) holds every row as it was first asserted, and its closing once there is one.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from orchestration import definition_ledger
from orchestration.definition_ledger import Key
from orchestration.project import DBT_PROJECT

SEEDS = DBT_PROJECT / "seeds"
LEDGER = DBT_PROJECT / "frameworks" / "released.csv"
RECORD_WITH = "trigpoint crosswalk record"
MATCH_TYPES = ("exact", "close", "broad", "narrow", "related")
_TOLERANCE = Decimal("0.000001")
_LATEST = "9999-12-31"

_MAPPING = (
    "crosswalk_code", "crosswalk_version", "from_framework_code", "from_version", "from_node_code",
    "to_framework_code", "to_version", "to_node_code",
)  # fmt: skip
_ASSERTION = (*_MAPPING, "valid_from_on", "asserted_on")
"""What tells one assertion from another."""
_ASSERTED = ("mode_code", "match_type_code", "weight", "method_code", "source", "asserted_by", "confidence_code")
_CLOSINGS = ("valid_to_on", "superseded_on")
"""Columns that are empty at first and may be filled once."""
_PARTS = {"assertion": ", ".join(_ASSERTED)} | {column: column for column in _CLOSINGS}
"""Part of the ledger → the columns that it holds."""


@dataclass(frozen=True)
class Row:
    """A row of a seed and where it stands."""

    file: str
    line: int
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def says(self, text: str) -> str:
        return f"{self.file}:{self.line}: {text}"


def problems(seeds: Path = SEEDS, ledger: Path = LEDGER) -> list[str]:
    """What is wrong with frameworks and crosswalks; empty if they are sound and every mapping is as it was released."""
    frameworks = _rows(seeds / "ref_framework.csv")
    nodes = _rows(seeds / "ref_framework_node.csv")
    crosswalk = _rows(seeds / "ref_crosswalk.csv")
    return [
        *_repeated(frameworks, ("framework_code", "version")),
        *_repeated(nodes, ("framework_code", "version", "node_code")),
        *_several_current(frameworks),
        *_nodes(frameworks, nodes),
        *_mappings(nodes, crosswalk),
        *_modes(crosswalk),
        *_sums(crosswalk),
        *_repeated(crosswalk, _ASSERTION),
        *_asserted_twice(crosswalk),
        *_broken(crosswalk, ledger),
        *_unrecorded(crosswalk, ledger),
    ]


def record(seeds: Path = SEEDS, ledger: Path = LEDGER) -> int:
    """Add new mappings and closings to the ledger; what is there stays. Returns how many mappings are new.

    Raises :class:`ValueError`, a sentence a line, if anything else is wrong with the seeds.
    """
    crosswalk = _rows(seeds / "ref_crosswalk.csv")
    released, now = definition_ledger.read(ledger), _parts(crosswalk)
    unrecorded = set(_unrecorded(crosswalk, ledger))
    if wrong := [problem for problem in problems(seeds, ledger) if problem not in unrecorded]:
        raise ValueError("\n".join(wrong))
    ledger.write_text(definition_ledger.as_text((*_ASSERTION, "part"), now), encoding="utf-8")
    return sum(1 for key in now.keys() - released.keys() if key[-1] == "assertion")


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return [Row(path.name, reader.line_num, values) for values in reader]


def _repeated(rows: list[Row], key: tuple[str, ...]) -> Iterator[str]:
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        values = tuple(row[column] for column in key)
        if values in seen:
            yield row.says(f"{'/'.join(values)} is there already, on line {seen[values]}; keep one of them")
        seen.setdefault(values, row.line)


def _several_current(frameworks: list[Row]) -> Iterator[str]:
    current = Counter(row["framework_code"] for row in frameworks if row["is_current"] == "true")
    for row in frameworks:
        if row["is_current"] == "true" and current[row["framework_code"]] > 1:
            yield row.says(f"{row['framework_code']} has {current[row['framework_code']]} current versions; leave one")


def _nodes(frameworks: list[Row], nodes: list[Row]) -> Iterator[str]:
    versions = {(row["framework_code"], row["version"]) for row in frameworks}
    known = {(row["framework_code"], row["version"], row["node_code"]): row for row in nodes}
    for row in nodes:
        version = (row["framework_code"], row["version"])
        if version not in versions:
            yield row.says(f"there is no framework {'/'.join(version)}; add it to ref_framework.csv")
        parent = row["parent_node_code"]
        if parent and (*version, parent) not in known:
            yield row.says(f"the outcome above, {parent}, is not in {'/'.join(version)}; add it or correct the code")
        elif parent and int(known[*version, parent]["level_number"]) != int(row["level_number"]) - 1:
            yield row.says(f"level_number is {row['level_number']}, and that of {parent} is not one less; correct one")


def _mappings(nodes: list[Row], crosswalk: list[Row]) -> Iterator[str]:
    known = {(row["framework_code"], row["version"], row["node_code"]) for row in nodes}
    for row in crosswalk:
        for end in ("from", "to"):
            node = tuple(row[f"{end}_{column}"] for column in ("framework_code", "version", "node_code"))
            if node not in known:
                yield row.says(f"there is no outcome {'/'.join(node)}; correct {end}_node_code or its version")
        if row["match_type_code"] not in MATCH_TYPES:
            yield row.says(f"match_type_code is '{row['match_type_code']}'; use one of {', '.join(MATCH_TYPES)}")
        if row["superseded_on"] and row["superseded_on"] < row["asserted_on"]:
            yield row.says("superseded_on lies before asserted_on; correct one of them")


def _modes(crosswalk: list[Row]) -> Iterator[str]:
    modes: dict[str, str] = {}
    for row in crosswalk:
        mode = modes.setdefault(row["crosswalk_code"], row["mode_code"])
        if row["mode_code"] not in ("allocate", "tag"):
            yield row.says(f"mode_code is '{row['mode_code']}'; use allocate or tag")
        elif row["mode_code"] != mode:
            yield row.says(f"{row['crosswalk_code']} is a set that {mode}s elsewhere; a set has one mode")
        elif mode == "tag" and row["weight"]:
            yield row.says("a set that tags has no weights, because they would be taken for shares; leave it empty")
        elif mode == "allocate" and _weight(row) is None:
            yield row.says(f"weight is '{row['weight']}'; a share lies above 0 and is at most 1")


def _weight(row: Row) -> Decimal | None:
    try:
        weight = Decimal(row["weight"])
    except InvalidOperation:
        return None
    return weight if 0 < weight <= 1 else None


def _sums(crosswalk: list[Row]) -> Iterator[str]:
    """Shares of an outcome add up to one on every day on which any of them holds."""
    sets: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in crosswalk:
        if row["mode_code"] == "allocate" and not row["superseded_on"] and _weight(row) is not None:
            key = ("crosswalk_code", "from_framework_code", "from_version", "from_node_code")
            sets[tuple(row[column] for column in key)].append(row)
    for (code, *node), rows in sets.items():
        for start in sorted({row["valid_from_on"] for row in rows}):
            holding = [r for r in rows if r["valid_from_on"] <= start <= (r["valid_to_on"] or _LATEST)]
            total = sum((_weight(row) or Decimal(0) for row in holding), Decimal(0))
            if abs(total - 1) > _TOLERANCE:
                since = f" from {date.fromisoformat(start)}" if start else ""
                yield holding[0].says(
                    f"the weights of {'/'.join(node)} in {code} add up to {total}{since}, not to 1; "
                    f"correct line{'s' if len(holding) > 1 else ''} {', '.join(str(row.line) for row in holding)}"
                )


def _parts(crosswalk: list[Row]) -> dict[Key, str]:
    """Every assertion with its hash, and every closing that has happened."""
    parts: dict[Key, str] = {}
    for row in crosswalk:
        key = tuple(row[column] for column in _ASSERTION)
        parts[(*key, "assertion")] = definition_ledger.digest({column: row[column] for column in _ASSERTED})
        for column in _CLOSINGS:
            if row[column]:
                parts[(*key, column)] = definition_ledger.digest(row[column])
    return parts


def _broken(crosswalk: list[Row], ledger: Path) -> Iterator[str]:
    """Mappings that were released and have changed or are gone since."""
    released = definition_ledger.read(ledger)
    lines = {key: number for number, key in enumerate(released, start=2)}
    rows = {tuple(row[column] for column in _ASSERTION): row for row in crosswalk}
    for found in definition_ledger.broken(released, _parts(crosswalk)):
        *key, part = found.key
        row = rows.get(tuple(key))
        mapping = dict(zip(_ASSERTION, key, strict=True))
        name = f"{mapping['from_node_code']} to {mapping['to_node_code']} in {mapping['crosswalk_code']}"
        if row is None and part == "assertion":
            yield (
                f"{ledger.name}:{lines[found.key]}: the mapping of {name}, asserted on {mapping['asserted_on']}, is "
                "gone from ref_crosswalk.csv or was edited there; put the row back as it was, close it with the day of "
                "the change in superseded_on, and assert what holds now in a row of its own with that day in "
                "asserted_on"
            )
        elif row is not None and part == "assertion":
            yield row.says(
                f"the mapping of {name} is no longer what was asserted ({_PARTS[part]}); put the row back as it was, "
                "close it with the day of the change in superseded_on, and assert what holds now in a row of its own "
                "with that day in asserted_on"
            )
        elif row is not None:
            yield row.says(
                f"{part} of the mapping of {name} was another day when it was released; put that day back, and assert "
                "what holds now in a row of its own"
            )


def _unrecorded(crosswalk: list[Row], ledger: Path) -> Iterator[str]:
    released = definition_ledger.read(ledger)
    for row in crosswalk:
        key = tuple(row[column] for column in _ASSERTION)
        for part in _PARTS:
            if (part == "assertion" or row[part]) and (*key, part) not in released:
                what = "this mapping" if part == "assertion" else f"{part} of this mapping"
                yield row.says(f"{what} is not in the ledger yet; run `{RECORD_WITH}` and commit what it adds")


def _asserted_twice(crosswalk: list[Row]) -> Iterator[str]:
    """Two assertions of one mapping that hold at once would count what they map twice."""
    holding: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in crosswalk:
        if row["superseded_on"]:
            continue
        key = tuple(row[column] for column in _MAPPING)
        for other in holding[key]:
            if row["valid_from_on"] <= (other["valid_to_on"] or _LATEST) and other["valid_from_on"] <= (
                row["valid_to_on"] or _LATEST
            ):
                yield row.says(
                    f"{'/'.join(key)} is asserted already, on line {other.line}, for the same time; close that row "
                    "with the day of this one in superseded_on"
                )
        holding[key].append(row)
