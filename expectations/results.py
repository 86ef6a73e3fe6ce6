"""What goes into a gate and what comes out of it.

What belongs here: the plain values that orchestration hands to the gates and gets back. What does not: how a check is
run (``adapter``), and what becomes of a result (``orchestration.quality``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import pyarrow as pa

_MODELS = Path(__file__).resolve().parent.parent / "dbt_project"

REFERENCE_DIR = _MODELS / "seeds"
"""Where the code lists lie that rules name: the same seeds that the models map codes with."""

TYPING_MACROS = _MODELS / "macros" / "engine" / "typing.sql"
"""How the models type landed text."""

SUITES_DIR = Path(__file__).resolve().parent / "suites"


class Outcome(StrEnum):
    """What a check came to. ``ERROR`` is a fault of the check or its input, never a verdict on the data."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    ERROR = "error"
    NOT_APPLICABLE = "not_applicable"


class Status(StrEnum):
    """What becomes of a delivery."""

    ACCEPTED = "accepted"
    PAUSED = "paused"
    """Held until a person releases it."""
    REFUSED = "refused"
    """Not loaded; the last good delivery stays in force."""


@dataclass(frozen=True)
class PauseLimits:
    """Beyond these a delivery is paused."""

    max_error_share: float = 0.05
    max_row_change: float = 0.25


class Refusal(Protocol):
    """Why a connector could not use a delivery at all; :class:`sources.errors.RefusedError` is one."""

    @property
    def rule(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def fix(self) -> str: ...
    @property
    def file(self) -> str | None: ...
    @property
    def line(self) -> int | None: ...


@dataclass(frozen=True)
class LandedDelivery:
    """One delivery before the gate. A refused one has no landing folder: ``path`` is None and ``refusal`` is set."""

    delivery_id: str
    source_id: str
    organisation_id: str
    path: Path | None
    """Folder with ``<table>.parquet`` and ``_rejects.parquet``."""
    stated_at: str | None
    """ISO time at which the sender says it was exported."""
    format_version: str
    regime: str
    """``full`` or ``delta``."""
    previous_row_counts: Mapping[str, int] | None = None
    """Rows per table of the last accepted full delivery of the source; None: nothing to compare with."""
    limits: PauseLimits = PauseLimits()
    refusal: Refusal | None = None


@dataclass(frozen=True)
class SurveyItem:
    """One question of a mapped form, as the region file's mapping says; a row of ``ops.survey_item``."""

    source_id: str
    form_code: str
    instrument_code: str
    question_code: str
    item_number: int | None
    role: str
    """``item``, ``total`` or ``comment``."""


@dataclass(frozen=True)
class CheckContext:
    """What the gates need to know beside the data."""

    released: frozenset[str] = frozenset()
    """Deliveries that a person has released from a pause."""
    survey_items: Sequence[SurveyItem] = ()
    reference_dir: Path = REFERENCE_DIR
    suites_dir: Path = SUITES_DIR
    scratch_dir: Path | None = None
    """Where DuckDB may spill; None: the system's temporary folder."""
    memory_limit: str = "1GB"
    warning_cap: int = 10_000
    """Rows listed per warning and delivery (results always carry the true count)."""
    refused_cap: int = 10_000
    """Rows listed per record check of a delivery that is not loaded anyway."""


@dataclass(frozen=True)
class CheckResult:
    """One expected check of one delivery (or, at the publish edge, of one table)."""

    check_id: str
    """``<kind>.<table>.<column>.<rule>``, without ``<column>`` where the rule is about the whole record."""
    kind: str
    delivery_id: str
    """Empty for checks of the warehouse as a whole."""
    source_id: str
    organisation_id: str
    table: str
    column: str | None
    rule: str
    severity: str
    """``submission``, ``record``, ``warning``; at the publish edge ``error`` or ``warning``."""
    dimension: str
    outcome: Outcome
    checked_count: int
    failed_count: int
    failed_records: int
    """Distinct record keys among the failing rows: how many things are to be mended."""
    message: str
    why: str
    fix: str


FINDING_SCHEMA = pa.schema(
    [
        ("delivery_id", pa.string()),
        ("source_id", pa.string()),
        ("organisation_id", pa.string()),
        ("kind", pa.string()),
        ("table", pa.string()),
        ("file", pa.string()),
        ("row_number", pa.int64()),
        ("line", pa.int64()),
        ("record_key", pa.string()),
        ("column", pa.string()),
        ("landed_column", pa.string()),
        ("rule", pa.string()),
        ("severity", pa.string()),
        ("check_id", pa.string()),
        ("message", pa.string()),
        ("fix", pa.string()),
    ]
)
"""One row per failing (row, check): a row that fails two checks occurs twice. ``record_key`` holds the key columns'
values joined with ``|``; it is NULL for records that could not be read or have no key. ``column`` is what the sender
calls it, ``landed_column`` where its value lies in the landing table."""


@dataclass(frozen=True)
class LandingVerdict:
    """The landing gate's answer for all new deliveries of one kind."""

    kind: str
    results: list[CheckResult]
    quarantine: pa.Table
    """:data:`FINDING_SCHEMA`, severity ``record``. For an accepted delivery these are exactly the rows not to load;
    for the others they are what the sender has to mend, at most ``refused_cap`` per check."""
    warnings: pa.Table
    """:data:`FINDING_SCHEMA`, severity ``warning``, at most ``warning_cap`` per check and delivery."""
    status: dict[str, Status]
    reasons: dict[str, list[str]] = field(default_factory=dict)
    """Why a delivery is paused or refused, or what a person released, in sentences."""
    row_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Landed rows per delivery and table, rejected ones not counted."""
    held_back: dict[str, int] = field(default_factory=dict)
    """Distinct rows per delivery that record checks hold back, rejected ones counted."""


@dataclass(frozen=True)
class WarehouseVerdict:
    """What holds for the loaded warehouse as it stands: the complete list, not only what this run changed."""

    results: list[CheckResult]
    quarantine: pa.Table
    warnings: pa.Table
