"""A small release's protected tables in memory, for tests of what is made from them.

What belongs here: tables with the columns that the project declares, and rows with defaults. What does not: any
expectation about what is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

import duckdb
import yaml

from orchestration.project import DBT_PROJECT

Row = dict[str, Any]

KPI: Row = {
    "kpi_id": "OC-12",
    "version": 1,
    "kpi_name": "Exits to permanent housing",
    "description": "Share of leavers who leave for a home.",
    "question": "Do people leave homelessness for a home?",
    "decision": "Where to invest.",
    "category_code": "outcomes",
    "unit_code": "percent",
    "multiplier": 100.0,
    "statistic_code": "proportion",
    "direction": 1,
    "anchor": "exit date",
    "numerator": "sum of fct_episode.is_permanent_exit",
    "denominator": "sum of fct_episode.is_counted_exit",
    "exclusions": "excluded_destination: dead or in hospital",
    "maturity_lag_days": 90,
    "min_denominator": 10,
    "base_slice_code": "all",
    "interval_method_code": "wilson",
    "owner": "director of services",
    "reference_sources": "HUD SPM 7",
    "is_verified": False,
}
FIGURE: Row = {
    "kpi_id": "OC-12",
    "version": 1,
    "level_code": "region",
    "level_key": "demo",
    "level_name": "Demo region",
    "slice_code": "all",
    "slice_value": "all",
    "period_type_code": "month",
    "numerator": 30,
    "numerator_status": "rounded",
    "denominator": 60,
    "denominator_status": "rounded",
    "value": 50.0,
    "value_status": "rounded",
    "is_period_complete": True,
    "is_provisional": False,
    "is_stale": False,
}
PLACE: Row = {
    "kpi_id": "OC-12",
    "version": 1,
    "peer_group_code": "all",
    "period_type_code": "financial_year",
    "period_start_on": date(2024, 4, 1),
    "period_end_on": date(2025, 3, 31),
    "value_status": "rounded",
    "peer_status": "rounded",
    "peer_count": 9,
    "median_of_others": 48.0,
    "q1": 40.0,
    "median": 50.0,
    "q3": 60.0,
    "centre": 49.0,
    "funnel95_lower": 37.0,
    "funnel95_upper": 61.0,
    "funnel998_lower": 30.0,
    "funnel998_upper": 68.0,
    "quartile_number": 3,
    "percentile_rank": 55,
    "funnel_band_code": "within",
}
PUBLISHED: Row = {
    "kpi_id": "OC-12",
    "version": 1,
    "level_code": "region",
    "level_key": "demo",
    "level_name": "Demo region",
    "period_type_code": "financial_year",
    "period_start_on": date(2024, 4, 1),
    "period_end_on": date(2025, 3, 31),
    "value": 50.0,
    "value_status": "rounded",
    "source_id": "atlas",
    "publication_code": "housing_atlas",
    "method_version": "2",
    "comparability_code": "similar",
    "measure_id": "exits",
    "published_level_code": "national",
    "published_organisation_code": "E92",
    "published_organisation_name": "England",
    "published_start_on": date(2023, 4, 1),
    "published_end_on": date(2024, 3, 31),
    "published_value": 44.0,
    "is_same_period": False,
    "difference": 6.0,
    "difference_code": "higher",
}
EXTERNAL: Row = {
    "publication_code": "housing_atlas",
    "publication_name": "Housing atlas",
    "publication_source": "Office of Housing",
    "licence": "OGL 3.0",
    "method_version": "2",
    "comparability_code": "similar",
    "measure_id": "exits",
    "measure_name": "Exits to a home",
    "kpi_id": "OC-12",
    "organisation_code": "E92",
    "organisation_name": "England",
    "level_code": "national",
    "slice_type_code": "all",
    "slice_code": "all",
    "period_type_code": "financial_year",
    "period_start_on": date(2023, 4, 1),
    "period_end_on": date(2024, 3, 31),
    "value": 44.0,
    "value_status": "published",
    "numerator": 440,
    "denominator": 1000,
    "unit_code": "percent",
    "direction": 1,
    "statistic_code": "proportion",
    "source_id": "atlas",
}
QUALITY: Row = {
    "kpi_id": "OC-12",
    "version": 1,
    "organisation_id": "ash",
    "organisation_name": "Ash",
    "part_code": "records",
    "subject_code": "hmis_csv.exit",
    "subject_name": "exit",
    "share_pct": 99.9,
    "is_weakest": True,
    "part_grade_code": "A",
    "grade_code": "A",
}
HIDDEN: Row = {"value": None, "numerator": None, "denominator": None, "value_status": "suppressed",
               "numerator_status": "suppressed", "denominator_status": "suppressed"}  # fmt: skip


def months(count: int, *, first: date = date(2023, 1, 1), **more: Any) -> list[Row]:
    """Figures of months in a row."""
    rows = []
    start = first
    for _ in range(count):
        after = (start + timedelta(days=32)).replace(day=1)
        rows.append(FIGURE | {"period_start_on": start, "period_end_on": after - timedelta(days=1)} | more)
        start = after
    return rows


def year(organisation_id: str, **more: Any) -> Row:
    """An organisation's figure of the year that :data:`PLACE` compares."""
    names = {"level_code": "organisation", "level_key": organisation_id, "level_name": organisation_id.title()}
    period = {name: PLACE[name] for name in ("period_type_code", "period_start_on", "period_end_on")}
    return FIGURE | names | period | more


def published(
    figures: Sequence[Row],
    *,
    kpis: Sequence[Row] = (KPI,),
    places: Sequence[Row] = (),
    grades: Sequence[Row] = (),
    beside: Sequence[Row] = (),
    quality: Sequence[Row] = (),
    external: Sequence[Row] = (),
    gaps: Sequence[Row] = (),
    reach: Sequence[Row] = (),
) -> duckdb.DuckDBPyConnection:
    """A connection to tables that hold these rows."""
    connection = duckdb.connect()
    connection.execute("SET threads = 1; CREATE SCHEMA pub")
    rows = {
        "pub_kpi_catalogue": kpis,
        "pub_kpi_timeseries": figures,
        "pub_benchmark": places,
        "pub_data_quality": grades,
        "pub_external_comparison": beside,
        "pub_kpi_quality": quality,
        "pub_benchmark_external": external,
        "pub_equity_gap": gaps,
        "pub_equity_reach": reach,
    }
    for table, listed in rows.items():
        columns = _columns()[table]
        declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"CREATE TABLE pub.{table} ({declared})")
        for row in listed:
            unknown = row.keys() - columns.keys()
            assert not unknown, f"{table} has no column {sorted(unknown)}"
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO pub.{table} ({names}) VALUES ({marks})", list(row.values()))
    return connection


@cache
def _columns() -> Mapping[str, Mapping[str, str]]:
    declared = yaml.safe_load((DBT_PROJECT / "models" / "publish" / "_publish.yml").read_text(encoding="utf-8"))
    return {model["name"]: {c["name"]: c["data_type"] for c in model["columns"]} for model in declared["models"]}
