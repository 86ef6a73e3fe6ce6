"""Sheets: what organisations keep in CSV files and workbooks about staff, money, plans, targets, reviews and goals.

What belongs here: finding the tables of a delivery (CSV files, and the sheets of XLSX workbooks), telling which entity
each feeds, and bringing their values into one form. What does not: the entities (``sheet_spec.yml``), what a mapping
may say (``_mapping``), and what is acceptable (``expectations/suites/sheet.yml``).

What becomes of a delivery:

* A table feeds the entity that the region file names for it, or the one that it is called after. What feeds none is
  left alone and named in the delivery's details; a delivery that feeds nothing is refused.
* Headers are those of the entity, or those that the mapping names. Columns of other names are kept in ``_extra``; in
  tables about people only values that identify nobody (short numbers, days, yes and no) stay readable there.
* Days, months, numbers and codes are written in one form; a text that can't be read stays as it is, for the gate.
* Free text goes to the vault. A row whose reference to a person or a member of staff is a name or an address is
  rejected, so that it does not get past the vault.
* A month that is sent again replaces that month (see ``replace_by`` of the spec), any other record its own key. With
  ``complete: true`` a delivery replaces everything that the source sent for the entities that it carries.

``_file`` of a sheet is ``book.xlsx#Sheet``; its ``_line`` is the row as the spreadsheet numbers it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.connector import Batch, Reject
from sources.csv_reader import check_columns, read_csv, read_header
from sources.delivery import Delivery
from sources.errors import RefusedError
from sources.management._entities import Entity, Kind, entities
from sources.management._mapping import SheetMapping, TableMapping, check_mapping, parse_mapping
from sources.management._values import looks_like_a_name, national_ids, normaliser
from sources.spec import MASK, DeliveryFacts, Regime, Table
from sources.survey._long import stated_in_name
from sources.survey._privacy import is_sensitive_name, readable
from sources.xlsx_reader import Workbook, XlsxLimits, open_workbook

_EXTRA_TYPE = pa.map_(pa.string(), pa.string())
_HEADER_WITHIN = 20
"""Rows of a sheet among which its header is looked for: titles and notes may stand above it."""
_BATCH_ROWS = 50_000
_RAW_BYTES = 64 << 10


@dataclass(frozen=True)
class Found:
    """A table of a delivery and the entity that it feeds."""

    member: str
    sheet: str | None
    mapping: TableMapping

    @property
    def entity(self) -> Entity:
        return entities()[str(self.mapping.entity)]

    @property
    def file(self) -> str:
        return self.member if self.sheet is None else f"{self.member}#{self.sheet}"

    @property
    def table(self) -> Table:
        """The entity's table; columns that the mapping fills need not be in the header."""
        columns = tuple(
            replace(column, required=False) if column.name in self.mapping.constants else column
            for column in self.entity.table.columns
        )
        return replace(self.entity.table, columns=columns)


class SheetConnector:
    """The connector; see the module."""

    kind = "sheet"
    domain = "management"
    version = "1"
    title = "Sheets of staff, money, reviews, goals, plans and targets (CSV, XLSX)"

    @property
    def tables(self) -> Mapping[str, Table]:
        return {name: entity.table for name, entity in entities().items()}

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        return check_mapping(mapping)

    def inspect(self, delivery: Delivery, mapping: Mapping[str, Any]) -> DeliveryFacts:
        known = parse_mapping(mapping)
        found, ignored = _tables_of(delivery, known)
        fed = {table.entity.name for table in found}
        details = {"tables": "; ".join(f"{table.entity.name}: {table.file}" for table in found)}
        if ignored:
            details["not_read"] = "; ".join(ignored)
        names = (PurePosixPath(member.name).name for member in delivery.members)
        return DeliveryFacts(
            format_version="sheet",
            stated_at=stated_in_name(delivery.name, *names),
            regime=Regime.FULL if known.is_complete else Regime.DELTA,
            absent_tables=tuple(name for name in entities() if name not in fed),
            details=details,
        )

    def read(self, delivery: Delivery, facts: DeliveryFacts, mapping: Mapping[str, Any]) -> Iterator[Batch | Reject]:
        found, _ = _tables_of(delivery, parse_mapping(mapping))
        books: dict[str, Workbook] = {}
        for table in found:
            _check_header(delivery, table, books)
        for table in found:
            batches = _csv_batches(delivery, table) if table.sheet is None else _sheet_batches(delivery, table, books)
            for item in batches:
                yield from [item] if isinstance(item, Reject) else _finished(item, table)


CONNECTOR = SheetConnector()


# --- finding tables ------------------------------------------------------------------------------------------------


def _tables_of(delivery: Delivery, known: SheetMapping) -> tuple[list[Found], list[str]]:
    """The tables that feed an entity, and the names of what feeds none. Raises if there is nothing to read."""
    found: list[Found] = []
    ignored: list[str] = []
    for member in delivery.members:
        path = PurePosixPath(member.name)
        if path.suffix.lower() == ".csv":
            names: list[tuple[str | None, tuple[str, ...]]] = [(None, (path.stem, path.name))]
        elif path.suffix.lower() == ".xlsx":
            sheets = _workbook(delivery, member.name, {}).sheet_names
            names = [(sheet, (sheet, f"{path.name}#{sheet}")) for sheet in sheets if not sheet.startswith("#")]
            if len(names) == 1:
                names = [(names[0][0], (*names[0][1], path.stem, path.name))]
        else:
            ignored.append(member.name)
            continue
        for sheet, called in names:
            mapping = known.of(*called)
            if mapping is None or mapping.entity is None:
                ignored.append(member.name if sheet is None else f"{member.name}#{sheet}")
            else:
                found.append(Found(member.name, sheet, mapping))
    if not found:
        raise RefusedError(
            "missing_sheet",
            f"{delivery.name} holds no table that feeds an entity ({'; '.join(ignored[:8]) or 'no CSV or XLSX file'}).",
            f"Call each sheet or file after what it holds ({', '.join(entities())}), or name it in the region file.",
        )
    order = {name: place for place, name in enumerate(entities())}
    return sorted(found, key=lambda t: (order[t.entity.name], t.file)), ignored


def _workbook(delivery: Delivery, member: str, books: dict[str, Workbook]) -> Workbook:
    if member not in books:
        limits = XlsxLimits()
        books[member] = open_workbook(delivery.read_bytes(member, limits.max_file_bytes), member, limits)
    return books[member]


# --- rows as they stand --------------------------------------------------------------------------------------------


def _check_header(delivery: Delivery, found: Found, books: dict[str, Workbook]) -> None:
    """Refuse a table for what its header shows."""
    if found.sheet is not None:
        _header(list(islice(_workbook(delivery, found.member, books).rows(found.sheet), _HEADER_WITHIN)), found)
        return
    delimiter = found.mapping.delimiter
    with delivery.open(found.member) as stream:
        aliases = _aliases(read_header(stream, file=found.member, delimiter=delimiter), found)
    with delivery.open(found.member) as stream:
        check_columns(stream, file=found.file, table=found.table, aliases=aliases, delimiter=delimiter)


def _csv_batches(delivery: Delivery, found: Found) -> Iterator[Batch | Reject]:
    with delivery.open(found.member) as stream:
        yield from read_csv(
            stream,
            file=found.file,
            table=found.table,
            aliases=found.mapping.columns,
            delimiter=found.mapping.delimiter,
        )


def _aliases(header: Sequence[str], found: Found) -> Mapping[str, str]:
    """The mapping's headers; one that it names and the file lacks is refused, if the entity needs the column."""
    present = {_folded(name) for name in header}
    needed = {column.name for column in found.table.columns if column.required}
    lacking = [
        (text, column)
        for text, column in found.mapping.columns.items()
        if column in needed and _folded(text) not in present and _folded(column) not in present
    ]
    if lacking:
        raise RefusedError(
            "missing_column",
            f"{found.file} has no column '{lacking[0][0]}', which the mapping of this source reads as {lacking[0][1]}.",
            "Ask whether the column was renamed; then correct `columns` in the region file.",
            file=found.file,
            line=1,
        )
    return found.mapping.columns


def _sheet_batches(delivery: Delivery, found: Found, books: dict[str, Workbook]) -> Iterator[Batch]:
    rows = list(_workbook(delivery, found.member, books).rows(str(found.sheet)))
    at, columns, extra = _header(rows, found)
    body = rows[at + 1 :]
    for start in range(0, len(body), _BATCH_ROWS):
        part = body[start : start + _BATCH_ROWS]
        arrays: dict[str, pa.Array] = {}
        for column in found.table.columns:
            place = columns.get(column.name)
            values = [_cell(cells, place) for _, cells in part]
            arrays[column.name] = pa.array(values, pa.string())
        maps = [[(name, text) for name, place in extra if (text := _cell(cells, place))] for _, cells in part]
        arrays["_extra"] = pa.array(maps, _EXTRA_TYPE)
        arrays["_file"] = pa.repeat(pa.scalar(found.file), len(part))
        arrays["_row_number"] = pa.array(np.arange(start + 1, start + len(part) + 1, dtype=np.int64))
        arrays["_line"] = pa.array([line for line, _ in part], pa.int64())
        yield Batch(found.entity.name, pa.table(arrays))


def _cell(cells: Sequence[str | None], place: int | None) -> str | None:
    text = cells[place] if place is not None and place < len(cells) else None
    return text.strip() or None if text else None


def _header(
    rows: Sequence[tuple[int, Sequence[str | None]]], found: Found
) -> tuple[int, dict[str, int], list[tuple[str, int]]]:
    """Where the header stands, where each column of the entity is, and the others: the first row with every column
    that the entity needs."""
    if not rows:
        raise RefusedError(
            "empty_file", f"{found.file} has no content.", "Fill the sheet, or delete it.", file=found.file
        )
    known = found.entity.kinds
    names = {_folded(text): column for text, column in found.mapping.columns.items() if column in known}
    names |= {_folded(column.name): column.name for column in found.table.columns if column.name not in names.values()}
    needed = [column.name for column in found.table.columns if column.required]
    best: tuple[int, list[str]] = (0, needed)
    for at, (line, cells) in enumerate(rows[:_HEADER_WITHIN]):
        columns: dict[str, int] = {}
        extra: list[tuple[str, int]] = []
        headers = [(cell or "").strip() for cell in cells]
        for place, header in enumerate(headers):
            column = names.get(_folded(header))
            if column is None:
                extra += [(header or f"column_{place + 1}", place)]
            elif column in columns:
                raise RefusedError(
                    "duplicate_column",
                    f"{found.file} has more than one column for {column} (row {line}).",
                    "Give every column a name of its own.",
                    file=found.file,
                    line=line,
                )
            else:
                columns[column] = place
        missing = [name for name in needed if name not in columns]
        if not missing:
            return at, columns, _distinct(extra)
        if len(missing) < len(best[1]):
            best = (at, missing)
    raise RefusedError(
        "missing_column",
        f"{found.file} lacks the required column{'s' if len(best[1]) > 1 else ''} {', '.join(best[1])}.",
        f"Name the columns as the entity {found.entity.name} does, or map their headers in the region file.",
        file=found.file,
        line=rows[best[0]][0],
    )


def _distinct(extra: list[tuple[str, int]]) -> list[tuple[str, int]]:
    seen: Counter[str] = Counter()
    named = []
    for name, place in extra:
        seen[name] += 1
        named.append((name if seen[name] == 1 else f"{name} ({seen[name]})", place))
    return named


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


# --- values --------------------------------------------------------------------------------------------------------


def _finished(batch: Batch, found: Found) -> Iterator[Batch | Reject]:
    """Rows in one form, without empty ones and without those that name people."""
    rows = _without_empty(batch.rows, found.entity)
    if not rows.num_rows:
        return
    for name, kind in found.entity.kinds.items():
        values = _normalised(_flat(rows[name]), kind, found.mapping, name)
        constant = found.mapping.constants.get(name)
        if constant is not None:
            values = pc.fill_null(values, constant)
        rows = _set(rows, name, values)
    rows = _set(rows, "_extra", _safe_extra(rows, found.entity))
    for column, (decider, codes) in found.entity.private_when.items():
        rows = _made_private(rows, column, decider, codes)
    bad, rejects = _rejects(rows, found)
    yield from rejects
    kept = rows.filter(pa.array(~bad)) if rejects else rows
    if kept.num_rows:
        yield Batch(batch.table, kept)


def _without_empty(rows: pa.Table, entity: Entity) -> pa.Table:
    filled = np.array([bool(entry) for entry in rows["_extra"].to_pylist()], bool)
    for name in entity.kinds:
        filled |= rows[name].is_valid().to_numpy()
    return rows if filled.all() else rows.filter(pa.array(filled))


def _normalised(values: pa.Array, kind: Kind, mapping: TableMapping, column: str) -> pa.Array:
    if kind is Kind.FREE_TEXT:
        return values
    normalise = normaliser(kind, mapping, column)
    encoded = values.dictionary_encode()
    forms = pa.array([normalise(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return forms.take(encoded.indices)


def _safe_extra(rows: pa.Table, entity: Entity) -> pa.Array:
    """Columns beyond the spec: masked where their header speaks of a person and, in tables about people, where the
    value is more than a short number, a day or a yes."""
    maps = _flat(rows["_extra"]).to_pylist()
    if not any(maps):
        return _flat(rows["_extra"])
    pairs = [(name, text) for entry in maps for name, text in entry]
    plain = readable(pa.array([text for _, text in pairs], pa.string())).to_pylist()
    is_plain = iter(plain)
    safe = []
    for entry in maps:
        kept = []
        for name, text in entry:
            shown = next(is_plain) or not entity.is_about_people
            kept.append((name, text if shown and not is_sensitive_name(name) else MASK))
        safe.append(kept)
    return pa.array(safe, _EXTRA_TYPE)


def _made_private(rows: pa.Table, column: str, decider: str, codes: frozenset[str]) -> pa.Table:
    private = pc.fill_null(pc.is_in(_flat(rows[decider]), value_set=pa.array(sorted(codes))), False)
    nothing = pa.scalar(None, pa.string())
    hidden = pc.if_else(private, _flat(rows[column]), _flat(rows[f"private_{column}"]))
    rows = _set(rows, f"private_{column}", hidden)
    return _set(rows, column, pc.if_else(private, nothing, _flat(rows[column])))


def _rejects(rows: pa.Table, found: Found) -> tuple[Any, list[Reject]]:
    """Which rows refer to somebody by name or by a national id, and a reject for each."""
    bad = np.zeros(rows.num_rows, bool)
    rejects: list[Reject] = []
    for name, kind in found.entity.kinds.items():
        if kind is not Kind.REFERENCE:
            continue
        texts = rows[name].to_pylist()
        ids = national_ids({text for text in texts if text})
        for at, text in enumerate(texts):
            if text and not bad[at] and (text in ids or looks_like_a_name(text)):
                bad[at] = True
                what = "a national id" if text in ids else "a name or an address"
                rejects.append(
                    Reject(
                        found.entity.name,
                        found.file,
                        rows["_row_number"][at].as_py(),
                        rows["_line"][at].as_py(),
                        "identifying_code",
                        f"{name} holds {what} in place of a code.",
                        "Give the number or code that your own system uses, never a name or a national id.",
                        name,
                        _raw(rows, found.entity, at),
                    )
                )
    return bad, rejects


def _raw(rows: pa.Table, entity: Entity, at: int) -> bytes:
    return ",".join(rows[name][at].as_py() or "" for name in entity.kinds).encode()[:_RAW_BYTES]


def _flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _set(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, values)
