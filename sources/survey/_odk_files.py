"""The files of an ODK Central export, read as runs of wide records.

What belongs here: telling submissions from repeats and form definitions, in OData JSON and in CSV, and what a column
or key of either format is called in the other. What does not: responses and answers (``odk``).

Names: a question's path is ``group/question`` in both formats (CSV headers join with a hyphen). A repeat is
identified as in Central's CSV keys: ``group/members[2]/visits[1]``, counted from 1 in the order of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sources.connector import Reject
from sources.csv_reader import check_columns, read_csv, read_header
from sources.delivery import Delivery
from sources.errors import RefusedError
from sources.json_reader import read_records
from sources.spec import Column, Table
from sources.survey._long import IntArray, slices
from sources.survey._xform import Definition, parse_definition
from sources.survey.mapping import SurveyMapping

MAX_DEFINITION_BYTES = 8 << 20
RECORDS_AT_ONCE = 4_000

SYSTEM = {
    "submissionDate": "submitted_at",
    "updatedAt": "updated_at",
    "submitterId": "submitter_id",
    "submitterName": "submitter_name",
    "deviceId": "device_id",
    "status": "status",
    "reviewState": "review_state",
    "edits": "edits",
    "formVersion": "form_version",
    "deletedAt": "deleted_at",
}
"""Key within ``__system`` → column."""

_CSV_SYSTEM = {
    "KEY": "response_code",
    "SubmissionDate": "submitted_at",
    "UpdatedAt": "updated_at",
    "SubmitterID": "submitter_id",
    "SubmitterName": "submitter_name",
    "DeviceID": "device_id",
    "Status": "status",
    "ReviewState": "review_state",
    "Edits": "edits",
    "FormVersion": "form_version",
    "DeletedAt": "deleted_at",
}
_CSV_IGNORED = frozenset({"AttachmentsPresent", "AttachmentsExpected"})

FROM_QUESTIONS = {
    "meta/instanceID": "instance_id",
    "instanceID": "instance_id",
    "meta/deprecatedID": "deprecated_code",
    "start": "started_at",
    "end": "ended_at",
}
"""Metadata questions that describe the submission → column."""

_JSON_NAME = re.compile(r"^submissions((?:\.[^/]+)*)\.json$", re.IGNORECASE)
_PARENT = re.compile(r"^__(.+)-id$")
_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True)
class TableFile:
    """The file of one table of a form: the submissions, or a repeat."""

    name: str
    format: str
    """``json`` or ``csv``."""
    repeat: str = ""
    """Path of the repeat; empty for submissions. CSV repeats say it in their keys."""
    header: tuple[str, ...] = ()


@dataclass(frozen=True)
class FormFiles:
    """Everything that a delivery holds of one form."""

    form_code: str
    main: TableFile
    repeats: tuple[TableFile, ...]
    definition: Definition | None


@dataclass(frozen=True)
class Chunk:
    """A run of records of one table."""

    file: str
    repeat: str
    """Path of the repeat, empty for submissions."""
    numbers: IntArray
    lines: IntArray
    system: Mapping[str, pa.Array]
    """For submissions: the columns of :data:`SYSTEM` and response_code. For repeats in files of their own: own_id and
    parent_id, for CSV response_code and repeat_path."""
    answers: Sequence[tuple[str, pa.Array]]
    """Path within the form and the values, in the order of the form."""
    parent_rows: IntArray | None = None
    """For repeats that lie within their parent's record: its position in the parent's run."""
    parent_repeat: str = ""
    """For repeats of OData: the table that ``parent_id`` points to."""
    occurrences: pa.Array | None = None
    """For repeats that lie within their parent's record: ``members[2]``."""
    children: tuple[Chunk, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    """For the column of one option of a question: its path → the path of the question."""

    @property
    def count(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> pa.Array:
        """A system column; NULL where the format has none."""
        return self.system.get(name, pa.nulls(self.count, pa.string()))

    def keep(self, mask: npt.NDArray[np.bool_]) -> Chunk:
        """The records for which ``mask`` holds, with what belongs to them."""
        if mask.all():
            return self
        chosen = pa.array(mask)
        position = np.cumsum(mask) - 1
        children = []
        for child in self.children:
            assert child.parent_rows is not None  # noqa: S101  only such children lie within a record
            kept = child.keep(mask[child.parent_rows])
            assert kept.parent_rows is not None  # noqa: S101
            children.append(replace(kept, parent_rows=position[kept.parent_rows]))
        return replace(
            self,
            numbers=self.numbers[mask],
            lines=self.lines[mask],
            system={name: values.filter(chosen) for name, values in self.system.items()},
            answers=[(path, values.filter(chosen)) for path, values in self.answers],
            parent_rows=None if self.parent_rows is None else self.parent_rows[mask],
            occurrences=None if self.occurrences is None else self.occurrences.filter(chosen),
            children=tuple(children),
        )

    def raw(self, row: int) -> bytes:
        """A record as it can be shown to its sender; at most 64 KiB."""
        cells = {name: values[row].as_py() for name, values in (*self.system.items(), *self.answers)}
        text = json.dumps({k: v for k, v in cells.items() if v is not None}, ensure_ascii=False)
        return text.encode("utf-8", "replace")[: 64 << 10]


# --- which file is what ------------------------------------------------------------------------------------------


def forms_of(delivery: Delivery, survey: SurveyMapping) -> list[FormFiles]:
    """The forms of a delivery, by code. Raises :class:`RefusedError` if there are none."""
    definitions = _definitions(delivery)
    tables: dict[str, list[TableFile]] = {}
    for folder, files in _json_tables(delivery).items():
        code = _form_code(delivery, survey, definitions, folder, files[0])
        tables.setdefault(code, []).extend(files)
    for code, files in _csv_tables(delivery, survey, definitions).items():
        tables.setdefault(code, []).extend(files)
    if not tables:
        raise RefusedError(
            "no_submissions",
            f"{delivery.name} holds no ODK submissions: neither Submissions.json nor a CSV file with a column KEY.",
            "Export the form's submissions from ODK Central, as OData JSON or as CSV with all repeats.",
        )
    by_code = {definition.form_code: definition for definition in definitions.values()}
    return [_form_files(code, files, by_code.get(code)) for code, files in sorted(tables.items())]


def _form_files(code: str, files: Sequence[TableFile], definition: Definition | None) -> FormFiles:
    """JSON leads where a form comes in both formats: it says more."""
    leading = "json" if any(f.format == "json" for f in files) else "csv"
    chosen = [f for f in files if f.format == leading]
    mains = [f for f in chosen if not _is_repeat(f)]
    if not mains:
        raise RefusedError(
            "repeat_without_submissions",
            f"{chosen[0].name} holds a repeat of form '{code}', whose submissions are not in the delivery.",
            "Export the form with its submissions and all its repeats.",
            file=chosen[0].name,
        )
    if len(mains) > 1:
        raise RefusedError(
            "form_sent_twice",
            f"{mains[0].name} and {mains[1].name} both hold the submissions of form '{code}'.",
            "Send one export of each form.",
            file=mains[1].name,
        )
    repeats = sorted((f for f in chosen if _is_repeat(f)), key=lambda f: (f.repeat.count("/"), f.name))
    return FormFiles(code, mains[0], tuple(repeats), definition)


def _is_repeat(file: TableFile) -> bool:
    return bool(file.repeat) or "PARENT_KEY" in file.header


def _definitions(delivery: Delivery) -> dict[str, Definition]:
    """Folder → the form definition in it."""
    found: dict[str, Definition] = {}
    for member in delivery.members:
        if member.name.lower().endswith(".xml") and member.size <= MAX_DEFINITION_BYTES:
            definition = parse_definition(delivery.read_bytes(member.name, MAX_DEFINITION_BYTES))
            if definition is not None:
                found.setdefault(PurePosixPath(member.name).parent.as_posix(), definition)
    return found


def _json_tables(delivery: Delivery) -> dict[str, list[TableFile]]:
    """Folder → its JSON tables, submissions first."""
    found: dict[str, list[TableFile]] = {}
    for member in delivery.members:
        path = PurePosixPath(member.name)
        if match := _JSON_NAME.match(path.name):
            repeat = match.group(1).lstrip(".").replace(".", "/")
            found.setdefault(path.parent.as_posix(), []).append(TableFile(member.name, "json", repeat))
    return {folder: sorted(files, key=lambda f: f.repeat) for folder, files in found.items()}


def _csv_tables(
    delivery: Delivery, survey: SurveyMapping, definitions: Mapping[str, Definition]
) -> dict[str, list[TableFile]]:
    """Form → its CSV tables. Central names them ``form.csv`` and ``form-repeat.csv``."""
    mains: list[tuple[str, TableFile]] = []
    repeats: list[TableFile] = []
    for member in delivery.members:
        if not member.name.lower().endswith(".csv"):
            continue
        with delivery.open(member.name) as stream:
            header = tuple(read_header(stream, file=member.name))
        file = TableFile(member.name, "csv", header=header)
        if {"KEY", "PARENT_KEY"} <= set(header):
            repeats.append(file)
        elif "KEY" in header:
            mains.append((_csv_form_code(delivery, survey, definitions, file), file))
    found = {code: [file] for code, file in mains}
    for file in repeats:
        path = PurePosixPath(file.name)
        owners = [
            code
            for code, main in mains
            if PurePosixPath(main.name).parent == path.parent
            and path.name.startswith((f"{PurePosixPath(main.name).stem}-", f"{code}-"))
        ]
        code = max(owners, key=len, default=path.stem.rpartition("-")[0] or path.stem)
        found.setdefault(code, []).append(file)
    return found


def _csv_form_code(
    delivery: Delivery, survey: SurveyMapping, definitions: Mapping[str, Definition], file: TableFile
) -> str:
    stem = PurePosixPath(file.name).stem
    if stem.casefold() != "submissions":
        return stem
    return _form_code(delivery, survey, definitions, PurePosixPath(file.name).parent.as_posix(), file)


def _form_code(
    delivery: Delivery, survey: SurveyMapping, definitions: Mapping[str, Definition], folder: str, file: TableFile
) -> str:
    """The form of a file that does not name it: from the definition beside it, its folder, the delivery's name if the
    region file knows it, or the region file if it knows one form only."""
    if folder in definitions:
        return definitions[folder].form_code
    if sent_in := delivery.folder_of(file.name):
        return sent_in
    stem = PurePosixPath(delivery.name).stem
    if stem in survey.forms:
        return stem
    if len(survey.forms) == 1:
        return next(iter(survey.forms))
    raise RefusedError(
        "unknown_form",
        f"Nobody can tell which form {file.name} belongs to.",
        "Put each form's files into a folder named by the form's id.",
        file=file.name,
    )


def check_start(delivery: Delivery, file: TableFile) -> None:
    """Refuse a file whose start can't be read as what it is, after reading no more than that."""
    with delivery.open(file.name) as stream:
        if file.format == "json":
            next(read_records(stream, file=file.name, key="value"), None)
        else:
            _, table, aliases = _csv_table(file)
            check_columns(stream, file=file.name, table=table, aliases=aliases)


# --- OData JSON --------------------------------------------------------------------------------------------------


@dataclass
class _Columns:
    """Records of one table on their way to columns; children are the repeats within them."""

    repeat: str
    order: dict[str, None] = field(default_factory=dict)
    """Paths in the order in which the file shows them, kept from run to run."""
    paths: dict[str, dict[str, str]] = field(default_factory=dict)
    """Path of a group → key → path; empty for keys that are no questions."""
    rows: list[dict[str, str | None]] = field(default_factory=list)
    parent_rows: list[int] = field(default_factory=list)
    occurrences: list[str] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    """Number and line of each record; a repeat within a record has those of the record."""
    children: dict[str, _Columns] = field(default_factory=dict)

    def add(
        self, record: Mapping[str, Any], place: tuple[int, int], *, parent_row: int = -1, occurrence: str = ""
    ) -> None:
        flat: dict[str, str | None] = {}
        self._walk(record, f"{self.repeat}/" if self.repeat else "", flat, len(self.rows), place)
        self.order |= dict.fromkeys(flat)
        self.rows.append(flat)
        self.places.append(place)
        self.parent_rows.append(parent_row)
        self.occurrences.append(occurrence)

    def _walk(
        self, record: Mapping[str, Any], prefix: str, flat: dict[str, str | None], row: int, place: tuple[int, int]
    ) -> None:
        """Put the leaves of a record into ``flat``. This runs for every value of a delivery: most are texts or NULL of
        a question seen before."""
        paths = self.paths.setdefault(prefix, {})
        for key, value in record.items():
            path = paths.get(key)
            if path is None:
                path = paths[key] = "" if key.startswith("__") or "@odata." in key else prefix + key
            if not path:
                continue
            if value is None or type(value) is str:
                flat[path] = value or None
            else:
                self._other(path, value, flat, row, place)

    def _other(self, path: str, value: Any, flat: dict[str, str | None], row: int, place: tuple[int, int]) -> None:
        """A group, a repeat, or a value that is no text."""
        if isinstance(value, dict) and "coordinates" not in value:
            self._walk(value, f"{path}/", flat, row, place)
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            self._repeat(path, value, row, place)
        else:
            flat[path] = _text(value) or None

    def _repeat(self, path: str, items: Sequence[Mapping[str, Any]], row: int, place: tuple[int, int]) -> None:
        child = self.children.setdefault(path, _Columns(path))
        within = path.removeprefix(f"{self.repeat}/") if self.repeat else path
        for index, item in enumerate(items, start=1):
            child.add(item, place, parent_row=row, occurrence=f"{within}[{index}]")

    def take(self, file: str, system: Mapping[str, pa.Array]) -> Chunk:
        """What was collected, as a chunk; starts the next run."""
        columns = [(path, pa.array([row.get(path) for row in self.rows], pa.string())) for path in self.order]
        children = tuple(child.take(file, {}) for child in self.children.values() if child.rows)
        numbers, lines = np.array(self.places, np.int64).reshape(-1, 2).T
        inner = bool(self.occurrences and self.occurrences[0])
        chunk = Chunk(
            file,
            self.repeat,
            numbers,
            lines,
            system,
            columns,
            parent_rows=np.array(self.parent_rows, np.int64) if inner else None,
            occurrences=pa.array(self.occurrences, pa.string()) if inner else None,
            children=children,
        )
        self.rows, self.parent_rows, self.occurrences, self.places = [], [], [], []
        return chunk


def _text(value: Any) -> str:
    """A JSON value as text; numbers come as they stand in the file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return " ".join(_text(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_json_table(delivery: Delivery, file: TableFile) -> Iterator[Chunk | Reject]:
    """The records of a JSON table in runs."""
    columns = _Columns(file.repeat)
    pending: list[Mapping[str, Any]] = []
    with delivery.open(file.name) as stream:
        for number, record in enumerate(read_records(stream, file=file.name, key="value"), start=1):
            if not isinstance(record.value, dict):
                yield _not_a_record(file, number, record.line)
                continue
            columns.add(record.value, (number, record.line))
            pending.append(record.value)
            if len(pending) == RECORDS_AT_ONCE:
                yield _json_chunk(file, columns, pending)
                pending = []
    if pending:
        yield _json_chunk(file, columns, pending)


def _json_chunk(file: TableFile, columns: _Columns, records: Sequence[Mapping[str, Any]]) -> Chunk:
    if file.repeat:
        parents = [_parent(record) for record in records]
        system = {
            "own_id": _strings([record.get("__id") for record in records]),
            "parent_id": _strings([parent for _, parent in parents]),
        }
        return replace(columns.take(file.name, system), parent_repeat=parents[0][0])
    states = [record.get("__system") or {} for record in records]
    system = {"response_code": _strings([record.get("__id") for record in records])}
    system |= {column: _strings([state.get(key) for state in states]) for key, column in SYSTEM.items()}
    return _with_metadata(columns.take(file.name, system))


def _parent(record: Mapping[str, Any]) -> tuple[str, Any]:
    """The table that a repeat's record points to (path of a repeat, empty for submissions), and the id there."""
    for key, value in record.items():
        if match := _PARENT.match(key):
            return "/".join(match.group(1).split("-")[1:]), value
    return "", None


def _strings(values: Sequence[Any]) -> pa.Array:
    return pa.array([_text(value) or None for value in values], pa.string())


def _not_a_record(file: TableFile, number: int, line: int) -> Reject:
    return Reject(
        "answer" if file.repeat else "response",
        file.name,
        number,
        line,
        "not_a_record",
        f"Element {number} of 'value' is no object.",
        "Export the submissions again; do not edit the file.",
    )


def _with_metadata(chunk: Chunk) -> Chunk:
    """Move metadata questions from the answers to the columns of the submission."""
    system = dict(chunk.system)
    answers = []
    for path, values in chunk.answers:
        if path in FROM_QUESTIONS:
            system.setdefault(FROM_QUESTIONS[path], values)
        else:
            answers.append((path, values))
    return replace(chunk, system=system, answers=answers)


# --- CSV ---------------------------------------------------------------------------------------------------------


def read_csv_table(delivery: Delivery, file: TableFile, definition: Definition | None) -> Iterator[Chunk | Reject]:
    """The records of a CSV table in runs."""
    names, table, aliases = _csv_table(file)
    with delivery.open(file.name) as stream:
        for item in read_csv(stream, file=file.name, table=table, aliases=aliases):
            if isinstance(item, Reject):
                yield item
                continue
            rows = item.rows.combine_chunks()
            for part in slices(rows.num_rows, len(names)):
                yield _csv_chunk(rows.slice(part.start, part.stop - part.start), file, names, definition)


def _csv_table(file: TableFile) -> tuple[list[str], Table, dict[str, str]]:
    """A CSV table as it is read: names for its columns, the table of them, and header → name."""
    names = [f"column #{position}" for position in range(len(file.header))]
    table = Table("answer" if _is_repeat(file) else "response", tuple(Column(name) for name in names), key=())
    return names, table, dict(zip(file.header, names, strict=True))


def _csv_chunk(rows: pa.Table, file: TableFile, names: Sequence[str], definition: Definition | None) -> Chunk:
    values = {header: _flat(rows[name]) for header, name in zip(file.header, names, strict=True)}
    repeat = ""
    if _is_repeat(file):
        system = _repeat_keys(values.pop("KEY"))
        repeat = _repeat_path(system["repeat_path"])
        del values["PARENT_KEY"]  # the key itself says more
    else:
        system = {column: values.pop(header) for header, column in _CSV_SYSTEM.items() if header in values}
    questions = [header for header in values if header not in _CSV_IGNORED and not header.startswith("SET-OF-")]
    paths = _csv_paths(questions, f"{repeat}/" if repeat else "", definition)
    chunk = Chunk(
        file.name,
        repeat,
        rows["_row_number"].to_numpy(),
        rows["_line"].to_numpy(),
        system,
        [(path, values[header]) for header, (path, _) in paths.items()],
        options={path: question for path, question in paths.values() if question},
    )
    return chunk if _is_repeat(file) else _with_metadata(chunk)


def _csv_paths(headers: Sequence[str], prefix: str, definition: Definition | None) -> dict[str, tuple[str, str | None]]:
    """Header → path and, for the column of one option (``needs/housing`` beside ``needs``), the question's path."""
    known = {path.replace("/", "-"): path for path in definition.paths} if definition else {}
    flat = prefix.replace("/", "-")
    paths: dict[str, tuple[str, str | None]] = {}
    for header in headers:
        base, slash, option = header.partition("/")
        question = known.get(flat + base) or prefix + base.replace("-", "/")
        if slash and base in headers:
            paths[header] = (f"{question}/{option}", question)
        else:
            paths[header] = (f"{question}/{option}" if slash else question, None)
    return paths


def _repeat_keys(keys: pa.Array) -> dict[str, pa.Array]:
    """``uuid:1/group/members[2]`` → the submission and the place in it; NULL where a key is not of that shape."""
    parts = pc.extract_regex(keys, r"^(?P<response>[^/]+)/(?P<place>.*\[\d+\])$")
    return {
        "response_code": pc.struct_field(parts, "response"),
        "repeat_path": pc.struct_field(parts, "place"),
    }


def _repeat_path(places: pa.Array) -> str:
    first = next((place.as_py() for place in places if place.is_valid), "repeat")
    return _INDEX.sub("", first)


def _flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
