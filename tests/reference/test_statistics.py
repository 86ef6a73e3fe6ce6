"""Statistics macros against figures that others published: Public Health England's workbooks, the A&E series as NHS-R
charts it, and the funnel of invented trusts.

What belongs here: the macros alone, over the published inputs. What does not: the same figures on their way through
connectors and models, and vectors that nobody published (``unit/test_statistics.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from tests.reference.agreement import Agreement
from tests.statistics_sql import evaluate, evaluate_all, macro, rows_of

pytestmark = pytest.mark.reference

PHE = "Public Health England, PHEindicatormethods test workbooks"
AE = "NHS England A&E attendances, XmR charts by NHSRplotthedots"
LOS = "NHS-R length-of-stay model, funnel by FunnelPlotR"
Rows = Callable[[str, str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def workbook(reference_data: Path) -> Rows:
    """Reads a sheet of a PHE workbook as rows, without the empty ones."""

    def rows(file: str, sheet: str) -> list[dict[str, Any]]:
        book = openpyxl.load_workbook(
            reference_data / "benchmark/phe-indicator-methods" / file, read_only=True, data_only=True
        )
        head, *body = book[sheet].iter_rows(values_only=True)
        book.close()
        return [dict(zip(head, row, strict=True)) for row in body if row[0] is not None]  # type: ignore[arg-type]

    return rows


def limits(sheet: str) -> dict[str, tuple[str, str]]:
    """Columns of a sheet with the published limits → confidence, side."""
    if sheet.endswith("_g"):
        return {"lowercl": ("95", "lower"), "uppercl": ("95", "upper")}
    return {
        f"{side}{text}cl": (confidence, side)
        for confidence, text in (("95", "95_0"), ("99.8", "99_8"))
        for side in ("lower", "upper")
    }


def figures(rows: list[dict[str, Any]], sheet: str, calls: Mapping[str, str]) -> Iterator[tuple[Any, Any, Any]]:
    """(key, found, published) of every figure of a sheet; ``calls``: value, and what makes the limits of a side."""
    inputs = [{"x": row["Numerator"], "n": row["Denominator"], "m": row["multiplier"]} for row in rows]
    columns = {"value": calls["value"]} | {
        column: calls["limit"].format(side=side, confidence=confidence)
        for column, (confidence, side) in limits(sheet).items()
    }
    for column, call in columns.items():
        for number, (row, found) in enumerate(zip(rows, evaluate_all(call, inputs), strict=True)):
            yield (sheet, number, column), found, row[column]


@pytest.mark.parametrize(
    ("what", "file", "sheets", "calls"),
    [
        (
            "Proportions and Wilson intervals, 95 and 99.8 %, missing inputs among them",
            "testdata_Proportion.xlsx",
            ("testdata_Prop", "testdata_Prop_g"),
            {"value": "'m * ' ~ ratio('x', 'n')", "limit": "'m * ' ~ wilson_{side}('x', 'n', {confidence})"},
        ),
        (
            "Rates and Byar's or exact intervals, 95 and 99.8 %, missing inputs among them",
            "testdata_Rate.xlsx",
            ("testdata_Rate", "testdata_Rate_g"),
            {"value": "'m * ' ~ ratio('x', 'n')", "limit": "'m * ' ~ ratio(count_{side}('x', {confidence}), 'n')"},
        ),
    ],
)
def test_phe_intervals(
    workbook: Rows, agreement: Agreement, what: str, file: str, sheets: tuple[str, ...], calls: Mapping[str, str]
) -> None:
    found, published = {}, {}
    for sheet in sheets:
        for key, ours, theirs in figures(workbook(file, sheet), sheet, calls):
            found[key], published[key] = ours, theirs
    assert any(value is None for value in published.values())
    agreement.compare(PHE, what, found, published, relative=1e-9)


def test_phe_means(workbook: Rows, agreement: Agreement) -> None:
    data = workbook("testdata_Mean.xlsx", "testdata_Mean")
    published, found = {}, {}
    for row in workbook("testdata_Mean.xlsx", "testdata_Mean_results"):
        values = [d["values"] for d in data if row["area"] in (d["area"], "No grouping")]
        sums = {"n": len(values), "s": sum(values), "q": sum(v * v for v in values)}
        ours = {"value_count": len(values), "value_sum": sum(values), "value": evaluate("ratio('s', 'n')", **sums)}
        for column, (confidence, side) in limits("").items():
            sign = "-" if side == "lower" else "+"
            call = f"ratio('s', 'n') ~ ' {sign} ' ~ mean_half_width('n', 's', 'q', {confidence})"
            ours[column] = evaluate(call, **sums)
        found |= {(row["area"], column): value for column, value in ours.items()}
        published |= {(row["area"], column): row[column] for column in ours}
    agreement.compare(PHE, "Means and t intervals, 95 and 99.8 %", found, published, relative=1e-9)


MARKS = {
    ("A", 1): "Above UCL",
    ("A", -1): "Below LCL",
    ("2", 1): "2 in 3 Above CL",
    ("2", -1): "2 in 3 Below CL",
    ("S", 1): "7 Points Above CL",
    ("S", -1): "7 Points Below CL",
    (None, 0): "Common Cause",
}
MEANINGS = {
    "common_cause": "common_cause",
    "improvement": "special_cause_improvement",
    "concern": "special_cause_concern",
}


def test_ae_charts(reference_data: Path, agreement: Agreement) -> None:
    folder = reference_data / "benchmark/nhs-ae-attendances-spc"
    expected = {
        (row["f"], row["x"]): row
        for row in duckdb.sql(f"FROM read_csv('{folder}/expected/spc_breaches_type1_10orgs.csv')")
        .df()
        .to_dict("records")
    }
    providers = ", ".join(f"'{name}'" for name in sorted({name for name, _ in expected}))
    points = (
        f"SELECT org_code, period AS point_on, CAST(breaches AS double) AS value "
        f"FROM read_csv('{folder}/ae_attendances.csv', types={{'type': 'VARCHAR'}}) "
        f"WHERE type = '1' AND org_code IN ({providers})"
    )
    found = rows_of("spc('points', ['org_code'])", "org_code, point_on", points=points)
    variation = macro("spc_variation('rule_sign', '-1')")
    meanings = dict(
        duckdb.sql(f"SELECT rule_sign, {variation} FROM (VALUES (-1), (0), (1)) AS v(rule_sign)").fetchall()
    )
    ours = {(row["org_code"], row["point_on"]): row for row in found}
    keys = {key: (key[0], key[1].date()) for key in expected}
    assert len(ours) == len(keys) == 360
    for what, column, published in (
        ("mean", "mean", "mean_col"),
        ("lower process limit", "lower_limit", "lpl"),
        ("upper process limit", "upper_limit", "upl"),
    ):
        agreement.compare(
            AE,
            f"Breaches of 10 providers × 36 months, type 1: {what}",
            {key: ours[own][column] for key, own in keys.items()},
            {key: expected[key][published] for key in keys},
            relative=1e-9,
        )
    marks = {key: MARKS[ours[own]["rule_code"], ours[own]["rule_sign"]] for key, own in keys.items()}
    agreement.compare(
        AE,
        "Breaches of 10 providers × 36 months, type 1: special cause",
        marks,
        {key: expected[key]["special_cause_type"] for key in keys},
    )
    agreement.compare(
        AE,
        "Breaches of 10 providers × 36 months, type 1: improvement or concern",
        {key: MEANINGS[meanings[ours[own]["rule_sign"]]] for key, own in keys.items()},
        {key: expected[key]["point_type"] for key in keys},
    )
    agreement.compare(
        AE,
        "Breaches of 10 providers × 36 months, type 1: close to a limit",
        {key: bool(ours[own]["is_near"]) for key, own in keys.items()},
        {key: bool(expected[key]["close_to_limits"]) for key in keys},
    )


@pytest.fixture(scope="module")
def trusts(reference_data: Path) -> dict[str, dict[str, float]]:
    """Trust → observed and expected deaths. Limits and z are made from expectations of two decimals, ratios not."""
    file = reference_data / "benchmark/nhs-funnel-los/LOS_model_with_preds.csv"
    rows = duckdb.sql(f"SELECT Organisation, sum(Death), sum(preds) FROM read_csv('{file}') GROUP BY ALL").fetchall()
    return {
        name: {"o": float(observed), "e": round(expected, 2), "exact": expected} for name, observed, expected in rows
    }


@pytest.fixture(scope="module")
def spread(trusts: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Over-dispersion as the SHMI has it: the highest and the lowest tenth left out."""
    values = ", ".join(f"({row['o']}::double, {row['e']}::double)" for row in trusts.values())
    z, weight = macro("funnel_z('o', 'e', '1', 'ratio')"), macro("funnel_weight('e', 'ratio')")
    points = f"SELECT 'all' AS g, {z} AS z, {weight} AS weight FROM (VALUES {values}) AS t(o, e)"
    (found,) = rows_of("over_dispersion('points', ['g'], trim='truncate')", "g", points=points)
    return found


def test_funnel_spread(spread: dict[str, Any]) -> None:
    assert (spread["member_count"], spread["tau_squared"]) == (8, 0)
    assert spread["phi"] == pytest.approx(0.189258, abs=5e-7)


LIMITS = {
    "without over-dispersion": {
        ("95", "lower"): "ratio_funnel_lower('e', 95)",
        ("95", "upper"): "ratio_funnel_upper('e', 95)",
        ("99.8", "lower"): "ratio_funnel_lower('e', 99.8)",
        ("99.8", "upper"): "ratio_funnel_upper('e', 99.8)",
    },
    "with over-dispersion (z rounded to six decimals, as there)": {
        ("95", "lower"): "ratio_funnel_lower('e', 95, tau_squared='t', z_decimals=6)",
        ("95", "upper"): "ratio_funnel_upper('e', 95, tau_squared='t', z_decimals=6)",
        ("99.8", "lower"): "ratio_funnel_lower('e', 99.8, tau_squared='t', z_decimals=6)",
        ("99.8", "upper"): "ratio_funnel_upper('e', 99.8, tau_squared='t', z_decimals=6)",
    },
}
NAMES = {
    ("funnel_aggregated", "without over-dispersion"): ("LCL95", "UCL95", "LCL99", "UCL99"),
    ("funnel_limits_lookup", "without over-dispersion"): ("ll95", "ul95", "ll998", "ul998"),
    ("funnel_aggregated", "with"): ("OD95LCL", "OD95UCL", "OD99LCL", "OD99UCL"),
    ("funnel_limits_lookup", "with"): ("odll95", "odul95", "odll998", "odul998"),
}


@pytest.mark.parametrize(
    ("file", "size"), [("funnel_aggregated", "denominator"), ("funnel_limits_lookup", "number_seq")]
)
@pytest.mark.parametrize("kind", list(LIMITS))
def test_funnel_limits(
    reference_data: Path, spread: dict[str, Any], agreement: Agreement, file: str, size: str, kind: str
) -> None:
    path = reference_data / f"benchmark/nhs-funnel-los/expected/{file}.csv"
    rows = duckdb.sql(f"FROM read_csv('{path}')").df().to_dict("records")
    columns = NAMES[file, kind if kind.startswith("without") else "with"]
    inputs = [{"e": row[size], "t": spread["tau_squared"]} for row in rows]
    found, published = {}, {}
    for column, call in zip(columns, LIMITS[kind].values(), strict=True):
        for number, value in enumerate(evaluate_all(call, inputs)):
            found[number, column], published[number, column] = value, rows[number][column]
    where = "at the ten trusts" if file == "funnel_aggregated" else "along the curves"
    agreement.compare(LOS, f"Funnel limits of observed over expected {kind}, {where}", found, published, relative=1e-6)


def test_funnel_ratios(reference_data: Path, trusts: dict[str, dict[str, float]], agreement: Agreement) -> None:
    path = reference_data / "benchmark/nhs-funnel-los/expected/funnel_aggregated.csv"
    published = {row["group"]: row for row in duckdb.sql(f"FROM read_csv('{path}')").df().to_dict("records")}
    ours = {
        name: {
            "numerator": row["o"],
            "denominator": row["e"],
            "rr": evaluate("ratio('o', 'exact')", **row),
            "Uzscore": evaluate("funnel_z('o', 'e', '1', 'ratio')", **row),
        }
        for name, row in trusts.items()
    }
    agreement.compare(
        LOS,
        "Observed, expected, their ratio and z of the ten trusts",
        {(name, column): value for name, row in ours.items() for column, value in row.items()},
        {(name, column): published[name][column] for name in published for column in ours[name]},
        relative=1e-9,
    )
