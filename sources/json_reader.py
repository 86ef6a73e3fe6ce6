"""Large JSON files as a stream of records: one list of a file's outer object, an element at a time.

What belongs here: walking the outer object in bounded memory, and what is said when a file is no such JSON. What does
not: what the records mean.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from sources.errors import RefusedError

MAX_RECORD_CHARACTERS = 32 << 20
"""A value longer than this is taken for damage."""

MAX_DEPTH = 100
"""Deeper nesting is refused, so that whoever walks a value can do so by recursion."""

_CHUNK = 1 << 20
_SPACES = " \t\r\n"
_NOT_SPACE = re.compile(f"[^{_SPACES}]")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What JSON can escape but no UTF-8 text can hold: halves of surrogate pairs; and NUL, which no CSV file may hold."""


@dataclass(frozen=True)
class Record:
    """One element of the list; numbers are text as they stand in the file."""

    value: Any
    line: int
    """The line on which it starts."""


def read_records(
    stream: BinaryIO, *, file: str, key: str, beside: Callable[[str, Any], None] | None = None
) -> Iterator[Record]:
    """The elements of the list ``key`` of the outer object, or of the outer list.

    ``beside`` is told every other member of the outer object, as it comes by.

    Raises :class:`RefusedError`: ``empty_file``, ``bad_encoding``, ``malformed_json``, ``missing_list``.
    """
    window = _Window(stream, file)
    opening = window.next_character()
    if opening == "[":
        yield from _elements(window)
    elif opening == "{":
        yield from _members(window, key, beside)
    elif not opening:
        raise RefusedError("empty_file", f"{file} has no content.", "Export it again and send the new file.", file=file)
    else:
        window.fail("it starts with neither { nor [")
    if window.next_character():
        window.fail("there is text behind its end")


def _members(window: _Window, key: str, beside: Callable[[str, Any], None] | None) -> Iterator[Record]:
    found = False
    for _ in _parts(window, "{", "}"):
        if window.next_character() != '"':
            window.fail("a name in quotes is expected")
        name = window.value()
        window.skip(":")
        if name == key and window.next_character() == "[":
            found = True
            yield from _elements(window)
        else:
            value = window.value()
            if beside is not None:
                beside(name, value)
    if not found:
        raise RefusedError(
            "missing_list",
            f"{window.file} has no list '{key}'.",
            "Export it again; the file is of another kind than expected.",
            file=window.file,
        )


def _elements(window: _Window) -> Iterator[Record]:
    for line in _parts(window, "[", "]"):
        yield Record(window.value(), line)


def _parts(window: _Window, opening: str, closing: str) -> Iterator[int]:
    """Stop before every part of an object or list, for the caller to take it; gives the line."""
    window.skip(opening)
    if window.next_character() != closing:
        while True:
            window.next_character()
            yield window.line
            if window.next_character() == closing:
                break
            window.skip(",")
    window.skip(closing)


class _Window:
    """The part of the text that is in memory, and the place in it."""

    def __init__(self, stream: BinaryIO, file: str):
        self.file, self.line = file, 1
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._parse = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=self._constant).raw_decode
        self._text, self._place, self._is_last = "", 0, False
        self._line_start = 0
        """Characters of the current line that are no longer in memory."""

    def next_character(self) -> str:
        """The next character that is no space; it is not taken. Empty at the end."""
        if self._place < len(self._text) and (character := self._text[self._place]) not in _SPACES:
            return character
        while True:
            match = _NOT_SPACE.search(self._text, self._place)
            self._move(match.start() if match else len(self._text))
            if match or self._is_last:
                return match.group() if match else ""
            self._read()

    def skip(self, character: str) -> None:
        """Take this character, which must be next."""
        if self.next_character() != character:
            self.fail(f"{character} is expected")
        self._move(self._place + 1)

    def value(self) -> Any:
        """Take the next value. One that does not parse may lack its end: then more is read."""
        self.next_character()
        while True:
            try:
                value, end = self._parse(self._text, self._place)
            except json.JSONDecodeError as error:
                if self._is_last or len(self._text) - self._place > MAX_RECORD_CHARACTERS:
                    self._move(error.pos)
                    self.fail(error.msg)
            except RecursionError:
                self.fail("it is nested too deeply")
            else:
                if end < len(self._text) or self._is_last:  # a number may go on in the next part
                    return self._taken(value, end)
            self._read()

    def _taken(self, value: Any, end: int) -> Any:
        opened = self._text.count("[", self._place, end) + self._text.count("{", self._place, end)
        if opened > MAX_DEPTH and _depth(value) > MAX_DEPTH:
            self.fail("it is nested too deeply")
        escapes = self._text.find("\\u", self._place, end) >= 0
        self._move(end)
        return _cleaned(value) if escapes else value

    def fail(self, detail: str) -> NoReturn:
        raise RefusedError(
            "malformed_json",
            f"{self.file} is no valid JSON: {detail} (line {self.line:,}, column {self._column():,}).",
            "Export it again; a file that was cut short or edited by hand can't be read.",
            file=self.file,
            line=self.line,
        )

    def _column(self) -> int:
        before = self._text.rfind("\n", 0, self._place)
        return self._place - before if before >= 0 else self._line_start + self._place + 1

    def _move(self, place: int) -> None:
        self.line += self._text.count("\n", self._place, place)
        self._place = place

    def _read(self) -> None:
        self._line_start = self._column() - 1
        rest = self._text[self._place :]
        data = self._stream.read(max(_CHUNK, len(rest)))
        try:
            self._text = rest + self._decode(data, not data)
        except UnicodeDecodeError as error:
            raise RefusedError(
                "bad_encoding", f"{self.file} is not valid UTF-8.", "Export it as UTF-8.", file=self.file
            ) from error
        self._place, self._is_last = 0, not data

    def _constant(self, name: str) -> NoReturn:
        self.fail(f"{name} is no number")


def _depth(value: Any) -> int:
    """How many lists and objects lie within one another."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def _cleaned(value: Any) -> Any:
    """The value with U+FFFD in place of what is no text."""
    if isinstance(value, str):
        return _NO_TEXT.sub("\ufffd", value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_cleaned(name): _cleaned(item) for name, item in value.items()}
    return value
