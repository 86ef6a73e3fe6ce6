"""Statistics macros against the vectors of the domain brief and against an implementation of their own kind."""

from __future__ import annotations

import itertools
import math
import statistics
from datetime import date
from statistics import NormalDist
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats  # type: ignore[import-untyped]

from tests.dbt_macros import render
from tests.statistics_sql import evaluate, evaluate_all, macro, rows_of

CONFIDENCE = {"95": 0.95, "99.8": 0.998}


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


def test_what_is_no_part_has_no_interval() -> None:
    for x in (8, -1):
        assert evaluate("wilson_lower('x', 'n', 95)", x=x, n=7) is None
        assert evaluate("wilson_upper('x', 'n', 95)", x=x, n=7) is None


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
    quantile = macro(f"t_quantile('df', {confidence})")
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


def chart(values: list[float], **parameters: int | bool | None) -> list[dict[str, Any]]:
    """An XmR chart of one series."""
    return charts([{"value": float(value)} for value in values], **parameters)


def charts(points: list[dict[str, Any]], **parameters: object) -> list[dict[str, Any]]:
    """Control charts of points a month apart, of one series unless they say otherwise."""
    arguments = ", ".join(f"{name}={value!r}".replace("=None", "=none") for name, value in parameters.items())
    rows = [{"series": "s", "point_on": date(2020 + i // 12, i % 12 + 1, 1), **p} for i, p in enumerate(points)]
    return rows_of(f"spc('points', ['series'], {arguments or 'fix_after=none'})", "series, point_on", points=rows)


def flags(points: list[dict[str, Any]]) -> str:
    return "".join(p["rule_code"] or "." for p in points)


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


def test_pitfall_16_limits_follow_the_moving_range_and_not_the_spread() -> None:
    """A slow drift: its standard deviation is wide, its moving range is not, and only the latter tells the drift."""
    values = [float(v) for v in range(24)]
    points = chart(values, fix_after=None)
    assert points[0]["upper_limit"] - points[0]["mean"] == pytest.approx(2.66)
    assert flags(points).count(".") == 0
    assert statistics.stdev(values) * 3 > 20


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
    sql = macro("spc_variation('s', 'd')")
    assert duckdb.sql(f"SELECT {sql} FROM (SELECT {sign} AS s, {direction} AS d)").fetchall() == [(meaning,)]


@pytest.mark.parametrize(
    ("target", "direction", "meaning"),
    [
        *((90, 1, "consistent_fail"), (10, 1, "consistent_pass"), (50, 1, "inconsistent"), (10, -1, "consistent_fail")),
        *((90, -1, "consistent_pass"), (50, -1, "inconsistent"), (None, 1, None), (50, 0, None)),
    ],
)
def test_assurance_compares_the_target_with_the_limits(target: int | None, direction: int, meaning: str | None) -> None:
    sql = macro("spc_assurance('20', '80', 't', 'd')")
    row = f"(SELECT {'NULL' if target is None else target}::double AS t, {direction} AS d)"
    assert duckdb.sql(f"SELECT {sql} FROM {row}").fetchall() == [(meaning,)]


@pytest.mark.parametrize(
    ("n", "k", "groups"), [(8, 4, [1, 1, 2, 2, 3, 3, 4, 4]), (9, 4, [1, 1, 1, 2, 2, 3, 3, 4, 4]), (3, 4, [None] * 3)]
)
def test_quantile_groups(n: int, k: int, groups: list[int | None]) -> None:
    sql = macro(f"quantile_group('rank', '{n}', {k})")
    assert [
        row[0] for row in duckdb.sql(f"SELECT {sql} FROM range(1, {n + 1}) AS r(rank) ORDER BY rank").fetchall()
    ] == groups


@pytest.mark.parametrize(("direction", "expected"), [(1, 37.5), (0, 37.5), (-1, 62.5)])
def test_percentile_rank_counts_ties_half(direction: int, expected: float) -> None:
    assert evaluate("percentile_rank('below', 'equal', 'n', 'd')", below=2, equal=2, n=8, d=direction) == expected


@pytest.mark.parametrize(
    ("value", "band"),
    [(0.05, "low998"), (0.2, "low95"), (0.3, "within"), (0.4, "high95"), (0.6, "high998"), (None, None)],
)
def test_funnel_bands(value: float | None, band: str | None) -> None:
    sql = macro("funnel_band('v', '0.15', '0.21', '0.39', '0.45')")
    row = f"(SELECT {'NULL' if value is None else value}::double AS v)"
    assert duckdb.sql(f"SELECT {sql} FROM {row}").fetchall() == [(band,)]


def test_a_funnel_without_centre_has_no_limits() -> None:
    assert evaluate("funnel_lower('c', 'n', 95)", c=None, n=10) is None
    assert evaluate("funnel_upper('c', 'n', 95)", c=None, n=10) is None


# --- distributions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["0.025", "0.975", "0.001", "0.999"])
def test_gamma_quantiles_are_exact(tail: str) -> None:
    """Of half a degree of freedom and more for lower tails, of one and more for upper ones."""
    lowest = 0.5 if float(tail) < 0.5 else 1.0
    shapes = [float(v) for v in np.concatenate([np.linspace(lowest, 20, 400), np.geomspace(20, 1e7, 400)])]
    found = evaluate_all(f"gamma_quantile('a', '{tail}')", [{"a": a} for a in shapes])
    assert found == pytest.approx(list(special.gammaincinv(shapes, float(tail))), rel=1e-12)


def test_gamma_quantiles_end_where_the_distribution_does() -> None:
    assert evaluate("gamma_quantile('a', '0.025')", a=0) == 0
    assert evaluate("gamma_quantile('a', '0.025')", a=1e-3) == pytest.approx(0, abs=1e-300)
    for tail, shape in (("0.025", -1), ("0.025", None), ("0.975", 0.5), ("0.975", None)):
        assert evaluate(f"gamma_quantile('a', '{tail}')", a=shape) is None


@pytest.mark.parametrize(("confidence", "tails"), [("95", ("0.025", "0.975")), ("99.8", ("0.001", "0.999"))])
def test_exact_counts_below_ten_are_the_gamma_quantiles(confidence: str, tails: tuple[str, str]) -> None:
    for x in range(1, 10):
        lower, upper = (evaluate(f"count_{side}('x', {confidence})", x=x) for side in ("lower", "upper"))
        assert lower == pytest.approx(evaluate(f"gamma_quantile('x', '{tails[0]}')", x=x), rel=1e-12)
        assert upper == pytest.approx(evaluate(f"gamma_quantile('(x + 1)', '{tails[1]}')", x=x), rel=1e-12)


def test_the_complementary_error_function_is_exact() -> None:
    places = [i / 50 for i in range(1250)]
    assert evaluate_all("erfc('x')", [{"x": x} for x in places]) == pytest.approx(
        [math.erfc(x) for x in places], rel=1e-12
    )


def test_p_of_z_is_two_sided() -> None:
    assert evaluate("p_of_z('z')", z=-1.959963984540054) == pytest.approx(0.05, rel=1e-12)
    assert evaluate("p_of_z('z')", z=0) == pytest.approx(1, rel=1e-12)


def test_p_of_chi_square_is_exact() -> None:
    rows: list[dict[str, float | None]] = [
        {"s": s, "d": d} for d in range(1, 61) for s in (0.0, 0.01, 1.0, 3.84, 10.5, 40.0, 90.0, 300.0)
    ]
    expected = [float(stats.chi2.sf(row["s"], row["d"])) for row in rows]
    assert evaluate_all("p_of_chi_square('s', 'd')", rows) == pytest.approx(expected, rel=1e-12)
    assert evaluate("p_of_chi_square('s', 'd')", s=5, d=61) is None
    assert evaluate("p_of_chi_square('s', 'd')", s=5, d=0) is None


# --- funnels ------------------------------------------------------------------------------------------------------

EIGHT = [(12, 100), (30, 150), (9, 80), (60, 210), (22, 120), (5, 90), (44, 160), (18, 95)]


def spread(members: list[tuple[float, float]], scale: str, **parameters: object) -> dict[str, Any]:
    """Over-dispersion of one group."""
    centre = sum(x for x, _ in members) / sum(n for _, n in members) if scale == "proportion" else 1.0
    arguments = "".join(f", {name}={value!r}" for name, value in parameters.items())
    z, weight = macro(f"funnel_z('x', 'n', '{centre!r}', '{scale}')"), macro(f"funnel_weight('n', '{scale}')")
    values = ", ".join(f"({x}::double, {n}::double)" for x, n in members)
    points = f"SELECT 'g' AS g, {z} AS z, {weight} AS weight FROM (VALUES {values}) AS m(x, n)"
    (found,) = rows_of(f"over_dispersion('points', ['g']{arguments})", "g", points=points)
    return found | {"centre": centre}


def test_over_dispersion_of_proportions() -> None:
    found = spread(EIGHT, "proportion")
    assert found["phi"] == pytest.approx(3.5849, abs=5e-5)
    assert found["tau_squared"] == pytest.approx(0.0062614, abs=5e-8)
    limits = [
        evaluate(f"funnel_{side}('c', 'n', 95, tau_squared='t')", c=found["centre"], n=100, t=found["tau_squared"])
        for side in ("lower", "upper")
    ]
    assert limits == pytest.approx([0.0758, 0.3623], abs=5e-5)


def test_members_that_differ_by_chance_are_not_over_dispersed() -> None:
    found = spread([(10, 100), (11, 100), (12, 100), (11, 105)], "proportion")
    assert found["phi"] < 1
    assert found["tau_squared"] == 0


def test_truncation_leaves_out_the_lowest_and_the_highest_tenth() -> None:
    members = [(5.0 + i, 10.0) for i in range(10)]
    found = spread(members, "ratio", trim="truncate")
    kept = sorted(math.log(x / e) * math.sqrt(e) for x, e in members)[1:-1]
    assert found["member_count"] == 8
    assert found["phi"] == pytest.approx(sum(z * z for z in kept) / 8, rel=1e-9)


def test_the_root_scale_of_ratios() -> None:
    found = spread([(16.0, 9.0), (4.0, 9.0), (9.0, 9.0)], "root_ratio", share=0.0)
    z = [(math.sqrt(x / 9) - 1) * 6 for x in (16, 4, 9)]
    assert found["phi"] == pytest.approx(sum(v * v for v in z) / 3, rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 20, 1000])
def test_over_dispersed_limits_are_clipped_and_monotone(n: int) -> None:
    narrow, wide = (
        [
            evaluate(f"funnel_{side}('c', 'n', 99.8, tau_squared='t')", c=0.05, n=size, t=0.01)
            for side in ("lower", "upper")
        ]
        for size in (n + 1, n)
    )
    assert 0 <= wide[0] <= narrow[0] <= 0.05 <= narrow[1] <= wide[1] <= 1  # type: ignore[operator]


def test_without_a_spread_the_plain_limits_hold() -> None:
    for call in ("funnel_upper('c', 'n', 95{})", "funnel_lower('c', 'n', 99.8{})"):
        with_null = evaluate(call.format(", tau_squared='t'"), c=0.3, n=50, t=None)
        assert with_null == evaluate(call.format(""), c=0.3, n=50)
    assert evaluate("ratio_funnel_upper('e', 95, tau_squared='t')", e=4, t=None) == evaluate(
        "ratio_funnel_upper('e', 95)", e=4
    )


@pytest.mark.parametrize(("confidence", "level"), CONFIDENCE.items())
def test_ratio_limits_are_exact_poisson(confidence: str, level: float) -> None:
    tail = (1 - level) / 2
    for expected in (0.7, 1.1, 5.42, 60.0, 1234.5):
        lower, upper = (evaluate(f"ratio_funnel_{side}('e', {confidence})", e=expected) for side in ("lower", "upper"))
        assert lower == pytest.approx(stats.chi2.ppf(tail, 2 * expected) / (2 * expected), rel=1e-12)
        assert upper == pytest.approx(stats.chi2.ppf(1 - tail, 2 * (expected + 1)) / (2 * expected), rel=1e-12)


def test_z_can_be_rounded_as_a_publication_did() -> None:
    assert evaluate("z_quantile(95, decimals=6)", x=0) == 1.959964
    assert evaluate("z_quantile(99.8, decimals=6)", x=0) == 3.090232
    plain, rounded = (
        evaluate(f"ratio_funnel_upper('e', 95, tau_squared='t'{z})", e=5, t=0.1) for z in ("", ", z_decimals=6")
    )
    assert plain != rounded
    assert rounded == pytest.approx(math.exp(1.959964 * math.sqrt(0.3)), rel=1e-15)


# --- standardisation, strata, differences -------------------------------------------------------------------------


def test_direct_standardisation() -> None:
    strata = [
        *(
            {"a": "x", "events": e, "population": p, "standard_population": w}
            for e, p, w in [(6, 1000, 5000), (18, 800, 3000)]
        ),
        *(
            {"a": "few", "events": e, "population": p, "standard_population": w}
            for e, p, w in [(4, 1000, 5000), (5, 800, 3000)]
        ),
    ]
    few, found = rows_of("directly_standardised('strata', ['a'], 95)", "a", strata=strata)
    rate = (5000 * 6 / 1000 + 3000 * 18 / 800) / 8000
    variance = (5000**2 * 6 / 1000**2 + 3000**2 * 18 / 800**2) / 8000**2
    byar = [evaluate(f"count_{side}('x', 95)", x=24) for side in ("lower", "upper")]
    limits = [1e5 * (rate + (b - 24) * math.sqrt(variance / 24)) for b in byar if b is not None]
    assert found["rate"] == pytest.approx(1e5 * rate, rel=1e-12)
    assert [found["rate_lower"], found["rate_upper"]] == pytest.approx(limits, rel=1e-12)
    assert few["event_count"] == 9
    assert few["rate"] is few["rate_lower"] is few["rate_upper"] is None


def test_indirect_standardisation() -> None:
    reference = {"young": (50, 10000), "old": (400, 8000)}
    own = [("young", 3, 900), ("old", 60, 700)]
    strata = [
        {
            "a": "x",
            "events": e,
            "population": p,
            "reference_events": reference[g][0],
            "reference_population": reference[g][1],
        }
        for g, e, p in own
    ]
    strata.append({"a": "hole", "events": 1, "population": 5, "reference_events": 1, "reference_population": 0})
    hole, found = rows_of("indirectly_standardised('strata', ['a'], 95)", "a", strata=strata)
    expected = 900 * 50 / 10000 + 700 * 400 / 8000
    assert (found["observed"], found["expected"]) == pytest.approx((63, expected), rel=1e-12)
    assert found["ratio"] == pytest.approx(63 / expected, rel=1e-12)
    assert found["ratio_upper"] == pytest.approx(evaluate("count_upper('x', 95)", x=63) / expected, rel=1e-12)  # type: ignore[operator]
    assert hole["expected"] is hole["ratio"] is None


def test_stratified_proportion() -> None:
    strata = [
        *({"a": "x", "x": x, "n": n, "population": p} for x, n, p in [(30, 50, 400), (10, 40, 900), (5, 5, 5)]),
        *({"a": "lone", "x": x, "n": n, "population": p} for x, n, p in [(30, 50, 400), (1, 1, 20)]),
    ]
    lone, found = rows_of("stratified_proportion('strata', ['a'])", "a", strata=strata)
    estimate = (0.6 * 400 + 0.25 * 900 + 5) / 1305
    variance = (0.24 * 400**2 * (1 - 50 / 400) / 49 + 0.1875 * 900**2 * (1 - 40 / 900) / 39) / 1305**2
    assert found["proportion"] == pytest.approx(estimate, rel=1e-12)
    assert found["standard_error"] == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert lone["proportion"] is not None and lone["standard_error"] is None


def test_stratified_proportion_at_its_ends() -> None:
    strata = [
        *({"a": "all alike", "x": n, "n": n, "population": p} for n, p in [(8, 20), (6, 40)]),
        {"a": "everybody", "x": 5, "n": 5, "population": 5},
        *({"a": "more than there are", "x": x, "n": n, "population": p} for x, n, p in [(4, 8, 6), (5, 10, 50)]),
    ]
    alike, everybody, more = rows_of("stratified_proportion('strata', ['a'])", "a", strata=strata)
    assert (alike["proportion"], alike["standard_error"]) == (1, None)
    assert (everybody["proportion"], everybody["standard_error"]) == (1, 0)
    assert more["standard_error"] == pytest.approx(math.sqrt(0.25 * 50**2 * (1 - 10 / 50) / 9) / 56, rel=1e-12)


def test_newcombe_difference_of_two_proportions() -> None:
    """Newcombe's own example (1998): 56/70 against 48/80, 0.0524 to 0.3339."""
    found = [evaluate(f"difference_{s}('a', 'b', 'c', 'd', 95)", a=56, b=70, c=48, d=80) for s in ("lower", "upper")]
    assert found == pytest.approx([0.0524, 0.3339], abs=5e-5)
    assert evaluate("difference_lower('a', 'b', 'c', 'd', 95)", a=5, b=0, c=48, d=80) is None


def test_ratio_of_two_rates() -> None:
    found = [
        evaluate(f"rate_ratio_limit('a', 'b', 'c', 'd', 95, {side})", a=30, b=1000, c=20, d=1500) for side in (-1, 1)
    ]
    half = 1.959963984540054 * math.sqrt(1 / 30 + 1 / 20)
    assert found == pytest.approx([2.25 * math.exp(-half), 2.25 * math.exp(half)], rel=1e-12)
    assert evaluate("rate_ratio_limit('a', 'b', 'c', 'd', 95, 1)", a=0, b=1000, c=20, d=1500) is None


def test_adjusted_p_of_a_family_of_tests() -> None:
    """Benjamini and Hochberg (1995): the fifteen p of their example."""
    ps = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    sql = macro("adjusted_p('p', '15', 'r', 'f', 'p')")
    values = ", ".join(f"('f', {p}::double, {i})" for i, p in enumerate(ps, 1))
    found = [row[0] for row in duckdb.sql(f"SELECT {sql} FROM (VALUES {values}) AS t(f, p, r) ORDER BY r").fetchall()]
    assert found == pytest.approx(list(stats.false_discovery_control(ps)), rel=1e-12)
    assert sum(p <= 0.05 for p in found) == 4


def test_a_score_is_blank_where_most_values_are_the_same() -> None:
    assert evaluate("mad_score('v', 'm', 'd')", v=7.2, m=7.6, d=0.2) == pytest.approx(-2)
    assert evaluate("mad_score('v', 'm', 'd')", v=7.2, m=7.6, d=0) is None


# --- charts of counts ---------------------------------------------------------------------------------------------


def attribute_points(pairs: list[tuple[int, int]], chart: str, multiplier: float = 1.0) -> list[dict[str, Any]]:
    return [
        {"chart_code": chart, "numerator": x, "denominator": n, "multiplier": multiplier, "value": multiplier * x / n}
        for x, n in pairs
    ]


PAIRS = [(12, 100), (30, 150), (9, 80), (60, 210), (22, 120), (5, 90), (44, 160), (18, 95), (13, 99), (21, 140)]


def test_p_chart_has_the_limits_of_each_size_around_sum_over_sum() -> None:
    points = charts(attribute_points(PAIRS, "p", 100), charts=["p"])
    centre = sum(x for x, _ in PAIRS) / sum(n for _, n in PAIRS)
    for point, (_, n) in zip(points, PAIRS, strict=True):
        assert point["mean"] == pytest.approx(100 * centre, rel=1e-12)
        reach = 300 * math.sqrt(centre * (1 - centre) / n)
        assert point["upper_limit"] - point["mean"] == pytest.approx(reach, rel=1e-12)
        assert point["mean"] - point["near_lower_limit"] == pytest.approx(2 / 3 * reach, rel=1e-12)


def test_u_chart_and_xmr_side_by_side() -> None:
    xmr = [{"series": "x", **point, "chart_code": "xmr"} for point in attribute_points(PAIRS, "xmr", 1000)]
    both = charts([*attribute_points(PAIRS, "u", 1000), *xmr], charts=["xmr", "u"])
    u, alone = both[: len(PAIRS)], chart([1000 * x / n for x, n in PAIRS])
    centre = sum(x for x, _ in PAIRS) / sum(n for _, n in PAIRS)
    assert [p["upper_limit"] for p in u] == pytest.approx(
        [1000 * (centre + 3 * math.sqrt(centre / n)) for _, n in PAIRS], rel=1e-12
    )
    assert [p["upper_limit"] for p in both[len(PAIRS) :]] == pytest.approx([p["upper_limit"] for p in alone], rel=1e-12)


def test_laney_widens_the_limits_by_the_variation_between_points() -> None:
    plain = charts(attribute_points(PAIRS, "p"), charts=["p"])
    prime = charts(attribute_points(PAIRS, "p_prime"), charts=["p_prime"])
    z = [(p["value"] - p["mean"]) / ((p["upper_limit"] - p["mean"]) / 3) for p in plain]
    sigma_z = sum(abs(a - b) for a, b in itertools.pairwise(z)) / (len(z) - 1) / 1.128
    assert sigma_z > 1
    for one, other in zip(plain, prime, strict=True):
        assert other["sigma_z"] == pytest.approx(sigma_z, rel=1e-9)
        assert other["upper_limit"] - other["mean"] == pytest.approx(
            (one["upper_limit"] - one["mean"]) * sigma_z, rel=1e-9
        )


def test_a_proportion_that_never_moves_has_no_reach() -> None:
    points = charts(attribute_points([(0, 10), (0, 20), (0, 15)], "p_prime"), charts=["p_prime"])
    assert {p["upper_limit"] for p in points} == {0}


def test_limits_are_not_made_from_fewer_than_twelve_points() -> None:
    with pytest.raises(Exception, match="exceptions"):
        chart([1, 2, 3], fix_after=11)


def test_a_series_can_say_how_many_points_fix_its_limits() -> None:
    values = VECTORS[0][0]
    points = charts([{"value": float(v), "limit_count": 12} for v in values], fix_after="limit_count")
    assert flags(points) == VECTORS[0][2]
    free = charts([{"value": float(v), "limit_count": None} for v in values], fix_after="cast(limit_count as int)")
    assert free[0]["mean"] == pytest.approx(sum(values) / len(values))
