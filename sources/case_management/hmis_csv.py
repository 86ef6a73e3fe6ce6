"""HMIS CSV: the export that every US homelessness information system can write, as a zip or a folder of CSV files.

What belongs here: telling the formats FY2020, FY2022 and FY2024 apart, reading what ``Export.csv`` says of the
delivery, and yielding the files' rows. The tables themselves are data (``hmis_csv_spec.yml``). What does not: what
codes mean (dbt seeds ``ref_hmis_*``), and which row of several exports is current (the loader).

What becomes of a delivery:

* ``Export.csv``, ``Project.csv``, ``Client.csv`` and ``Enrollment.csv`` must be there, else it is refused; any other
  file may be absent, which says nothing about its rows.
* Full refresh (directive 2) of a reporting period: the export speaks for its projects between its dates. Everything
  else (directive 1, 3, blank; a period of type 1, "updated") adds and replaces by key and deletes nothing but what
  carries ``DateDeleted``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from sources.connector import Batch, Reject
from sources.csv_reader import check_columns, read_csv, read_header
from sources.delivery import Delivery
from sources.errors import RefusedError
from sources.spec import Column, DeliveryFacts, PersonIdentity, Regime, Role, Span, Table

SPEC_FILE = Path(__file__).with_name("hmis_csv_spec.yml")

_DELTA_REFRESH = "1"
_FULL_REFRESH = "2"
_UPDATED_IN_PERIOD = "1"
_HEADER_MARKS = (
    ("Gender", "FY2020"),
    ("Female", "FY2022"),
    ("NoSingleGender", "FY2022"),
    ("Woman", "FY2024"),
    ("HispanicLatinaeo", "FY2024"),
    ("Sex", "FY2026"),
)
"""Columns that occur in one format only; CSVVersion is often blank, and ``v1_3`` says nothing."""
_DATE = re.compile(
    r"(?:(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})|(?P<um>\d{1,2})/(?P<ud>\d{1,2})/(?P<uy>\d{4}))"
    r"(?:[ T](?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:\.\d+)?)?)?"
)


@dataclass(frozen=True)
class HmisFile:
    """One file of the export: its table and its columns, in order, by format."""

    name: str
    table: Table
    is_required: bool
    columns: Mapping[str, tuple[str, ...]]
    """By format; a format that has no such file is absent."""


@cache
def hmis_files() -> dict[str, HmisFile]:
    """The files of the export by table name, parents before children."""
    spec = _spec()
    return {name: _file(name, block, spec) for name, block in spec["tables"].items()}


def formats() -> tuple[str, ...]:
    """The formats that can be read, oldest first."""
    return tuple(_spec()["formats"])


@cache
def _spec() -> dict[str, Any]:
    spec: dict[str, Any] = yaml.load(SPEC_FILE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return spec


def _file(name: str, block: dict[str, Any], spec: dict[str, Any]) -> HmisFile:
    audit = [] if name == "export" else spec["audit_columns"]
    listed = block["columns"]
    by_format = listed if isinstance(listed, dict) else dict.fromkeys(spec["formats"], listed)
    columns = {
        version: tuple(dict.fromkeys([*names, *(c for c in audit if c not in names)]))
        for version, names in by_format.items()
    }
    newest_first = [columns[version] for version in reversed(spec["formats"]) if version in columns]
    roles = {column: Role(role) for role, names in block.get("roles", {}).items() for column in names}
    scope_via = next(iter(block["scope_via"].items())) if "scope_via" in block else None
    parents = block.get("parents", {})
    needed = {block["key"], *parents, *block.get("required_columns", ())}
    table = Table(
        name=name,
        columns=tuple(
            Column(
                column,
                roles.get(column, Role.PLAIN),
                required=column in needed,
                volatile=column in spec["volatile_columns"] and column != block["key"],
            )
            for column in dict.fromkeys(column for names in newest_first for column in names)
        ),
        key=(block["key"],),
        version_column=spec["version_column"] if audit else None,
        deleted_column=spec["deleted_column"] if audit else None,
        scope_column=block.get("scope"),
        scope_date_columns=(block["date"],) if "date" in block else (),
        scope_via=scope_via,
        scope_span=Span(**block["span"]) if "span" in block else None,
        absence_deletes=block.get("absence_deletes", True),
        parents=tuple(((column,), parent) for column, parent in parents.items()),
        identity=_identity(spec["person_column"]) if block.get("person") else None,
    )
    return HmisFile(block["file"], table, block.get("required_file", False), columns)


def _identity(person_column: str) -> PersonIdentity:
    return PersonIdentity(person_column, ages_on=(("enrollment", person_column, "EntryDate"),))


class HmisCsv:
    """The connector; see the module."""

    kind = "hmis_csv"
    domain = "case_management"
    version = "2"
    title = "HMIS CSV export (FY2020, FY2022, FY2024)"

    @property
    def tables(self) -> Mapping[str, Table]:
        return {name: file.table for name, file in hmis_files().items()}

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        problems = [f"`{key}` is not a setting of hmis_csv; known: `format`" for key in mapping if key != "format"]
        if mapping.get("format") not in (None, *formats()):
            problems.append(f"`format` must be one of {', '.join(formats())}")
        return problems

    def inspect(self, delivery: Delivery, mapping: Mapping[str, Any]) -> DeliveryFacts:
        members = _members(delivery)
        if not {"client", "project"} <= members.keys():
            # Their headers and rows are part of what the delivery says of itself; what else lacks, reading tells.
            _require_files(members)
        export = _export(delivery, members["export"])
        version = _format(delivery, members, export.get("CSVVersion"), mapping.get("format"))
        regime = _regime(export)
        full = regime is Regime.FULL
        return DeliveryFacts(
            format_version=version,
            stated_at=_timestamp(export, "ExportDate", members["export"]),
            regime=regime,
            scope_values=_project_ids(delivery, members["project"]) if full else None,
            scope_from=_timestamp(export, "ExportStartDate", members["export"])[:10] if full else None,
            scope_to=_timestamp(export, "ExportEndDate", members["export"])[:10] if full else None,
            absent_tables=tuple(name for name in hmis_files() if name not in members),
            details=_details(delivery, members, export),
            is_changes_only=_is_changes_only(export),
        )

    def read(self, delivery: Delivery, facts: DeliveryFacts, mapping: Mapping[str, Any]) -> Iterator[Batch | Reject]:
        members = _members(delivery)
        _require_files(members)
        _require_columns(delivery, members)
        for name, file in hmis_files().items():
            if name in members:
                with delivery.open(members[name]) as stream:
                    yield from read_csv(stream, file=members[name], table=file.table)


def _members(delivery: Delivery) -> dict[str, str]:
    """Table → member name, for the files that lie beside ``Export.csv``. Letter case of names is free."""
    exports = [m.name for m in delivery.members if PurePosixPath(m.name).name.lower() == "export.csv"]
    if not exports:
        raise RefusedError(
            "missing_file",
            f"{delivery.name} has no Export.csv, so it is no HMIS CSV export",
            "Send the export as the system wrote it, Export.csv included.",
        )
    if len(exports) > 1:
        raise RefusedError(
            "several_exports",
            f"{delivery.name} holds {len(exports)} exports: {', '.join(sorted(exports))}",
            "Send each export as a delivery of its own.",
            file=sorted(exports)[1],
        )
    folder = PurePosixPath(exports[0]).parent
    beside = {
        PurePosixPath(member.name).name.lower(): member.name
        for member in delivery.members
        if PurePosixPath(member.name).parent == folder
    }
    return {name: beside[f.name.lower()] for name, f in hmis_files().items() if f.name.lower() in beside}


def _require_files(members: Mapping[str, str]) -> None:
    missing = [file.name for name, file in hmis_files().items() if file.is_required and name not in members]
    if missing:
        raise RefusedError(
            "missing_file",
            f"the export lacks {', '.join(missing)}",
            "Send the whole export; files without rows are sent with their header.",
            file=missing[0],
        )


def _require_columns(delivery: Delivery, members: Mapping[str, str]) -> None:
    """Before any row is read: an export of gigabytes may lack a column in its last file."""
    for name, member in members.items():
        with delivery.open(member) as stream:
            check_columns(stream, file=member, table=hmis_files()[name].table)


def _export(delivery: Delivery, member: str) -> dict[str, str]:
    """The one row of ``Export.csv``; empty values are absent."""
    rows: list[dict[str, str | None]] = []
    with delivery.open(member) as stream:
        for item in read_csv(stream, file=member, table=hmis_files()["export"].table):
            if isinstance(item, Reject):
                raise RefusedError("export_unreadable", item.message, item.fix, file=member, line=item.line)
            rows += item.rows.select([c.name for c in hmis_files()["export"].table.columns]).to_pylist()
            if len(rows) > 1:
                break
    if len(rows) != 1:
        raise RefusedError(
            "export_unreadable",
            f"Export.csv has {'no row' if not rows else 'more than one row'}; it must have exactly one",
            "Send one export a delivery, with its own Export.csv.",
            file=member,
        )
    return {name: value.strip() for name, value in rows[0].items() if value and value.strip()}


def _format(delivery: Delivery, members: Mapping[str, str], stated: str | None, configured: str | None) -> str:
    """The delivery's format: as the region file says, else as its columns show, else as ``CSVVersion`` says."""
    if configured:
        return configured
    year = re.search(r"20\d\d", stated or "")
    named = f"FY{year.group()}" if year else None
    header = _header(delivery, members["client"])
    shown = sorted({version for column, version in _HEADER_MARKS if column.lower() in header})
    unreadable = [version for version in (named, *shown) if version and version not in formats()]
    if unreadable:
        raise RefusedError(
            "unknown_version",
            f"this is an export in {unreadable[0]} format (CSVVersion {stated or 'blank'}); "
            f"this connector reads {', '.join(formats())}",
            "Export in one of these formats, or ask for the new one to be added.",
            file=members["export"],
        )
    if len(shown) > 1 or (named and shown and named != shown[0]):
        raise RefusedError(
            "version_conflict",
            f"the columns are those of {' and '.join(shown)}"
            + (f", but Export.csv states CSVVersion {stated!r}" if named else ""),
            "Correct CSVVersion, or state `mapping: {format: …}` for this source in the region file.",
            file=members["export"],
        )
    if not (shown or named):
        raise RefusedError(
            "unknown_version",
            f"neither CSVVersion ({stated or 'blank'}) nor the columns of Client.csv tell the format",
            "Export in FY2020, FY2022 or FY2024 format, or state `mapping: {format: …}` in the region file.",
            file=members["client"],
        )
    return shown[0] if shown else str(named)


def _header(delivery: Delivery, member: str) -> set[str]:
    with delivery.open(member) as stream:
        return {name.strip().lower() for name in read_header(stream)}


def _regime(export: Mapping[str, str]) -> Regime:
    full = export.get("ExportDirective") == _FULL_REFRESH and export.get("ExportPeriodType") != _UPDATED_IN_PERIOD
    return Regime.FULL if full else Regime.DELTA


def _is_changes_only(export: Mapping[str, str]) -> bool:
    return export.get("ExportDirective") == _DELTA_REFRESH or export.get("ExportPeriodType") == _UPDATED_IN_PERIOD


def _timestamp(export: Mapping[str, str], column: str, member: str) -> str:
    """ISO text of a date of ``Export.csv``, which may be ISO or m/d/yyyy, with or without a time."""
    value = export.get(column, "")
    found = _DATE.fullmatch(value)
    if found:
        part = {name: int(text) for name, text in found.groupdict().items() if text}
        year, month, day = (part.get(a, part.get(b, 0)) for a, b in (("y", "uy"), ("m", "um"), ("d", "ud")))
        try:
            moment = datetime(year, month, day, part.get("H", 0), part.get("M", 0), part.get("S", 0))
            return moment.isoformat(" ")
        except ValueError:
            pass
    raise RefusedError(
        "export_unreadable",
        f"{column} of Export.csv is {value!r}, which is no date",
        f"State {column} as YYYY-MM-DD, with a time where the format asks for one.",
        file=member,
    )


def _project_ids(delivery: Delivery, member: str) -> tuple[str, ...]:
    """The projects that the delivery speaks for; none where their file can't be used, for which :meth:`HmisCsv.read`
    refuses the delivery when its date is known."""
    found: set[str] = set()
    with delivery.open(member) as stream, suppress(RefusedError):
        for item in read_csv(stream, file=member, table=hmis_files()["project"].table):
            if isinstance(item, Batch):
                found.update(value for value in item.rows["ProjectID"].to_pylist() if value)
    return tuple(sorted(found))


def _details(delivery: Delivery, members: Mapping[str, str], export: Mapping[str, str]) -> dict[str, str]:
    """What an engineer may want to know; only columns that are no identifiers."""
    shown = ("ExportID", "SourceName", "SoftwareName", "SoftwareVersion", "CSVVersion")
    coded = ("ExportPeriodType", "ExportDirective", "HashStatus", "ExportStartDate", "ExportEndDate")
    details = {name: export[name] for name in (*shown, *coded) if name in export}
    ignored = sorted(m.name for m in delivery.members if m.name not in members.values())
    if ignored:
        details["ignored_files"] = ", ".join(ignored)
    return details


CONNECTOR = HmisCsv()
