"""Statistics macros against the vectors of the domain brief and against an implementation of their own kind."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from tests.dbt_macros import render

CONFIDENCE = {"95": 0.95, "99.8": 0.998}


@cache
def _sql(expression: str) -> str:
    return render("{{ " + expression + " }}", "statistics")


def evaluate_all(expression: str, rows: list[dict[str, float | None]]) -> list[float | None]:
    """A macro call over columns, row by row."""
    selects = " UNION ALL ".join(
        f"SELECT {i} AS i, "
        + ", ".join(f"CAST({'NULL' if v is None else repr(v)} AS double) AS {k}" for k, v in row.items())
        for i, row in enumerate(rows)
    )
    return [row[1] for row in duckdb.sql(f"SELECT i, {_sql(expression)} FROM ({selects}) ORDER BY i").fetchall()]


def evaluate(expression: str, **values: float | None) -> float | None:
    """A macro call over columns of one row."""
    return evaluate_all(expression, [dict(values)])[0]


@pytest.mark.parametrize(("confidence", "level"), CONFIDENCE.items())
def test_normal_quantiles_are_exact(confidence: str, level: float) -> None:
    found = evaluate(f"z_quantile({confidence})", x=0)
    assert found == pytest.approx(NormalDist().inv_cdf((1 + level) / 2), rel=1e-15)


def test_an_unknown_confidence_is_refused() -> None:
    with pytest.raises(Exception, match="exceptions"):
        render("{{ z_quantile(90) }}", "statistics")


@pytest.mark.parametrize(
    ("x", "n", "lower", "upper"), [(65, 100, 0.5525, 0.7364), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1)]
)
def test_wilson_vectors(x: int, n: int, lower: float, upper: float) -> None:
    assert evaluate("wilson_lower('x', 'n', 95)", x=x, n=n) == pytest.approx(lower, abs=5e-5)
    assert evaluate("wilson_upper('x', 'n', 95)", x=x, n=n) == pytest.approx(upper, abs=5e-5)


def test_wilson_is_exact_at_the_ends_and_silent_without_a_denominator() -> None:
    assert evaluate("wilson_lower('x', 'n', 95)", x=0, n=7) == 0
    assert evaluate("wilson_upper('x', 'n', 99.8)", x=7, n=7) == 1
    for n in (0, None):
        assert evaluate("wilson_lower('x', 'n', 95)", x=0, n=n) is None
        assert evaluate("wilson_upper('x', 'n', 95)", x=0, n=n) is None


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), min_size=20, max_size=50))
def test_wilson_encloses_the_proportion(pairs: list[tuple[int, int]]) -> None:
    rows: list[dict[str, float | None]] = [{"x": min(p), "n": max(*p, 1)} for p in pairs]
    lowers, uppers = evaluate_all("wilson_lower('x', 'n', 95)", rows), evaluate_all("wilson_upper('x', 'n', 95)", rows)
    z = NormalDist().inv_cdf(0.975)
    for row, lower, upper in zip(rows, lowers, uppers, strict=True):
        x, n = row["x"], row["n"]
        assert x is not None and n is not None and lower is not None and upper is not None
        centre, half = (x + z * z / 2) / (n + z * z), z / (n + z * z) * math.sqrt(x * (n - x) / n + z * z / 4)
        assert lower == pytest.approx(max(0, centre - half), abs=1e-12)
        assert upper == pytest.approx(min(1, centre + half), abs=1e-12)
        assert 0 <= lower <= x / n <= upper <= 1


@pytest.mark.parametrize(("x", "lower", "upper"), [(65, 50.163, 82.849), (10, 4.787, 18.391)])
def test_byar_vectors(x: int, lower: float, upper: float) -> None:
    assert evaluate("count_lower('x', 95)", x=x) == pytest.approx(lower, abs=5e-4)
    assert evaluate("count_upper('x', 95)", x=x) == pytest.approx(upper, abs=5e-4)


@pytest.mark.parametrize(("confidence", "level"), CONFIDENCE.items())
@pytest.mark.parametrize("x", range(10))
def test_counts_below_ten_are_exact(confidence: str, level: float, x: int) -> None:
    tail = (1 - level) / 2
    lower = 0 if x == 0 else stats.chi2.ppf(tail, 2 * x) / 2
    assert evaluate(f"count_lower('x', {confidence})", x=x) == pytest.approx(lower, rel=1e-12)
    assert evaluate(f"count_upper('x', {confidence})", x=x) == pytest.approx(
        stats.chi2.ppf(1 - tail, 2 * x + 2) / 2, rel=1e-12
    )


@pytest.mark.parametrize(("confidence", "level"), CONFIDENCE.items())
def test_student_quantiles_are_exact(confidence: str, level: float) -> None:
    quantile = _sql(f"t_quantile('df', {confidence})")
    found = duckdb.sql(f"SELECT df, {quantile} FROM range(1, 3001) AS numbers(df) ORDER BY df").fetchall()
    for df, value in found:
        assert value == pytest.approx(stats.t.ppf((1 + level) / 2, df), rel=1e-12), df
    assert evaluate(f"t_quantile('df', {confidence})", df=1e9) == pytest.approx(
        NormalDist().inv_cdf((1 + level) / 2), rel=1e-8
    )
    assert evaluate(f"t_quantile('df', {confidence})", df=0) is None


@settings(max_examples=20)
@given(st.lists(st.integers(0, 4000), min_size=2, max_size=60))
def test_interval_of_a_mean(values: list[int]) -> None:
    n, total, squares = len(values), sum(values), sum(v * v for v in values)
    found = evaluate("mean_half_width('n', 'total', 'squares', 95)", n=n, total=total, squares=squares)
    expected = stats.t.ppf(0.975, n - 1) * stats.sem(values)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-4)


def test_one_value_has_no_interval() -> None:
    assert evaluate("mean_half_width('n', 'total', 'squares', 95)", n=1, total=5, squares=25) is None


def test_funnel_limits_are_the_normal_approximation_around_the_centre() -> None:
    assert evaluate("funnel_lower('p', 'n', 95)", p=0.3, n=200) == pytest.approx(
        0.3 - 1.959963984540054 * 0.0324037, abs=1e-6
    )
    assert evaluate("funnel_upper('p', 'n', 99.8)", p=0.3, n=200) == pytest.approx(
        0.3 + 3.090232306167814 * 0.0324037, abs=1e-6
    )
    assert evaluate("funnel_lower('p', 'n', 99.8)", p=0.01, n=20) == 0
    assert evaluate("funnel_upper('p', 'n', 99.8)", p=0.99, n=20) == 1
    assert evaluate("funnel_upper('p', 'n', 95)", p=0.5, n=0) is None


def chart(values: list[float], **parameters: int | bool | None) -> list[dict[str, object]]:
    """An XmR chart of one series."""
    arguments = ", ".join(f"{name}={value!r}".replace("=None", "=none") for name, value in parameters.items())
    sql = _sql(f"xmr('points', ['series'], {arguments or 'fix_after=none'})")
    rows = ", ".join(
        f"('s', DATE '2020-01-01' + INTERVAL {i} MONTH, CAST({v!r} AS double))" for i, v in enumerate(values)
    )
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE points AS SELECT * FROM (VALUES {rows}) AS p(series, point_on, value)")
    found = connection.execute(f"SELECT * FROM {sql} ORDER BY point_on")
    names = [d[0] for d in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def flags(points: list[dict[str, object]]) -> str:
    return "".join(str(p["rule_code"] or ".") for p in points)


VECTORS = [
    (
        [50, 52, 49, 51, 53, 50, 48, 52, 51, 49, 50, 52, 55, 56, 57, 56, 58, 57, 56, 55],
        (50.5833, 2.1818, 44.7797, 56.387),
        "...........S22A2AA22",
    ),
    (
        [10, 12, 11, 13, 12, 11, 10, 12, 11, 13, 14, 15, 16, 17, 18, 19, 20],
        (12.0, 1.3636, 8.3727, 15.6273),
        "........TTTTAAAAA",
    ),
]


@pytest.mark.parametrize(("values", "limits", "marks"), VECTORS)
def test_xmr_with_fixed_limits(values: list[float], limits: tuple[float, ...], marks: str) -> None:
    points = chart(values, fix_after=12, is_screened=True)
    last = points[-1]
    found = (last["mean"], last["mean_moving_range"], last["lower_limit"], last["upper_limit"])
    assert found == pytest.approx(limits, abs=5e-5)
    assert flags(points) == marks


@pytest.mark.parametrize(("is_screened", "lower", "upper"), [(True, -0.7156, 4.6044), (False, -3.0626, 6.9515)])
def test_xmr_screens_one_wild_range(is_screened: bool, lower: float, upper: float) -> None:
    points = chart([1, 2, 1, 2, 10, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1], is_screened=is_screened)
    assert points[0]["lower_limit"] == pytest.approx(lower, abs=5e-5)
    assert points[0]["upper_limit"] == pytest.approx(upper, abs=5e-5)


def test_a_tie_breaks_a_trend_and_a_point_on_the_mean_breaks_a_shift() -> None:
    assert "T" not in flags(chart([1, 2, 3, 3, 4, 5, 6]))
    assert flags(chart([1, 2, 3, 3.5, 4, 5, 6])) == "ATTTTTA"
    assert "S" not in flags(chart([1, 1, 1, 2, 1, 1, 1, 3, 3, 3, 2, 3, 3, 3]))


def test_lengths_of_shift_and_trend_are_parameters() -> None:
    values = [5.0, 4, 6, 5, 4, 6, 5, 4, 6, 5, 4, 6, 5.2, 5.4, 5.6, 5.8, 6.0, 6.2]
    assert flags(chart(values, fix_after=12)) == "...........SSSSSSS"
    assert flags(chart(values, fix_after=12, trend_length=6)) == "...........STTTTTT"
    assert flags(chart(values, fix_after=12, shift_length=8)) == "." * 18


def test_a_flat_series_has_no_range_and_no_signal() -> None:
    points = chart([3.0] * 15)
    assert points[0]["lower_limit"] == points[0]["upper_limit"] == 3
    assert flags(points) == "." * 15


@pytest.mark.parametrize(
    ("sign", "direction", "meaning"),
    [
        (0, 1, "common_cause"),
        (1, 1, "improvement"),
        (1, -1, "concern"),
        (-1, -1, "improvement"),
        (1, 0, "high"),
        (-1, 0, "low"),
    ],
)
def test_variation_follows_the_direction(sign: int, direction: int, meaning: str) -> None:
    sql = _sql("xmr_variation('s', 'd')")
    assert duckdb.sql(f"SELECT {sql} FROM (SELECT {sign} AS s, {direction} AS d)").fetchall() == [(meaning,)]


@pytest.mark.parametrize(
    ("target", "direction", "meaning"),
    [
        *((90, 1, "consistent_fail"), (10, 1, "consistent_pass"), (50, 1, "inconsistent"), (10, -1, "consistent_fail")),
        *((90, -1, "consistent_pass"), (50, -1, "inconsistent"), (None, 1, None), (50, 0, None)),
    ],
)
def test_assurance_compares_the_target_with_the_limits(target: int | None, direction: int, meaning: str | None) -> None:
    sql = _sql("xmr_assurance('20', '80', 't', 'd')")
    row = f"(SELECT {'NULL' if target is None else target}::double AS t, {direction} AS d)"
    assert duckdb.sql(f"SELECT {sql} FROM {row}").fetchall() == [(meaning,)]


@pytest.mark.parametrize(
    ("n", "k", "groups"), [(8, 4, [1, 1, 2, 2, 3, 3, 4, 4]), (9, 4, [1, 1, 1, 2, 2, 3, 3, 4, 4]), (3, 4, [None] * 3)]
)
def test_quantile_groups(n: int, k: int, groups: list[int | None]) -> None:
    sql = _sql(f"quantile_group('rank', '{n}', {k})")
    assert [
        row[0] for row in duckdb.sql(f"SELECT {sql} FROM range(1, {n + 1}) AS r(rank) ORDER BY rank").fetchall()
    ] == groups


@pytest.mark.parametrize(("direction", "expected"), [(1, 37.5), (0, 37.5), (-1, 62.5)])
def test_percentile_rank_counts_ties_half(direction: int, expected: float) -> None:
    assert evaluate("percentile_rank('below', 'equal', 'n', 'd')", below=2, equal=2, n=8, d=direction) == expected


@pytest.mark.parametrize(
    ("proportion", "band"),
    [(0.05, "low998"), (0.2, "low95"), (0.3, "within"), (0.4, "high95"), (0.6, "high998"), (None, None)],
)
def test_funnel_bands(proportion: float | None, band: str | None) -> None:
    sql = _sql("funnel_band('p', 'c', 'n')")
    row = f"(SELECT {'NULL' if proportion is None else proportion}::double AS p, 0.3 AS c, 100 AS n)"
    assert duckdb.sql(f"SELECT {sql} FROM {row}").fetchall() == [(band,)]


def test_a_funnel_without_centre_has_no_limits() -> None:
    assert evaluate("funnel_lower('c', 'n', 95)", c=None, n=10) is None
    assert evaluate("funnel_upper('c', 'n', 95)", c=None, n=10) is None
