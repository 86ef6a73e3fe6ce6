"""Records of one table as a system keeps them, and what an export of a given day shows of them.

What belongs here: when a record is entered, corrected and deleted, and the selection and writing of its rows. What
does not: what the tables are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.sample.calendar import NEVER
from sources.sample.columns import Column, Moments, Texts, join
from sources.sample.draws import Flags, Ints


@dataclass(frozen=True)
class Change:
    """A value that became known or was corrected after the record was entered."""

    at: Ints
    """The moment of the change, by row; ``NEVER`` where there is none."""
    before: Mapping[str, Column]
    """What the columns held before."""


@dataclass(frozen=True)
class Records:
    """All records of one table and one block of households. ``columns`` hold what they say in the end."""

    created: Ints
    columns: Mapping[str, Column]
    household: Ints
    """Position in the block."""
    changes: Sequence[Change] = ()
    deleted: Ints | None = None
    """The moment of deletion, by row; ``NEVER`` where there is none."""


@dataclass(frozen=True)
class View:
    """What an export shows: everything that was entered by ``until``, or only what changed after ``since``."""

    until: int
    since: int | None = None
    one_household_in: int = 1
    """1: all of them; 3: only every third."""
    spoilt: Mapping[tuple[str, str], Column] = field(default_factory=dict)
    """(table, column) → what the column holds instead."""


@dataclass(frozen=True)
class Layout:
    """How the rows of one file are written."""

    header: Sequence[str]
    quoted: frozenset[str]
    newline: str
    fixed: Mapping[str, str]
    """Columns that are the same on every row."""


def visible(records: Records, view: View) -> tuple[Ints, Ints]:
    """Rows that the view shows, and the moment of the last change of each."""
    shown: Flags = records.created <= view.until
    if view.one_household_in > 1:
        shown &= records.household % view.one_household_in == 0
    updated = records.created
    moments = [change.at for change in records.changes]
    if records.deleted is not None:
        moments.append(records.deleted)
    for moment in moments:
        updated = np.where(moment <= view.until, np.maximum(updated, moment), updated)
    if view.since is not None:
        shown &= updated > view.since
    rows = np.flatnonzero(shown)
    return rows, updated[rows]


def lines(table: str, records: Records, view: View, layout: Layout) -> Texts:
    """The rows that the view shows, each as a line of its file."""
    rows, updated = visible(records, view)
    if not len(rows):
        return pa.array([], type=pa.string())
    written: dict[int, Texts | str] = {}
    parts: list[Texts | str] = []
    for position, name in enumerate(layout.header):
        quote = '"' if name in layout.quoted else ""
        text = _cell(table, name, records, view, layout, rows, updated, written)
        if text == "":
            quote = ""
        parts += ["," if position else "", quote, text, quote]
    return join([*parts, layout.newline], len(rows))


def _cell(
    table: str,
    name: str,
    records: Records,
    view: View,
    layout: Layout,
    rows: Ints,
    updated: Ints,
    written: dict[int, Texts | str],
) -> Texts | str:
    if (table, name) in view.spoilt:
        return view.spoilt[table, name].texts(rows)
    if name == "DateCreated":
        return Moments(records.created).texts(rows)
    if name == "DateUpdated":
        return Moments(updated).texts(np.arange(len(rows)))
    if name == "DateDeleted":
        return _deleted(records, view, rows)
    if name in layout.fixed:
        return layout.fixed[name]
    column = records.columns.get(name)
    if column is None:
        return ""
    if id(column) not in written:
        written[id(column)] = column.texts(rows)
    text = written[id(column)]
    for change in records.changes:
        if name in change.before:
            still_before = (change.at[rows] > view.until) & (change.at[rows] < NEVER)
            if still_before.any():
                text = pc.if_else(pa.array(still_before), change.before[name].texts(rows), text)
    return text


def _deleted(records: Records, view: View, rows: Ints) -> Texts | str:
    if records.deleted is None:
        return ""
    moments = np.where(records.deleted[rows] <= view.until, records.deleted[rows], NEVER)
    if (moments == NEVER).all():
        return ""
    return Moments(moments).texts(np.arange(len(rows)))
