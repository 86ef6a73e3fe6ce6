"""Files and zips that come out the same to the byte on every machine.

What belongs here: files that grow piece by piece and know their lines, and zips with fixed dates and without
compression (libraries compress differently from version to version). What does not: what is written.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sources.sample.columns import Texts, text_bytes

OnWritten = Callable[[int, int], None]
"""Told the physical line and the row number of a record once it is written, both counted from 1."""


@dataclass(frozen=True)
class Insertion:
    """A record that is put between others."""

    at: int
    """Where among the first rows of the file, in a thousand: 0 before them, 1000 after."""
    text: bytes
    """The record as it stands in the file, with its line end."""
    on_written: OnWritten


@dataclass
class LineFile:
    """A text file with a header, written in pieces; records may be inserted into the first piece."""

    path: Path
    header: bytes
    insertions: Sequence[Insertion] = ()
    footer: bytes = b""
    skip_first: int = 0
    """Bytes to leave out of the first record, where records bring their separator with them."""
    break_before: bool = False
    """Records bring the line break before them, not the one after them."""
    rows: int = 0
    _lines: int = field(default=0, init=False)
    _stream: BinaryIO | None = field(default=None, init=False)

    def append(self, lines: Texts) -> None:
        """Write rows that are one physical line each."""
        if not len(lines):
            return
        stream = self._open()
        data, offsets = text_bytes(lines)
        start = 0
        for insertion in self._take_insertions():
            cut = len(lines) * insertion.at // 1000
            self._write(stream, data[offsets[start] : offsets[cut]])
            self._count(cut - start, cut - start)
            self._insert(stream, insertion)
            start = cut
        self._write(stream, data[offsets[start] : offsets[-1]])
        self._count(len(lines) - start, len(lines) - start)

    def close(self) -> None:
        stream = self._open()
        for insertion in self._take_insertions():
            self._insert(stream, insertion)
        stream.write(self.footer)
        stream.close()

    def _open(self) -> BinaryIO:
        if self._stream is None:
            self._stream = self.path.open("wb")
            self._stream.write(self.header)
            self._lines = self.header.count(b"\n")
        return self._stream

    def _take_insertions(self) -> list[Insertion]:
        taken, self.insertions = sorted(self.insertions, key=lambda i: i.at), ()
        return taken

    def _insert(self, stream: BinaryIO, insertion: Insertion) -> None:
        self._write(stream, insertion.text)
        insertion.on_written(self._lines + 1 + self.break_before, self.rows + 1)
        self._count(1, insertion.text.count(b"\n"))

    def _write(self, stream: BinaryIO, data: bytes | memoryview) -> None:
        if data:
            stream.write(data[self.skip_first :] if not self.rows else data)

    def _count(self, rows: int, lines: int) -> None:
        self.rows += rows
        self._lines += lines


def write_zip(path: Path, members: Mapping[str, Path | bytes], day_iso: str) -> None:
    """Pack files under their member names, in order of name."""
    year, month, day = (int(part) for part in day_iso.split("-"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            content = members[name]
            info = zipfile.ZipInfo(name, (year, month, day, 3, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            if isinstance(content, bytes):
                archive.writestr(info, content)
                continue
            info.file_size = content.stat().st_size
            with archive.open(info, "w") as target, content.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
