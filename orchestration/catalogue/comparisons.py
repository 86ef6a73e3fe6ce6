"""Figures of KPIs that hold groups of people against each other (EQ-01) or against those in need (EQ-02).

What belongs here: the region's latest year of these tables, as tables of a page. What does not: which groups may be
shown (the models decide), and other KPIs' groups (``kpi_page``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from orchestration.catalogue import words
from orchestration.catalogue.figures import Kpi
from orchestration.catalogue.pieces import Names, interval_cell, number_cell, plain_table
from orchestration.html_page import escape

_LATEST = """FROM pub.{table} WHERE level_code = 'region' AND period_start_on = (
    SELECT max(period_start_on) FROM pub.{table} WHERE level_code = 'region' AND {year})"""
_GAPS = (
    "SELECT kpi_id, version, kpi_name, slice_code, slice_value, group_value, reference_slice_value, "
    "reference_group_value, gap_pp, gap_ci95_lower, gap_ci95_upper, difference_code, period_label "
    + _LATEST.format(table="pub_equity_gap", year="period_type_code = 'financial_year'")
    + " AND period_type_code = 'financial_year' ORDER BY kpi_id, version, slice_code, slice_value"
)
_REACH = (
    "SELECT slice_code, slice_value, served_count, served_share_pct, population_share_pct, reach_ratio, "
    "reach_ci95_lower, reach_ci95_upper, difference_code, period_label "
    + _LATEST.format(table="pub_equity_reach", year="reach_ratio IS NOT NULL")
    + " ORDER BY slice_code, slice_value"
)
_REACHED = {"above": "more than their share", "below": "less than their share", "not_told_apart": "not told apart"}


def comparison_tables(connection: duckdb.DuckDBPyConnection, kpi: Kpi, kpis: Sequence[Kpi], names: Names) -> str:
    """The figures of a KPI that has a table of its own, as HTML; empty where there are none."""
    if kpi.own_table == "pub_equity_gap":
        return _gaps(connection, {(k.id, k.definition["version"]): names.kpi(k) for k in kpis})
    if kpi.own_table == "pub_equity_reach":
        return _reach(connection)
    return ""


def _gaps(connection: duckdb.DuckDBPyConnection, pages: Mapping[tuple[str, int], str]) -> str:
    found = connection.execute(_GAPS).fetchall()
    if not found:
        return ""
    told = [row for row in found if row[11] in ("above", "below")]
    rows = [
        [
            f'<a href="{pages[kpi_id, version]}">{escape(kpi_id)} {escape(name)}</a>',
            escape(words.plain(slice_code)),
            *(
                escape(words.group(group)),
                number_cell(value),
                escape(words.group(reference)),
                number_cell(of_reference),
            ),
            *(number_cell(gap), interval_cell(lower, upper)),
        ]
        for kpi_id, version, name, slice_code, group, value, reference, of_reference, gap, lower, upper, *_ in told
    ]
    headers = ["Indicator", "By", "Group", "Value", "Largest group", "Its value", "Gap, points", "95 % interval"]
    title = f"Groups that differ from the largest one of the region, {found[0][12]}"
    said = f"{len(found)} comparisons; in {len(found) - len(told)} the interval of the gap includes 0."
    table = f"<h3>{escape(title)}</h3>{plain_table(title, headers, rows)}" if rows else ""
    return f"<p>{escape(said)}</p>{table}"


def _reach(connection: duckdb.DuckDBPyConnection) -> str:
    found = connection.execute(_REACH).fetchall()
    if not found:
        return ""
    rows = [
        [
            *(escape(words.plain(slice_code)), escape(words.group(group)), number_cell(served), number_cell(share)),
            *(
                number_cell(in_need),
                number_cell(ratio),
                interval_cell(lower, upper),
                _REACHED.get(difference or "", ""),
            ),
        ]
        for slice_code, group, served, share, in_need, ratio, lower, upper, difference, _ in found
    ]
    headers = [
        "By",
        "Group",
        "People served",
        "Share of them, %",
        "Share of those in need, %",
        "Ratio",
        "95 % interval",
        "Reached",
    ]
    title = f"People served and people in need, {found[0][9]}"
    return f"<h3>{escape(title)}</h3>{plain_table(title, headers, rows)}"
