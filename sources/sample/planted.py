"""What was planted, so that a test can compare it with what was found.

What belongs here: the ledger of defects, deliveries, identifiers and shared people that becomes ``planted.json``. What
does not: planting.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Defect:
    """One planted defect. ``line`` (physical) and ``row_number`` (of records, without the header) are set once it is
    written; both count from 1."""

    id: str
    source: str
    delivery: str
    """Path below the region folder."""
    rule: str
    severity: str
    """``submission`` (the delivery is refused or paused), ``record`` (the row is quarantined) or ``warning``."""
    must: str
    """What must happen, in words."""
    file: str | None = None
    table: str | None = None
    record: str | None = None
    """Key of the record, as the sender writes it."""
    column: str | None = None
    value: str | None = None
    line: int | None = None
    row_number: int | None = None
    other_lines: list[int] = field(default_factory=list)
    """Lines of other records of the same file that take part, such as the first of two with one key."""
    mended_by: str | None = None
    """Delivery in which a corrected version of the record arrives."""

    def written(self, line: int, row_number: int) -> None:
        self.line, self.row_number = line, row_number


@dataclass
class DeliveryFact:
    """What a delivery contains and what must become of it."""

    source: str
    kind: str
    organisation: str
    delivery: str
    stated_at: str | None
    status: str
    """``loaded``, ``paused`` or ``refused``."""
    regime: str | None
    """``full`` or ``delta``, where the format says so."""
    format_version: str | None
    rule: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    """File → records, those that can't be read included; for surveys, submissions and repeats by file."""
    unreadable: dict[str, int] = field(default_factory=dict)
    """File → records that can't be read as rows."""
    landed: dict[str, int] = field(default_factory=dict)
    """Landing table → rows; for surveys and funders the main table only."""


@dataclass
class Ledger:
    """Collects what becomes ``planted.json``."""

    seed: int
    people: int
    households: int = 0
    defects: list[Defect] = field(default_factory=list)
    deliveries: list[DeliveryFact] = field(default_factory=list)
    identifiers: dict[str, list[str]] = field(default_factory=dict)
    shared_people: list[dict[str, Any]] = field(default_factory=list)
    shared_people_count: int = 0
    lookalikes: list[dict[str, Any]] = field(default_factory=list)
    """People with one name and birth date but different valid national ids: they must stay apart."""
    truth: dict[str, Any] = field(default_factory=dict)

    def defect_id(self, source: str, rule: str) -> str:
        earlier = sum(1 for d in self.defects if d.source == source and d.rule == rule)
        return f"{source}.{rule}.{earlier + 1}"

    def identify(self, **values: str) -> None:
        """Remember identifiers that must not be found where identifiers do not belong."""
        for name, value in values.items():
            known = self.identifiers.setdefault(name, [])
            if value and value not in known:
                known.append(value)

    def write(self, path: Path) -> None:
        content = {"format": 1, **asdict(self)}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
