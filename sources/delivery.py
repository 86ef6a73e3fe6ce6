"""A delivery: the files that a sender hands over at one time, opened without trusting them.

What belongs here: opening a zip, a folder or a single file, listing its members, streaming their bytes, the limits that
keep a hostile archive from doing harm, and the identity of a delivery. What does not: what the members mean.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO, cast

from sources.errors import RefusedError

MIB = 1 << 20
GIB = 1 << 30

ARCHIVE_SUFFIXES = frozenset({".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".zst"})
"""Archives inside a delivery are not opened; Office files are zips too, but are read as one file. A file that gzip
compressed is no archive: outside a zip it is read as the file that it was, under its name without the suffix."""

JUNK_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})

READABLE_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""The others can't be unpacked in steps of bounded size by the standard library."""

DIRECTORY_BYTES_PER_MEMBER = 1024
"""A zip's directory is read into memory as a whole, so its size is checked before; names average far below this."""

_ENCRYPTED = 0x1
_CHUNK = MIB


@dataclass(frozen=True)
class Limits:
    """What a delivery may cost at most. A region file can set them per source."""

    max_members: int = 10_000
    max_member_bytes: int = 8 * GIB
    max_total_bytes: int = 16 * GIB
    max_ratio: int = 200
    """Uncompressed by compressed bytes of one member. Sparse CSV files reach about 60, a bomb about 1,000."""
    ratio_floor_bytes: int = 16 * MIB
    """Members smaller than this may compress as well as they like: they do no harm."""
    max_name_bytes: int = 1024


@dataclass(frozen=True)
class Member:
    """One file of a delivery. ``name`` is a POSIX path without the folder that all members share."""

    name: str
    size: int


@dataclass(frozen=True)
class Ignored:
    """An entry that is no member, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class _Entry:
    """A candidate for a member, under its full name; ``open`` gives the plain stream."""

    name: str
    size: int
    open: Callable[[], BinaryIO]
    packed: int | None = None
    """Its size in the archive; None for a file that is in none."""


class EnoughError(Exception):
    """More of a member was asked for than the beginning that :meth:`Delivery.beginning` gives."""


class Delivery:
    """The members of a delivery, in order of their names; use as a context manager. See :func:`open_delivery`."""

    def __init__(
        self,
        name: str,
        entries: Mapping[str, _Entry],
        ignored: Iterable[Ignored],
        limits: Limits,
        close: Callable[[], None],
    ):
        self.name = name
        self.limits = limits
        self.ignored = tuple(sorted(ignored, key=lambda i: i.name))
        self._entries = dict(sorted(entries.items()))
        self._close = close
        self._most: int | None = None
        """Bytes of each member that may be read; None: all."""
        self.members = tuple(Member(name, entry.size) for name, entry in self._entries.items())

    def __enter__(self) -> Delivery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._close()

    def beginning(self, max_bytes: int) -> Delivery:
        """The same delivery for a first look: reading on behind about so many bytes of a member raises
        :class:`EnoughError`. What is refused before that is refused of the whole, too."""
        begun = Delivery(self.name, self._entries, self.ignored, self.limits, self._close)
        begun._most = max_bytes
        return begun

    def open(self, name: str) -> BinaryIO:
        """Stream one member. It can be rewound (at the price of reading again). A damaged archive, or content of a size
        other than stated, raises :class:`RefusedError` where it shows."""
        entry = self._entries[name]
        return cast(BinaryIO, io.BufferedReader(_GuardedStream(name, entry, self._most), buffer_size=_CHUNK))

    def folder_of(self, name: str) -> str:
        """Name of the folder that holds a member as it was sent, also where all members share it; empty if none."""
        return PurePosixPath(self._entries[name].name).parent.name

    def read_bytes(self, name: str, limit: int) -> bytes:
        """A whole member, for files that must be in memory; refused when it has more than ``limit`` bytes."""
        with self.open(name) as stream:
            content = stream.read(limit + 1)
        if len(content) > limit:
            raise RefusedError(
                "file_too_large",
                f"{name} has more than the {limit:,} bytes that are read of such a file.",
                "Split the file.",
                file=name,
            )
        return content

    def find(self, basename: str) -> Member | None:
        """The member with this base name, whatever its case and folder."""
        found = [m for m in self.members if PurePosixPath(m.name).name.casefold() == basename.casefold()]
        if len(found) > 1:
            names = ", ".join(m.name for m in found[:5])
            raise RefusedError(
                "ambiguous_member",
                f"{self.name} holds {basename} more than once: {names}.",
                "Send each file once.",
                file=found[0].name,
            )
        return found[0] if found else None

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """The sha256 (hex) of every member's content. The first access reads the whole delivery once."""
        digests: dict[str, str] = {}
        for name in self._entries:
            digest = hashlib.sha256()
            with self.open(name) as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
            digests[name] = digest.hexdigest()
        return digests

    @cached_property
    def delivery_id(self) -> str:
        """32 hex digits that depend on names and content only: a zip and its unpacked folder are the same delivery."""
        identity = hashlib.sha256()
        for name, digest in sorted(self.digests.items()):
            identity.update(f"{name}\0{digest}\n".encode("utf-8", "surrogatepass"))
        return identity.hexdigest()[:32]


def open_delivery(path: Path, limits: Limits = Limits()) -> Delivery:
    """Open a zip, a folder or a single file. Raises :class:`RefusedError` for what can't be used safely.

    Nothing is unpacked, but single files that gzip compressed. Hidden files and system litter are skipped, archives
    within the delivery are ignored (``Delivery.ignored`` says so), and the folder that all members share is taken off
    their names.
    """
    path = Path(path)
    try:
        status = path.lstat()
    except OSError as error:
        raise _unreadable(path.name, path.name, error) from error
    if stat.S_ISLNK(status.st_mode):
        raise _symlink(path.name)
    if stat.S_ISDIR(status.st_mode):
        return _open_folder(path, limits)
    if not stat.S_ISREG(status.st_mode):
        raise _special_file(path.name)
    if status.st_size == 0:
        raise RefusedError(
            "empty_file",
            f"{path.name} has no content (0 bytes).",
            "Export it again and send the new file.",
            file=path.name,
        )
    if path.suffix.lower() == ".zip":
        return _open_zip(path, limits)
    return _open_file(path, status.st_size, limits)


def _open_file(path: Path, size: int, limits: Limits) -> Delivery:
    name = _checked_name(path.name, path.name, limits)
    if _is_gzipped(name):
        entry = _gzip_entry(name, size, _opener(path, name), limits)
        return _delivery(path.name, [entry], [], limits, close=lambda: None)
    if path.suffix.lower() in ARCHIVE_SUFFIXES:
        raise RefusedError(
            "unsupported_archive",
            f"{path.name} is an archive of a kind that is not read.",
            "Send a .zip, or the files themselves.",
            file=path.name,
        )
    entry = _Entry(name, size, _opener(path, name))
    return _delivery(path.name, [entry], [], limits, close=lambda: None)


def _open_folder(root: Path, limits: Limits) -> Delivery:
    entries: list[_Entry] = []
    ignored: list[Ignored] = []
    seen = 0
    pending = [root]
    while pending:
        for item in _listing(pending.pop(), root.name):
            seen += 1
            _check_count(root.name, seen, limits)
            name = _checked_name(root.name, Path(item.path).relative_to(root).as_posix(), limits)
            if _is_junk(item.name):
                ignored.append(Ignored(name, "hidden or system file"))
            elif item.is_symlink():
                raise _symlink(name)
            elif item.is_dir(follow_symlinks=False):
                pending.append(Path(item.path))
            elif not item.is_file(follow_symlinks=False):
                raise _special_file(name)
            else:
                size, opener = item.stat(follow_symlinks=False).st_size, _opener(Path(item.path), name)
                entries.append(
                    _gzip_entry(name, size, opener, limits) if _is_gzipped(name) else _Entry(name, size, opener)
                )
    return _delivery(root.name, entries, ignored, limits, close=lambda: None)


def _listing(folder: Path, container: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            yield from listing
    except OSError as error:
        raise _unreadable(container, folder.name, error) from error


def _opener(path: Path, name: str) -> Callable[[], BinaryIO]:
    return lambda: _open_regular(path, name)


def _open_regular(path: Path, name: str) -> BinaryIO:
    """Open a file that was regular when it was listed, and refuse it if it was swapped for a link since."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(name, name, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _special_file(name)
    return cast(BinaryIO, os.fdopen(descriptor, "rb", buffering=0))


def _is_gzipped(name: str) -> bool:
    """One compressed file, such as ``figures.csv.gz``; ``.tar.gz`` is an archive."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    return len(suffixes) > 1 and suffixes[-1] == ".gz" and suffixes[-2] not in ARCHIVE_SUFFIXES


def _gzip_entry(name: str, packed: int, opener: Callable[[], BinaryIO], limits: Limits) -> _Entry:
    """A gzipped file as the file that it was. Its own statement of its size is a remainder, so it is unpacked once."""

    def unpacked() -> BinaryIO:
        return cast(BinaryIO, _Unzipped(opener()))

    size = 0
    try:
        with unpacked() as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                _check_ratio(name, size, packed, limits)
                if size > limits.max_member_bytes:
                    raise _member_too_large(name, limits)
    except _READ_ERRORS as error:
        raise RefusedError(
            "corrupt_gzip",
            f"{name} is damaged or not compressed by gzip ({error}).",
            "Compress it again, or send it as it is.",
            file=name,
        ) from error
    return _Entry(name[: -len(".gz")], size, unpacked, packed)


class _Unzipped(gzip.GzipFile):
    """A gzipped stream that closes the stream below with it."""

    def __init__(self, below: BinaryIO):
        super().__init__(fileobj=below, mode="rb")
        self._below = below

    def close(self) -> None:
        super().close()
        self._below.close()


def _open_zip(path: Path, limits: Limits) -> Delivery:
    stream = _open_regular(path, path.name)
    try:
        _check_directory_size(path.name, stream, limits)
        archive = zipfile.ZipFile(stream)
        entries, ignored = _zip_entries(path.name, archive, limits)
        return _delivery(path.name, entries, ignored, limits, close=stream.close)
    except BaseException as error:
        stream.close()
        if isinstance(error, _READ_ERRORS):
            raise _corrupt(path.name, str(error)) from error
        raise


def _zip_entries(container: str, archive: zipfile.ZipFile, limits: Limits) -> tuple[list[_Entry], list[Ignored]]:
    infos = archive.infolist()
    _check_count(container, len(infos), limits)
    _check_overlap(container, infos)
    entries: list[_Entry] = []
    ignored: list[Ignored] = []
    for info in infos:
        name = _safe_name(container, info, limits)
        if not name or info.is_dir() or info.filename.endswith("\\"):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _symlink(name)
        if any(_is_junk(part) for part in name.split("/")):
            ignored.append(Ignored(name, "hidden or system file"))
            continue
        if info.flag_bits & _ENCRYPTED:
            raise RefusedError("encrypted", f"{name} is encrypted.", "Send the archive without a password.", file=name)
        if info.compress_type not in READABLE_METHODS:
            raise RefusedError(
                "unsupported_compression",
                f"{name} is compressed by a method that is not read (number {info.compress_type}).",
                "Make the zip with the usual method, Deflate.",
                file=name,
            )
        _check_ratio(name, info.file_size, info.compress_size, limits)
        entries.append(_Entry(name, info.file_size, _zip_opener(archive, info), info.compress_size))
    return entries, ignored


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, archive.open(info))


def _delivery(
    name: str, entries: list[_Entry], ignored: list[Ignored], limits: Limits, *, close: Callable[[], None]
) -> Delivery:
    """Apply what holds for every kind of container: nested archives, totals, the shared folder, colliding names."""
    nested = [e for e in entries if PurePosixPath(e.name).suffix.lower() in ARCHIVE_SUFFIXES]
    kept = [e for e in entries if e not in nested]
    ignored = [*ignored, *(Ignored(e.name, "archive inside the delivery") for e in nested)]
    if not kept and nested:
        raise RefusedError(
            "nested_archive",
            f"{name} holds nothing but other archives, such as {nested[0].name}.",
            "Send the inner archive itself, or its files.",
            file=nested[0].name,
        )
    if not kept:
        raise RefusedError("empty_delivery", f"{name} holds no files.", "Export again and send the new files.")
    for entry in kept:
        if entry.size > limits.max_member_bytes:
            raise _member_too_large(entry.name, limits)
    if sum(entry.size for entry in kept) > limits.max_total_bytes:
        raise _too_large(name, limits)
    return Delivery(name, _by_short_name(kept), ignored, limits, close)


def _by_short_name(entries: list[_Entry]) -> dict[str, _Entry]:
    folders = [PurePosixPath(entry.name).parent.parts for entry in entries]
    shared = 0
    while all(len(f) > shared and f[shared] == folders[0][shared] for f in folders):
        shared += 1
    found: dict[str, _Entry] = {}
    spelt: dict[str, str] = {}
    for entry in entries:
        name = "/".join(PurePosixPath(entry.name).parts[shared:])
        other = spelt.setdefault(name.casefold(), name)
        if name in found or other != name:
            rule = "duplicate_member" if name in found else "name_collision"
            raise RefusedError(
                rule,
                f"{name} and {other} have the same name." if rule == "name_collision" else f"{name} occurs twice.",
                "Send each file once, under a name of its own.",
                file=name,
            )
        found[name] = entry
    return found


def _safe_name(container: str, info: zipfile.ZipInfo, limits: Limits) -> str:
    """The name of a zip entry as a relative POSIX path, or a refusal if it points out of the archive."""
    name = _checked_name(container, info.filename.replace("\\", "/"), limits)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or (parts and len(parts[0]) >= 2 and parts[0][1] == ":"):
        raise RefusedError(
            "path_traversal",
            f"{container} holds a file whose name points out of the archive: {name}.",
            "Make the zip from the files' own folder, with relative names.",
            file=name,
        )
    return "/".join(parts)


def _checked_name(container: str, name: str, limits: Limits) -> str:
    """The name in its composed form, which does not depend on the sender's system."""
    if len(name.encode("utf-8", "replace")) > limits.max_name_bytes:
        raise RefusedError(
            "name_too_long", f"{container} holds a file with an overlong name.", "Shorten the name.", file=name[:100]
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise RefusedError(
            "unsafe_name",
            f"{container} holds a file whose name has characters that are no text: {name!a}.",
            "Rename the file.",
            file=ascii(name),
        )
    return unicodedata.normalize("NFC", name)


def _is_junk(part: str) -> bool:
    return part.startswith((".", "~$")) or part.casefold() in JUNK_NAMES


def _check_count(container: str, count: int, limits: Limits) -> None:
    if count > limits.max_members:
        raise RefusedError(
            "too_many_files",
            f"{container} holds more than {limits.max_members:,} files.",
            "Send only the files of this export, or raise `limits: {max_files: …}` of this source in the region file.",
        )


def _check_ratio(name: str, size: int, packed: int, limits: Limits) -> None:
    if size > limits.ratio_floor_bytes and size > limits.max_ratio * max(packed, 1):
        raise RefusedError(
            "zip_bomb",
            f"{name} grows to more than {limits.max_ratio} times its compressed size.",
            "Send the file uncompressed if it is genuine, or raise `limits: {max_compression: …}` of this source in "
            "the region file.",
            file=name,
        )


def _check_overlap(container: str, infos: list[zipfile.ZipInfo]) -> None:
    """Bombs without nesting let many entries share the same compressed bytes."""
    end, previous = 0, ""
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset < 0:
            raise _corrupt(container, "its start is missing")
        if info.header_offset < end:
            raise RefusedError(
                "zip_bomb",
                f"In {container}, {previous} and {info.filename} share the same bytes.",
                "Make the zip again with a common program.",
                file=info.filename,
            )
        end, previous = info.header_offset + info.compress_size, info.filename


def _check_directory_size(container: str, stream: BinaryIO, limits: Limits) -> None:
    """Refuse a zip whose directory alone would fill the memory; what is not found here, zipfile refuses."""
    size = stream.seek(0, os.SEEK_END)
    tail_size = min(size, (1 << 16) + 22 + 20 + 56)
    stream.seek(size - tail_size)
    tail = stream.read(tail_size)
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        return
    (directory,) = struct.unpack_from("<L", tail, end + 12)
    end64 = tail.rfind(b"PK\6\6", 0, end)
    if end64 >= 0 and len(tail) >= end64 + 56:
        (directory64,) = struct.unpack_from("<Q", tail, end64 + 40)
        directory = max(directory64, 0 if directory == 0xFFFFFFFF else directory)
    if directory > limits.max_members * DIRECTORY_BYTES_PER_MEMBER:
        _check_count(container, limits.max_members + 1, limits)


class _GuardedStream(io.RawIOBase):
    """A member's bytes, counted as they really come, whatever the directory of the archive promised."""

    def __init__(self, name: str, entry: _Entry, most: int | None):
        self._name, self._entry, self._count = name, entry, 0
        self._most = entry.size if most is None else most
        with self._translated():
            self._source = entry.open()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._source.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with self._translated():
            self._count = self._source.seek(offset, whence)
        return self._count

    def tell(self) -> int:
        return self._count

    def readinto(self, target: Any) -> int:
        if self._most <= self._count < self._entry.size:
            raise EnoughError(self._name)
        with self._translated():
            data = self._source.read(len(target))
        self._count += len(data)
        self._check(ended=not data and len(target) > 0)
        target[: len(data)] = data
        return len(data)

    def _check(self, *, ended: bool) -> None:
        """The stated sizes are within the limits (that was checked when the delivery was opened), so it is enough that
        what comes is neither more nor less than was stated."""
        if self._count > self._entry.size or (ended and self._count < self._entry.size):
            raise self._damaged("its size is not the one stated")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _READ_ERRORS as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, detail: str) -> RefusedError:
        if self._entry.packed is not None:
            return _corrupt(self._name, detail)
        return RefusedError(
            "file_changed",
            f"{self._name} changed while it was read, or can't be read ({detail}).",
            "Deliver the files again, and leave them alone until they are loaded.",
            file=self._name,
        )

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, struct.error)


def _unreadable(container: str, name: str, error: OSError) -> RefusedError:
    return RefusedError(
        "not_readable",
        f"{name} can't be opened: {error.strerror or 'unknown reason'}.",
        "Check the location of this source in the region file, and who may read it.",
        file=container,
    )


def _corrupt(name: str, detail: str) -> RefusedError:
    return RefusedError(
        "corrupt_zip",
        f"{name} is damaged or no zip archive ({detail or 'unreadable'}).",
        "Make the zip again; if it was sent by mail or upload, compare its size with the original.",
        file=name,
    )


def _symlink(name: str) -> RefusedError:
    return RefusedError("symlink", f"{name} is a symbolic link.", "Send the file itself in place of a link.", file=name)


def _special_file(name: str) -> RefusedError:
    return RefusedError("special_file", f"{name} is neither a file nor a folder.", "Send plain files.", file=name)


def _member_too_large(name: str, limits: Limits) -> RefusedError:
    return RefusedError(
        "file_too_large",
        f"{name} has more than {limits.max_member_bytes:,} bytes.",
        "Split the export by period, or raise `limits: {max_file_bytes: …}` of this source in the region file.",
        file=name,
    )


def _too_large(name: str, limits: Limits) -> RefusedError:
    return RefusedError(
        "delivery_too_large",
        f"{name} has more than {limits.max_total_bytes:,} bytes in all.",
        "Split the export by period, or raise `limits: {max_delivery_bytes: …}` of this source in the region file.",
    )
