"""XLSX workbooks as rows of text, opened without trusting them.

What belongs here: the guards (size as it really unpacks, XML entities, far-away cells that would make a dense grid),
and how a cell becomes text. What does not: what sheets and columns mean.

Nothing is calculated and no link is followed: a formula is the value that was stored with it, text that looks like a
formula stays text. Dates become ISO text, numbers at most 15 significant digits (as a spreadsheet shows them), error
cells nothing.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import python_calamine

from sources.errors import RefusedError

MIB = 1 << 20

_PARTS = re.compile(
    r"(\[Content_Types\]\.xml|_rels/\.rels|xl/workbook\.xml|xl/_rels/workbook\.xml\.rels|xl/sharedStrings\.xml"
    r"|xl/styles\.xml|xl/worksheets/[^/]+\.xml)",
    re.IGNORECASE,
)
"""The parts that hold cells. Media, macros, external links and comments are never unpacked."""
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_ROW = re.compile(rb"""<(?:\w+:)?row\s[^>]*?\br=["'](\d{1,9})""")
_CELL = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br=["']([A-Za-z]{1,4})(\d{1,9})""")
_FORMULA_ALONE = re.compile(
    rb"""<(?:\w+:)?c\s([^>]*)>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"""
    rb"""(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"""
)
_TEXT_RESULT = re.compile(rb"""\bt=["']str["']""")
_REFERENCE = re.compile(rb"""\br=["']([A-Z]+\d+)""")


@dataclass(frozen=True)
class XlsxLimits:
    """What a workbook may cost at most."""

    max_file_bytes: int = 64 * MIB
    max_unpacked_bytes: int = 256 * MIB
    max_cells: int = 20_000_000
    """Of the grid that spans all used cells of one sheet."""
    max_columns: int = 2_000


class Workbook:
    """The worksheets of a workbook, by name."""

    def __init__(self, file: str, book: Any):
        self.file = file
        self._book = book

    @property
    def sheet_names(self) -> list[str]:
        """In the order of the workbook; charts and macro sheets are left out."""
        kinds = {meta.name: meta.typ for meta in self._book.sheets_metadata}
        return [name for name in self._book.sheet_names if kinds[name] == python_calamine.SheetTypeEnum.WorkSheet]

    def rows(self, sheet: str) -> Iterator[tuple[int, list[str | None]]]:
        """(row as the spreadsheet numbers it, its cells from column A) of every row that is not empty."""
        try:
            opened = self._book.get_sheet_by_name(sheet)
            start = opened.start
            left: list[str | None] = [None] * (start[1] if start else 0)  # rows begin at 1, columns at the first used
            for number, cells in enumerate(opened.iter_rows(), start=1):
                texts = [cell_text(cell) for cell in cells]
                if any(text is not None for text in texts):
                    yield number, left + texts
        except python_calamine.CalamineError as error:
            raise _unreadable(self.file, str(error)) from error


def open_workbook(content: bytes, file: str, limits: XlsxLimits = XlsxLimits()) -> Workbook:
    """Open an XLSX file's bytes. Raises :class:`RefusedError` for what can't be used or would do harm."""
    parts = _unpack(content, file, limits)
    for name, part in parts.items():
        if b"\0" in part:  # UTF-16, in which none of the guards below would see anything
            raise _unreadable(file, f"{name} is not UTF-8")
        if _DOCTYPE.search(part):
            raise RefusedError(
                "xml_entities",
                f"{file} declares XML entities in {name}; no spreadsheet program writes that.",
                "Save the workbook again with a spreadsheet program.",
                file=file,
            )
        if _SHEET.fullmatch(name):
            _check_grid(part, file, limits)
            _check_formulas(part, file)
    try:
        return Workbook(file, python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(_packed(parts))))
    except python_calamine.CalamineError as error:
        raise _unreadable(file, str(error)) from error


def cell_text(value: Any) -> str | None:
    """A cell as text: empty is None, whole numbers without a point, dates in ISO."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return number_text(value.total_seconds() / 86_400)
    return str(value)


def number_text(value: float) -> str:
    """A number with at most 15 significant digits and no exponent: 0.1 + 0.2 is ``0.3``, 30000.0 is ``30000``."""
    text = format(Decimal(format(value, ".15g")), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _unpack(content: bytes, file: str, limits: XlsxLimits) -> dict[str, bytes]:
    """The parts that hold cells, never more bytes than the limit, whatever the zip's directory promises."""
    if not content:
        raise RefusedError(
            "empty_file", f"{file} has no content (0 bytes).", "Export it again and send the new file.", file=file
        )
    parts: dict[str, bytes] = {}
    budget = limits.max_unpacked_bytes
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                if not _PARTS.fullmatch(info.filename):
                    continue
                if info.filename in parts:
                    raise _unreadable(file, f"{info.filename} occurs twice")
                with archive.open(info) as stream:
                    part = stream.read(budget + 1)
                budget -= len(part)
                if budget < 0:
                    raise RefusedError(
                        "zip_bomb",
                        f"{file} unpacks to more than {limits.max_unpacked_bytes:,} bytes.",
                        "Send the table as CSV, or split the workbook.",
                        file=file,
                    )
                parts[info.filename] = part
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _unreadable(file, str(error)) from error
    if not any(_SHEET.fullmatch(name) for name in parts):
        raise _unreadable(file, "it holds no worksheet")
    return parts


def _packed(parts: dict[str, bytes]) -> bytes:
    """A workbook of these parts alone, uncompressed, so that the reader sees exactly what was checked."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part)
    return packed.getvalue()


def _check_grid(part: bytes, file: str, limits: XlsxLimits) -> None:
    """Readers hold a sheet as a dense grid: one cell in the last row and column would fill the memory."""
    rows = max((int(match[1]) for match in _ROW.finditer(part)), default=0)
    letters: set[bytes] = set()
    for match in _CELL.finditer(part):
        letters.add(match[1])
        rows = max(rows, int(match[2]))
    columns = max((_column_number(name) for name in letters), default=0)
    if columns > limits.max_columns or rows * columns > limits.max_cells:
        raise RefusedError(
            "sheet_too_large",
            f"{file} has a sheet of {rows:,} rows by {columns:,} columns.",
            "Delete the empty rows and columns behind the table, or send it as CSV.",
            file=file,
        )


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _check_formulas(part: bytes, file: str) -> None:
    """A formula without a stored value would read as an empty cell; only programs that never calculated it do that."""
    for match in _FORMULA_ALONE.finditer(part):
        if _TEXT_RESULT.search(match[1]):
            continue  # its value is the empty text
        cell = _REFERENCE.search(match[1])
        raise RefusedError(
            "formula_without_value",
            f"{file} holds formulas without values, such as cell {cell[1].decode() if cell else '?'}.",
            "Open and save it with a spreadsheet program, or paste the values.",
            file=file,
        )


def _unreadable(file: str, detail: str) -> RefusedError:
    return RefusedError(
        "corrupt_workbook",
        f"{file} is damaged or no XLSX workbook ({detail or 'unreadable'}).",
        "Open it with a spreadsheet program and save it again as XLSX; remove a password.",
        file=file,
    )
