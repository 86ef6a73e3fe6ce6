"""The XLSX reader: cells as text without artefacts, and workbooks that would do harm."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from sources.errors import RefusedError
from sources.xlsx_reader import XlsxLimits, cell_text, number_text, open_workbook


def workbook(write: Callable[[xlsxwriter.Workbook], None]) -> bytes:
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"default_date_format": "yyyy-mm-dd"})
    write(book)
    book.close()
    return content.getvalue()


def one_sheet(*rows: list[object]) -> bytes:
    def write(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet("grants")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)

    return workbook(write)


def patched(content: bytes, edit: Callable[[str, bytes], bytes]) -> bytes:
    """A workbook with its parts edited."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, edit(info.filename, old.read(info)))
    return target.getvalue()


def edit_sheet(content: bytes, pattern: bytes, replacement: bytes) -> bytes:
    def edit(name: str, part: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return part
        edited = re.sub(pattern, replacement, part, count=1)
        assert edited != part
        return edited

    return patched(content, edit)


def refusal(content: bytes, limits: XlsxLimits = XlsxLimits()) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        open_workbook(content, "grants.xlsx", limits)
    assert caught.value.file == "grants.xlsx"
    assert caught.value.fix
    return caught.value


def test_rows_keep_their_place() -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet("grants")
        sheet.write_row(1, 2, ["a", "b"])
        sheet.write(4, 3, "c")
        book.add_chartsheet("chart")

    book = open_workbook(workbook(write), "grants.xlsx")
    assert book.sheet_names == ["grants"]
    assert list(book.rows("grants")) == [(2, [None, None, "a", "b"]), (5, [None, None, None, "c"])]


def test_cells_as_text() -> None:
    content = one_sheet([30000.0, 0.1 + 0.2, 2011001361, True, date(2021, 1, 26), datetime(2021, 1, 26, 9, 30), " a "])
    [(_, cells)] = open_workbook(content, "grants.xlsx").rows("grants")
    assert cells == ["30000", "0.3", "2011001361", "true", "2021-01-26", "2021-01-26 09:30:00", " a "]


def test_a_midnight_is_a_date_and_a_time_stays() -> None:
    assert cell_text(datetime(2021, 1, 26)) == "2021-01-26"
    assert cell_text(time(9, 30)) == "09:30:00"
    assert cell_text("") is None


def test_formulas_are_their_stored_values_and_text_stays_text() -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet("grants")
        sheet.write_string(0, 0, "=cmd|'/C calc'!A0")
        sheet.write_formula(0, 1, '="360G-"&A1', None, "360G-1")
        sheet.write_formula(0, 2, "=1/0", None, "#DIV/0!")
        sheet.write_formula(0, 3, '=""', None, "")

    content = edit_sheet(workbook(write), rb'<c r="D1">', b'<c r="D1" t="str">')  # as spreadsheet programs write it
    [(_, cells)] = open_workbook(content, "grants.xlsx").rows("grants")
    assert cells == ["=cmd|'/C calc'!A0", "360G-1", None, None]


def test_formulas_that_nobody_calculated_are_refused() -> None:
    content = workbook(lambda book: book.add_worksheet("grants").write_formula(2, 1, "=A1*2", None, 8))
    bare = edit_sheet(content, rb"<v>8</v>", b"")
    error = refusal(bare)
    assert error.rule == "formula_without_value"
    assert "B3" in str(error)
    assert refusal(edit_sheet(content, rb"<v>8</v>", b"<v/>")).rule == "formula_without_value"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
def test_amounts_come_out_as_they_were_written(amount: Decimal) -> None:
    text = number_text(float(amount))
    assert Decimal(text) == amount
    assert re.fullmatch(r"-?\d+(\.\d*[1-9])?", text)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_numbers_never_have_an_exponent(number: float) -> None:
    assert re.fullmatch(r"-?\d+(\.\d*[1-9])?", number_text(number))
    assert float(number_text(number)) == pytest.approx(number, rel=1e-14)


@pytest.mark.parametrize("reference", [b'r="XFD1048576"', b"r='XFD1048576'", b'r="ZZ900000"', b'r="A99999999"'])
def test_a_far_away_cell_is_refused(reference: bytes) -> None:
    """A dense grid up to that cell would take gigabytes."""
    content = edit_sheet(one_sheet(["a", "b"]), rb'r="B1"', reference)
    assert refusal(content).rule == "sheet_too_large"


def test_a_far_away_row_is_refused() -> None:
    content = edit_sheet(one_sheet(["a"] * 30), rb'<row r="1"', b'<row r="1048576"')
    assert refusal(content).rule == "sheet_too_large"


def test_what_unpacks_too_large_is_refused() -> None:
    content = one_sheet(*[["x" * 50, n] for n in range(500)])
    assert refusal(content, XlsxLimits(max_unpacked_bytes=10_000)).rule == "zip_bomb"


def test_an_unpacked_size_that_lies_does_not_help() -> None:
    """The directory says 10 bytes; what is read is what is checked, so the reader never sees more."""
    content = bytearray(one_sheet(["a" * 1000]))
    place = content.rfind(b"PK\x01\x02", 0, content.rfind(b"xl/worksheets/sheet1.xml"))
    content[place + 24 : place + 28] = (10).to_bytes(4, "little")
    assert refusal(bytes(content)).rule == "corrupt_workbook"


def test_entities_are_refused() -> None:
    declared = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    content = edit_sheet(one_sheet(["a"]), rb"<\?xml[^>]*\?>", declared)
    assert refusal(content).rule == "xml_entities"


def test_entities_are_not_smuggled_in_by_another_encoding() -> None:
    """The guards read bytes; in UTF-16 they would see nothing."""
    declared = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><worksheet/>'
    content = edit_sheet(one_sheet(["a"]), rb"(?s).*", declared.encode("utf-16"))
    assert refusal(content).rule == "corrupt_workbook"


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "empty_file"),
        (b"Identifier,Title\n", "corrupt_workbook"),
        (b"PK\x03\x04" + b"\0" * 50, "corrupt_workbook"),
    ],
)
def test_no_workbooks(content: bytes, rule: str) -> None:
    assert refusal(content).rule == rule


def test_a_zip_without_sheets_is_no_workbook() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    assert refusal(target.getvalue()).rule == "corrupt_workbook"


def test_damaged_sheets_are_refused() -> None:
    content = edit_sheet(one_sheet(["a"]), rb"</row></sheetData>.*", b"</row><row")
    with pytest.raises(RefusedError) as caught:
        list(open_workbook(content, "grants.xlsx").rows("grants"))
    assert caught.value.rule == "corrupt_workbook"
