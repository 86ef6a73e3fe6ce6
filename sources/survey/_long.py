"""From wide records to long answers, column by column.

What belongs here: what ODK and REDCap share: unpivoting with Arrow and numpy, sending answers to the readable or to
the masked column, reasons for missing answers, and the numbering of landed rows. What does not: formats.

Row numbers: a record of a survey file becomes many rows of a landing table, and quarantine, reports and vault find a
row by file and row number. So ``_row_number`` counts the rows of one landing table from one file, in the order of
records and questions; ``_line`` is the line of the record in the file.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sources.connector import Batch
from sources.spec import Table
from sources.survey._privacy import Privacy, readable

IntArray = npt.NDArray[np.int64]

ROOT = "/"
"""``repeat_path`` of an answer that is not in a repeat."""

MAX_ANSWERS = 400_000
"""Cells that are turned at once; bounds memory whatever the width of a form."""

_EXTRA_TYPE = pa.map_(pa.string(), pa.string())
_DAY = re.compile(r"(?<!\d)(\d{4})-?([01]\d)-?([0-3]\d)(?:[T_ -]?([0-2]\d)[-:_]?([0-5]\d)(?!\d))?(?!\d)")


@dataclass(frozen=True)
class Question:
    """One column of a wide record."""

    code: str
    path: str
    privacy: Privacy
    choice: str | None = None
    """For one option of a question with several answers: the option's code."""


@dataclass(frozen=True)
class Answers:
    """Answers of a run of records, ordered by record and question."""

    rows: IntArray
    """For every answer the 0-based record that it belongs to."""
    columns: Mapping[str, pa.Array]
    """question_code, question_path, choice_code, value, free_text, missing_reason."""


def melt(wide: Sequence[tuple[Question, pa.Array]], missing_codes: Mapping[str, str]) -> Answers:
    """Unpivot columns of equal length; NULL is no answer. A missing code is always readable: it says nothing else."""
    present = [np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False)) for _, values in wide]
    rows = np.concatenate([*present, np.empty(0, np.int64)]).astype(np.int64)
    number = np.repeat(np.arange(len(wide)), [len(p) for p in present])
    order = np.argsort(rows, kind="stable")
    rows, number = rows[order], number[order]
    values = pa.concat_arrays([v.drop_null().cast(pa.string()) for _, v in wide] or [pa.array([], pa.string())])
    values = values.take(pa.array(order))
    questions = [question for question, _ in wide]
    reasons = _reasons(values, missing_codes)
    private = _private(values, number, questions) & ~reasons.is_valid().to_numpy(zero_copy_only=False)
    mask, nothing = pa.array(private), pa.scalar(None, pa.string())
    at = pa.array(number)
    return Answers(
        rows,
        {
            "question_code": pa.array([q.code for q in questions], pa.string()).take(at),
            "question_path": pa.array([q.path for q in questions], pa.string()).take(at),
            "choice_code": pa.array([q.choice for q in questions], pa.string()).take(at),
            "value": pc.if_else(mask, nothing, values),
            "free_text": pc.if_else(mask, values, nothing),
            "missing_reason": reasons,
        },
    )


def without_codes(values: pa.Array, missing_codes: Mapping[str, str]) -> pa.Array:
    """The values with NULL for missing codes."""
    if not missing_codes:
        return values
    return pc.if_else(_reasons(values, missing_codes).is_valid(), pa.scalar(None, pa.string()), values)


def _reasons(values: pa.Array, missing_codes: Mapping[str, str]) -> pa.Array:
    if not missing_codes:
        return pa.nulls(len(values), pa.string())
    found = pc.index_in(pc.utf8_trim_whitespace(values), value_set=pa.array(list(missing_codes), pa.string()))
    return pa.array(list(missing_codes.values()), pa.string()).take(found)


def _private(values: pa.Array, number: IntArray, questions: Sequence[Question]) -> npt.NDArray[np.bool_]:
    private = np.array([q.privacy is Privacy.PRIVATE for q in questions], bool)[number]
    by_value = np.array([q.privacy is Privacy.BY_VALUE for q in questions], bool)[number]
    doubtful = np.flatnonzero(by_value)
    if len(doubtful):
        fine = readable(values.take(pa.array(doubtful))).to_numpy(zero_copy_only=False)
        private[doubtful[~fine.astype(bool)]] = True
    return private


def options(question: Question, values: pa.Array) -> list[tuple[Question, pa.Array]]:
    """The chosen options of a space-separated answer, one column an option (``1`` or NULL), by option."""
    chosen = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(values))
    rows = pc.list_parent_indices(chosen).to_numpy(zero_copy_only=False)
    encoded = pc.dictionary_encode(pc.list_flatten(chosen))
    codes = encoded.dictionary.to_pylist()
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    columns = []
    for option in sorted(code for code in codes if code):
        ticked = np.zeros(len(values), bool)
        ticked[rows[indices == codes.index(option)]] = True
        column = pc.if_else(pa.array(ticked), pa.scalar("1"), pa.scalar(None, pa.string()))
        columns.append((Question(question.code, f"{question.path}/{option}", question.privacy, option), column))
    return columns


def slices(count: int, width: int) -> Iterator[slice]:
    """Cut ``count`` records of ``width`` columns so that no slice holds more than :data:`MAX_ANSWERS` cells."""
    step = max(1, MAX_ANSWERS // max(1, width))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


@dataclass
class Numbering:
    """Running row numbers, by landing table and file."""

    _next: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, table: str, file: str, count: int) -> IntArray:
        """The next ``count`` numbers."""
        start = self._next.get((table, file), 1)
        self._next[(table, file)] = start + count
        return np.arange(start, start + count, dtype=np.int64)


def landing_batch(
    table: Table, columns: Mapping[str, pa.Array], *, file: str, numbers: IntArray, lines: IntArray
) -> Batch:
    """A batch of landing rows; spec columns that are not given are NULL."""
    count = len(numbers)
    arrays = {name: columns.get(name, pa.nulls(count, pa.string())) for name in table.column_names}
    offsets, empty = pa.array(np.zeros(count + 1, np.int32)), pa.array([], pa.string())
    arrays["_extra"] = pa.MapArray.from_arrays(offsets, empty, empty).cast(_EXTRA_TYPE)
    arrays["_file"] = pa.repeat(pa.scalar(file), count)
    arrays["_row_number"] = pa.array(numbers)
    arrays["_line"] = pa.array(lines)
    return Batch(table.name, pa.table(arrays))


def stated_in_name(*names: str) -> str | None:
    """The day (and time) that a file name such as ``Wellbeing_DATA_2024-05-01_1230.csv`` states, as an ISO timestamp;
    the last one of the first name that has any."""
    for name in names:
        for year, month, day, hour, minute in reversed(_DAY.findall(name)):
            text = f"{year}-{month}-{day} {hour or '00'}:{minute or '00'}:00"
            if _is_timestamp(text):
                return text
    return None


def _is_timestamp(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).year >= 1990
    except ValueError:
        return False


class Workspace:
    """A small database that spills to disk, for looking up records read before in the same delivery. Made when first
    used: most deliveries are small and need none."""

    def __init__(self, folder: str):
        self._folder = folder
        self._connection: duckdb.DuckDBPyConnection | None = None

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            settings: dict[str, str | bool | int | float | list[str]]
            settings = {"memory_limit": "256MB", "temp_directory": self._folder, "threads": 1}
            self._connection = duckdb.connect(config=settings)
            self._connection.execute("CREATE TABLE seen (code VARCHAR)")
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


@contextmanager
def workspace() -> Iterator[Workspace]:
    """A workspace for one delivery; nothing of it stays."""
    with tempfile.TemporaryDirectory() as folder:
        space = Workspace(folder)
        try:
            yield space
        finally:
            space.close()


class Seen:
    """Which codes occurred before in a delivery."""

    def __init__(self, space: Workspace):
        self._space = space
        self._last: pa.Array | None = None
        """The codes of the run before, which go to the database when there is another run."""

    def first(self, codes: pa.Array) -> npt.NDArray[np.bool_]:
        """For every code whether it occurs for the first time; remembers them."""
        first = _first_in(codes)
        if self._last is not None:
            connection = self._space.connection
            for name, values in (("last", self._last), ("coming", codes)):
                connection.register(name, pa.table({"code": values, "position": pa.array(np.arange(len(values)))}))
            connection.execute("INSERT INTO seen SELECT code FROM last WHERE code IS NOT NULL")
            repeated = connection.execute(
                "SELECT position FROM coming WHERE code IN (SELECT code FROM seen)"
            ).fetchnumpy()["position"]
            first[np.asarray(repeated, np.int64)] = False
        self._last = codes
        return first


def _first_in(codes: pa.Array) -> npt.NDArray[np.bool_]:
    indices = pc.dictionary_encode(codes, null_encoding="encode").indices.to_numpy(zero_copy_only=False)
    _, positions = np.unique(indices, return_index=True)
    first = np.zeros(len(codes), bool)
    first[positions] = True
    return first
