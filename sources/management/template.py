"""The template of the sheets: a workbook that needs no mapping once it is filled in.

What belongs here: writing one sheet an entity with its columns and what they hold. What does not: reading sheets
(``sheet``) and the lists of codes (seed ``ref_sheet_code``, handed in).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import xlsxwriter

from sources.management._entities import Entity, Kind, entities

_HELD = {
    Kind.TEXT: "text",
    Kind.CODE: "a code; see the sheet #codes",
    Kind.REFERENCE: "a code of your own system, never a name",
    Kind.DATE: "a day",
    Kind.MONTH_START: "a month",
    Kind.MONTH_END: "a month",
    Kind.NUMBER: "a number",
    Kind.FLAG: "yes or no",
    Kind.FREE_TEXT: "free text; it is kept in the vault",
}


def write_template(path: Path, codes: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Write the workbook; ``codes`` are the lists of codes with their labels. Raises :class:`FileExistsError`."""
    if path.exists():
        raise FileExistsError(f"{path} exists; choose another name")
    book = xlsxwriter.Workbook(path)
    bold = book.add_format({"bold": True})
    for entity in entities().values():
        _write_entity(book, entity, bold)
    listed = book.add_worksheet("#codes")
    listed.write_row(0, 0, ["list", "code", "what it says"], bold)
    rows = [(name, code, label) for name, entries in codes.items() for code, label in entries]
    for at, row in enumerate(rows, start=1):
        listed.write_row(at, 0, row)
    book.close()


def _write_entity(book: xlsxwriter.Workbook, entity: Entity, bold: object) -> None:
    """A header, with a note on each column: what it holds, and whether it has to be there."""
    sheet = book.add_worksheet(entity.name.replace("_", " ").capitalize())
    sheet.freeze_panes(1, 0)
    needed = {column.name for column in entity.table.columns if column.required}
    for place, (name, kind) in enumerate(entity.kinds.items()):
        sheet.write(0, place, name, bold)
        sheet.write_comment(0, place, f"{_HELD[kind]}; {'needed' if name in needed else 'may be left out'}")
        sheet.set_column(place, place, max(len(name) + 2, 12))
