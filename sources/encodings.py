"""Bytes of whatever encoding as UTF-8: the first thing that happens to every text file of a delivery.

What belongs here: byte order marks, the choice between UTF-8, UTF-16 and Windows-1252, and refusing what is no text.
What does not: line ends, and anything that the text says.
"""

from __future__ import annotations

import codecs
import re
import tempfile
from typing import Any, BinaryIO, cast

from sources.errors import RefusedError

MIB = 1 << 20
BOM = codecs.BOM_UTF8

UTF_8, CP1252, MIXED = "utf-8", "cp1252", "utf-8 with cp1252"
"""``MIXED``: UTF-8 in which fewer places are invalid than valid ones go beyond ASCII, as when files of two systems were
put together. The invalid bytes alone are read as Windows-1252, so that they do not spoil every name of the file."""

# Five codes have no character: they stay what they are, as browsers have it. (The type stub knows no plain text here.)
_CP1252_CHARACTERS: Any = "".join(bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(256))
_ESCAPED = re.compile("[\udc80-\udcff]")
"""What the error handler ``surrogateescape`` makes of an invalid byte."""


class Utf8Source:
    """A stream of any accepted encoding as UTF-8 bytes without byte order mark.

    All bytes are read once at the start, so that what is wrong with them is found before the first is handed on, and
    the choice of encoding holds for the whole file. With ``encoding`` the choice is made. Raises
    :class:`RefusedError` (``nul_byte``, ``bad_encoding``). ``partial``: the stream is only the start of a file and may
    end within a character.
    """

    def __init__(self, stream: BinaryIO, file: str, encoding: str | None = None, *, partial: bool = False):
        self._file, self._partial = file, partial
        self._stream = stream if stream.seekable() else _spooled(stream)
        self.encoding = self._examine(encoding)
        self._stream.seek(0)
        self._decoder = None if self.encoding == CP1252 else _decoder(self.encoding)
        self._ahead = self._without_marks()

    def read(self, size: int) -> bytes:
        """About ``size`` bytes (after conversion it may be up to three times that); empty at the end only."""
        if self._ahead:
            text, self._ahead = self._ahead, b""
            return text
        return self._next(size)

    def _next(self, size: int) -> bytes:
        while raw := self._stream.read(size):
            if text := self._convert(raw, final=False):
                return text
        return self._convert(b"", final=True)

    def _without_marks(self) -> bytes:
        """The first text behind the byte order marks, of which there may be several."""
        text = b""
        while part := self._next(len(BOM)):
            text += part
            while text.startswith(BOM):
                text = text[len(BOM) :]
            if text and not BOM.startswith(text):
                break
        return text

    def _convert(self, raw: bytes, *, final: bool) -> bytes:
        if self.encoding == UTF_8:
            return raw
        if self._decoder is None:
            return raw if raw.isascii() else codecs.charmap_decode(raw, "strict", _CP1252_CHARACTERS)[0].encode()
        text = self._decoder.decode(raw, final and not self._partial)
        if self.encoding == MIXED:
            text = _ESCAPED.sub(lambda found: _CP1252_CHARACTERS[ord(found[0]) - 0xDC00], text)
        return text.encode()

    def _examine(self, encoding: str | None) -> str:
        start = self._stream.read(2)
        self._stream.seek(0)
        if encoding is None and start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            encoding = "utf-16"
        if encoding is None or codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
            found = self._examine_bytes()
            if found == UTF_8 or encoding is None:
                return found
            raise self._undecodable(UTF_8)
        encoding = codecs.lookup(encoding).name
        if encoding == CP1252:
            self._examine_bytes()
        else:
            self._examine_text(encoding)
        return encoding

    def _examine_bytes(self) -> str:
        """UTF-8, Windows-1252 or a mixture, whichever fits. Refuses NUL."""
        decoder = _decoder(MIXED)
        done = beyond_ascii = invalid = 0
        incomplete = False
        while chunk := self._stream.read(MIB):
            if b"\0" in chunk:
                raise self._nul(done + chunk.index(b"\0"))
            done += len(chunk)
            if incomplete or not chunk.isascii():
                text = decoder.decode(chunk)
                incomplete = decoder.getstate()[0] != b""
                beyond_ascii += len(text) - len(text.encode("ascii", "ignore"))
                invalid += _count_escaped(text)
        invalid_at_end = _count_escaped(decoder.decode(b"", not self._partial))
        invalid, beyond_ascii = invalid + invalid_at_end, beyond_ascii + invalid_at_end
        if not invalid:
            return UTF_8
        return MIXED if beyond_ascii - invalid > invalid else CP1252

    def _examine_text(self, encoding: str) -> None:
        decoder = _decoder(encoding)
        try:
            while chunk := self._stream.read(MIB):
                if "\0" in decoder.decode(chunk):
                    raise self._nul(None)
            decoder.decode(b"", not self._partial)
        except UnicodeError as error:
            raise self._undecodable(encoding) from error

    def _undecodable(self, encoding: str) -> RefusedError:
        return RefusedError(
            "bad_encoding",
            f"{self._file} is not valid {encoding.upper()} text.",
            "Export the file as UTF-8.",
            file=self._file,
        )

    def _nul(self, offset: int | None) -> RefusedError:
        line = None if offset is None else self._line_at(offset)
        return RefusedError(
            "nul_byte",
            f"{self._file} holds a NUL character{f' on line {line:,}' if line else ''}: it is damaged, or no text.",
            "Export the file again as UTF-8 text.",
            file=self._file,
            line=line,
        )

    def _line_at(self, offset: int) -> int:
        self._stream.seek(0)
        line = 1
        while offset > 0 and (chunk := self._stream.read(min(offset, MIB))):
            line += chunk.count(b"\n")
            offset -= len(chunk)
        return line


def _count_escaped(text: str) -> int:
    try:
        text.encode()
    except UnicodeEncodeError:
        return len(_ESCAPED.findall(text))
    return 0


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    if encoding == MIXED:
        return codecs.getincrementaldecoder(UTF_8)("surrogateescape")
    return codecs.getincrementaldecoder(encoding)("strict")


def _spooled(stream: BinaryIO) -> BinaryIO:
    spool = tempfile.SpooledTemporaryFile(max_size=16 * MIB)  # noqa: SIM115 - closed with its last reference
    while chunk := stream.read(MIB):
        spool.write(chunk)
    spool.seek(0)
    return cast(BinaryIO, spool)
