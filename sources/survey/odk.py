"""ODK Central exports: submissions with their repeats, as OData JSON or as CSV.

What belongs here: how submissions become responses and answers. What does not: the shape of the files
(``_odk_files``), instruments, people and episodes (``dbt_project``).

A submission lands as one ``response`` and one ``answer`` for every question that has a value. A newer edit of the
same submission replaces it with all its answers; versions are the number of edits, then the time of the last update.
Rejected submissions land like others: the input layer leaves them out.

A question with several answers keeps the list as sent (``housing debt``) and lands one answer more for every chosen
option, so that options can be counted without taking text apart. Which questions these are is known from the form
definition, from Central's own option columns, or from the region file.

An export does not say what kind a question is. Answers stay readable where the region file names the question for
use, where a form definition in the delivery says that it offers options, and where the value is a short number, a
date, a time or yes or no; all else goes to the vault, as do questions whose name speaks of a name, a birth date, an
address and the like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.connector import Batch, Reject
from sources.delivery import Delivery
from sources.spec import Column, DeliveryFacts, Regime, Role, Table
from sources.survey._long import (
    ROOT,
    Numbering,
    Question,
    Seen,
    Workspace,
    landing_batch,
    melt,
    options,
    stated_in_name,
    without_codes,
    workspace,
)
from sources.survey._odk_files import (
    Chunk,
    FormFiles,
    TableFile,
    check_start,
    forms_of,
    read_csv_table,
    read_json_table,
)
from sources.survey._privacy import Privacy, privacy_of
from sources.survey.mapping import FormMapping, check_survey_mapping, parse_mapping

FORM = Table(
    "form",
    (Column("form_code"), Column("form_version"), Column("form_title"), Column("question_count")),
    key=("form_code", "form_version"),
    scope_column="form_code",
)
RESPONSE = Table(
    "response",
    (
        Column("response_code"),
        Column("form_code"),
        Column("form_version"),
        Column("version"),
        Column("edits"),
        Column("submitted_at"),
        Column("updated_at"),
        Column("started_at"),
        Column("ended_at"),
        Column("deleted_at"),
        Column("review_state"),
        Column("status"),
        Column("deprecated_code"),
        Column("person_reference"),
        Column("person_scheme"),
        Column("assessed_on"),
        Column("timepoint_code"),
        Column("submitter_id"),
        Column("submitter_name", Role.NAME_OTHER),
        Column("device_id", Role.CONTACT),
    ),
    key=("response_code",),
    version_column="version",
    version_is_text=True,
    deleted_column="deleted_at",
    scope_column="form_code",
)
ANSWER = Table(
    "answer",
    (
        Column("response_code"),
        Column("form_code"),
        Column("version"),
        Column("question_code"),
        Column("question_path"),
        Column("repeat_path"),
        Column("choice_code"),
        Column("value"),
        Column("free_text", Role.FREE_TEXT),
        Column("missing_reason"),
    ),
    key=("response_code", "question_path", "repeat_path"),
    group=("response_code",),
    key_is_unique=False,
    version_column="version",
    version_is_text=True,
    scope_column="form_code",
    parents=((("response_code",), "response"),),
)


class OdkConnector:
    """Reads ODK Central exports."""

    kind = "odk"
    domain = "survey"
    version = "1"
    title = "ODK Central export (OData JSON or CSV)"
    tables: Mapping[str, Table] = {table.name: table for table in (FORM, RESPONSE, ANSWER)}

    def inspect(self, delivery: Delivery, mapping: Mapping[str, Any]) -> DeliveryFacts:
        survey = parse_mapping(mapping)
        forms = forms_of(delivery, survey)
        details = {form.form_code: f"{form.main.format}, {len(form.repeats)} repeats" for form in forms}
        return DeliveryFacts(
            format_version="central",  # JSON and CSV land alike: an unchanged submission is unchanged in either
            stated_at=stated_in_name(delivery.name),
            regime=Regime.FULL if survey.complete else Regime.DELTA,
            scope_values=tuple(form.form_code for form in forms) if survey.complete else None,
            details=details,
        )

    def read(self, delivery: Delivery, facts: DeliveryFacts, mapping: Mapping[str, Any]) -> Iterator[Batch | Reject]:
        survey, numbering = parse_mapping(mapping), Numbering()
        forms = forms_of(delivery, survey)
        for files in forms:
            for file in (files.main, *files.repeats):
                check_start(delivery, file)
        with workspace() as space:
            places, seen = _Places(space), Seen(space)
            for files in forms:
                form = survey.form(files.form_code)
                yield from _FormReader(delivery, files, form, survey.missing_codes, numbering, places, seen).read()

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        return check_survey_mapping(mapping, has_events=False)


CONNECTOR = OdkConnector()


@dataclass(frozen=True)
class _Place:
    """Where each record of a run belongs."""

    response_code: pa.Array
    repeat_path: pa.Array
    """:data:`ROOT` for submissions."""
    version: pa.Array

    def take(self, rows: pa.Array) -> _Place:
        return _Place(self.response_code.take(rows), self.repeat_path.take(rows), self.version.take(rows))


@dataclass
class _FormVersions:
    """Versions of a form as its submissions show them, and the questions seen."""

    first_seen: dict[str | None, tuple[str, int]] = field(default_factory=dict)
    """Version → file and line of the first submission."""
    questions: set[str] = field(default_factory=set)


class _FormReader:
    """Turns the files of one form into landing rows."""

    def __init__(
        self,
        delivery: Delivery,
        files: FormFiles,
        form: FormMapping,
        missing_codes: Mapping[str, str],
        numbering: Numbering,
        places: _Places,
        seen: Seen,
    ):
        self._delivery, self._files, self._form = delivery, files, form
        self._missing_codes, self._numbering, self._places, self._seen = missing_codes, numbering, places, seen
        self._versions = _FormVersions()

    def read(self) -> Iterator[Batch | Reject]:
        for item in self._chunks(self._files.main):
            yield from self._submissions(item) if isinstance(item, Chunk) else [item]
        for file in self._files.repeats:
            for item in self._chunks(file):
                yield from self._repeats(item) if isinstance(item, Chunk) else [self._numbered(item)]
        yield from self._forms()

    def _chunks(self, file: TableFile) -> Iterator[Chunk | Reject]:
        if file.format == "json":
            return read_json_table(self._delivery, file)
        return read_csv_table(self._delivery, file, self._files.definition)

    def _numbered(self, reject: Reject) -> Reject:
        """A record of a repeat that can't be read takes a number among the answers of its file."""
        return replace(reject, row_number=int(self._numbering.take(reject.table, reject.file, 1)[0]))

    # --- submissions

    def _submissions(self, chunk: Chunk) -> Iterator[Batch | Reject]:
        codes = pc.coalesce(chunk.column("response_code"), chunk.column("instance_id"))
        named = codes.is_valid().to_numpy(zero_copy_only=False)
        first = self._seen.first(codes)
        for row in np.flatnonzero(~(named & first)):
            yield _rejected_submission(chunk, int(row), named=bool(named[row]))
        sound = named & first
        chunk, codes = chunk.keep(sound), codes.filter(pa.array(sound))
        if not chunk.count:
            return
        self._note_versions(chunk)
        yield self._responses(chunk, codes)
        place = _Place(codes, pa.repeat(pa.scalar(ROOT), chunk.count), _answer_version(chunk))
        if self._files.repeats:
            self._places.remember("", codes, place)
        yield from self._answers(chunk, place)

    def _responses(self, chunk: Chunk, codes: pa.Array) -> Batch:
        columns = {name: chunk.column(name) for name in RESPONSE.column_names}
        columns |= {
            "response_code": codes,
            "form_code": pa.repeat(pa.scalar(self._files.form_code), chunk.count),
            "version": _version(chunk),
            "person_reference": self._answer_to(chunk, self._form.person_field),
            "person_scheme": pa.array([self._form.person_scheme] * chunk.count, pa.string()),
            "assessed_on": self._answer_to(chunk, self._form.assessed_on),
            "timepoint_code": self._answer_to(chunk, self._form.timepoint),
        }
        return landing_batch(RESPONSE, columns, file=chunk.file, numbers=chunk.numbers, lines=chunk.lines)

    def _answer_to(self, chunk: Chunk, question: str | None) -> pa.Array:
        """Answers to a question that the region file names, outside repeats; a missing code is none."""
        for path, values in chunk.answers:
            if question is not None and question in (path, path.rpartition("/")[2]):
                return without_codes(values, self._missing_codes)
        return pa.nulls(chunk.count, pa.string())

    def _note_versions(self, chunk: Chunk) -> None:
        versions = pc.dictionary_encode(chunk.column("form_version"), null_encoding="encode")
        indices = versions.indices.to_numpy(zero_copy_only=False)
        for index, version in enumerate(versions.dictionary.to_pylist()):
            line = int(chunk.lines[int(np.argmax(indices == index))])
            self._versions.first_seen.setdefault(version, (chunk.file, line))

    # --- repeats

    def _repeats(self, chunk: Chunk) -> Iterator[Batch | Reject]:
        places = self._places
        place = places.of_children(chunk) if "parent_id" in chunk.system else places.of_keys(chunk)
        lost = ~place.response_code.is_valid().to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(lost):
            yield self._numbered(_rejected_repeat(chunk, int(row)))
        found = pa.array(np.flatnonzero(~lost))
        chunk, place = chunk.keep(~lost), place.take(found)
        if not chunk.count:
            return
        if "own_id" in chunk.system:
            self._places.remember(chunk.repeat, chunk.system["own_id"], place)
        yield from self._answers(chunk, place)

    # --- answers

    def _answers(self, chunk: Chunk, place: _Place) -> Iterator[Batch]:
        wide: list[tuple[Question, pa.Array]] = []
        split = set(chunk.options.values())
        for path, values in chunk.answers:
            question = self._question(path, chunk.options.get(path), is_split=path in split)
            wide.append((question, values))
            if self._is_multiple(question) and path not in split:
                wide += options(question, values)
        melted = melt(wide, self._missing_codes)
        if len(melted.rows):
            rows = pa.array(melted.rows)
            own = place.take(rows)
            columns = {
                **melted.columns,
                "response_code": own.response_code,
                "repeat_path": own.repeat_path,
                "version": own.version,
                "form_code": pa.repeat(pa.scalar(self._files.form_code), len(rows)),
            }
            numbers = self._numbering.take(ANSWER.name, chunk.file, len(rows))
            yield landing_batch(ANSWER, columns, file=chunk.file, numbers=numbers, lines=chunk.lines[melted.rows])
        for child in chunk.children:
            yield from self._answers(child, _within(place, child))

    def _question(self, path: str, option_of: str | None, *, is_split: bool) -> Question:
        asked = option_of or path
        self._versions.questions.add(asked)
        code = asked if asked in self._form.named else asked.rpartition("/")[2]
        definition = self._files.definition
        by_form = definition.privacy(asked) if definition else Privacy.BY_VALUE
        if option_of or is_split:
            by_form = Privacy.PLAIN
        choice = path.removeprefix(f"{asked}/") if option_of else None
        return Question(code, path, privacy_of(self._form, code, asked, by_form), choice)

    def _is_multiple(self, question: Question) -> bool:
        if question.choice is not None or question.privacy is not Privacy.PLAIN:
            return False
        definition = self._files.definition
        declared = {question.code, question.path} & self._form.select_multiple
        return bool(declared) or (definition is not None and question.path in definition.multiple)

    # --- forms

    def _forms(self) -> Iterator[Batch]:
        definition = self._files.definition
        versions = self._versions.first_seen or {definition.version if definition else None: (self._files.main.name, 1)}
        count = str(len(self._versions.questions)) if self._versions.questions else None
        for version, (file, line) in versions.items():
            columns = {
                "form_code": pa.array([self._files.form_code], pa.string()),
                "form_version": pa.array([version], pa.string()),
                "form_title": pa.array([definition.title if definition else None], pa.string()),
                "question_count": pa.array([count], pa.string()),
            }
            numbers = self._numbering.take(FORM.name, file, 1)
            yield landing_batch(FORM, columns, file=file, numbers=numbers, lines=np.array([line], np.int64))


def _within(parent: _Place, child: Chunk) -> _Place:
    """The place of repeats that lie within their parent's record."""
    own = parent.take(pa.array(child.parent_rows))
    return _Place(own.response_code, _path(own.repeat_path, child.occurrences), own.version)


def _path(parents: pa.Array, occurrences: pa.Array) -> pa.Array:
    joined = pc.binary_join_element_wise(parents, occurrences, "/")
    return pc.if_else(pc.equal(parents, ROOT), occurrences, joined)


def _answer_version(chunk: Chunk) -> pa.Array:
    """Answers change with edits only; a change of the review state is no new version of them."""
    edits = pc.utf8_lpad(chunk.column("edits"), 6, "0")
    return pc.coalesce(edits, chunk.column("updated_at"))


def _version(chunk: Chunk) -> pa.Array:
    """Edits, then the last change; deletion is one, so that an export from before it does not bring it back."""
    edits = pc.utf8_lpad(chunk.column("edits"), 6, "0")
    changed = pc.max_element_wise(chunk.column("updated_at"), chunk.column("deleted_at"))
    return pc.coalesce(pc.binary_join_element_wise(edits, pc.fill_null(changed, ""), " "), changed)


def _rejected_submission(chunk: Chunk, row: int, *, named: bool) -> Reject:
    rule, message, fix = (
        ("repeated_submission", "This submission occurs before in the delivery.", "Export each submission once.")
        if named
        else (
            "missing_instance_id",
            "The submission has no instance id (__id, KEY).",
            "Export the submissions from ODK Central, with their system columns.",
        )
    )
    return Reject(
        RESPONSE.name,
        chunk.file,
        int(chunk.numbers[row]),
        int(chunk.lines[row]),
        rule,
        message,
        fix,
        raw=chunk.raw(row),
    )


def _rejected_repeat(chunk: Chunk, row: int) -> Reject:
    return Reject(
        ANSWER.name,
        chunk.file,
        int(chunk.numbers[row]),
        int(chunk.lines[row]),
        "repeat_without_submission",
        f"This record of '{chunk.repeat}' belongs to no submission of the delivery.",
        "Export the form with its submissions and all its repeats at one time.",
        raw=chunk.raw(row),
    )


class _Places:
    """Places of the records read so far, for the repeats that point to them. Kept in a database that spills to disk."""

    def __init__(self, space: Workspace):
        self._space = space
        self._is_made = False

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = self._space.connection
        if not self._is_made:
            connection.execute(
                "CREATE TABLE place "
                "(repeat VARCHAR, id VARCHAR, response_code VARCHAR, repeat_path VARCHAR, version VARCHAR)"
            )
            connection.execute("CREATE TABLE counted (repeat VARCHAR, parent_id VARCHAR, occurrences BIGINT)")
            self._is_made = True
        return connection

    def remember(self, repeat: str, ids: pa.Array, place: _Place) -> None:
        """Keep the places of a run of records of a table."""
        self._register(
            repeat=pa.repeat(pa.scalar(repeat), len(ids)),
            id=ids,
            response_code=place.response_code,
            repeat_path=place.repeat_path,
            version=place.version,
        )
        self._connection.execute("INSERT INTO place SELECT repeat, id, response_code, repeat_path, version FROM coming")

    def of_keys(self, chunk: Chunk) -> _Place:
        """Places of CSV repeats, whose keys name the submission; NULL where it is not in the delivery."""
        self._register(id=chunk.system["response_code"], repeat_path=chunk.system["repeat_path"])
        return self._place(
            "SELECT p.response_code, c.repeat_path, p.version FROM coming AS c "
            "LEFT JOIN place AS p ON p.repeat = '' AND p.id = c.id ORDER BY c.position"
        )

    def of_children(self, chunk: Chunk) -> _Place:
        """Places of OData repeats, which name their parent's id and are counted in the order of the file."""
        within = chunk.repeat.removeprefix(f"{chunk.parent_repeat}/") if chunk.parent_repeat else chunk.repeat
        self._register(parent_id=chunk.system["parent_id"])
        parameters = {"repeat": chunk.repeat, "parent": chunk.parent_repeat}
        place = self._place(
            f"""
            WITH numbered AS (
                SELECT position, parent_id, row_number() OVER (PARTITION BY parent_id ORDER BY position) AS nth
                FROM coming
            ), before AS (
                SELECT parent_id, sum(occurrences) AS occurrences FROM counted
                WHERE repeat = $repeat AND parent_id IN (SELECT parent_id FROM coming) GROUP BY parent_id
            )
            SELECT p.response_code,
                   CASE WHEN p.repeat_path <> '{ROOT}' THEN p.repeat_path || '/' ELSE '' END
                   || $within || '[' || CAST(n.nth + coalesce(b.occurrences, 0) AS BIGINT) || ']' AS repeat_path,
                   p.version
            FROM numbered AS n
            LEFT JOIN before AS b ON b.parent_id = n.parent_id
            LEFT JOIN place AS p ON p.repeat = $parent AND p.id = n.parent_id
            ORDER BY n.position
            """,
            {**parameters, "within": within},
        )
        self._register(parent_id=chunk.system["parent_id"])
        self._connection.execute(
            "INSERT INTO counted SELECT ?, parent_id, count(*) FROM coming GROUP BY parent_id", [chunk.repeat]
        )
        return place

    def _register(self, **columns: pa.Array) -> None:
        count = len(next(iter(columns.values())))
        self._connection.register("coming", pa.table({"position": pa.array(np.arange(count)), **columns}))

    def _place(self, query: str, parameters: Mapping[str, str] | None = None) -> _Place:
        table = self._connection.execute(query, parameters or {}).to_arrow_table().combine_chunks()
        columns = [_flat(table[name]) for name in ("response_code", "repeat_path", "version")]
        return _Place(*columns)


def _flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
