"""Times the benchmark layer alone on made-up figures of many organisations: `python -m benchmarks.comparison`.

What belongs here: 200 organisations × 60 KPIs × 60 months by default, and the models that chart and compare them, as
they are compiled. What does not: how the KPIs themselves come about (``stages``). Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from orchestration import transform

MODELS = (
    "benchmark_series",
    "bridge_peer_group",
    "fct_spc_point",
    "fct_benchmark",
    "fct_benchmark_member",
    "fct_signal",
    "fct_forecast",
)
INPUTS = """
CREATE TABLE ops.run_context AS SELECT DATE '2024-10-15' AS as_of;
CREATE TABLE ops.peer_group AS
SELECT 'alike' AS peer_group_code, 'nearest' AS kind_code, 'a' || i AS attribute_code, NULL::VARCHAR AS text_value,
  NULL::DOUBLE AS at_least, NULL::DOUBLE AS at_most, NULL::VARCHAR AS member_code, 15 AS nearest_count
FROM range(4) AS r(i)
UNION ALL SELECT 'urban', 'rule', 'setting', 'urban', NULL, NULL, NULL, NULL;
CREATE TABLE ops.organisation_attribute AS
SELECT 'org' || o AS organisation_id, 'a' || i AS attribute_code, NULL::VARCHAR AS text_value,
  (hash(o * 10 + i) % 1000) / 7.0::DOUBLE AS number_value
FROM range({organisations}) AS t(o), range(4) AS r(i)
UNION ALL SELECT 'org' || o, 'setting', if(o % 2 = 0, 'urban', 'rural'), NULL FROM range({organisations}) AS t(o);
CREATE TABLE kpi.kpi_definition AS
SELECT 'K' || lpad(k::VARCHAR, 3, '0') AS kpi_id, 1 AS version, ['proportion', 'rate', 'mean', 'count'][k % 4 + 1] AS
  statistic_code, 'xmr' AS chart_code, k % 3 - 1 AS direction, 'percent' AS unit_code, 100.0::DOUBLE AS multiplier,
  'place_and_time' AS additivity_code, false AS is_stock
FROM range({kpis}) AS t(k);
CREATE TABLE kpi.fct_kpi AS
WITH month AS (SELECT (DATE '2020-01-01' + to_months(i::INT))::DATE AS m, i FROM range({months}) AS r(i)),
period AS (
  SELECT 'month' AS t, m AS s, 1 AS n FROM month
  UNION ALL SELECT 'quarter', m, 3 FROM month WHERE i % 3 = 0
  UNION ALL SELECT 'financial_year', m, 12 FROM month WHERE i % 12 = 0
  UNION ALL SELECT 'rolling12', (m - INTERVAL 11 MONTH)::DATE, 12 FROM month
),
entity AS (
  SELECT 'organisation' AS l, 'org' || o AS k FROM range({organisations}) AS t(o) UNION ALL SELECT 'region', 'here'
),
figure AS (
  SELECT d.kpi_id, d.statistic_code, e.l, e.k, p.t, p.s, (p.s + to_months(p.n) - INTERVAL 1 DAY)::DATE AS ends_on,
    50 + hash(d.kpi_id, e.k, p.t, p.s) % 100 AS n,
    0.2 + (hash(e.k) % 10) / 20.0 + (hash(p.s, e.k, d.kpi_id) % 10) / 100.0 AS share
  FROM kpi.kpi_definition AS d, entity AS e, period AS p
)
SELECT kpi_id, 1 AS version, l AS level_code, k AS level_key, 'all' AS slice_code, 'all' AS slice_value,
  t AS period_type_code, s AS period_start_on, ends_on AS period_end_on,
  floor(n * share)::DECIMAL(28, 4) AS numerator, if(statistic_code = 'count', NULL, n)::DECIMAL(28, 4) AS denominator,
  if(statistic_code = 'count', 1, 100.0 / n)::DOUBLE * floor(n * share) AS value, statistic_code,
  ends_on <= DATE '2024-10-15' AS is_period_complete, false AS is_provisional, false AS is_below_minimum
FROM figure;
"""
"""Everything that the models read; what others published, targets and decisions are empty."""
EMPTY = {
    "core.fct_target": (
        "kpi_id VARCHAR, level_code VARCHAR, level_key VARCHAR, period_type_code VARCHAR, period_start_on DATE, "
        "target_value DECIMAL(18, 6), set_on DATE, is_retrospective BOOLEAN, target_key VARCHAR, award_code VARCHAR"
    ),
    "ops.spc_rebase": "measure_id VARCHAR, entity_code VARCHAR, rebased_on DATE, reason VARCHAR, approved_by VARCHAR",
}


def main() -> None:
    """Make the figures, run the models, print one line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--organisations", type=int, default=200)
    parser.add_argument("--kpis", type=int, default=60)
    parser.add_argument("--months", type=int, default=60)
    size = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        nodes = _nodes(Path(folder))
        connection = duckdb.connect(Path(folder) / "figures.duckdb")
        connection.execute("SET threads = 2; SET memory_limit = '4GB'; SET preserve_insertion_order = false")
        for schema in ("ops", "core", "kpi", "benchmark"):
            connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(INPUTS.format(**size))
        for table, columns in {**EMPTY, **_external(nodes)}.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
        print("| model | wall s | CPU s | rows |\n|---|--:|--:|--:|")
        total = [0.0, 0.0]
        for model in MODELS:
            spent = _time(connection, model, nodes[model])
            total = [sum(pair) for pair in zip(total, spent, strict=True)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| **all** | {total[0]:.1f} | {total[1]:.1f} | peak {peak:,.0f} MB |")


def _nodes(scratch: Path) -> dict[str, dict[str, Any]]:
    manifest = transform.compile_models(transform.no_region(scratch))
    found = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    return {node["name"]: node for node in found if node["resource_type"] == "model"}


def _external(nodes: dict[str, dict[str, Any]]) -> dict[str, str]:
    columns: dict[str, dict[str, str]] = nodes["fct_benchmark_external"]["columns"]
    described = ", ".join(f"{column['name']} {column['data_type']}" for column in columns.values())
    return {"benchmark.fct_benchmark_external": described}


def _time(connection: duckdb.DuckDBPyConnection, model: str, node: dict[str, Any]) -> tuple[float, float]:
    sql = re.sub(r'"[^"]+"\."(\w+)"\."(\w+)"', r"\1.\2", str(node["compiled_code"]))
    kind = str(node["config"]["materialized"]).upper()
    wall, cpu = time.perf_counter(), time.process_time()
    connection.execute(f"CREATE {kind} benchmark.{model} AS {sql}")
    spent = time.perf_counter() - wall, time.process_time() - cpu
    (rows,) = connection.execute(f"SELECT count(*) FROM benchmark.{model}").fetchone() or (0,)
    print(f"| {model} | {spent[0]:.1f} | {spent[1]:.1f} | {rows:,} |", flush=True)
    return spent


if __name__ == "__main__":
    main()
