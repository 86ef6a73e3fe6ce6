"""Geometry of pictures: scales, ticks, paths and how numbers are written. Pure; knows no KPI."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

Place = tuple[float, float]
"""x and y of a picture; y grows downwards."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to places. A domain without extent maps to the middle."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def step_of(extent: float, count: int) -> float:
    """The 1, 2 or 5 times a power of ten that cuts ``extent`` into at most about ``count`` parts."""
    if extent <= 0:
        return 1.0
    rough = extent / max(count, 1)
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= rough * 0.999999), 10 * power)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values within ``low`` to ``high``, in order."""
    step = step_of(high - low, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 10) + 0.0 for n in range(first, last + 1)]


def domain(values: Iterable[float], floor: float | None = None, ceiling: float | None = None) -> tuple[float, float]:
    """Extent that holds all values, widened to whole steps and kept within floor and ceiling. (0, 1) for no values."""
    known = list(values)
    if not known:
        return (0.0, 1.0)
    low, high = min(known), max(known)
    if low == high:
        reach = max(abs(low) * 0.1, 1.0)
        low, high = low - reach, high + reach
    # Widened to whole steps, the extent may ask for longer ones.
    for _ in range(2):
        step = step_of(high - low, 5)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    low = low if floor is None else max(low, floor)
    high = high if ceiling is None else min(high, ceiling)
    return (low, high) if low < high else (low, low + step)


def at(value: float) -> str:
    """A coordinate, to four digits: finer than any screen."""
    return f"{value:.4g}"


def line_path(places: Sequence[Place | None]) -> str:
    """A line through the places; broken where there is None."""
    parts: list[str] = []
    pen_up = True
    for place in places:
        if place is None:
            pen_up = True
            continue
        parts.append(f"{'M' if pen_up else 'L'}{at(place[0])} {at(place[1])}")
        pen_up = False
    return "".join(parts)


def step_path(places: Sequence[Place], reach: float) -> str:
    """Level strokes at the places, half a ``reach`` to either side, joined by uprights: limits that change in jumps."""
    if not places:
        return ""
    parts = [f"M{at(places[0][0] - reach / 2)} {at(places[0][1])}"]
    for (_, before), (x, y) in pairwise(places):
        if at(before) != at(y):
            parts.append(f"H{at(x - reach / 2)}V{at(y)}")
    return "".join([*parts, f"H{at(places[-1][0] + reach / 2)}"])


_SHAPES = {
    "circle": "m-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0-{d} 0z",
    "diamond": "m0-{r}l{r} {r}l-{r} {r}l-{r}-{r}z",
    "square": "m-{r}-{r}h{d}v{d}h-{d}z",
    "up": "m0-{r}l{r} {d}h-{d}z",
    "down": "m0 {r}l{r}-{d}h-{d}z",
    "cross": "m-{r}-{r}l{d} {d}m0-{d}l-{d} {d}",
    "dash": "m-{r} 0h{d}",
}
_REACH = {"diamond": 1.35, "square": 0.95, "up": 1.15, "down": 1.15}
"""Shapes of one radius look of one size by these."""


@cache
def _outline(shape: str, radius: float) -> str:
    reach = radius * _REACH.get(shape, 1.0)
    return _SHAPES[shape].format(r=at(reach), d=at(2 * reach))


def shape_path(shape: str, x: float, y: float, radius: float) -> str:
    """Path of a mark around a place. Shapes: circle, diamond, square, up, down, cross, dash."""
    return f"M{at(x)} {at(y)}{_outline(shape, radius)}"


def number(value: float) -> str:
    """A number as people write it: thousands apart, no trailing zeros, a real minus."""
    text = f"{value:,.2f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "0") else text.replace("-", "−")
