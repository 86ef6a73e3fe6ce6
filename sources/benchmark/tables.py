"""Tables of text from the files of a publication: CSV and XLSX, both as records of cells with their lines.

What belongs here: opening a file as the mapping's ``file`` block says, and its header. What does not: what columns
mean.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from sources.benchmark.mapping import FileBlock
from sources.connector import Reject
from sources.csv_reader import BLANKS, read_csv, read_header
from sources.delivery import Delivery
from sources.encodings import Utf8Source
from sources.errors import RefusedError
from sources.spec import Column, Table
from sources.xlsx_reader import Workbook, XlsxLimits, open_workbook

CSV_SUFFIXES = (".csv", ".tsv", ".txt")
XLSX_SUFFIXES = (".xlsx", ".xlsm")


@dataclass(frozen=True)
class Record:
    """One record of a file."""

    number: int
    """1-based, header not counted, unreadable records counted."""
    line: int
    """Physical line of a CSV file, row of a sheet."""
    cells: Sequence[str | None]


class TableFile:
    """One file with figures."""

    def __init__(self, delivery: Delivery, name: str, block: FileBlock):
        self._delivery, self.name, self._block = delivery, name, block
        self._workbook: Workbook | None = None
        self.header = self._header()

    def records(self) -> Iterator[Record | Reject]:
        """Its records in order; rejects carry the table name ``record``."""
        return self._sheet_records() if _is_xlsx(self.name) else self._csv_records()

    def _header(self) -> list[str]:
        if _is_xlsx(self.name):
            _, cells = next(self._sheet_rows(), (0, None))
            if cells is None:
                raise RefusedError(
                    "empty_file", f"{self.name} has no content.", "Send the table with its header.", file=self.name
                )
            return [(cell or f"column_{number}").strip(BLANKS) for number, cell in enumerate(cells, start=1)]
        with self._stream() as stream:
            return read_header(
                stream, file=self.name, delimiter=self._block.delimiter, encoding=self._encoding_of_stream
            )

    # CSV

    @property
    def _encoding_of_stream(self) -> str | None:
        return "utf-8" if self._block.skip_lines else self._block.encoding

    def _stream(self) -> BinaryIO:
        """The file from its header on; as UTF-8 where lines before it are skipped."""
        stream = self._delivery.open(self.name)
        if not self._block.skip_lines:
            return stream
        with stream:
            source = Utf8Source(stream, self.name, self._block.encoding)
            text = b"".join(iter(lambda: source.read(1 << 20), b""))
        lines = io.BytesIO(text)
        for _ in range(self._block.skip_lines):
            lines.readline()
        return io.BytesIO(lines.read())

    def _csv_records(self) -> Iterator[Record | Reject]:
        names = [f"column #{position}" for position in range(len(self.header))]
        table = Table("record", tuple(Column(name) for name in names), key=())
        aliases = dict(zip(self.header, names, strict=True))
        skipped = self._block.skip_lines
        with self._stream() as stream:
            for item in read_csv(
                stream,
                file=self.name,
                table=table,
                aliases=aliases,
                delimiter=self._block.delimiter,
                encoding=self._encoding_of_stream,
            ):
                if isinstance(item, Reject):
                    yield Reject(
                        item.table,
                        item.file,
                        item.row_number,
                        item.line + skipped,
                        item.rule,
                        item.message,
                        item.fix,
                        item.column,
                        item.raw,
                    )
                    continue
                columns = [item.rows[name].to_pylist() for name in names]
                numbers, lines = item.rows["_row_number"].to_pylist(), item.rows["_line"].to_pylist()
                for number, line, cells in zip(numbers, lines, zip(*columns, strict=True), strict=True):
                    yield Record(number, line + skipped, cells)

    # XLSX

    def _sheet_rows(self) -> Iterator[tuple[int, list[str | None]]]:
        if self._workbook is None:
            content = self._delivery.read_bytes(self.name, XlsxLimits().max_file_bytes)
            self._workbook = open_workbook(content, self.name)
        names = self._workbook.sheet_names
        wanted = self._block.sheet or (names[0] if len(names) == 1 else None)
        if wanted is None or wanted not in names:
            raise RefusedError(
                "missing_sheet",
                f"{self.name} has no sheet {wanted!r}; it has {', '.join(names)}."
                if wanted
                else f"{self.name} has {len(names)} sheets, and the mapping does not say which ({', '.join(names)}).",
                "Name the sheet with the figures in the region file: mapping.file.sheet.",
                file=self.name,
            )
        for number, cells in self._workbook.rows(wanted):
            if number > self._block.skip_lines:
                yield number, cells

    def _sheet_records(self) -> Iterator[Record | Reject]:
        rows = self._sheet_rows()
        next(rows, None)
        width = len(self.header)
        for number, (line, cells) in enumerate(rows, start=1):
            yield Record(number, line, [*cells[:width], *[None] * (width - len(cells))])


def table_files(delivery: Delivery, block: FileBlock) -> list[str]:
    """Names of the members that hold figures: by suffix, and by the mapping's pattern if it has one."""
    suffixes = CSV_SUFFIXES + XLSX_SUFFIXES
    found = [
        member.name
        for member in delivery.members
        if PurePosixPath(member.name).suffix.lower() in suffixes and PurePosixPath(member.name).match(block.members)
    ]
    if not found:
        raise RefusedError(
            "no_data_file",
            f"{delivery.name} holds no CSV or XLSX file"
            + (f" whose name fits {block.members}." if block.members != "*" else "."),
            "Send the published table as CSV, as CSV compressed by gzip, or as XLSX.",
        )
    return found


def _is_xlsx(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in XLSX_SUFFIXES
