"""`trigpoint kpi list` and `show`: the catalogue for people.

What belongs here: reading definitions through the project's macro, and showing them with what was published of them.
What does not: what a definition may hold (``dbt_project/macros/kpi/catalogue.sql``), and the checks (``kpi_check``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestration import transform
from orchestration.kpi_definitions import line_of, problems
from orchestration.region import Region
from orchestration.release import SERVED, latest

Kpi = Mapping[str, Any]
"""A KPI as the catalogue macro gives it."""


class CatalogueError(Exception):
    """The catalogue is wrong. ``problems`` are sentences, each with file and line."""

    def __init__(self, found: Sequence[str]):
        super().__init__("\n".join(found))
        self.problems = list(found)


class UnknownKpiError(Exception):
    """There is no such KPI or category; the message says which there are."""


def catalogue() -> list[dict[str, Any]]:
    """All definitions by id and version. Raises :class:`CatalogueError`."""
    try:
        return transform.kpi_catalogue()
    except transform.BuildError as error:
        message = error.failures[0][1]
        raise CatalogueError(problems(message) or [message]) from None


def categories(kpis: Sequence[Kpi]) -> list[str]:
    """Categories that have a KPI, in order of their first."""
    return list(dict.fromkeys(kpi["category"] for kpi in kpis))


# list ---------------------------------------------------------------------------------------------------------------


def show_list(kpis: Sequence[Kpi], category: str | None) -> RenderableType:
    """KPIs by category, one a line. Raises :class:`UnknownKpiError`."""
    if category is not None and category not in categories(kpis):
        raise UnknownKpiError(f"no KPI of category '{category}'; there are: {', '.join(categories(kpis))}")
    table = Table(box=None, pad_edge=False)
    for name in ("KPI", "v", "name", "unit", "better", "balanced by", ""):
        table.add_column(name, no_wrap=name != "name")
    shown = [kpi for kpi in kpis if category in (None, kpi["category"])]
    for one in categories(shown):
        table.add_row(Text(one.replace("_", " "), style="bold"))
        for kpi in shown:
            if kpi["category"] == one:
                table.add_row(*_line(kpi))
    in_use = [kpi for kpi in shown if not kpi["withdrawn_because"]]
    headline = sum(1 for kpi in in_use if kpi["headline"])
    unverified = sum(1 for kpi in in_use if not kpi["verified"])
    return Group(
        table, Text(f"\n{len(in_use)} KPIs, {headline} on the board's scorecard (*), {unverified} unverified (?)")
    )


def _line(kpi: Kpi) -> tuple[str, ...]:
    better = {1: "higher", -1: "lower", 0: ""}[kpi["direction"]]
    marks = ("*" if kpi["headline"] else "") + ("" if kpi["verified"] else "?")
    marks = "withdrawn" if kpi["withdrawn_because"] else marks
    return (
        f"  {kpi['kpi_id']}",
        str(kpi["version"]),
        kpi["name"],
        kpi["unit"],
        better,
        kpi["balancing_kpi"] or "",
        marks,
    )


# show ---------------------------------------------------------------------------------------------------------------


def show_one(kpis: Sequence[Kpi], kpi_id: str, region: Region | None) -> RenderableType:
    """A definition whole, in all its versions, and the latest published values. Raises :class:`UnknownKpiError`."""
    found = [kpi for kpi in kpis if kpi["kpi_id"] == kpi_id]
    if not found:
        near = [kpi["kpi_id"] for kpi in kpis if kpi["kpi_id"].startswith(kpi_id.split("-")[0].upper())]
        raise UnknownKpiError(f"no KPI '{kpi_id}'; there are: {', '.join(near or [kpi['kpi_id'] for kpi in kpis])}")
    parts: list[RenderableType] = []
    for kpi in found:
        parts += [_definition(kpi), Text()]
        parts += [_lineage(kpi), Text()] if kpi["numerator"] else []
    if region is not None and (found[-1]["numerator"] or found[-1]["difference_of"]):
        parts.append(_published(region, kpi_id))
    return Group(*parts)


def _definition(kpi: Kpi) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    rows = {
        "KPI": f"{kpi['kpi_id']}  {kpi['name']}  (version {kpi['version']}{_validity(kpi)})",
        "says": " ".join(kpi["description"].split()),
        "withdrawn": kpi["withdrawn_because"],
        "question": kpi["question"],
        "decision": kpi["decision"],
        "owner": kpi["owner"],
        "numerator": _measure(kpi["numerator"]) if kpi["numerator"] else f"see {kpi['computed_by']}",
        "denominator": _measure(kpi["denominator"]) if kpi["denominator"] else "none",
        "difference": " less ".join(kpi["difference_of"]) if kpi["difference_of"] else None,
        "spread": _measure(kpi["spread"]) if kpi["spread"] else None,
        "weighted by": _measure(kpi["population"]) if kpi["population"] else None,
        "left out": "\n".join(f"{e['code']}: {e['text']}" for e in kpi["exclusions"]) or "nothing",
        "statistic": f"{kpi['statistic']} × {kpi['multiplier']:g}, in {kpi['unit']}",
        "direction": {1: "higher is better", -1: "lower is better", 0: "neither is better"}[kpi["direction"]],
        "anchor": kpi["anchor"],
        "final after": f"{kpi['maturity_lag_days']} days",
        "from": f"a denominator of {kpi['min_denominator']} on",
        "added up": {
            "none": "never",
            "place": "over places, not over time",
            "place_and_time": "over places and time",
        }[kpi["additivity"]]
        + (" (a stock: the end of a period counts)" if kpi["is_stock"] else ""),
        "interval": kpi["interval_method"],
        "chart": kpi["chart"],
        "levels": ", ".join(kpi["levels"]),
        "periods": f"{', '.join(kpi['periods'])} ({'HUD' if kpi['calendar'] == 'hud' else 'own'} financial year)",
        "slices": _slices(kpi),
        "read with": kpi["balancing_kpi"] or "nothing",
        "kind": f"{kpi['category']}; outcome of level {kpi['level_of_outcome']}; asked for by {kpi['origin']}"
        + ("; on the board's scorecard" if kpi["headline"] else ""),
        "sources": "; ".join(kpi["references"]) or "our own",
        "verified": "yes" if kpi["verified"] else "no: confirm the definition before relying on it",
        "defined in": f"dbt_project/{kpi['file']}:{line_of(kpi['file'], 'metrics', kpi['metric'])}",
    }
    for label, content in rows.items():
        if content is not None:
            grid.add_row(label, Text(str(content)))
    return grid


def _validity(kpi: Kpi) -> str:
    if kpi["withdrawn_because"]:
        return ", withdrawn"
    begins = f", from {kpi['valid_from']}" if kpi["valid_from"] else ""
    return begins + (f", until {kpi['valid_to']}" if kpi["valid_to"] else "")


def _slices(kpi: Kpi) -> str:
    always = f"always by {kpi['base_slice']}" if kpi["base_slice"] else ""
    cut = f"{', '.join(kpi['slices'])} (by {', '.join(kpi['slice_periods'])})" if kpi["slices"] else ""
    return "; ".join(part for part in (always, cut) if part) or "none"


_TAKES = {
    "sum_boolean": "rows of {fact} where {column}",
    "count": "rows of {fact} that have {column}",
    "sum": "sum of {fact}.{column}",
    "max": "{fact}.{column} of each stratum",
    "median": "median of {fact}.{column}",
    "percentile": "quantile {percentile} of {fact}.{column}",
    "count_distinct": "distinct {column} of {fact} active between {interval}",
}


def _measure(measure: Kpi) -> str:
    interval = " and ".join(measure["interval"]) if measure["interval"] else ""
    content = {name: measure[name] for name in ("fact", "column", "percentile")} | {"interval": interval}
    return _TAKES[measure["agg"]].format(**content)


def _lineage(kpi: Kpi) -> Table:
    table = Table(title="From facts", title_justify="left", box=None, pad_edge=False)
    for name in ("measure", "fact", "column", "by the month of", "whose deliveries", "defined in"):
        table.add_column(name)
    for part in ("numerator", "denominator", "spread", "population"):
        if measure := kpi[part]:
            line = line_of(measure["file"], "semantic_models", measure["semantic_model"])
            anchor = measure["interval"][0] if measure["interval"] else measure["anchor_column"]
            table.add_row(
                *(measure["name"], measure["fact"], measure["column"], anchor, measure["domain"]),
                f"{measure['file'].rsplit('/', 1)[-1]}:{line}",
            )
    return table


def _published(region: Region, kpi_id: str) -> RenderableType:
    folder = latest(region)
    if folder is None:
        return Text("Nothing is published yet; run `trigpoint run` first.")
    with duckdb.connect(str(folder / SERVED), read_only=True) as served:
        rows = served.execute(
            """
            SELECT level_name, slice_value, period_type_code, period_label, value, unit_code, value_status, ci95_lower,
                ci95_upper, is_provisional
            FROM pub.pub_kpi_timeseries
            WHERE kpi_id = $kpi AND level_code IN ('region', 'organisation')
                AND slice_code IN ('all', (
                    SELECT any_value(base_slice_code) FROM pub.pub_kpi_catalogue WHERE kpi_id = $kpi))
                AND is_period_complete AND is_current_definition
            QUALIFY row_number() OVER (
                PARTITION BY level_code, level_key, slice_value, period_type_code
                ORDER BY period_start_on DESC, version DESC
            ) = 1
                AND period_type_code = first(period_type_code) OVER (
                    ORDER BY CASE period_type_code WHEN 'financial_year' THEN 1 WHEN 'quarter' THEN 2 ELSE 3 END)
            ORDER BY level_code DESC, level_name, slice_value
            """,
            {"kpi": kpi_id},
        ).fetchall()
    table = Table(title=f"Latest published values ({folder.name})", title_justify="left", box=None, pad_edge=False)
    for name in ("of", "", "period", "value", "95 % interval", ""):
        table.add_column(name, justify="right" if name == "value" else "left")
    for level, slice_value, _, label, value, unit, status, lower, upper, is_provisional in rows:
        shown = status if value is None else f"{value:g} {unit}"
        interval = "" if lower is None else f"{lower:g} to {upper:g}"
        slice_name = "" if slice_value == "all" else slice_value
        table.add_row(level, slice_name, label, shown, interval, "provisional" if is_provisional else "")
    return table if rows else Text(f"No complete period of {kpi_id} is published in {folder.name}.")
