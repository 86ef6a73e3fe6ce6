"""The structure of a block of CSV text: where its lines, records, delimiters and quotes lie.

What belongs here: positions, found with numpy over the bytes and never record by record. What does not: what a field
says, and which records are accepted.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

TAB, LF, CR, QUOTE = 9, 10, 13, 34

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]


class Scan:
    """Where quotes, line ends and delimiters lie in one block.

    Whether a byte is inside quotes follows from the number of quotes between it and the start of its record. So there
    are two readings of a block, by the parity of quotes before a record's start, and both are prepared: after a broken
    record the scan goes on under the other one without looking at the bytes again.
    """

    def __init__(self, data: bytes, delimiter: int, final: bool):
        self.bytes: ByteArray = np.frombuffer(data, dtype=np.uint8)
        self.size = len(data)
        self._delimiter = delimiter
        self.line_ends = self._find_line_ends(data, final)
        self.has_quotes = b'"' in data
        if self.has_quotes:
            self._quotes: BoolArray = self.bytes == QUOTE
            self._inside = _running_parity(self._quotes)
            """Whether the quotes up to and with each byte are odd in number: set at an opening quote, not at a closing
            one."""

    def _find_line_ends(self, data: bytes, final: bool) -> IntArray:
        """The last byte of every line end. A CR as the last byte of a block may still become a CRLF."""
        feeds = np.flatnonzero(self.bytes == LF)
        if b"\r" not in data:
            return feeds
        returns = np.flatnonzero(self.bytes == CR)
        if returns[-1] == self.size - 1 and not final:
            returns = returns[:-1]
        follows = np.minimum(returns + 1, self.size - 1)
        alone = returns[self.bytes[follows] != LF]
        return feeds if not len(alone) else np.sort(np.concatenate([feeds, alone]))

    def parity(self, at: int) -> int:
        """Quotes before ``at``, modulo 2."""
        return int(self._inside[at - 1]) if self.has_quotes and at else 0

    def record_ends(self, parity: int) -> IntArray:
        if not self.has_quotes:
            return self.line_ends
        return self._record_ends_by_parity[parity]

    def delimiters(self, parity: int) -> IntArray:
        """Delimiters outside quotes."""
        return self._even_delimiters if parity == 0 else self._odd_delimiters

    def misplaced_quotes(self, parity: int) -> IntArray:
        if not self.has_quotes:
            return np.empty(0, dtype=np.int64)
        return self._even_misplaced if parity == 0 else self._odd_misplaced

    def has_pair(self, first: int, second: int) -> bool:
        """Whether the one byte is anywhere followed by the other."""
        return bool(((self.bytes[:-1] == first) & (self.bytes[1:] == second)).any())

    @cached_property
    def _record_ends_by_parity(self) -> tuple[IntArray, IntArray]:
        inside = self._inside[self.line_ends]
        return self.line_ends[~inside], self.line_ends[inside]

    @cached_property
    def _even_delimiters(self) -> IntArray:
        mask = self.bytes == self._delimiter
        if self.has_quotes:
            mask &= ~self._inside
        return np.flatnonzero(mask)

    @cached_property
    def _odd_delimiters(self) -> IntArray:
        return np.flatnonzero((self.bytes == self._delimiter) & self._inside)

    @cached_property
    def _unfit_quotes(self) -> tuple[BoolArray, BoolArray]:
        """Quotes that can't open a value, and that can't close one: those must follow, these must precede a delimiter,
        a line end or a quote. At the edges of a block there is nothing to object to: a record starts there, or is not
        complete."""
        fits = self._quotes | (self.bytes == self._delimiter)
        fits |= self.bytes == LF
        fits |= self.bytes == CR
        cannot_open, cannot_close = self._quotes.copy(), self._quotes.copy()
        cannot_open[1:] &= ~fits[:-1]
        cannot_close[:-1] &= ~fits[1:]
        cannot_open[0] = cannot_close[-1] = False
        return cannot_open, cannot_close

    @cached_property
    def _even_misplaced(self) -> IntArray:
        cannot_open, cannot_close = self._unfit_quotes
        return np.flatnonzero((cannot_open & self._inside) | (cannot_close & ~self._inside))

    @cached_property
    def _odd_misplaced(self) -> IntArray:
        cannot_open, cannot_close = self._unfit_quotes
        return np.flatnonzero((cannot_close & self._inside) | (cannot_open & ~self._inside))


def _running_parity(bits: BoolArray) -> BoolArray:
    """Whether the number of set bits up to and with each place is odd: per byte of packed bits by table, the carry from
    byte to byte by a running xor over an eighth of the places."""
    packed = np.packbits(bits)
    carries = np.bitwise_xor.accumulate(_BYTE_PARITY[packed])
    running = _PREFIX_PARITY[packed]
    running[1:] ^= carries[:-1]
    return np.unpackbits(running, count=len(bits)).view(np.bool_)


def _prefix_parity(byte: int) -> int:
    for shift in (1, 2, 4):
        byte ^= byte >> shift
    return byte


_PREFIX_PARITY: ByteArray = np.array([_prefix_parity(byte) for byte in range(256)], dtype=np.uint8)
"""Bit i (from the left): parity of the bits up to i."""
_BYTE_PARITY: ByteArray = np.where(_PREFIX_PARITY & 1, 0xFF, 0).astype(np.uint8)


def all_from(positions: IntArray, at: int, count: int | None = None) -> IntArray:
    """The sorted positions that are not before ``at``; at most ``count``."""
    first = int(positions.searchsorted(at))
    return positions[first : None if count is None else first + count]


def first_from(positions: IntArray, at: int, default: int) -> int:
    found = all_from(positions, at, 1)
    return int(found[0]) if len(found) else default
