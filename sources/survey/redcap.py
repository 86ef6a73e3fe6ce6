"""REDCap project exports: raw data as CSV with the data dictionary, and events, arms and instrument labels if sent.

What belongs here: how REDCap spreads records over rows and columns, and what its dictionary says about a field. What
does not: instruments, people and episodes (``dbt_project``), and unpivoting (``_long``).

A row of the data file is record × event × repeat; it carries the fields of every form. It lands as one ``record``
row, as one ``response`` for every form in which something was entered, and as one ``answer`` for every filled field
and for every option, ticked or not, of a check-box field. A form counts as entered when a field is filled, a box is
ticked, its status is unverified or complete (1, 2), or its survey was opened; status 0 alone is what REDCap exports
for a form that nobody touched.

The dictionary decides what is readable. Fields flagged as identifiers, notes, files and text validated as anything
but a number or a date go to the vault; so do unvalidated text that is no short number or date, and fields whose name
or label speaks of a name, a birth date, an address and the like. Columns that the dictionary does not know go to the
vault with the form before them. The region file's mapping overrules that for the questions it uses.

REDCap's project XML repeats what the CSV files say and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.connector import Batch, Reject
from sources.csv_reader import check_columns, read_csv, read_header
from sources.delivery import Delivery
from sources.errors import RefusedError
from sources.spec import Column, DeliveryFacts, Regime, Role, Table
from sources.survey._long import (
    IntArray,
    Numbering,
    Question,
    Seen,
    landing_batch,
    melt,
    slices,
    stated_in_name,
    without_codes,
    workspace,
)
from sources.survey._privacy import Privacy, is_sensitive_name, privacy_of
from sources.survey.mapping import FormMapping, SurveyMapping, check_survey_mapping, parse_mapping

FORM = Table(
    "form",
    (Column("form_code"), Column("form_title"), Column("question_count"), Column("record_field")),
    key=("form_code",),
    scope_column="form_code",
)
EVENT = Table(
    "event",
    (Column("event_code"), Column("event_name"), Column("arm_number"), Column("arm_name")),
    key=("event_code",),
    absence_deletes=False,
)
RECORD = Table(
    "record",
    (
        Column("row_code"),
        Column("record_code"),
        Column("event_code"),
        Column("repeat_instrument"),
        Column("repeat_instance"),
        Column("access_group"),
    ),
    key=("row_code",),
)
RESPONSE = Table(
    "response",
    (
        Column("response_code"),
        Column("record_code"),
        Column("event_code"),
        Column("form_code"),
        Column("repeat_instance"),
        Column("timepoint_code"),
        Column("complete_code"),
        Column("submitted_at"),
        Column("survey_identifier", Role.CONTACT),
        Column("answer_count"),
        Column("person_reference"),
        Column("person_scheme"),
        Column("assessed_on"),
    ),
    key=("response_code",),
    scope_column="form_code",
)
ANSWER = Table(
    "answer",
    (
        Column("response_code"),
        Column("form_code"),
        Column("question_code"),
        Column("question_path"),
        Column("choice_code"),
        Column("value"),
        Column("free_text", Role.FREE_TEXT),
        Column("missing_reason"),
    ),
    key=("response_code", "question_path"),
    group=("response_code",),
    key_is_unique=False,
    scope_column="form_code",
    parents=((("response_code",), "response"),),
)

_DICTIONARY_HEADERS = {
    "Variable / Field Name": "field_name",
    "Form Name": "form_name",
    "Field Type": "field_type",
    "Field Label": "field_label",
    "Choices, Calculations, OR Slider Labels": "select_choices_or_calculations",
    "Text Validation Type OR Show Slider Number": "text_validation_type_or_show_slider_number",
    "Identifier?": "identifier",
}
_DICTIONARY = Table(
    "dictionary",
    tuple(Column(name, required=name in ("field_name", "form_name")) for name in _DICTIONARY_HEADERS.values()),
    key=("field_name",),
)
_EVENTS = Table("events", (Column("unique_event_name", required=True), Column("event_name"), Column("arm_num")), key=())
_ARMS = Table("arms", (Column("arm_num"), Column("name")), key=())
_LABELS = Table("instruments", (Column("instrument_name"), Column("instrument_label")), key=())

_CLOSED_TYPES = frozenset({"radio", "dropdown", "yesno", "truefalse", "checkbox", "slider"})
_PLAIN_VALIDATION = re.compile(r"^(number|integer|date|datetime|time)(_|$)")
_STRUCTURE = {
    "redcap_event_name": "event",
    "redcap_repeat_instrument": "instrument",
    "redcap_repeat_instance": "instance",
    "redcap_data_access_group": "group",
    "redcap_survey_identifier": "identifier",
}
_MAX_DICTIONARY_FIELDS = 50_000


@dataclass(frozen=True)
class Field:
    """One entry of the data dictionary."""

    name: str
    form: str
    kind: str
    label: str
    validation: str
    is_identifier: bool
    choices: Mapping[str, str]
    """How an option's code is spelt in a column name → the code."""

    @property
    def privacy(self) -> Privacy:
        """What the dictionary says about the field's answers."""
        if self.is_identifier:
            return Privacy.PRIVATE
        if self.kind in _CLOSED_TYPES:
            return Privacy.PLAIN
        if self.kind not in ("text", "calc") or is_sensitive_name(f"{self.name} {self.label}"):
            return Privacy.PRIVATE
        if self.kind == "calc" or not self.validation:
            return Privacy.BY_VALUE
        return Privacy.PLAIN if _PLAIN_VALIDATION.match(self.validation) else Privacy.PRIVATE


@dataclass(frozen=True)
class DataFile:
    """A data file and what its columns are."""

    name: str
    delimiter: str
    header: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """The files of a delivery by what they are."""

    fields: Mapping[str, Field]
    dictionary: str
    form_rows: Mapping[str, tuple[int, int]]
    """Form → row number and line of its first field in the dictionary."""
    data: tuple[DataFile, ...]
    events: tuple[str, ...]
    arms: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def record_field(self) -> str:
        return next(iter(self.fields))

    @property
    def forms(self) -> tuple[str, ...]:
        return tuple(self.form_rows)


@dataclass
class FormColumns:
    """Where one form's columns lie in a data file (by position)."""

    code: str
    questions: list[tuple[Question, int]] = field(default_factory=list)
    boxes: set[int] = field(default_factory=set)
    """Positions of check-box columns, in which 0 is no entry."""
    complete: int | None = None
    timestamp: int | None = None


@dataclass
class Layout:
    """What the columns of a data file are."""

    record: int
    structure: dict[str, int]
    forms: list[FormColumns]
    unknown: list[str]


class RedcapConnector:
    """Reads REDCap project exports."""

    kind = "redcap"
    domain = "survey"
    version = "1"
    title = "REDCap project export (CSV with data dictionary)"
    tables: Mapping[str, Table] = {table.name: table for table in (FORM, EVENT, RECORD, RESPONSE, ANSWER)}

    def inspect(self, delivery: Delivery, mapping: Mapping[str, Any]) -> DeliveryFacts:
        project = _project(delivery)
        survey = parse_mapping(mapping)
        unknown = [name for file in project.data for name in _layout(file, project, survey).unknown]
        details = {"dictionary": project.dictionary, "data_files": str(len(project.data))}
        if unknown:
            details["columns_not_in_dictionary"] = str(len(unknown))
        return DeliveryFacts(
            format_version="raw_csv",
            stated_at=stated_in_name(*(PurePosixPath(file.name).name for file in project.data), delivery.name),
            regime=Regime.FULL if survey.complete else Regime.DELTA,
            scope_values=project.forms if survey.complete else None,
            details=details,
        )

    def read(self, delivery: Delivery, facts: DeliveryFacts, mapping: Mapping[str, Any]) -> Iterator[Batch | Reject]:
        project, survey, numbering = _project(delivery), parse_mapping(mapping), Numbering()
        for file in project.data:
            _check_header(delivery, file)
        yield _form_batch(project, _labels(delivery, project))
        yield from _event_batches(delivery, project, numbering)
        with workspace() as space:
            seen = Seen(space)
            for file in project.data:
                reader = _DataReader(delivery, file, project, survey, numbering, seen)
                yield from reader.read()

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        return check_survey_mapping(mapping, has_events=True)


CONNECTOR = RedcapConnector()


# --- what the files are ------------------------------------------------------------------------------------------


def _project(delivery: Delivery) -> Project:
    """Tell the files apart by their headers; their names are the sender's own."""
    dictionaries, events, arms, labels, others = [], [], [], [], []
    for member in delivery.members:
        if not member.name.lower().endswith(".csv"):
            continue
        file = _headed(delivery, member.name)
        names = {name.casefold() for name in file.header}
        if {"variable / field name", "form name"} <= names or {"field_name", "form_name"} <= names:
            dictionaries.append(file)
        elif {"unique_event_name", "event_name"} <= names:
            events.append(member.name)
        elif names == {"arm_num", "name"}:
            arms.append(member.name)
        elif {"instrument_name", "instrument_label"} <= names:
            labels.append(member.name)
        else:
            others.append(file)
    fields, rows, dictionary = _dictionary(delivery, dictionaries)
    data = _data_files(delivery, others, next(iter(fields.values())))
    return Project(fields, dictionary, rows, data, tuple(events), tuple(arms), tuple(labels))


def _headed(delivery: Delivery, name: str) -> DataFile:
    """A CSV file with its header; REDCap users can choose semicolons or tabs in their profile."""
    for delimiter in (",", ";", "\t"):
        with delivery.open(name) as stream:
            header = read_header(stream, file=name, delimiter=delimiter)
        if len(header) > 1:
            break
    return DataFile(name, delimiter if len(header) > 1 else ",", tuple(header))


def _dictionary(
    delivery: Delivery, files: Sequence[DataFile]
) -> tuple[dict[str, Field], dict[str, tuple[int, int]], str]:
    """Fields in order. Of several dictionaries of one project the one as downloaded by hand leads; a field is an
    identifier if any of them says so."""
    if not files:
        raise RefusedError(
            "missing_dictionary",
            f"{delivery.name} has no data dictionary, so nobody can tell which fields identify people.",
            "Send the project's data dictionary (CSV) with the data.",
        )
    folders = {PurePosixPath(file.name).parent for file in files}
    if len(folders) > 1:
        raise RefusedError(
            "several_projects",
            f"{delivery.name} holds the dictionaries of {len(folders)} projects.",
            "Send one project a delivery, each as a source of its own.",
        )
    files = sorted(files, key=lambda f: (f.header[0].casefold() != "variable / field name", f.name))
    fields: dict[str, Field] = {}
    rows: dict[str, tuple[int, int]] = {}
    for file in files:
        for entry, number, line in _dictionary_rows(delivery, file):
            known = fields.get(entry.name)
            if known is not None:
                fields[entry.name] = replace(known, is_identifier=known.is_identifier or entry.is_identifier)
                continue
            fields[entry.name] = entry
            rows.setdefault(entry.form, (number, line))
    if not fields:
        raise RefusedError(
            "empty_dictionary",
            f"{files[0].name} describes no field.",
            "Export the dictionary again.",
            file=files[0].name,
        )
    return fields, rows, files[0].name


def _dictionary_rows(delivery: Delivery, file: DataFile) -> Iterator[tuple[Field, int, int]]:
    for row in _small(delivery, file.name, _DICTIONARY, _DICTIONARY_HEADERS, file.delimiter):
        text = {name: _text(value) for name, value in row.items() if not name.startswith("_")}
        if text["field_name"]:
            entry = Field(
                name=text["field_name"].lower(),
                form=text["form_name"].lower(),
                kind=text["field_type"].lower() or "text",
                label=text["field_label"],
                validation=text["text_validation_type_or_show_slider_number"].lower(),
                is_identifier=text["identifier"].lower() in ("y", "yes", "1", "true"),
                choices=_choices(text["select_choices_or_calculations"]),
            )
            yield entry, row["_row_number"], row["_line"]


def _text(value: str | None) -> str:
    """A cell of the dictionary; ``NA`` is how R writes an empty one."""
    text = (value or "").strip()
    return "" if text == "NA" else text


def _choices(text: str) -> dict[str, str]:
    codes = [part.split(",", 1)[0].strip() for part in text.split("|")]
    return {re.sub(r"[^a-z0-9_]", "_", code.lower()): code for code in codes if code}


def _small(
    delivery: Delivery, name: str, table: Table, aliases: Mapping[str, str] = {}, delimiter: str = ","
) -> Iterator[dict[str, Any]]:
    """Rows of a file that describes the project; it is refused if any of it can't be read."""
    count = 0
    with delivery.open(name) as stream:
        for item in read_csv(stream, file=name, table=table, aliases=aliases, delimiter=delimiter):
            if isinstance(item, Reject):
                raise RefusedError(item.rule, f"{name}: {item.message}", item.fix, file=name, line=item.line)
            count += item.rows.num_rows
            if count > _MAX_DICTIONARY_FIELDS:
                raise RefusedError(
                    "too_many_fields",
                    f"{name} has more than {_MAX_DICTIONARY_FIELDS:,} rows.",
                    "Check the file.",
                    file=name,
                )
            yield from item.rows.drop_columns(["_extra"]).to_pylist()


def _data_files(delivery: Delivery, files: Sequence[DataFile], record: Field) -> tuple[DataFile, ...]:
    data = tuple(file for file in files if record.name in {name.casefold() for name in file.header})
    if data:
        _check_record_field(record, data[0].name)
        return data
    for file in files:
        names = {name.casefold() for name in file.header}
        if {"record", "field_name", "value"} <= names:
            raise RefusedError(
                "eav_export",
                f"{file.name} has one row a value; only the usual export, one row a record and event, is read.",
                "Export the data flat (API: type=flat).",
                file=file.name,
            )
    name = files[0].name if files else None
    raise RefusedError(
        "missing_data",
        f"{delivery.name} has no data file with the project's record field '{record.name}'"
        + (f"; {name} looks like an export of labels or of another project." if name else "."),
        "Send the data as CSV with raw values and raw variable names, with the dictionary of the same project.",
        file=name,
    )


def _check_record_field(record: Field, file: str) -> None:
    """The record id is the key of everything, so it can't go to the vault."""
    validated = record.validation and not _PLAIN_VALIDATION.match(record.validation)
    if record.is_identifier or validated:
        raise RefusedError(
            "identifying_record_id",
            f"The dictionary marks the record field '{record.name}' as identifying people.",
            "Export with the option that hashes the record ID, or number the records.",
            file=file,
        )


# --- what the columns are ----------------------------------------------------------------------------------------


def _layout(file: DataFile, project: Project, survey: SurveyMapping) -> Layout:
    forms = {code: FormColumns(code) for code in project.forms}
    layout = Layout(-1, {}, list(forms.values()), [])
    status = {f"{code}_complete": (code, "complete") for code in forms}
    status |= {f"{code}_timestamp": (code, "timestamp") for code in forms}
    last = project.forms[0]
    for position, header in enumerate(file.header):
        name = header.casefold()
        entry, option = _entry(name, project.fields)
        if name == project.record_field:
            layout.record = position
        elif name in _STRUCTURE:
            layout.structure[_STRUCTURE[name]] = position
        elif entry is not None:
            last = entry.form
            _add_question(forms[last], survey, entry, name, option, position)
        elif name in status:
            last, role = status[name]
            setattr(forms[last], role, position)
        else:
            layout.unknown.append(header)
            forms[last].questions.append((Question(name, name, Privacy.PRIVATE), position))
    return layout


def _entry(name: str, fields: Mapping[str, Field]) -> tuple[Field | None, str | None]:
    """The field of a column and, for a check box, the option's code."""
    if name in fields:
        return fields[name], None
    base, separator, spelt = name.partition("___")
    entry = fields.get(base)
    if not separator or entry is None or entry.kind != "checkbox":
        return None, None
    return entry, entry.choices.get(spelt, spelt)


def _add_question(
    form: FormColumns, survey: SurveyMapping, entry: Field, column: str, option: str | None, position: int
) -> None:
    privacy = privacy_of(survey.form(form.code), entry.name, column, entry.privacy)
    form.questions.append((Question(entry.name, column, privacy, option), position))
    if option is not None:
        form.boxes.add(position)


# --- rows --------------------------------------------------------------------------------------------------------


def _form_batch(project: Project, labels: Mapping[str, str]) -> Batch:
    counts = dict.fromkeys(project.forms, 0)
    for entry in project.fields.values():
        if entry.kind != "descriptive" and entry.name != project.record_field:
            counts[entry.form] += 1
    numbers, lines = zip(*project.form_rows.values(), strict=True)
    columns = {
        "form_code": pa.array(project.forms, pa.string()),
        "form_title": pa.array([labels.get(code) for code in project.forms], pa.string()),
        "question_count": pa.array([str(counts[code]) for code in project.forms], pa.string()),
        "record_field": pa.array([project.record_field] * len(project.forms), pa.string()),
    }
    return landing_batch(
        FORM,
        columns,
        file=project.dictionary,
        numbers=np.array(numbers, np.int64),
        lines=np.array(lines, np.int64),
    )


def _labels(delivery: Delivery, project: Project) -> dict[str, str]:
    rows = (row for name in project.labels for row in _small(delivery, name, _LABELS))
    return {row["instrument_name"]: row["instrument_label"] for row in rows}


def _event_batches(delivery: Delivery, project: Project, numbering: Numbering) -> Iterator[Batch]:
    arms = {row["arm_num"]: row["name"] for name in project.arms for row in _small(delivery, name, _ARMS)}
    for name in project.events:
        rows = list(_small(delivery, name, _EVENTS))
        columns = {
            "event_code": pa.array([row["unique_event_name"] for row in rows], pa.string()),
            "event_name": pa.array([row["event_name"] for row in rows], pa.string()),
            "arm_number": pa.array([row["arm_num"] for row in rows], pa.string()),
            "arm_name": pa.array([arms.get(row["arm_num"]) for row in rows], pa.string()),
        }
        numbers = numbering.take(EVENT.name, name, len(rows))
        yield landing_batch(
            EVENT, columns, file=name, numbers=numbers, lines=np.array([row["_line"] for row in rows], np.int64)
        )


def _record_table(file: DataFile) -> tuple[list[str], Table, dict[str, str]]:
    """A data file as it is read: names for its columns, the table of them, and header → name."""
    names = [f"column #{position}" for position in range(len(file.header))]
    return (
        names,
        Table("record", tuple(Column(name) for name in names), key=()),
        dict(zip(file.header, names, strict=True)),
    )


def _check_header(delivery: Delivery, file: DataFile) -> None:
    _, table, aliases = _record_table(file)
    with delivery.open(file.name) as stream:
        check_columns(stream, file=file.name, table=table, aliases=aliases, delimiter=file.delimiter)


class _DataReader:
    """Turns one data file into landing rows."""

    def __init__(
        self,
        delivery: Delivery,
        file: DataFile,
        project: Project,
        survey: SurveyMapping,
        numbering: Numbering,
        seen: Seen,
    ):
        self._delivery, self._file, self._survey = delivery, file, survey
        self._numbering, self._seen = numbering, seen
        self._layout = _layout(file, project, survey)
        self._positions = {name.casefold(): position for position, name in enumerate(file.header)}
        self._names, self._table, self._aliases = _record_table(file)

    def read(self) -> Iterator[Batch | Reject]:
        with self._delivery.open(self._file.name) as stream:
            for item in read_csv(
                stream, file=self._file.name, table=self._table, aliases=self._aliases, delimiter=self._file.delimiter
            ):
                if isinstance(item, Reject):
                    yield item
                    continue
                rows = item.rows.combine_chunks()
                for part in slices(rows.num_rows, len(self._names)):
                    yield from self._rows(rows.slice(part.start, part.stop - part.start))

    def _rows(self, rows: pa.Table) -> Iterator[Batch | Reject]:
        wide = _Wide(rows, self._names, self._layout)
        good, rejects = self._sound(wide)
        yield from rejects
        if not good.all():
            wide = _Wide(rows.filter(pa.array(good)), self._names, self._layout)
        if not wide.count:
            return
        yield self._records(wide)
        yield from self._responses(wide)

    def _sound(self, wide: _Wide) -> tuple[Any, list[Reject]]:
        """Which rows have a record id and occur for the first time; rejects for the others."""
        named = wide.record.is_valid().to_numpy(zero_copy_only=False)
        first = self._seen.first(wide.row_code)
        rejects = [self._reject(wide, int(at), named=bool(named[at])) for at in np.flatnonzero(~(named & first))]
        return named & first, rejects

    def _reject(self, wide: _Wide, at: int, *, named: bool) -> Reject:
        number, line = int(wide.numbers[at]), int(wide.lines[at])
        record = self._file.header[self._layout.record]
        rule = "repeated_record" if named else "missing_record_id"
        message = "This record, event and instance occurs before in the delivery." if named else f"'{record}' is empty."
        fix = "Export each row once." if named else f"Fill '{record}' in every row."
        return Reject(RECORD.name, self._file.name, number, line, rule, message, fix, column=record, raw=wide.raw(at))

    def _records(self, wide: _Wide) -> Batch:
        columns = {
            "row_code": wide.row_code,
            "record_code": wide.record,
            "event_code": wide.part("event"),
            "repeat_instrument": wide.part("instrument"),
            "repeat_instance": wide.part("instance"),
            "access_group": wide.part("group"),
        }
        return landing_batch(RECORD, columns, file=self._file.name, numbers=wide.numbers, lines=wide.lines)

    def _responses(self, wide: _Wide) -> Iterator[Batch]:
        """Responses and answers of all forms, ordered by row and form."""
        responses, answers = [], []
        for form in self._layout.forms:
            rows = wide.started(form)
            if not len(rows):
                continue
            at = pa.array(rows)
            columns = [(question, wide.values[position].take(at)) for question, position in form.questions]
            melted = melt(columns, self._survey.missing_codes)
            response = self._response(wide, form, at, np.bincount(melted.rows, minlength=len(rows)))
            responses.append((rows, response))
            own = {name: response[name].take(pa.array(melted.rows)) for name in ("response_code", "form_code")}
            answers.append((rows[melted.rows], {**own, **melted.columns}))
        for table, parts in ((RESPONSE, responses), (ANSWER, answers)):
            if sum(len(rows) for rows, _ in parts):
                yield self._ordered(wide, table, parts)

    def _response(self, wide: _Wide, form: FormColumns, at: pa.Array, counts: IntArray) -> dict[str, pa.Array]:
        record, event, instance = (a.take(at) for a in (wide.record, wide.part("event"), wide.part("instance")))
        code = pa.repeat(pa.scalar(form.code), len(at))
        submitted = wide.column(form.timestamp).take(at)
        known = self._survey.form(form.code)
        person, scheme = self._person(wide, known, at)
        real = pc.match_substring_regex(submitted, r"^\d{4}-\d{2}-\d{2}")
        return {
            "response_code": _joined(record, event, code, instance),
            "record_code": record,
            "event_code": event,
            "form_code": code,
            "repeat_instance": instance,
            "timepoint_code": pc.coalesce(
                self._answer_to(wide, known.timepoint, at), _mapped(event, self._survey.events)
            ),
            "complete_code": wide.column(form.complete).take(at),
            "submitted_at": pc.if_else(real, submitted, pa.scalar(None, pa.string())),
            "survey_identifier": wide.part("identifier").take(at),
            "answer_count": pc.cast(pa.array(counts), pa.string()),
            "person_reference": person,
            "person_scheme": scheme,
            "assessed_on": self._answer_to(wide, known.assessed_on, at),
        }

    def _answer_to(self, wide: _Wide, question: str | None, at: pa.Array) -> pa.Array:
        """Values of a field that the region file names, of whatever form, in the same row; a missing code is none."""
        position = self._positions.get(question.casefold()) if question else None
        return without_codes(wide.column(position).take(at), self._survey.missing_codes)

    def _person(self, wide: _Wide, form: FormMapping, at: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Person code and scheme. A record is one person, so the field may belong to any form of the project: the
        form's own mapping comes first, then those of the other forms. Other rows of the record are looked up later."""
        others = (self._survey.forms[code] for code in sorted(self._survey.forms))
        known = dict.fromkeys((f.person_field, f.person_scheme) for f in (form, *others) if f.person_field)
        person = scheme = pa.nulls(len(at), pa.string())
        for field_name, source in known:
            found = self._answer_to(wide, field_name, at)
            use = pc.and_(person.is_null(), found.is_valid())
            person, scheme = pc.if_else(use, found, person), pc.if_else(use, pa.scalar(source), scheme)
        return person, scheme

    def _ordered(self, wide: _Wide, table: Table, parts: Sequence[tuple[IntArray, Mapping[str, pa.Array]]]) -> Batch:
        rows = np.concatenate([rows for rows, _ in parts])
        order = np.argsort(rows, kind="stable")
        at = pa.array(order)
        columns = {
            name: pa.concat_arrays([_flat(columns[name]) for _, columns in parts]).take(at) for name in parts[0][1]
        }
        numbers = self._numbering.take(table.name, self._file.name, len(rows))
        return landing_batch(table, columns, file=self._file.name, numbers=numbers, lines=wide.lines[rows[order]])


class _Wide:
    """A run of rows of a data file by column position."""

    def __init__(self, rows: pa.Table, names: Sequence[str], layout: Layout):
        self.count = rows.num_rows
        self.values = [_flat(rows[name]) for name in names]
        self.numbers: IntArray = rows["_row_number"].to_numpy()
        self.lines: IntArray = rows["_line"].to_numpy()
        self._layout = layout
        self.record = self.values[layout.record]
        self.row_code = _joined(self.record, self.part("event"), self.part("instrument"), self.part("instance"))

    def column(self, position: int | None) -> pa.Array:
        return pa.nulls(self.count, pa.string()) if position is None else self.values[position]

    def part(self, name: str) -> pa.Array:
        """A structural column; NULL where the project has none."""
        return self.column(self._layout.structure.get(name))

    def started(self, form: FormColumns) -> IntArray:
        """Rows in which something was entered into a form."""
        entered = _in(self.column(form.complete), ("1", "2")) | _valid(self.column(form.timestamp))
        for _, position in form.questions:
            values = self.values[position]
            entered |= _valid(values) & ~_in(values, ("0",)) if position in form.boxes else _valid(values)
        instrument = self.part("instrument")
        entered &= ~_valid(instrument) | _in(instrument, (form.code,))
        return np.flatnonzero(entered)

    def raw(self, at: int) -> bytes:
        """A record as it can be shown to its sender; at most 64 KiB."""
        cells = (values[at].as_py() or "" for values in self.values)
        return ",".join(cells).encode()[: 64 << 10]


def _flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _valid(values: pa.Array) -> Any:
    return values.is_valid().to_numpy(zero_copy_only=False)


def _in(values: pa.Array, wanted: Iterable[str]) -> Any:
    return pc.is_in(values, value_set=pa.array(list(wanted), pa.string())).to_numpy(zero_copy_only=False)


def _joined(*parts: pa.Array) -> pa.Array:
    filled = [pc.fill_null(_flat(part), "") for part in parts]
    return pc.binary_join_element_wise(*filled, "|")


def _mapped(values: pa.Array, mapping: Mapping[str, str]) -> pa.Array:
    """Values by a mapping; what it does not name stays as it is."""
    if not mapping:
        return values
    found = pc.index_in(values, value_set=pa.array(list(mapping), pa.string()))
    return pc.coalesce(pa.array(list(mapping.values()), pa.string()).take(found), values)
