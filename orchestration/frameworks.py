"""Frameworks of outcomes and crosswalks between them: whether the seeds that hold them are sound.

What belongs here: reading ``ref_framework*.csv`` and ``ref_crosswalk.csv``, and every problem as a sentence with file,
line and mend. What does not: what the models make of them (``dbt_project``).
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from orchestration.project import DBT_PROJECT

SEEDS = DBT_PROJECT / "seeds"
MATCH_TYPES = ("exact", "close", "broad", "narrow", "related")
_TOLERANCE = Decimal("0.000001")
_LATEST = "9999-12-31"


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


def problems(seeds: Path = SEEDS) -> list[str]:
    """What is wrong with frameworks and crosswalks; empty if they are sound."""
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
    ]


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
