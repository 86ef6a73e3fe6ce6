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
from sources.funder.threesixtygiving.blocks import Record
from sources.funder.threesixtygiving.fields import Leaf
from sources.funder.threesixtygiving.headers import Findings, holds_grants, no_grants, targets_of
from sources.funder.threesixtygiving.mapping import Options
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
            leaves: dict[Leaf, str] = {}
            extra: dict[str, str] = {}
            for position, text in enumerate(cells):
                if text is None:
                    continue
                header = self.headers[position] if position < len(self.headers) else f"column {position + 1}"
                leaf = self.targets.get(header)
                if leaf is None:
                    extra[header] = text
                else:
                    leaves[leaf] = text
            yield Record(leaves, extra, file, number, line)


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
        grant = grants.get(row.leaves.pop(Leaf("id"), ""))
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
        numbers = {key: _element_number(grant, row, key) for key in {leaf.key for leaf in row.leaves if leaf.sub}}
        for leaf, text in row.leaves.items():
            at = leaf._replace(number=numbers.get(leaf.key, 0))
            if grant.leaves.setdefault(at, text) != text:
                row.extra[at.path] = text
        for header, text in row.extra.items():
            grant.extra[f"{sheet.name}!{row.line}:{header}"] = text


def _element_number(grant: Record, row: Record, key: str) -> int:
    if not fields.vocabulary().grant[key].many:
        return 0
    wanted = next((text for leaf, text in row.leaves.items() if leaf.key == key and leaf.sub == "id"), None)
    present = [(leaf, text) for leaf, text in grant.leaves.items() if leaf.key == key]
    for leaf, text in present:
        if leaf.sub == "id" and text == wanted:
            return leaf.number
    return max((leaf.number for leaf, _ in present), default=-1) + 1
