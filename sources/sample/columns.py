"""Columns held as integers, and rows turned into text many at a time.

What belongs here: how a value is written (numbers, dates, ids, labels) and the joining of columns into lines, which is
the only place where text is made in bulk. What does not: which columns a format has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.sample.draws import Ints

Texts: TypeAlias = Any
"""A pyarrow string array: one text a row; null is written as nothing."""


class Column(ABC):
    """Values of one column, written for the rows asked for."""

    @abstractmethod
    def texts(self, rows: Ints) -> Texts | str:
        """The texts of these rows, or one text for all of them."""


@dataclass(frozen=True)
class Constant(Column):
    """The same text on every row."""

    text: str = ""

    def texts(self, rows: Ints) -> str:
        return self.text


BLANK = Constant()


@dataclass(frozen=True)
class Numbers(Column):
    """Whole numbers; a negative one is missing."""

    values: Ints

    def texts(self, rows: Ints) -> Texts:
        taken = self.values[rows]
        return pa.array(taken, mask=taken < 0).cast(pa.string())


@dataclass(frozen=True)
class Days(Column):
    """Dates, as days since 1970-01-01; a negative one is missing unless ``early`` (births before 1970)."""

    values: Ints
    missing: int = -(10**6)

    def texts(self, rows: Ints) -> Texts:
        taken = self.values[rows]
        absent = taken <= self.missing
        kept = np.where(absent, 0, taken).astype(np.int32)
        return pa.array(kept, type=pa.int32(), mask=absent).cast(pa.date32()).cast(pa.string())


MISSING_DAY = -(10**6)


@dataclass(frozen=True)
class Moments(Column):
    """Dates with time, as seconds since 1970-01-01; from ``NEVER`` on they are missing."""

    values: Ints
    separator: str = " "
    ending: str = ""

    def texts(self, rows: Ints) -> Texts:
        taken = self.values[rows]
        absent = taken >= 2**59
        kept = pa.array(np.where(absent, 0, taken), mask=absent).cast(pa.timestamp("s"))
        text = kept.cast(pa.string())
        if self.separator != " ":
            text = pc.binary_replace_slice(text, 10, 11, self.separator)
        return pc.binary_join_element_wise(text, self.ending, "") if self.ending else text


@dataclass(frozen=True)
class Ids(Column):
    """A prefix and a number; never missing."""

    prefix: str
    values: Ints
    suffix: str = ""

    def texts(self, rows: Ints) -> Texts:
        digits = pa.array(self.values[rows]).cast(pa.string())
        return pc.binary_join_element_wise(self.prefix, digits, self.suffix, "")


@dataclass(frozen=True)
class Digits(Column):
    """Numbers of a fixed width, with leading zeros; a negative one is missing."""

    values: Ints
    width: int

    def texts(self, rows: Ints) -> Texts:
        taken = self.values[rows]
        text = pa.array(taken, mask=taken < 0).cast(pa.string())
        return pc.utf8_lpad(text, self.width, "0")


@dataclass(frozen=True)
class Labels(Column):
    """Texts of a list by position; a negative position is missing."""

    labels: Sequence[str]
    positions: Ints

    def texts(self, rows: Ints) -> Texts:
        taken = self.positions[rows]
        return pa.array(list(self.labels)).take(pa.array(taken, mask=taken < 0))


@dataclass(frozen=True)
class Hashes(Column):
    """32 hexadecimal digits made of a number and a salt: ids that look random and never repeat."""

    values: Ints
    salt: int
    pattern: str = "uuid:********-****-****-****-************"
    """Every star stands for a digit."""

    def texts(self, rows: Ints) -> Texts:
        taken = self.values[rows]
        words = np.stack([scramble(taken, self.salt), scramble(taken, self.salt + 1)], axis=1)
        octets = words.astype(">u8").view(np.uint8).reshape(len(taken), 16)
        digits = _HEX[np.stack([octets >> 4, octets & 15], axis=2).reshape(len(taken), 32)]
        template = np.frombuffer(self.pattern.encode(), dtype=np.uint8)
        text = np.tile(template, (len(taken), 1))
        text[:, np.flatnonzero(template == ord("*"))] = digits
        offsets = np.arange(len(taken) + 1, dtype=np.int32) * len(template)
        return pa.StringArray.from_buffers(len(taken), pa.py_buffer(offsets), pa.py_buffer(text.tobytes()))


_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def scramble(values: Ints, salt: int) -> np.ndarray:
    """64-bit integers that look random, one for each value (splitmix64)."""
    with np.errstate(over="ignore"):
        z = (values.astype(np.uint64) + np.uint64(salt * 0x1000003)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def join(parts: Sequence[Texts | str], rows: int) -> Texts:
    """One text a row: the parts one after another. Missing values become nothing."""
    merged: list[Texts | str] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    if all(isinstance(part, str) for part in merged):
        return pa.array(["".join(merged)] * rows, type=pa.string())
    return pc.binary_join_element_wise(*merged, "", null_handling="replace", null_replacement="")


def text_bytes(lines: Texts) -> tuple[memoryview, Ints]:
    """The bytes of all texts in a row, and where each starts (one entry more than there are texts)."""
    lines = pa.concat_arrays([lines]) if lines.offset else lines
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)[: len(lines) + 1].astype(np.int64)
    return memoryview(lines.buffers()[2]) if lines.buffers()[2] else memoryview(b""), offsets
