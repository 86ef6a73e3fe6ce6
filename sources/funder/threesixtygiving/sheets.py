"""The sheets of a 360Giving workbook: which of them hold grants, which hold parts of grants, and putting both together.

What belongs here: choosing sheets by their headers, their rows as records, and joining a sheet of parts (such as the
standard's template has for recipient organisations or locations) with the grants by identifier. What does not: opening
a workbook (``sources.xlsx_reader``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sources.connector import Reject
from sources.errors import RefusedError
from sources.funder.threesixtygiving import fields
from sources.funder.threesixtygiving.fields import Leaf
from sources.funder.threesixtygiving.headers import Findings, holds_grants, no_grants, targets_of
from sources.funder.threesixtygiving.mapping import Options
from sources.funder.threesixtygiving.records import Record
from sources.xlsx_reader import Workbook


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook, with its header read."""

    book: Workbook
    name: str
    headers: Sequence[str]
    header_row: int
    targets: Mapping[str, Leaf]

    @property
    def is_main(self) -> bool:
        """It has fields of the grant itself, not only of its parts."""
        own = any(not leaf.sub and leaf.key != "id" for leaf in self.targets.values())
        return self.holds_grants and (own or self.name.casefold() == "grants")

    @property
    def holds_grants(self) -> bool:
        return holds_grants({leaf.key for leaf in self.targets.values()})

    def records(self, file: str) -> Iterator[Record]:
        """Its rows, empty ones left out."""
        number = 0
        for line, cells in self.book.rows(self.name):
            if line <= self.header_row:
                continue
            number += 1
            record = Record(file, number, line)
            for position, text in enumerate(cells):
                if text is None:
                    continue
                header = self.headers[position] if position < len(self.headers) else f"column {position + 1}"
                leaf = self.targets.get(header)
                if leaf is None:
                    record.extra[header] = text
                else:
                    record.setdefault(leaf, text)
            yield record


def sheets_of(book: Workbook, options: Options, findings: Findings) -> tuple[list[Sheet], list[Sheet]]:
    """The sheets that hold grants and those that hold parts of grants only. Notes, code lists, ``Meta`` and sheets
    whose name starts with ``#`` are neither."""
    for name in options.sheets:
        if name not in book.sheet_names:
            raise RefusedError(
                "missing_sheet",
                f"{book.file} has no sheet '{name}', which the mapping of this source names; it has "
                f"{', '.join(book.sheet_names)}.",
                "Ask whether the sheet was renamed; then correct mapping.sheets in the region file.",
                file=book.file,
            )
    names = options.sheets or [n for n in book.sheet_names if not n.startswith("#") and n.casefold() != "meta"]
    found = [sheet for name in names if (sheet := sheet_of(book, name, options)) is not None]
    main = [sheet for sheet in found if sheet.is_main] or [sheet for sheet in found if sheet.holds_grants][:1]
    if not main:
        raise no_grants(book.file, found[0].headers if found else [])
    parts = [sheet for sheet in found if sheet not in main and Leaf("id") in sheet.targets.values()]
    parts = [sheet for sheet in parts if any(leaf.sub for leaf in sheet.targets.values())]
    for sheet in found:
        role = "" if sheet in main else " (parts of grants)" if sheet in parts else " (not read)"
        findings.note("sheets", f"{book.file}: {sheet.name}{role}")
    return main, parts


def sheet_of(book: Workbook, name: str, options: Options) -> Sheet | None:
    """A sheet by its header: the first row that is not empty and does not start with ``#``."""
    for row, cells in book.rows(name):
        if (cells[0] or "").startswith("#"):
            continue
        seen: Counter[str] = Counter()
        headers = []
        for position, cell in enumerate(cells):
            header = (cell or "").strip() or f"column {position + 1}"
            seen[header] += 1
            headers.append(header if seen[header] == 1 else f"{header} ({seen[header]})")
        return Sheet(book, name, headers, row, targets_of(headers, options))
    return None


def attach(sheet: Sheet, file: str, grants: Mapping[str, Record]) -> Iterator[Reject]:
    """Add a sheet's rows to the grants that they name. A row about an element that the grant already has (of the same
    identifier) adds to it, any other row is one more element; a value that is there already is kept beside it."""
    for row in sheet.records(file):
        grant = grants.get(row.grant.pop("id", ""))
        if grant is None:
            yield Reject(
                "grant",
                file,
                row.row_number,
                row.line,
                "no_such_grant",
                "The row names a grant that is not in the grants sheet, or none.",
                "Write the grant's identifier in the column Identifier.",
                fields.header_of(Leaf("id")),
            )
            continue
        for key, text in row.grant.items():
            if grant.setdefault(Leaf(key), text) != text:
                row.extra[key] = text
        for (key, _), part in row.parts.items():
            number = _element_number(grant, key, part.get("id"))
            for name, text in part.items():
                if grant.setdefault(Leaf(key, number, name), text) != text:
                    row.extra[Leaf(key, number, name).path] = text
        for header, text in row.extra.items():
            grant.extra[f"{sheet.name}!{row.line}:{header}"] = text


def _element_number(grant: Record, key: str, identifier: str | None) -> int:
    if not fields.vocabulary().grant[key].many:
        return 0
    present = {number: part for (of, number), part in grant.parts.items() if of == key}
    same = (number for number, part in present.items() if identifier and part.get("id") == identifier)
    return next(same, max(present, default=-1) + 1)
