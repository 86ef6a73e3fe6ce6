"""Published figures: a tidy or wide table (CSV, gzipped or not, or XLSX) that others published, read by a mapping.

What belongs here: which cell of which record is which number, about whom, when, and for which group; what a mark in
place of a number stands for. What does not: putting numbers together to figures, intervals and comparisons
(``dbt_project``), what is acceptable (``expectations``), and the mapping's model (``mapping``; explained in README.md).

A delivery is one or more files of one publication. Every cell that the mapping names lands as a row of ``cell``, as
published: text, and beside it what kind of text it is. A mark is never a number: ``number`` is empty where
``status_code`` is not ``published``. A record whose organisation, level, period or group can't be read by the mapping
is rejected with its line and column; text that is neither number nor mark lands and is judged by the suite.

Replacement: by default a delivery adds figures and replaces those that it carries again; with ``replaces: periods`` it
speaks for all that lies between its first and last period, with ``replaces: everything`` for the whole publication.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from sources.benchmark.mapping import (
    Coded,
    IndicatorMapping,
    Interval,
    LevelRules,
    Numbers,
    Tidy,
    TidyByStatistic,
    Wide,
    cell_code,
    check_indicator_mapping,
    folded,
    is_count,
    parse_mapping,
    parts_of,
)
from sources.benchmark.periods import day_of, last_day, span_of
from sources.benchmark.tables import Record, TableFile, table_files
from sources.connector import Batch, Reject
from sources.delivery import Delivery
from sources.errors import RefusedError
from sources.spec import Column, DeliveryFacts, Regime, Table

CELL = Table(
    "cell",
    tuple(
        Column(name)
        for name in (
            "publication_code",
            "cell_code",
            "level_code",
            "organisation_code",
            "organisation_name",
            "period_type_code",
            "period_start_on",
            "period_end_on",
            "period_label",
            "slice_type_code",
            "slice_code",
            "value",
            "number",
            "status_code",
            "mark_from",
            "mark_to",
            "quantity_code",
            "rounding_base",
            "is_mapped",
            "value_column",
            "measure_column",
        )
    ),
    key=(
        *("publication_code", "cell_code", "level_code", "organisation_code", "period_type_code"),
        *("period_start_on", "period_end_on", "slice_type_code", "slice_code"),
    ),
    scope_date_columns=("period_start_on",),
)
"""One published number, or the mark in its place.

``cell_code`` names the number within its organisation, period and group; ``mark_from`` and ``mark_to`` are the interval
that a mark stands for; ``quantity_code`` is count or value; ``rounding_base`` the multiple it was rounded to;
``value_column`` the header of its column, ``measure_column`` that of the column which says what it is."""

WHOLE = "all"
"""Slice type and slice of figures that are not broken down, as in the KPIs' own series."""

_BATCH_CELLS = 50_000
_REMEMBERED = 10_000
"""Organisations, periods and groups, taken together, that are remembered."""
_RAW_BYTES = 64 << 10
_EXTRA_TYPE = pa.map_(pa.string(), pa.string())
_BLANKS = str.maketrans("", "", "\u00a0\u202f\u2009")


class IndicatorTable:
    """Connector of kind ``indicator_table``."""

    kind = "indicator_table"
    domain = "benchmark"
    version = "2"
    title = "Published figures (CSV, XLSX)"
    tables: Mapping[str, Table] = {CELL.name: CELL}

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        return check_indicator_mapping(mapping)

    def inspect(self, delivery: Delivery, mapping: Mapping[str, Any]) -> DeliveryFacts:
        parsed = parse_mapping(mapping)
        names = table_files(delivery, parsed.file)
        for name in names:
            _Columns.of(TableFile(delivery, name, parsed.file), parsed)
        span = _span(self._read(delivery, parsed)) if parsed.replaces == "periods" else (None, None)
        return DeliveryFacts(
            format_version=parsed.publication.method_version,
            stated_at=None,
            regime=Regime.DELTA if parsed.replaces == "figures" or span == ("", "") else Regime.FULL,
            scope_from=span[0] or None,
            scope_to=span[1] or None,
            details={"publication": parsed.publication.code, "files": ", ".join(names)},
        )

    def read(self, delivery: Delivery, facts: DeliveryFacts, mapping: Mapping[str, Any]) -> Iterator[Batch | Reject]:
        return self._read(delivery, parse_mapping(mapping))

    def _read(self, delivery: Delivery, mapping: IndicatorMapping) -> Iterator[Batch | Reject]:
        for name in table_files(delivery, mapping.file):
            yield from _FileReader(TableFile(delivery, name, mapping.file), mapping).read()


CONNECTOR = IndicatorTable()


def _span(items: Iterator[Batch | Reject]) -> tuple[str, str]:
    """First and last day on which a period of the delivery starts; empty if it has no rows."""
    first = last = ""
    for item in items:
        if isinstance(item, Batch):
            days = [day for day in item.rows["period_start_on"].to_pylist() if day]
            first, last = min([*days, first or "9999"]), max([*days, last])
    return ("", "") if not last else (first, last)


# Columns ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Columns:
    """Where the columns of a file are that the mapping names."""

    positions: Mapping[str, int]
    """Header, folded → position."""
    unnamed: tuple[tuple[str, int], ...]
    """Header and position of columns that the mapping does not name."""

    @classmethod
    def of(cls, table: TableFile, mapping: IndicatorMapping) -> _Columns:
        """Refuses a file that lacks a column, or has one twice."""
        wanted = {folded(name): name for name in _named_columns(mapping)}
        found: dict[str, int] = {}
        unnamed: list[tuple[str, int]] = []
        for position, header in enumerate(table.header):
            code = folded(header)
            if code not in wanted:
                unnamed.append((header, position))
            elif code in found:
                raise RefusedError(
                    "duplicate_column",
                    f"{table.name} has more than one column '{header}'.",
                    "Give every column a name of its own.",
                    file=table.name,
                )
            else:
                found[code] = position
        if missing := [name for code, name in wanted.items() if code not in found]:
            raise RefusedError(
                "missing_column",
                f"{table.name} lacks {_quoted(missing)}, which the mapping names; its header is "
                f"{_quoted(table.header[:30])}.",
                "Correct the mapping in the region file, or skip_lines if the header is further down.",
                file=table.name,
            )
        return cls(found, tuple(unnamed))


def _constant_columns(mapping: IndicatorMapping) -> list[str]:
    """Columns that tell what a record is about, whatever its numbers are."""
    organisation, period = mapping.organisation, mapping.period
    named: list[str | None] = [organisation.code, organisation.name, period.start, period.end, period.label]
    coded = [organisation.level, period.type, *(one.type for one in mapping.slices)]
    named += [one.column for one in coded if isinstance(one, Coded)]
    named += [one.column for one in mapping.slices]
    return list(dict.fromkeys(name for name in named if name is not None))


def _named_columns(mapping: IndicatorMapping) -> list[str]:
    layout, named = mapping.layout, _constant_columns(mapping)
    if isinstance(layout, Tidy):
        named += [layout.measure, *layout.columns.values()]
    elif isinstance(layout, TidyByStatistic):
        named += [layout.measure, layout.statistic, layout.value]
    else:
        named += _wide_columns(mapping)
    return list(dict.fromkeys(named))


def _wide_columns(mapping: IndicatorMapping) -> list[str]:
    """Columns with numbers of a wide file, as the mapping spells them."""
    found: list[str] = []
    for measure in mapping.measures.values():
        for cells in measure.named_roles.values():
            found += [cells] if isinstance(cells, str) else [*cells.plus, *cells.minus]
    return list(dict.fromkeys(found))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


# Records ------------------------------------------------------------------------------------------------------------


class _UnreadableError(Exception):
    """Why a record can't be read by the mapping; ``column`` is the file's own."""

    def __init__(self, rule: str, column: str | None, message: str, fix: str):
        super().__init__(message)
        self.rule, self.column, self.message, self.fix = rule, column, message, fix


@dataclass
class _Rows:
    """Landing rows of a batch, column by column."""

    columns: dict[str, list[str | None]] = field(default_factory=lambda: {name: [] for name in CELL.column_names})
    extra: list[list[tuple[str, str]]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def batch(self, file: str) -> Batch:
        arrays: dict[str, pa.Array] = {name: pa.array(values, pa.string()) for name, values in self.columns.items()}
        arrays["_extra"] = pa.array(self.extra, _EXTRA_TYPE)
        arrays["_file"] = pa.repeat(pa.scalar(file), len(self.numbers))
        arrays["_row_number"] = pa.array(np.array(self.numbers, np.int64))
        arrays["_line"] = pa.array(np.array(self.lines, np.int64))
        return Batch(CELL.name, pa.table(arrays))


Cells = Mapping[int, str | None]
"""Position → text, of the columns that tell what a number is about."""
_NumberCell = tuple[str, int, str]
"""Cell code, position, header."""


class _FileReader:
    """Turns the records of one file into cells."""

    def __init__(self, table: TableFile, mapping: IndicatorMapping):
        self._table, self._mapping = table, mapping
        self._columns = _Columns.of(table, mapping)
        self._quantities = {p.cell_code: "count" if is_count(mapping, p) else "value" for p in parts_of(mapping)}
        self._at = {name: self._columns.positions[folded(name)] for name in _named_columns(mapping)}
        self._ignored = {_ignored_code(name) for name in mapping.ignore}
        self._wide = [(cell_code(name), self._at[name], name) for name in self._wide_columns()]
        self._per_record = self._width()
        self._measure_column = None if isinstance(mapping.layout, Wide) else mapping.layout.measure
        # A publication repeats organisations, periods and groups over and over: each is worked out once.
        self._level_of, self._period_of = cache(self._level), cache(self._period)
        self._rounding_of, self._mark_of = cache(self._rounding), cache(self._mark)
        self._numbers_of, self._number_of = cache(self._tidy_numbers), _number_reader(mapping.numbers)
        self._constants_of = lru_cache(_REMEMBERED)(self._constants)
        self._places = [self._at[name] for name in _constant_columns(mapping)]

    def read(self) -> Iterator[Batch | Reject]:
        rows = _Rows()
        for item in self._table.records():
            if isinstance(item, Reject):
                yield self._reject(item.row_number, item.line, item.raw, item)
                continue
            try:
                self._add(rows, item)
            except _UnreadableError as problem:
                raw = ",".join(cell or "" for cell in item.cells).encode()[:_RAW_BYTES]
                yield self._reject(item.number, item.line, raw, problem)
            if len(rows.numbers) >= _BATCH_CELLS:
                yield rows.batch(self._table.name)
                rows = _Rows()
        if rows.numbers:
            yield rows.batch(self._table.name)

    def _width(self) -> int:
        """Cells that a record can have: rows of one record are numbered apart from those of the next."""
        layout = self._mapping.layout
        if isinstance(layout, Tidy):
            return len(layout.columns)
        return 1 if isinstance(layout, TidyByStatistic) else len(self._wide)

    def _wide_columns(self) -> list[str]:
        return _wide_columns(self._mapping) if isinstance(self._mapping.layout, Wide) else []

    def _reject(self, number: int, line: int, raw: bytes, problem: _UnreadableError | Reject) -> Reject:
        return Reject(
            table=CELL.name,
            file=self._table.name,
            row_number=(number - 1) * self._per_record + 1,
            line=line,
            rule=problem.rule,
            message=problem.message,
            fix=problem.fix,
            column=problem.column,
            raw=raw,
        )

    def _add(self, rows: _Rows, record: Record) -> None:
        numbers = self._numbers(record)
        if not numbers:
            return
        constants = self._constants_of(*(record.cells[position] for position in self._places))
        publication, rest, level = constants[0], constants[1:], constants[1]
        for place, (cell, position, header) in enumerate(numbers):
            text = _trimmed(record.cells[position])
            quantity = self._quantities.get(cell)
            status, mark_from, mark_to = self._mark_of(text, quantity)
            values = (
                *(publication, cell, *rest),
                text or None,
                self._number_of(text) if status == "published" else None,
                *(status, mark_from, mark_to),
                *(quantity, self._rounding_of(quantity, level)),
                *("1" if quantity else "0", header, self._measure_column or header),
            )
            for column, value in zip(rows.columns.values(), values, strict=True):
                column.append(value)
            rows.extra.append(self._extra(record.cells) if place == 0 else [])
            rows.numbers.append((record.number - 1) * self._per_record + place + 1)
            rows.lines.append(record.line)

    def _constants(self, *texts: str | None) -> tuple[str | None, ...]:
        """What all numbers of a record share, by the texts of :attr:`_places`."""
        cells = dict(zip(self._places, texts, strict=True))
        code, name, level = self._organisation(cells)
        period = self._period_of(*self._period_texts(cells))
        return self._mapping.publication.code, level, code, name, *period, *self._slice(cells)

    def _extra(self, cells: Sequence[str | None]) -> list[tuple[str, str]]:
        return [(header, text) for header, position in self._columns.unnamed if (text := cells[position])]

    # Which numbers

    def _numbers(self, record: Record) -> Sequence[_NumberCell]:
        layout = self._mapping.layout
        if isinstance(layout, Wide):
            return self._wide
        statistic = record.cells[self._at[layout.statistic]] if isinstance(layout, TidyByStatistic) else None
        return self._numbers_of(_trimmed(record.cells[self._at[layout.measure]]), _trimmed(statistic))

    def _tidy_numbers(self, measure: str, statistic: str) -> Sequence[_NumberCell]:
        """The numbers of a record of a measure; none if the mapping ignores it."""
        layout = self._mapping.layout
        assert not isinstance(layout, Wide)  # noqa: S101  asked for tidy files only
        if not measure:
            raise _UnreadableError(
                "missing_measure", layout.measure, f"'{layout.measure}' is empty.", "Say which measure the row is of."
            )
        if folded(measure) in self._ignored:
            return ()
        if isinstance(layout, Tidy):
            return [(cell_code(measure, column), self._at[column], column) for column in layout.columns.values()]
        code = cell_code(measure, statistic)
        return () if code in self._ignored else [(code, self._at[layout.value], layout.value)]

    # About whom

    def _organisation(self, cells: Cells) -> tuple[str, str | None, str]:
        block = self._mapping.organisation
        if block.fixed is not None:
            code, name = block.fixed["code"], block.fixed.get("name")
        else:
            text = self._text(cells, block.code)
            if not text:
                raise _UnreadableError(
                    "missing_organisation",
                    block.code,
                    f"'{block.code}' is empty.",
                    "Say whom the figure is about, or take rows without an organisation out of the file.",
                )
            code, name = block.codes.get(text, text), self._text(cells, block.name) or None
        text = self._text(cells, block.level.column) if isinstance(block.level, Coded) else code
        return code, name, self._level_of(text)

    def _level(self, text: str) -> str:
        level = self._mapping.organisation.level
        if isinstance(level, str):
            return level
        if isinstance(level, LevelRules):
            for rule in level.rules:
                if re.search(rule.matches, text):
                    return rule.level
            raise _UnreadableError(
                "unknown_level",
                self._mapping.organisation.code,
                f"No rule of the mapping says of which level the organisation '{text}' is.",
                "Add a rule under mapping.organisation.level.rules; matches: '' is for all others.",
            )
        if text not in level.codes:
            raise _UnreadableError(
                "unknown_level",
                level.column,
                f"'{text}' in '{level.column}' is no level that the mapping knows.",
                "Add it under mapping.organisation.level.codes, or take such rows out of the file.",
            )
        return level.codes[text]

    # When

    def _period_texts(self, cells: Cells) -> tuple[str, str, str, str]:
        block = self._mapping.period
        kind = self._text(cells, block.type.column) if isinstance(block.type, Coded) else ""
        return kind, *(self._text(cells, column) for column in (block.start, block.end, block.label))  # type: ignore[return-value]

    def _period(self, kind: str, start: str, end: str, label: str) -> tuple[str, str, str, str]:
        """Type, first and last day, label."""
        block = self._mapping.period
        period_type = block.type if isinstance(block.type, str) else block.type.codes.get(kind)
        if period_type is None:
            assert isinstance(block.type, Coded)  # noqa: S101  the other case has its type
            raise _UnreadableError(
                "unreadable_period",
                block.type.column,
                f"'{kind}' in '{block.type.column}' is no type of period that the mapping knows.",
                "Add it under mapping.period.type.codes.",
            )
        if block.fixed is not None:
            return period_type, block.fixed.start.isoformat(), block.fixed.end.isoformat(), block.fixed.label
        if block.start is None:
            span = span_of(label, period_type, block.year_starts_in, block.label_year)
            if span is None:
                raise _UnreadableError(
                    "unreadable_period",
                    block.label,
                    f"'{label}' in '{block.label}' can't be read as a {period_type}.",
                    "Correct it, or the type of period in the mapping; see period in the mapping's guide.",
                )
            return period_type, span[0].isoformat(), span[1].isoformat(), label
        first = self._day(block.start, start)
        last = self._day(block.end, end) if block.end else last_day(first, period_type)
        if last is None:
            raise _UnreadableError(
                "unreadable_period",
                block.start,
                f"A period of type {period_type} has no length of its own.",
                "Name the column with the last day in mapping.period.end.",
            )
        if block.end_is_exclusive:
            last = type(last).fromordinal(last.toordinal() - 1)
        if last < first:
            raise _UnreadableError(
                "unreadable_period", block.end, f"The period ends ({end}) before it begins ({start}).", "Correct it."
            )
        return period_type, first.isoformat(), last.isoformat(), label or f"{first.isoformat()} to {last.isoformat()}"

    def _day(self, column: str, text: str) -> Any:
        found = day_of(text, self._mapping.period.dates)
        if found is None:
            raise _UnreadableError(
                "unreadable_period",
                column,
                f"'{text}' in '{column}' is no day as the mapping says days are written "
                f"({self._mapping.period.dates}).",
                "Correct it, or dates: iso, day_first or month_first in the mapping.",
            )
        return found

    # For which group

    def _slice(self, cells: Cells) -> tuple[str, str]:
        types: list[str] = []
        groups: list[str] = []
        for one in self._mapping.slices:
            text = self._text(cells, one.column)
            if isinstance(one.type, Coded):
                kind = self._text(cells, one.type.column)
                if kind in one.type.total:
                    continue
                kind = one.type.codes.get(kind, kind)
            else:
                kind = one.type
            if text in one.total:
                continue
            if not kind or not text:
                raise _UnreadableError(
                    "missing_group",
                    one.column,
                    f"'{one.column}' does not say which group the figure is about.",
                    "Fill it in; if it stands for the whole, add '' to total in the mapping.",
                )
            types.append(kind)
            groups.append(one.codes.get(text, text))
        return ("|".join(types), "|".join(groups)) if types else (WHOLE, WHOLE)

    # How much

    def _mark(self, text: str, quantity: str | None) -> tuple[str, str | None, str | None]:
        """Status, and the interval that the text stands for, which is one of counts."""
        found = self._mapping.marks.get(text, "published" if text else "not_published")
        if not isinstance(found, Interval):
            return found, None, None
        return (
            (found.status, _plain(found.from_), _plain(found.to)) if quantity == "count" else (found.status, None, None)
        )

    def _rounding(self, quantity: str | None, level: str) -> str | None:
        if quantity is None:
            return None
        rounding = self._mapping.rounding
        bases = rounding.counts if quantity == "count" else rounding.values
        return _plain(bases.get(level, bases.get("default")))

    def _text(self, cells: Cells, column: str | None) -> str:
        return "" if column is None else _trimmed(cells[self._at[column]])


def _trimmed(text: str | None) -> str:
    return (text or "").strip()


def _ignored_code(name: str) -> str:
    return cell_code(*name.split("|"))


def _plain(number: Any) -> str | None:
    return None if number is None else format(number, "f")


def _number_reader(numbers: Numbers) -> Callable[[str], str | None]:
    """Reads a number as written by the mapping's rules, with a decimal point and nothing else; None for other text."""
    decimal = re.escape(numbers.decimal)
    plain_number = re.compile(rf"[+-]?(\d+|\d*{decimal}\d+)([eE][+-]?\d+)?")
    grouped = re.compile(rf"[+-]?\d{{1,3}}({re.escape(numbers.thousands or ' ')}\d{{3}})+({decimal}\d+)?")

    def read(text: str) -> str | None:
        plain = text.translate(_BLANKS)
        if numbers.percent_sign:
            plain = plain.removesuffix("%").rstrip()
        if numbers.thousands and grouped.fullmatch(plain):
            plain = plain.replace(numbers.thousands, "")
        return plain.replace(numbers.decimal, ".") if plain_number.fullmatch(plain) else None

    return read
