"""CSV files as landing rows: pinned dialect and columns, true line numbers, no sniffing, no type inference.

What belongs here: turning the bytes of one CSV file into :class:`Batch` and :class:`Reject`, in bounded memory. What
does not: what the columns mean, and which files a delivery must have.

How: the structure of a block (quotes, line ends, delimiters outside quotes) is found with numpy over its bytes, so the
line and number of every record are known, and records that do not fit are cut out before pyarrow parses what is left.
Nothing is read row by row unless it is broken.

What a file may look like: one delimiter, RFC 4180 quoting, LF, CRLF or CR line ends (also mixed); UTF-8, UTF-16 with a
byte order mark, else Windows-1252. A quote inside an unquoted field, or text behind a closing quote, makes a record
unreadable; it ends at its first line end then, so that one stray quote never swallows what follows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from sources.connector import Batch, Reject
from sources.csv_structure import CR, LF, QUOTE, TAB, BoolArray, IntArray, Scan, all_from, first_from
from sources.encodings import BOM, Utf8Source
from sources.errors import RefusedError
from sources.spec import Table

__all__ = ["MAX_RECORD_BYTES", "check_columns", "read_csv", "read_header"]

MIB = 1 << 20

MAX_RECORD_BYTES = 4 * MIB
"""A record longer than this is taken for an unclosed quote or a missing line end."""

MAX_REJECTS = 1_000_000
MAX_REJECTED_MAJORITY = 10_000
"""A file with more broken records than the first number is refused, and one with more than the second if they outnumber
the sound ones: it is not the kind of file that was expected."""

RAW_BYTES = 64 << 10
"""What a reject keeps of its record."""

BLANKS = " \t\r\n\u00a0\u200b\ufeff"

_EXTRA_TYPE = pa.map_(pa.string(), pa.string())
_REGION = 1 << 17
"""Records looked at in one go, at most; rejects are handed on in between."""
_FIRST_REGION = 1 << 10
"""Records looked at in one go after a broken one; doubled with every clean go, so that cost stays linear."""


def read_csv(
    stream: BinaryIO,
    *,
    file: str,
    table: Table,
    aliases: Mapping[str, str] = {},
    delimiter: str = ",",
    encoding: str | None = None,
    block_bytes: int = 8 * MIB,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Iterator[Batch | Reject]:
    """Read one CSV file as rows of ``table``; what is yielded does not depend on ``block_bytes``.

    Headers are matched with the table's columns and with ``aliases`` (header text → column name), whatever their case
    and the blanks around them. Columns of other names go to ``_extra``; missing ones are NULL. Without ``encoding`` it
    is found out by reading the stream twice.

    Raises :class:`RefusedError` (``empty_file``, ``bad_header``, ``duplicate_column``, ``missing_column``,
    ``nul_byte``, ``bad_encoding``, ``too_many_rejects``); yields a :class:`Reject` (``wrong_field_count``,
    ``bad_quoting``, ``record_too_long``) for each record that does not fit, near the rows that surround it.
    """
    source = Utf8Source(stream, file, encoding)
    dialect = _Dialect(file, _delimiter_code(delimiter), max_record_bytes)
    header = _read_header(source, dialect)
    columns = _match_columns(header.names, table, aliases, file)
    reader = _Reader(dialect, table, header, columns)
    carried = header.rest
    while True:
        block = source.read(block_bytes)
        data = carried + block
        if not block and data and data[-1] not in (LF, CR):
            data += b"\n"
        yield from reader.take(data, final=not block)
        if not block:
            return
        carried = data[reader.consumed :]


def read_header(stream: BinaryIO, *, file: str = "", delimiter: str = ",", encoding: str | None = None) -> list[str]:
    """The trimmed cells of a CSV file's header; refused as by :func:`read_csv`, duplicates left alone.

    Only the start of the stream is read, and the encoding judged by that.
    """
    start = stream.read(MAX_RECORD_BYTES + MIB)
    source = Utf8Source(io.BytesIO(start), file, encoding, partial=len(start) == MAX_RECORD_BYTES + MIB)
    return list(_read_header(source, _Dialect(file, _delimiter_code(delimiter), MAX_RECORD_BYTES)).names)


def check_columns(
    stream: BinaryIO, *, file: str, table: Table, aliases: Mapping[str, str] = {}, delimiter: str = ","
) -> None:
    """Refuse a file whose header :func:`read_csv` would refuse, after reading no more than its start."""
    _match_columns(tuple(read_header(stream, file=file, delimiter=delimiter)), table, aliases, file)


def _delimiter_code(delimiter: str) -> int:
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise ValueError(f"not usable as a delimiter: {delimiter!r}")
    return ord(delimiter)


@dataclass(frozen=True)
class _Dialect:
    file: str
    delimiter: int
    max_record: int


# --- header ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Header:
    names: tuple[str, ...]
    """Trimmed; an unnamed column is called by its position."""
    ends_unnamed: bool
    """The line ends with a delimiter: records may do so, or not."""
    rest: bytes
    """What was read behind the header."""
    lines: int
    """Physical lines up to the end of the header."""


def _read_header(source: Utf8Source, dialect: _Dialect) -> _Header:
    data = b""
    while len(data) <= dialect.max_record and (block := source.read(MIB)):
        data += block
    final = len(data) <= dialect.max_record
    if final and data and data[-1] not in (LF, CR):
        data += b"\n"
    scan = Scan(data, dialect.delimiter, final)
    at = _first_content(scan)
    if at is None:
        raise RefusedError(
            "empty_file", f"{dialect.file} has no content.", "Export it again and send the new file.", file=dialect.file
        )
    parity = scan.parity(at)
    end = first_from(scan.record_ends(parity), at, scan.size)
    bad = first_from(scan.misplaced_quotes(parity), at, scan.size)
    line = int(scan.line_ends.searchsorted(at)) + 1
    if end == scan.size or bad < end or end - at > dialect.max_record:
        raise _bad_header(dialect.file, line, "its quoting is broken, or it has no end")
    cells = _header_cells(data[at:end].decode(), dialect, line)
    names = tuple(cell or f"column_{number}" for number, cell in enumerate(cells, start=1))
    return _Header(names, not cells[-1], data[end + 1 :], int(scan.line_ends.searchsorted(end)) + 1)


def _first_content(scan: Scan) -> int | None:
    """Where the first line that is not blank starts."""
    at = 0
    for end in scan.line_ends:
        if bytes(scan.bytes[at:end]).strip():
            return at
        at = int(end) + 1
    return at if bytes(scan.bytes[at:]).strip() else None


def _header_cells(text: str, dialect: _Dialect, line: int) -> list[str]:
    try:
        cells = next(csv.reader([text], delimiter=chr(dialect.delimiter), strict=True))
    except (csv.Error, StopIteration) as error:
        raise _bad_header(dialect.file, line, str(error)) from error
    cells = [cell.strip(BLANKS) for cell in cells]
    if not any(cells):
        raise _bad_header(dialect.file, line, "it names no column")
    return cells


def _bad_header(file: str, line: int, detail: str) -> RefusedError:
    return RefusedError(
        "bad_header",
        f"The header of {file} (line {line}) can't be read: {detail}.",
        "Put the column names, and nothing else, on the first line.",
        file=file,
        line=line,
    )


@dataclass(frozen=True)
class _Columns:
    """Where each field of a record goes."""

    spec: Mapping[str, int]
    """Column of the table → position in the file."""
    extra: tuple[tuple[str, int], ...]
    """Header text and position of every other column."""


def _match_columns(names: tuple[str, ...], table: Table, aliases: Mapping[str, str], file: str) -> _Columns:
    known = set(table.column_names)
    targets = {header.strip(BLANKS).casefold(): name for header, name in aliases.items() if name in known}
    targets |= {name.casefold(): name for name in table.column_names}
    spec: dict[str, int] = {}
    extra: dict[str, tuple[str, int]] = {}
    for position, name in enumerate(names):
        folded = name.casefold()
        target = targets.get(folded)
        if folded in extra or target in spec:
            raise RefusedError(
                "duplicate_column",
                f"{file} has more than one column {name!r}" + (f" (for {target})." if target else "."),
                "Give every column a name of its own.",
                file=file,
                line=1,
            )
        if target is None:
            extra[folded] = (name, position)
        else:
            spec[target] = position
    missing = [column.name for column in table.columns if column.required and column.name not in spec]
    if missing:
        raise RefusedError(
            "missing_column",
            f"{file} lacks the required column{'s' if len(missing) > 1 else ''} {', '.join(missing)}.",
            "Export the file in the format that was agreed, with all its columns.",
            file=file,
            line=1,
        )
    return _Columns(spec, tuple(extra.values()))


# --- records -----------------------------------------------------------------------------------------------------


@dataclass
class _Kept:
    """Well-formed records of one block, collected region by region."""

    starts: list[IntArray] = field(default_factory=list)
    ends: list[IntArray] = field(default_factory=list)
    """Position of the last byte of the line end."""
    numbers: list[IntArray] = field(default_factory=list)
    lines: list[IntArray] = field(default_factory=list)
    dropped: list[IntArray] = field(default_factory=list)
    """Bytes to leave out: the superfluous delimiter at the end of a record."""
    completed: list[IntArray] = field(default_factory=list)
    """Where a delimiter is to be put in, before the line end."""


class _Reader:
    """Takes blocks that start with a record; keeps the count of records and lines from one to the next."""

    def __init__(self, dialect: _Dialect, table: Table, header: _Header, columns: _Columns):
        self._dialect, self._table, self._header, self._columns = dialect, table, header, columns
        self._width = len(header.names)
        self._records = 0
        self._lines = header.lines
        self._rejected = 0
        self._skipping = False
        """The rest of a line whose record is rejected already is still to come."""
        self.consumed = 0

    def take(self, data: bytes, *, final: bool) -> Iterator[Batch | Reject]:
        """Read as many records of ``data`` as are complete; then ``consumed`` says how many bytes are done with."""
        self.consumed = 0
        if not data:
            return
        self._scan = Scan(data, self._dialect.delimiter, final)
        self._kept, self._rejects = _Kept(), list[Reject]()
        for at in self._walk(final):
            self.consumed = at
            yield from self._rejects
            self._rejects.clear()
        batch = self._batch(data)
        if batch is not None:
            yield batch
        self._lines += int(self._scan.line_ends.searchsorted(self.consumed))

    def _walk(self, final: bool) -> Iterator[int]:
        """Alternate between regions of well-formed records and single broken ones; yields how far it got."""
        scan, at, count = self._scan, self._skip(0) if self._skipping else 0, _REGION
        while at < scan.size and not self._skipping:
            parity = scan.parity(at)
            bad = first_from(scan.misplaced_quotes(parity), at, scan.size)
            ends = all_from(scan.record_ends(parity), at, count)
            ends = ends[: int(ends.searchsorted(bad))]
            at = self._region(at, ends, parity)
            yield at
            if len(ends) and at == int(ends[-1]) + 1:
                count = min(count * 2, _REGION)
                continue
            over_long = scan.size - at > self._dialect.max_record
            line_end = first_from(scan.line_ends, at, scan.size)
            is_broken = len(ends) > 0 or bad < scan.size or final or over_long
            if not is_broken or (line_end == scan.size and not over_long):
                return  # the rest of the record is in the next block
            self._reject_broken(at, line_end, bad)
            self._skipping, count = line_end == scan.size, _FIRST_REGION
            at = self._skip(at) if self._skipping else line_end + 1
        yield at

    def _skip(self, at: int) -> int:
        """Where the next line starts, or the end of the block (before a CR there, which may be half a line end)."""
        scan = self._scan
        line_end = first_from(scan.line_ends, at, scan.size)
        if line_end < scan.size:
            self._skipping = False
            return line_end + 1
        return scan.size - (1 if scan.bytes[-1] == CR else 0)

    def _region(self, at: int, ends: IntArray, parity: int) -> int:
        """Keep or reject the records of a region whose quoting is sound. Returns where it ends: earlier than the last
        record if one before it is too long, or shows by its fields that it swallowed its successors."""
        if not len(ends):
            return at
        scan = self._scan
        starts = np.concatenate([[at], ends[:-1] + 1])
        stop = self._first_too_long(starts, ends)
        content_ends = ends - ((scan.bytes[ends] == LF) & (ends > starts) & (scan.bytes[ends - 1] == CR))
        blank = content_ends == starts
        delimiters = scan.delimiters(parity)
        bounds = delimiters.searchsorted(np.concatenate([[at], ends]))
        fields = np.diff(bounds) + 1
        padded = (fields == self._width + 1) & self._ends_empty(starts, content_ends)
        short = ~blank & (fields == self._width - 1) & self._header.ends_unnamed
        ragged = ~blank & ~padded & ~short & (fields != self._width)
        lines = scan.line_ends.searchsorted(starts)
        stop = self._first_swallowing(starts, ends, lines, ragged, stop)
        if stop < len(ends):
            starts, ends, content_ends = starts[:stop], ends[:stop], content_ends[:stop]
            blank, padded, short, ragged = blank[:stop], padded[:stop], short[:stop], ragged[:stop]
            fields, lines = fields[:stop], lines[:stop]
        if not len(ends):
            return at
        numbers = self._records + np.cumsum(~blank)
        self._records = int(numbers[-1])
        lines = lines + self._lines + 1
        self._keep(starts, ends, numbers, lines, ~blank & ~ragged)
        self._repair(content_ends[padded], content_ends[short])
        for index in np.flatnonzero(ragged):
            self._reject_ragged(
                int(starts[index]), int(ends[index]), int(numbers[index]), int(lines[index]), int(fields[index])
            )
        return int(ends[-1]) + 1

    def _first_too_long(self, starts: IntArray, ends: IntArray) -> int:
        too_long = np.flatnonzero(ends - starts >= self._dialect.max_record)
        return int(too_long[0]) if len(too_long) else len(ends)

    def _ends_empty(self, starts: IntArray, content_ends: IntArray) -> BoolArray:
        """Whether the last field is empty, quoted or not, and not the only one."""
        data, delimiter = self._scan.bytes, self._dialect.delimiter
        last, second, third = (data[np.maximum(content_ends - back, 0)] for back in (1, 2, 3))
        bare = (content_ends > starts) & (last == delimiter)
        quoted = (content_ends - 2 > starts) & (last == QUOTE) & (second == QUOTE) & (third == delimiter)
        return bare | quoted

    def _first_swallowing(self, starts: IntArray, ends: IntArray, lines: IntArray, ragged: BoolArray, stop: int) -> int:
        """The first record with a wrong number of fields of which a later line alone is a record of the right number:
        a sign that its quotes are not meant as they stand."""
        if self._width < 2 or not self._scan.has_quotes:
            return stop
        last_lines = self._scan.line_ends.searchsorted(ends)
        for index in np.flatnonzero(ragged[:stop] & (last_lines[:stop] > lines[:stop])):
            record = self._scan.bytes[int(starts[index]) : int(ends[index]) + 1].tobytes()
            if any(self._is_whole(line) for line in record.splitlines(keepends=False)[1:]):
                return int(index)
        return stop

    def _is_whole(self, line: bytes) -> bool:
        delimiters = line.count(self._dialect.delimiter)
        if b'"' not in line or delimiters < self._width - 1:
            return delimiters == self._width - 1
        scan = Scan(line + b"\n", self._dialect.delimiter, final=True)
        return (
            not len(scan.misplaced_quotes(0))
            and len(scan.record_ends(0)) == 1
            and len(scan.delimiters(0)) + 1 == self._width
        )

    def _keep(self, starts: IntArray, ends: IntArray, numbers: IntArray, lines: IntArray, good: BoolArray) -> None:
        kept, every = self._kept, bool(good.all())
        kept.starts.append(starts if every else starts[good])
        kept.ends.append(ends if every else ends[good])
        kept.numbers.append(numbers if every else numbers[good])
        kept.lines.append(lines if every else lines[good])

    def _repair(self, padded_ends: IntArray, short_ends: IntArray) -> None:
        """Note where records with one empty field too many, or without the unnamed last one, are to be mended."""
        if len(padded_ends):
            last = padded_ends - 1
            quoted = last[self._scan.bytes[last] == QUOTE]
            self._kept.dropped += [last, quoted - 1, quoted - 2]
        if len(short_ends):
            self._kept.completed.append(short_ends)

    # --- rejects

    def _reject_ragged(self, start: int, end: int, number: int, line: int, fields: int) -> None:
        self._reject(
            start,
            end,
            number,
            line,
            "wrong_field_count",
            f"The record has {fields} fields, the header {self._width}.",
            "Quote values that hold the delimiter or a line break, and send every column in every record.",
        )

    def _reject_broken(self, at: int, line_end: int, bad: int) -> None:
        """Reject the line at ``at``; why follows from the first ``max_record`` bytes of the record alone."""
        scan = self._scan
        parity = scan.parity(at)
        record_end = first_from(scan.record_ends(parity), at, scan.size)
        window = min(at + self._dialect.max_record, scan.size)
        self._records += 1
        line = self._lines + int(scan.line_ends.searchsorted(at)) + 1
        column: str | None = None
        if bad < min(window, record_end):
            rule, column = "bad_quoting", self._column_at(at, bad, parity)
            message = f"A quote stands where none can be{f', in or near column {column}' if column else ''}."
            fix = "Quote the whole value and double the quotes within it."
        elif scan.parity(window) != parity or record_end < window:
            rule = "bad_quoting"
            message = "A quote is opened on this line and not closed where the value ends."
            fix = "Close the quote, or double it if it belongs to the value."
        else:
            rule = "record_too_long"
            message = f"The record has more than {self._dialect.max_record:,} bytes."
            fix = "End every record with a line break."
        self._reject(at, line_end, self._records, line, rule, message, fix, column)

    def _column_at(self, start: int, position: int, parity: int) -> str | None:
        delimiters = self._scan.delimiters(parity)
        index = int(delimiters.searchsorted(position) - delimiters.searchsorted(start))
        return self._header.names[index] if index < self._width else None

    def _reject(
        self,
        start: int,
        end: int,
        number: int,
        line: int,
        rule: str,
        message: str,
        fix: str,
        column: str | None = None,
    ) -> None:
        self._rejected += 1
        is_majority = self._rejected > MAX_REJECTED_MAJORITY and 2 * self._rejected > self._records
        if is_majority or self._rejected > MAX_REJECTS:
            raise RefusedError(
                "too_many_rejects",
                f"{self._rejected:,} of the first {self._records:,} records of {self._dialect.file} can't be read.",
                "Check the delimiter and the quoting of the export.",
                file=self._dialect.file,
                line=line,
            )
        raw = self._scan.bytes[start : min(end + 1, start + RAW_BYTES)].tobytes().rstrip(b"\r\n")
        self._rejects.append(
            Reject(self._table.name, self._dialect.file, number, line, rule, message, fix, column, raw)
        )

    # --- rows

    def _batch(self, data: bytes) -> Batch | None:
        if not any(len(starts) for starts in self._kept.starts):
            return None
        numbers = np.concatenate(self._kept.numbers)
        fields = self._parse(self._kept_bytes(data), len(numbers))
        if self._may_need_trimming(data):
            fields = [_trimmed(values) for values in fields]
        arrays: dict[str, pa.Array] = {}
        for column in self._table.columns:
            position = self._columns.spec.get(column.name)
            arrays[column.name] = pa.nulls(len(numbers), pa.string()) if position is None else fields[position]
        arrays["_extra"] = _extra(self._columns.extra, fields, len(numbers))
        arrays["_file"] = pa.repeat(pa.scalar(self._dialect.file), len(numbers))
        arrays["_row_number"] = pa.array(numbers)
        arrays["_line"] = pa.array(np.concatenate(self._kept.lines))
        return Batch(self._table.name, pa.table(arrays))

    def _kept_bytes(self, data: bytes) -> pa.Buffer:
        """The kept records as one buffer; without copying where nothing was cut out."""
        starts, ends = np.concatenate(self._kept.starts), np.concatenate(self._kept.ends)
        gaps = np.flatnonzero(starts[1:] != ends[:-1] + 1)
        firsts = starts[np.concatenate([[0], gaps + 1])]
        nexts = ends[np.concatenate([gaps, [len(ends) - 1]])] + 1
        repaired = bool(self._kept.dropped or self._kept.completed)
        if not repaired and len(firsts) == 1 and not data.startswith(BOM, int(firsts[0])):
            return pa.py_buffer(data).slice(int(firsts[0]), int(nexts[0] - firsts[0]))
        spans = list(zip(firsts.tolist(), nexts.tolist(), strict=True))
        if repaired:
            kept = self._repaired_bytes(spans)
        else:
            view = memoryview(data)
            kept = b"".join(view[first:following] for first, following in spans)
        # Arrow takes one byte order mark off the start of what it reads; a mark there belongs to a value.
        return pa.py_buffer(BOM + kept if kept.startswith(BOM) else kept)

    def _repaired_bytes(self, spans: list[tuple[int, int]]) -> bytes:
        data = self._scan.bytes
        keep = np.zeros(len(data), dtype=np.bool_)
        for first, following in spans:
            keep[first:following] = True
        for dropped in self._kept.dropped:
            keep[dropped] = False
        if self._kept.completed:
            places = np.concatenate(self._kept.completed)
            data, keep = np.insert(data, places, self._dialect.delimiter), np.insert(keep, places, True)
        return data[keep].tobytes()

    def _parse(self, data: pa.Buffer, count: int) -> list[pa.Array]:
        names = [str(position) for position in range(self._width)]
        parsed = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=data.size + 1, column_names=names),
            parse_options=arrow_csv.ParseOptions(
                delimiter=chr(self._dialect.delimiter),
                quote_char='"',
                double_quote=True,
                newlines_in_values=True,
                ignore_empty_lines=False,  # blank lines are cut out; in a file of one column, "," is left as one
            ),
            convert_options=arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        if parsed.num_rows != count:
            raise AssertionError(f"{self._dialect.file}: {parsed.num_rows} rows parsed, {count} records found")
        return [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in parsed.columns]

    def _may_need_trimming(self, data: bytes) -> bool:
        """Whether a value ends in a tab or a CR; yes in doubt."""
        quoted = self._scan.has_quotes
        if b"\t" in data and (quoted or self._dialect.delimiter != TAB):
            return True
        return quoted and b"\r" in data and self._scan.has_pair(CR, QUOTE)


def _trimmed(values: pa.Array) -> pa.Array:
    """Without tabs and CRs at the end, which some exporters leave behind; NULL if nothing else was there."""
    trimmed = pc.utf8_rtrim(values, characters="\t\r")
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _extra(columns: tuple[tuple[str, int], ...], fields: list[pa.Array], count: int) -> pa.Array:
    """The columns beyond the spec as one map per row, of non-empty values only."""
    if not columns:
        offsets = pa.array(np.zeros(count + 1, dtype=np.int32))
        empty = pa.array([], pa.string())
        return pa.MapArray.from_arrays(offsets, empty, empty).cast(_EXTRA_TYPE)
    values = [fields[position] for _, position in columns]
    present = np.column_stack([value.is_valid().to_numpy(zero_copy_only=False) for value in values])
    rows, positions = np.nonzero(present)
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    names = pa.array([name for name, _ in columns], pa.string())
    items = pa.concat_arrays(values).take(pa.array(positions * count + rows))
    return pa.MapArray.from_arrays(pa.array(offsets), names.take(pa.array(positions)), items)
