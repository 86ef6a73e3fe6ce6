"""The files of a 360Giving delivery as blocks of records: which are read, and how each format is walked.

What belongs here: choosing files by suffix and walking CSV, JSON and XLSX. What does not: the vocabulary (``fields``),
and what is derived or masked (``rows``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.connector import Reject
from sources.csv_reader import read_csv, read_header
from sources.delivery import Delivery
from sources.errors import RefusedError
from sources.funder.threesixtygiving.blocks import Block, block_of, column_of, split
from sources.funder.threesixtygiving.headers import Findings, check_headers, holds_grants, no_grants, targets_of
from sources.funder.threesixtygiving.mapping import Options
from sources.funder.threesixtygiving.moments import utc
from sources.funder.threesixtygiving.records import Record, record_of
from sources.funder.threesixtygiving.sheets import attach, sheets_of
from sources.json_reader import Record as Element
from sources.json_reader import read_records
from sources.spec import Column, Table
from sources.xlsx_reader import XlsxLimits, open_workbook

BLOCK_RECORDS = 20_000
"""Records of JSON and XLSX files that are worked on at a time."""

_DOCUMENT = re.compile(r"(?i)^(readme|licen[cs]e|notice|about)\b|\.(md|pdf|docx?|html?)$")


def read_blocks(delivery: Delivery, options: Options) -> Iterator[Block | Reject]:
    """The records of every file of the delivery, in order of their names."""
    findings = Findings()
    for name in _data_files(delivery, findings):
        yield from _READERS[PurePosixPath(name).suffix.lower()](delivery, name, options, findings)


def examine(delivery: Delivery, options: Options, findings: Findings) -> None:
    """Look through the delivery without making rows: how many records, and when they were modified."""
    for name in _data_files(delivery, findings):
        suffix = PurePosixPath(name).suffix.lower()
        findings.note("files", suffix[1:])
        if suffix == ".json":
            _examine_json(delivery, name, findings)
            continue
        for item in _READERS[suffix](delivery, name, options, findings):
            if isinstance(item, Block):
                findings.record_count += item.grants.num_rows
                for text in pc.unique(column_of(item.grants, "dateModified")).to_pylist():
                    findings.saw_modified(text)


def _data_files(delivery: Delivery, findings: Findings) -> list[str]:
    names: dict[str, str] = {}
    only = len(delivery.members) == 1
    for member in delivery.members:
        path = PurePosixPath(member.name)
        if path.suffix.lower() not in (".csv", ".json", ".xlsx"):
            if _DOCUMENT.search(path.name) and not only:
                findings.note("ignored", member.name)
                continue
            raise RefusedError(
                "unsupported_file_type",
                f"{member.name} is no JSON, CSV or XLSX file, as its suffix says.",
                "Send grants as .json, .csv or .xlsx; if it is one of these, rename it.",
                file=member.name,
            )
        twin = names.setdefault(path.with_suffix("").as_posix().casefold(), member.name)
        if twin != member.name:
            raise RefusedError(
                "same_data_twice",
                f"{twin} and {member.name} look like the same grants in two formats, which would count them twice.",
                "Send one of them, or give them different names if they hold different grants.",
                file=member.name,
            )
    if not names:
        raise RefusedError(
            "no_data_file", f"{delivery.name} holds no JSON, CSV or XLSX file.", "Send grants in one of these formats."
        )
    return list(names.values())


def _csv_blocks(delivery: Delivery, name: str, options: Options, findings: Findings) -> Iterator[Block | Reject]:
    with delivery.open(name) as stream:
        headers = read_header(stream, file=name, delimiter=options.delimiter)
    targets = targets_of(headers, options)
    check_headers(name, headers, targets, options)
    # A path with a mark before it can't be taken for a header that the mapping overrules.
    by_path = {f"\x1f{leaf.path}": leaf for leaf in targets.values()}
    table = Table("grant", tuple(Column(path) for path in by_path), key=())
    aliases = {header: f"\x1f{leaf.path}" for header, leaf in targets.items()}
    with delivery.open(name) as stream:
        for item in read_csv(stream, file=name, table=table, aliases=aliases, delimiter=options.delimiter):
            if isinstance(item, Reject):
                yield item
            elif (rows := _with_content(item.rows, list(by_path), findings)).num_rows:
                yield split(rows, by_path)


def _with_content(rows: pa.Table, paths: Sequence[str], findings: Findings) -> pa.Table:
    """Without the rows in which every cell is empty, which spreadsheets leave behind."""
    present = pa.array(np.diff(rows["_extra"].combine_chunks().offsets.to_numpy()) > 0)
    for path in paths:
        present = pc.or_(present, pc.is_valid(rows[path]).combine_chunks())
    if pc.all(present).as_py():
        return rows
    findings.empty_count += rows.num_rows - int(pc.sum(present).as_py() or 0)
    return rows.filter(present)


def _json_blocks(delivery: Delivery, name: str, options: Options, findings: Findings) -> Iterator[Block | Reject]:
    records: list[Record] = []
    with delivery.open(name) as stream:
        for number, item in enumerate(_elements(stream, name, findings), start=1):
            if not _is_grant(item.value):
                yield _no_grant(name, number, item)
                continue
            records.append(record_of(item.value, name, number, item.line))
            if len(records) == BLOCK_RECORDS:
                yield block_of(records)
                records = []
    if records:
        yield block_of(records)


def _examine_json(delivery: Delivery, name: str, findings: Findings) -> None:
    with delivery.open(name) as stream:
        for item in _elements(stream, name, findings):
            if _is_grant(item.value):
                findings.record_count += 1
                modified = item.value.get("dateModified")
                findings.saw_modified(modified if isinstance(modified, str) else None)


def _is_grant(value: Any) -> bool:
    return isinstance(value, dict) and holds_grants({key for key, inner in value.items() if inner})


def _elements(stream: BinaryIO, name: str, findings: Findings) -> Iterator[Element]:
    """The elements of ``grants``; what the package says beside them goes to ``findings``."""
    others: list[str] = []

    def beside(key: str, value: Any) -> None:
        others.append(key)
        _note_package(key, value, findings)

    try:
        yield from read_records(stream, file=name, key="grants", beside=beside)
    except RefusedError as error:
        raise no_grants(name, others) if error.rule == "missing_list" else error from error


def _note_package(key: str, value: Any, findings: Findings) -> None:
    if key == "version" and isinstance(value, str):
        findings.version = value
    elif key == "modified" and isinstance(value, str) and (moment := utc(value)):
        findings.package_modified = max(moment, findings.package_modified or moment)
    elif key in ("identifier", "title", "issued", "license") and isinstance(value, str):
        findings.note(key, value)
    elif key == "publisher" and isinstance(value, dict) and isinstance(value.get("name"), str):
        findings.note(key, value["name"])


def _no_grant(file: str, number: int, element: Element) -> Reject:
    is_object = isinstance(element.value, dict)
    what = "no grant: it lacks id and amountAwarded, or all else" if is_object else "no JSON object"
    return Reject(
        "grant",
        file,
        number,
        element.line,
        "not_a_grant",
        f"Element {number} of 'grants' is {what}.",
        "Write every grant as an object with the fields of the standard.",
        raw=json.dumps(element.value).encode()[:65_536],
    )


def _xlsx_blocks(delivery: Delivery, name: str, options: Options, findings: Findings) -> Iterator[Block | Reject]:
    """The sheets that hold grants, one below the other, each grant with its parts from the sheets that hold parts."""
    limits = XlsxLimits()
    book = open_workbook(delivery.read_bytes(name, limits.max_file_bytes), name, limits)
    main, parts = sheets_of(book, options, findings)
    records: list[Record] = []
    for sheet in main:
        check_headers(name, sheet.headers, sheet.targets, options)
        records += sheet.records(f"{name}#{sheet.name}" if len(main) + len(parts) > 1 else name)
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.grant.get("id", ""), record)
    for sheet in parts:
        yield from attach(sheet, f"{name}#{sheet.name}", first)
    for start in range(0, len(records), BLOCK_RECORDS):
        yield block_of(records[start : start + BLOCK_RECORDS])


_READERS = {".csv": _csv_blocks, ".json": _json_blocks, ".xlsx": _xlsx_blocks}
