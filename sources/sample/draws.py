"""Random draws that are the same on every machine.

What belongs here: a seeded generator that hands out integers only, and the integer tables from which distributions
are drawn. No floating-point distribution is used anywhere in the sample, because libraries of mathematics differ in
the last digit from machine to machine. What does not: what the numbers mean.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Draws:
    """A stream of draws for one purpose. Streams of different keys are independent of each other."""

    def __init__(self, *key: int | str):
        words = [part if isinstance(part, int) else zlib.crc32(part.encode()) for part in key]
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))

    def below(self, limit: int, size: int) -> Ints:
        """``size`` integers from 0 to ``limit`` - 1, each equally likely."""
        return self._generator.integers(0, limit, size, dtype=np.int64)

    def between(self, first: int, last: int, size: int) -> Ints:
        """``size`` integers from ``first`` to ``last``, both included."""
        return self._generator.integers(first, last + 1, size, dtype=np.int64)

    def chance(self, permille: int | Ints, size: int) -> Flags:
        """True with a probability of ``permille`` in a thousand."""
        flags: Flags = self.below(1000, size) < permille
        return flags

    def out_of(self, table: Ints, size: int) -> Ints:
        """``size`` entries of a table made by :func:`spread` or :func:`weighted`."""
        drawn: Ints = table[self.below(len(table), size)]
        return drawn

    def matrix(self, rows: int, columns: int) -> Ints:
        """Large equally likely integers, for ranking."""
        return self._generator.integers(0, 2**62, (rows, columns), dtype=np.int64)

    def hex(self, digits: int) -> str:
        """A text of hexadecimal digits."""
        return "".join("0123456789abcdef"[i] for i in self.below(16, digits))


@cache
def spread(*quantiles: int, steps: int = 1000) -> Ints:
    """A table whose quantiles are the given ones, evenly spaced, straight lines between them."""
    spans = len(quantiles) - 1
    entries = []
    for step in range(steps):
        at = step * spans
        low = at // steps
        entries.append(quantiles[low] + (quantiles[low + 1] - quantiles[low]) * (at % steps) // steps)
    table = np.array(entries, dtype=np.int64)
    table.setflags(write=False)
    return table


def weighted(weights: Mapping[int, int]) -> Ints:
    """A table that holds every key as often as its weight says."""
    return np.repeat(np.array(list(weights), dtype=np.int64), list(weights.values()))


def by_weight(weights: Sequence[int]) -> Ints:
    """A table of positions, each as often as its weight says."""
    return weighted(dict(enumerate(weights)))
