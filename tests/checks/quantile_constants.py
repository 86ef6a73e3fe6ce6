"""Makes the constants of ``dbt_project/macros/statistics/distributions.sql``: polynomials through exact values.

Run by hand when a confidence or a function is added (``python -m tests.checks.quantile_constants``; needs mpmath, which
nothing else does), and put what it prints into the macro. What belongs here: how the constants came about. What does
not: the proof that they are right; that is ``tests/unit/test_statistics.py``, against another implementation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp  # type: ignore[import-not-found,import-untyped,unused-ignore]

TAILS = ("0.025", "0.975", "0.001", "0.999")
PRECISION = mp.mpf("3e-14")
Function = Callable[[Any], Any]


def main() -> None:
    """Print a Jinja literal for every function: pieces of (until, middle, half width, coefficients from x^0 on)."""
    mp.mp.dps = 50
    for tail in TAILS:
        # Of shape 1 and more: the cube root of quantile over shape, in 1 / sqrt(shape); it goes to 1 at 0.
        write(f"'{tail}' from 1 on", lambda u, p=tail: mp.e ** ((log_quantile(p, 1 / u**2) + 2 * mp.log(u)) / 3), 0, 1)
        if mp.mpf(tail) < 0.5:
            # Below 1: the logarithm of the quantile, times the shape; it goes to log(p) at 0.
            write(f"'{tail}' below 1", lambda a, p=tail: a * log_quantile(p, a), 0, 1)
    # exp(x²) erfc(x) in t = 1 / (1 + x): from x = 0 (t = 1) to infinity (t = 0), divided by t, which it falls with.
    write("erfc", lambda t: mp.e ** ((1 / t - 1) ** 2) * mp.erfc(1 / t - 1) / t, 0, 1)


def log_quantile(p: Any, shape: Any) -> Any:
    """Logarithm of the quantile of a gamma distribution with scale 1, by Newton's method in it."""
    p, shape = mp.mpf(p), mp.mpf(shape)
    z = mp.sqrt(2) * mp.erfinv(2 * p - 1)
    cube_root = 1 - 1 / (9 * shape) + z / (3 * mp.sqrt(shape))
    y = mp.log(shape * cube_root**3) if cube_root > 0.25 else (mp.log(p) + mp.loggamma(shape + 1)) / shape
    for _ in range(100):
        density = mp.e ** (shape * y - mp.e**y - mp.loggamma(shape))
        if p < 0.5:
            below = mp.gammainc(shape, 0, mp.e**y, regularized=True)
            step = (mp.log(below) - mp.log(p)) * below / density
        else:
            above = mp.gammainc(shape, mp.e**y, mp.inf, regularized=True)
            step = (mp.log(1 - p) - mp.log(above)) * above / density
        y -= step if abs(step) < 1 else mp.sign(step)
        if abs(step) < mp.mpf(10) ** -30:
            return y
    raise ArithmeticError(f"no quantile {p} of shape {shape}")


def write(name: str, function: Function, low: float, high: float) -> None:
    sys.stdout.write(f"{name}\n")
    for until, middle, half, coefficients in pieces(function, mp.mpf(low), mp.mpf(high)):
        numbers = [f"'{scientific(value)}'" for value in coefficients]
        sys.stdout.write(f"    ['{mp.nstr(until, 6)}', '{mp.nstr(middle, 6)}', '{mp.nstr(half, 6)}', [\n")
        for start in range(0, len(numbers), 4):
            sys.stdout.write(f"        {', '.join(numbers[start : start + 4])},\n")
        sys.stdout.write("    ]],\n")


def scientific(value: Any) -> str:
    """Always with an exponent: SQL takes 1.5 for a DECIMAL."""
    text = str(mp.nstr(value, 17, min_fixed=0, max_fixed=0))
    return text if "e" in text else f"{text}e0"


def pieces(function: Function, low: Any, high: Any, degree: int = 14) -> list[tuple[Any, Any, Any, Sequence[Any]]]:
    """Halve the interval until a polynomial of the degree meets the function everywhere."""
    middle, half = (low + high) / 2, (high - low) / 2
    for n in range(6, degree + 1):
        coefficients = polynomial(function, middle, half, n)
        places = [mp.mpf(k) / 12 for k in range(-11, 12)]
        exact = [function(middle + half * x) for x in places]
        worst = max(
            abs(mp.polyval(list(reversed(coefficients)), x) / e - 1) for x, e in zip(places, exact, strict=True)
        )
        if worst < PRECISION:
            return [(high, middle, half, coefficients)]
    return pieces(function, low, middle, degree) + pieces(function, middle, high, degree)


def polynomial(function: Function, middle: Any, half: Any, degree: int) -> list[Any]:
    """Through the Chebyshev points of an interval, as coefficients of powers of (x - middle) / half."""
    count = degree + 1
    angles = [mp.pi * (2 * k + 1) / (2 * count) for k in range(count)]
    values = [function(middle + half * mp.cos(angle)) for angle in angles]
    total = [mp.mpf(0)] * count
    before, current = [mp.mpf(0)], [mp.mpf(1)]
    for j in range(count):
        weight = (1 if j == 0 else 2) * sum(v * mp.cos(j * a) for v, a in zip(values, angles, strict=True)) / count
        for i, c in enumerate(current):
            total[i] += weight * c
        doubled = [mp.mpf(0)] + [(1 if j == 0 else 2) * c for c in current]
        for i, c in enumerate(before):
            doubled[i] -= c if j else 0
        before, current = current, doubled
    return total


if __name__ == "__main__":
    main()
