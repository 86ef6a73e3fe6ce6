"""The specification of what a connector lands: tables, columns, keys, identifiers, replacement.

What belongs here: the vocabulary in which every connector states its tables, and nothing that reads a file. Schema,
landing writer, loader, validator and sample all read the same spec, so a fact about a column is stated once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a column holds, as far as privacy and matching are concerned.

    Every role but ``PLAIN`` sends the value to the vault; the landing table keeps the constant :data:`MASK` in its
    place (NULL stays NULL), so completeness can still be measured.
    """

    PLAIN = "plain"
    FREE_TEXT = "free_text"
    NAME_FIRST = "name_first"
    NAME_LAST = "name_last"
    NAME_OTHER = "name_other"
    BIRTH_DATE = "birth_date"
    NATIONAL_ID = "national_id"
    POSTCODE = "postcode"
    CONTACT = "contact"


MASK = "[vault]"
"""What landing holds in place of a value that went to the vault."""


@dataclass(frozen=True)
class Column:
    """One column of a landing table. Landing keeps every value as text; typing happens in staging."""

    name: str
    role: Role = Role.PLAIN
    required: bool = False
    """The column must be present in the delivery (its values may still be empty)."""
    volatile: bool = False
    """Differs from delivery to delivery without the record having changed, such as the id of the export: it stays
    out of ``_row_hash``."""


@dataclass(frozen=True)
class PersonIdentity:
    """How the identifiers of a table's row describe one person; drives the derived identity columns.

    A table with an identity lands these extra columns (text, NULL where unknown):
    ``_national_id_token``, ``_national_id_scheme``, ``_national_id_status``, ``_name_birth_token``, ``_birth_month``
    (``YYYY-MM-01``), ``_birth_on_first`` (``1``/``0``), ``_birth_status``.
    """

    person_column: str
    """The column that holds the sender's own id of the person; it stays in landing."""
    national_id_scheme: str = "ssn"
    """``ssn`` or ``nhs_number``: decides normalisation and validity."""
    ages_on: tuple[tuple[str, str, str], ...] = ()
    """(table, person column, date column): dates for which the vault works out this person's exact age."""


@dataclass(frozen=True)
class Span:
    """How long a record lasts, for the replacement of records that are not events of one day."""

    start: str
    """Column with the first day; empty: since ever."""
    end: str
    """Column with the last day; empty or no such row: still going on."""
    end_table: str | None = None
    """Where ``end`` lies if not in the table itself: the current row there with the same ``end_key``."""
    end_key: str | None = None


@dataclass(frozen=True)
class Table:
    """One landing table of a connector."""

    name: str
    """snake_case; the landing file is ``<name>.parquet``, the raw table ``raw.<kind>__<name>``."""
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns that identify a record within one source."""
    group: tuple[str, ...] = ()
    """Columns whose equal values are replaced together by a newer delivery; default: the key. A grant's
    classifications are replaced when the grant is."""
    key_is_unique: bool = True
    """False: rows that share a key within one delivery are all kept (they are reported, not merged)."""
    version_column: str | None = None
    """Of two versions of a record the one with the greater value wins, whatever the order of arrival."""
    version_is_text: bool = False
    """Versions sort as text, such as a padded count; otherwise they are timestamps."""
    deleted_column: str | None = None
    """A non-empty value marks the record as deleted by the sender (a tombstone)."""
    scope_column: str | None = None
    """For regime ``full``: only current rows whose value is among the delivery's ``scope_values`` are replaced."""
    scope_date_columns: tuple[str, ...] = ()
    """For regime ``full``: the first non-empty of these must lie within the delivery's scope dates to be replaced."""
    scope_via: tuple[str, str] | None = None
    """(own column, parent table) for a table without ``scope_column``: the scope value is that of the parent's row
    whose key is the own column's value, such as the project of an exit's enrolment."""
    scope_span: Span | None = None
    """Instead of ``scope_date_columns``, for regime ``full``: the row is replaced if it lasts into the scope dates."""
    absence_deletes: bool = True
    """False: absence from a full delivery means nothing for this table (people, users, what is shared by scopes)."""
    parents: tuple[tuple[tuple[str, ...], str], ...] = ()
    """(own columns, parent table): rows whose parent is not current are held back as orphans until it is."""
    identity: PersonIdentity | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def masked(self) -> tuple[Column, ...]:
        """The columns whose values go to the vault."""
        return tuple(column for column in self.columns if column.role is not Role.PLAIN)


IDENTITY_COLUMNS = (
    "_national_id_token",
    "_national_id_scheme",
    "_national_id_status",
    "_name_birth_token",
    "_birth_month",
    "_birth_on_first",
    "_birth_status",
)
"""Derived by the vault for tables with a :class:`PersonIdentity`."""

PROVENANCE_COLUMNS = ("_delivery_id", "_file", "_row_number", "_line", "_row_hash")
"""On every landing table, after the spec columns, ``_extra`` and the identity columns."""


class Regime(StrEnum):
    """How a delivery replaces what came before it from the same source."""

    FULL = "full"
    """Rows of the delivery's scope that it does not carry are gone."""
    DELTA = "delta"
    """Rows are added or replaced by key; absence means nothing."""


@dataclass(frozen=True)
class DeliveryFacts:
    """What a delivery states about itself, read before any of its rows."""

    format_version: str
    """Such as ``FY2022``; staging maps codes by it. Landed as ``_format_version`` in the delivery ledger."""
    stated_at: str | None
    """Export time as the sender states it, ISO ``YYYY-MM-DD HH:MM:SS``; None where the format has none."""
    regime: Regime
    scope_values: tuple[str, ...] | None = None
    """For ``full``: the values of ``Table.scope_column`` that this delivery speaks for; None: all of the source."""
    scope_from: str | None = None
    scope_to: str | None = None
    """For ``full``: inclusive ISO dates that this delivery speaks for; None: unbounded."""
    absent_tables: tuple[str, ...] = ()
    """For ``full``: tables that the delivery does not have at all; it says nothing about their rows."""
    is_changes_only: bool = False
    """The sender says that it holds only what changed, so that it needs a full delivery before it."""
    details: dict[str, str] = field(default_factory=dict)
    """Anything else worth showing to an engineer (software name, export id, …); no identifiers."""
