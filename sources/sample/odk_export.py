"""ODK Central exports: submissions and repeats of a form, as OData JSON or as CSV.

What belongs here: the two shapes, edits and review states. What does not: what is answered (``survey_answers``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.sample.calendar import NEVER, end_of
from sources.sample.columns import Column, Days, Hashes, Labels, Moments, Numbers, Texts, join
from sources.sample.draws import Flags, Ints
from sources.sample.files import Insertion, LineFile
from sources.sample.survey_answers import MISSING, WAVES

COMMENTS = (
    "nothing to add",
    "asked for a later appointment",
    "interpreter was present",
    "room changed last week",
    "would like more contact at weekends",
    "came with a friend",
    "answered by telephone",
    "form filled in together",
)
REVIEW_STATES = ("approved", "hasIssues", "rejected")
DEVICES = ("collect:Kq3vTz81", "collect:Lm92xWp4", "collect:Rb57nHd6")
SUBMITTERS = ("Tablet 1", "Tablet 2", "Tablet 3")


@dataclass(frozen=True)
class Repeat:
    """A repeat group: its questions, each with its options, or a number."""

    name: str
    options: Mapping[str, Sequence[str] | None]


@dataclass(frozen=True)
class Form:
    """A form: its questions in order. ``choices`` are select questions with codes from ``lowest`` on."""

    code: str
    date: str
    choices: tuple[str, ...]
    version: str
    has_wave: bool = True
    total: str | None = None
    comment: str = "comment"
    stratum: tuple[str, tuple[str, ...]] | None = None
    """A question of its own that says where somebody belongs in the sampling frame, and its options."""
    repeat: Repeat | None = None


@dataclass(frozen=True)
class Responses:
    """Submissions of one form by rows. ``answers`` and ``before`` have one column a choice question."""

    number: Ints
    """Makes the submission's id; never used twice in a form."""
    client: Column
    on: Ints
    submitted: Ints
    wave: Ints
    answers: Ints
    before: Ints
    """The answers before the submission was edited."""
    edited: Ints
    """Moment of the edit, or ``NEVER``."""
    comment: Column
    review: Ints
    repeats: Ints
    """How many records the repeat has."""
    repeat_values: Ints
    """A number for every submission from which the repeat's values follow."""
    stratum: Ints
    """Option of the form's stratum, where it asks for one."""
    total_error: int = 0
    """Added to the supplied total."""


@dataclass
class FormFiles:
    """The files of one form in one delivery."""

    form: Form
    salt: int
    until: int
    is_json: bool
    folder: Path
    insertions: list[Insertion] = field(default_factory=list)
    main: LineFile = field(init=False)
    repeat: LineFile | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        form, place = self.form, self.folder / self.form.code
        place.mkdir(parents=True)
        if self.is_json:
            context = f"https://odk.example.org/v1/projects/7/forms/{form.code}.svc/$metadata#Submissions"
            self.main = _json_file(place / "Submissions.json", context, self.insertions)
            if form.repeat:
                name = form.repeat.name
                self.repeat = _json_file(place / f"Submissions.{name}.json", f"{context}.{name}", ())
            return
        self.main = LineFile(place / f"{form.code}.csv", _csv_header(form), self.insertions)
        if form.repeat:
            header = ",".join([*form.repeat.options, "PARENT_KEY", "KEY"]) + "\n"
            self.repeat = LineFile(place / f"{form.code}-{form.repeat.name}.csv", header.encode())

    @property
    def shown_until(self) -> int:
        return end_of(self.until)

    def submission_id(self, number: int) -> str:
        """The id of a submission by its number."""
        identifier: str = _uuids(self.salt, np.array([number])).texts(np.array([0])).to_pylist()[0]
        return identifier

    def append(self, responses: Responses) -> None:
        rows = np.flatnonzero(responses.submitted <= self.shown_until)
        self.main.append(self.lines(responses, rows))
        if self.repeat is not None:
            self.repeat.append(self._repeat_lines(responses, rows))

    def lines(self, responses: Responses, rows: Ints) -> Texts:
        edited = responses.edited[rows] <= self.shown_until
        answers = np.where(edited[:, None], responses.answers[rows], responses.before[rows])
        write = _json_lines if self.is_json else _csv_lines
        return write(self.form, self.salt, responses, rows, answers, edited)

    def _repeat_lines(self, responses: Responses, rows: Ints) -> Texts:
        assert self.form.repeat is not None  # noqa: S101
        row = np.repeat(rows, responses.repeats[rows])
        if not len(row):
            return pa.array([], type=pa.string())
        first = np.concatenate([[True], row[1:] != row[:-1]])
        start = np.flatnonzero(first)
        ordinal = np.arange(len(row)) - np.repeat(start, np.diff(np.append(start, len(row)))) + 1
        write = _json_repeats if self.is_json else _csv_repeats
        return write(self.form.repeat, self.salt, responses, row, ordinal)

    def close(self, members: dict[str, Path | bytes], rows: dict[str, int]) -> None:
        for file in (self.main, self.repeat):
            if file is None:
                continue
            file.close()
            name = f"{self.form.code}/{file.path.name}"
            members[name] = file.path
            rows[name] = file.rows


def _json_file(path: Path, context: str, insertions: Sequence[Insertion]) -> LineFile:
    """Records one a line: each brings the comma and line break before it, the first one only the line break."""
    header = f'{{"@odata.context":{json.dumps(context)},"value":['.encode()
    return LineFile(path, header, insertions, footer=b"\n]}\n", skip_first=1, break_before=True)


def _uuids(salt: int, numbers: Ints) -> Hashes:
    return Hashes(numbers, salt)


def _instances(salt: int, responses: Responses, rows: Ints, edited: Flags) -> tuple[Texts, Texts]:
    """Instance id of the latest version, and of the one it replaces (missing where it was never edited)."""
    every = np.arange(len(rows))
    first = _uuids(salt, responses.number[rows]).texts(every)
    second = _uuids(salt + 7, responses.number[rows]).texts(every)
    mask = pa.array(edited)
    return pc.if_else(mask, second, first), pc.if_else(mask, first, pa.scalar(None, pa.string()))


def _in_json(text: Texts | str, quoted: bool = True) -> Texts | str:
    """A JSON value for each text; ``null`` where it is missing."""
    if isinstance(text, str):
        return f'"{text}"' if quoted else text
    if quoted:
        text = pc.binary_join_element_wise('"', text, '"', "")
    return pc.fill_null(text, "null")


def _json_lines(form: Form, salt: int, responses: Responses, rows: Ints, answers: Ints, edited: Flags) -> Texts:
    every = np.arange(len(rows))
    own, (latest, deprecated) = (
        _uuids(salt, responses.number[rows]).texts(every),
        _instances(salt, responses, rows, edited),
    )
    submitted = responses.submitted[rows]
    started = Moments(submitted - 540, "T", ".000Z").texts(every)
    parts: list[Texts | str] = [',\n{"__id":"', own, '","start":"', started, '"']
    parts += [f',"{form.date}":', _in_json(Days(responses.on[rows]).texts(every))]
    parts += [',"client_ref":', _in_json(responses.client.texts(rows))]
    if form.has_wave:
        parts += [',"wave":', _in_json(Labels(WAVES, responses.wave[rows]).texts(every))]
    for position, question in enumerate(form.choices):
        parts += [f',"{question}":', _in_json(Numbers(answers[:, position]).texts(every))]
    if form.stratum:
        name, options = form.stratum
        parts += [f',"{name}":', _in_json(Labels(options, responses.stratum[rows]).texts(every))]
    if form.total:
        total = _total(answers, responses.total_error)
        parts += [f',"{form.total}":', _in_json(Numbers(total).texts(every), quoted=False)]
    parts += [f',"{form.comment}":', _in_json(responses.comment.texts(rows))]
    parts += [',"meta":{"instanceID":"', latest, '","deprecatedID":', _in_json(deprecated), "}"]
    if form.repeat:
        escaped = pc.replace_substring(own, ":", "%3A")
        parts += [f',"{form.repeat.name}@odata.navigationLink":"Submissions(\'', escaped, f"')/{form.repeat.name}\""]
    changed = np.where(edited, responses.edited[rows], NEVER)
    parts += [',"__system":{"submissionDate":"', Moments(submitted, "T", ".000Z").texts(every), '","updatedAt":']
    parts += [_in_json(Moments(changed, "T", ".000Z").texts(every)), ',"deletedAt":null,"submitterId":"']
    who = responses.number[rows] % len(SUBMITTERS)
    parts += [Numbers(who + 11).texts(every), '","submitterName":"', Labels(SUBMITTERS, who).texts(every)]
    parts += ['","attachmentsPresent":0,"attachmentsExpected":0,"status":null,"reviewState":']
    parts += [_in_json(Labels(REVIEW_STATES, responses.review[rows]).texts(every)), ',"deviceId":"']
    parts += [Labels(DEVICES, who).texts(every), '","edits":', Numbers(edited.astype(np.int64)).texts(every)]
    parts += [f',"formVersion":"{form.version}"}}}}']
    return join(parts, len(rows))


def _total(answers: Ints, error: int) -> Ints:
    complete = ~(answers == MISSING).any(axis=1)
    return np.where(complete, answers.sum(axis=1) + error, MISSING)


def _repeat_cells(repeat: Repeat, responses: Responses, row: Ints, ordinal: Ints) -> list[Texts]:
    """A value of each question of the repeat."""
    seed = responses.repeat_values[row] + ordinal * 7
    every = np.arange(len(row))
    cells = []
    for position, options in enumerate(repeat.options.values()):
        value = seed // (5**position)
        cells.append(
            Labels(options, value % len(options)).texts(every) if options else Numbers(value % 11 * 5 + 5).texts(every)
        )
    return cells


def _json_repeats(repeat: Repeat, salt: int, responses: Responses, row: Ints, ordinal: Ints) -> Texts:
    every = np.arange(len(row))
    parent = _uuids(salt, responses.number[row]).texts(every)
    own = Hashes(responses.number[row] * 16 + ordinal, salt + 3, "*" * 32).texts(every)
    parts: list[Texts | str] = [',\n{"__id":"', own, '","__Submissions-id":"', parent, '"']
    for (name, options), cell in zip(
        repeat.options.items(), _repeat_cells(repeat, responses, row, ordinal), strict=True
    ):
        parts += [f',"{name}":', _in_json(cell, quoted=options is not None)]
    return join([*parts, "}"], len(row))


def _csv_header(form: Form) -> bytes:
    names = ["SubmissionDate", "start", form.date, "client_ref", *(["wave"] if form.has_wave else []), *form.choices]
    names += [form.stratum[0]] if form.stratum else []
    names += [*([form.total] if form.total else []), form.comment]
    names += [f"SET-OF-{form.repeat.name}"] if form.repeat else []
    names += ["meta-instanceID", "KEY", "SubmitterID", "SubmitterName", "AttachmentsPresent", "AttachmentsExpected"]
    names += ["Status", "ReviewState", "DeviceID", "Edits", "FormVersion"]
    return (",".join(names) + "\n").encode()


def _csv_lines(form: Form, salt: int, responses: Responses, rows: Ints, answers: Ints, edited: Flags) -> Texts:
    every = np.arange(len(rows))
    own = _uuids(salt, responses.number[rows]).texts(every)
    latest, _ = _instances(salt, responses, rows, edited)
    submitted = responses.submitted[rows]
    cells: list[Texts | str] = [
        Moments(submitted, "T", ".000Z").texts(every),
        Moments(submitted - 540, "T", ".000Z").texts(every),
        Days(responses.on[rows]).texts(every),
        responses.client.texts(rows),
    ]
    if form.has_wave:
        cells.append(Labels(WAVES, responses.wave[rows]).texts(every))
    cells += [Numbers(answers[:, position]).texts(every) for position in range(len(form.choices))]
    if form.stratum:
        cells.append(Labels(form.stratum[1], responses.stratum[rows]).texts(every))
    if form.total:
        cells.append(Numbers(_total(answers, responses.total_error)).texts(every))
    cells.append(responses.comment.texts(rows))
    if form.repeat:
        cells.append(join([own, f"/{form.repeat.name}"], len(rows)))
    who = responses.number[rows] % len(SUBMITTERS)
    cells += [latest, own, Numbers(who + 11).texts(every), Labels(SUBMITTERS, who).texts(every), "0", "0", ""]
    cells += [Labels(REVIEW_STATES, responses.review[rows]).texts(every), Labels(DEVICES, who).texts(every)]
    cells += [Numbers(edited.astype(np.int64)).texts(every), form.version]
    return _csv(cells, len(rows))


def _csv_repeats(repeat: Repeat, salt: int, responses: Responses, row: Ints, ordinal: Ints) -> Texts:
    every = np.arange(len(row))
    parent = _uuids(salt, responses.number[row]).texts(every)
    key = join([parent, f"/{repeat.name}[", Numbers(ordinal).texts(every), "]"], len(row))
    return _csv([*_repeat_cells(repeat, responses, row, ordinal), parent, key], len(row))


def _csv(cells: Sequence[Texts | str], rows: int) -> Texts:
    parts: list[Texts | str] = []
    for cell in cells:
        parts += [cell, ","]
    return join([*parts[:-1], "\n"], rows)


def single(
    number: int, client: Column, on: int, wave: int, answers: Sequence[int], comment: Column, total_error: int = 0
) -> Responses:
    """One submission, at noon of its day, never edited."""
    one = np.array([0], dtype=np.int64)
    row = np.array([list(answers)], dtype=np.int64)
    return Responses(
        number=one + number,
        client=client,
        on=one + on,
        submitted=one + on * 86_400 + 43_200,
        wave=one + wave,
        answers=row,
        before=row,
        edited=one + NEVER,
        comment=comment,
        review=one + MISSING,
        repeats=one,
        repeat_values=one,
        stratum=one,
        total_error=total_error,
    )
