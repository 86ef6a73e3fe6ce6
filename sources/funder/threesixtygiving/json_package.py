"""A 360Giving JSON package, read one grant at a time: a large file does not have to fit in memory.

What belongs here: walking the outer object and its ``grants`` list, and what is said when that is not what the file is.
What does not: the fields of a grant (``fields``).
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from sources.errors import RefusedError

MAX_GRANT_CHARACTERS = 32 << 20
"""A single value longer than this is taken for damage."""

_CHUNK = 1 << 20
_SPACE = " \t\r\n"


@dataclass(frozen=True)
class Item:
    """One element of ``grants``, with numbers as the text that stands in the file, and the line it starts on."""

    value: Any
    line: int


@dataclass(frozen=True)
class Statement:
    """What the package says about itself outside ``grants``."""

    key: str
    value: Any


def read_package(stream: BinaryIO, file: str) -> Iterator[Item | Statement]:
    """The parts of a package in order. Raises :class:`RefusedError` (``not_grants``, ``malformed_json``,
    ``bad_encoding``, ``empty_file``)."""
    return _Reader(stream, file).parts()


class _Reader:
    """A window onto the text that moves forward as values are taken."""

    def __init__(self, stream: BinaryIO, file: str):
        self._stream, self._file = stream, file
        self._bytes = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._json = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=self._constant)
        self._text, self._at, self._ended, self._line = "", 0, False, 1

    def parts(self) -> Iterator[Item | Statement]:
        first = self._peek()
        if first == "":
            raise RefusedError(
                "empty_file",
                f"{self._file} has no content.",
                "Export it again and send the new file.",
                file=self._file,
            )
        if first != "{":
            raise self._no_grants("no object")
        self._at += 1
        found = False
        separator = "," if self._peek() != "}" else self._take("}")
        while separator == ",":
            key = self._value()
            if not isinstance(key, str):
                self._malformed("a name in quotes is expected")
            self._expect(":")
            if key == "grants" and self._peek() == "[":
                found = True
                yield from self._items()
            elif key in ("releases", "records") and self._peek() == "[":
                raise self._no_grants(f"contracting data (OCDS): it has '{key}'")
            else:
                yield Statement(key, self._value())
            separator = self._expect(",}")
        if self._peek():
            self._malformed("there is something behind the end of the object")
        if not found:
            raise self._no_grants("an object without a list 'grants'")

    def _items(self) -> Iterator[Item]:
        self._take("[")
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            self._peek()
            line = self._line
            yield Item(self._value(), line)
            if self._expect(",]") == "]":
                return

    def _value(self) -> Any:
        """The next value. A value that does not parse may only be incomplete: read on, twice as much each time."""
        self._peek()
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
                if end < len(self._text) or self._ended:
                    self._line += self._text.count("\n", self._at, end)
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                if self._ended or len(self._text) - self._at > MAX_GRANT_CHARACTERS:
                    self._line += self._text.count("\n", self._at, error.pos)
                    self._malformed(error.msg)
            except RecursionError:
                self._malformed("it is nested too deeply")
            self._fill()

    def _peek(self) -> str:
        """The next character that is no space, which stays; empty at the end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in _SPACE:
                    return character
                self._line += character == "\n"
                self._at += 1
            if self._ended:
                return ""
            self._fill()

    def _take(self, character: str) -> str:
        self._at += 1
        return character

    def _expect(self, allowed: str) -> str:
        character = self._peek()
        if not character or character not in allowed:
            self._malformed(" or ".join(f"'{c}'" for c in allowed) + " is expected")
        return self._take(character)

    def _fill(self) -> None:
        kept = self._text[self._at :]
        chunk = self._stream.read(max(_CHUNK, len(kept)))
        try:
            self._text = kept + self._bytes.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise RefusedError(
                "bad_encoding", f"{self._file} is not valid UTF-8.", "Export it as UTF-8.", file=self._file
            ) from error
        self._at, self._ended = 0, not chunk

    def _constant(self, name: str) -> NoReturn:
        self._malformed(f"{name} is no JSON number")

    def _malformed(self, detail: str) -> NoReturn:
        raise RefusedError(
            "malformed_json",
            f"{self._file} is no valid JSON: {detail} (line {self._line:,}).",
            "Export it again; a JSON validator shows the place.",
            file=self._file,
            line=self._line,
        )

    def _no_grants(self, what: str) -> RefusedError:
        return RefusedError(
            "not_grants",
            f"{self._file} holds no grants but {what}.",
            "Send a 360Giving package: a JSON object with a list 'grants'.",
            file=self._file,
        )
