"""The entities that sheets feed, read from ``sheet_spec.yml``.

What belongs here: the spec as objects, and the landing table of each entity. What does not: files and mappings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sources.spec import Column, Role, Table

SPEC_FILE = Path(__file__).with_name("sheet_spec.yml")


class Kind(StrEnum):
    """What a column of an entity holds; see the spec."""

    TEXT = "text"
    CODE = "code"
    REFERENCE = "reference"
    DATE = "date"
    MONTH_START = "month_start"
    MONTH_END = "month_end"
    NUMBER = "number"
    FLAG = "flag"
    FREE_TEXT = "free_text"


@dataclass(frozen=True)
class Entity:
    """One entity of the spec."""

    name: str
    title: str
    table: Table
    kinds: Mapping[str, Kind]
    """By column."""
    private_when: Mapping[str, tuple[str, frozenset[str]]]
    """Column → (deciding column, its codes): then the value goes to ``private_<column>``."""

    @property
    def is_about_people(self) -> bool:
        """Whether rows are about single people, so that columns beyond the spec are masked unless they are plain."""
        return bool({Kind.REFERENCE, Kind.FREE_TEXT} & set(self.kinds.values()))


@cache
def entities() -> dict[str, Entity]:
    """The entities by name, parents before children."""
    spec: dict[str, Any] = yaml.safe_load(SPEC_FILE.read_text(encoding="utf-8"))
    return {name: _entity(name, block) for name, block in spec["entities"].items()}


def _entity(name: str, block: Mapping[str, Any]) -> Entity:
    kinds = {column: Kind(text.removesuffix("!")) for column, text in block["columns"].items()}
    needed = {column for column, text in block["columns"].items() if text.endswith("!")}
    table = Table(
        name=name,
        columns=tuple(
            Column(column, Role.FREE_TEXT if kind is Kind.FREE_TEXT else Role.PLAIN, required=column in needed)
            for column, kind in kinds.items()
        ),
        key=tuple(block["key"]),
        group=tuple(block.get("replace_by", block["key"])),
        key_is_unique="replace_by" not in block,
        parents=tuple(((column,), parent) for column, parent in block.get("parents", {}).items()),
    )
    private = {
        column: next((decider, frozenset(codes)) for decider, codes in rule.items())
        for column, rule in block.get("private_when", {}).items()
    }
    return Entity(name, block["title"], table, kinds, private)
