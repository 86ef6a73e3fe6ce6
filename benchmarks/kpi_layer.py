"""Times the KPI and benchmark layers on made facts, beside one hand-written GROUP BY a fact.

    python -m benchmarks.kpi_layer [--organisations 200] [--months 60] [--services 3] [--episodes 10] [--keep FOLDER]

What belongs here: building the layers through dbt on facts of a size, and watching time and memory. What does not: the
facts (``kpi_facts``). Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.kpi_facts import Size, fill
from benchmarks.watched import tree_cpu_seconds, tree_mb
from orchestration import transform
from orchestration.warehouse import connect

LAYERS = ("path:models/kpi", "path:models/benchmark")
BUILT_ALONG = ("dim_period", "dim_organisation", "resource_type:seed")
EVERY_SECONDS = 0.1


@dataclass
class Spent:
    """What a piece of work took, of this process and all that it started."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0


def main() -> None:
    """Make the facts, build the layers, run the floor, and print what each took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kpi_layer", description=__doc__.splitlines()[0])
    for name, value in (("organisations", 200), ("months", 60), ("services", 3), ("episodes", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--keep", type=Path, help="folder to keep the warehouse in; default: a temporary one")
    options = parser.parse_args()
    size = Size(options.organisations, options.services, options.months, options.episodes)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        _measure(options.keep, size)
        return
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), size)


def _measure(folder: Path, size: Size) -> None:
    region = transform.no_region(folder)
    transform.prepare(region)
    transform.ensure_warehouse(region)
    kpis = [kpi for kpi in transform.kpi_catalogue() if kpi["numerator"]]
    # In a process of its own: what it leaves in memory is not the layers'.
    with _spent() as made, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        rows = apart.submit(_fill, folder, kpis, size).result()
    print(
        f"{size.organisations} organisations, {len(kpis)} KPIs, {size.months} months: {rows:,} rows of facts",
        flush=True,
    )
    _line("making the facts", made)
    chosen = ["build", "--exclude-resource-type", "unit_test", "test", "--select"]
    transform._invoke(region, [*chosen, *BUILT_ALONG])
    with _spent() as built:
        results = transform._invoke(region, [*chosen, *LAYERS])
    failed = [(r.unique_id, r.message) for r in results if r.status not in ("success", "pass")]
    if failed:
        raise transform.BuildError(failed)
    _line("KPI and benchmark layers through dbt", built)
    schemas = {node["name"]: node["schema"] for node in transform.manifest(region)["nodes"].values()}
    with connect(region.warehouse_path, read_only=True) as connection:
        with _spent() as floor:
            for query in floor_queries(kpis, schemas):
                connection.execute(query).fetchall()
        figures = connection.execute("SELECT count(*), count(DISTINCT kpi_id) FROM kpi.fct_kpi").fetchone()
    _line("floor: one GROUP BY organisation and month a fact", floor)
    print(f"{figures[0]:,} figures of {figures[1]} KPIs" if figures else "no figures")
    for result in sorted(results, key=lambda r: -r.seconds)[:10]:
        print(f"  {result.seconds:7.1f} s  {result.unique_id.split('.')[-1]}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _fill(folder: Path, kpis: Sequence[Mapping[str, Any]], size: Size) -> int:
    region = transform.no_region(folder)
    with connect(region.warehouse_path) as connection:
        return fill(connection, transform.manifest(region)["nodes"], kpis, size)


def floor_queries(kpis: Sequence[Mapping[str, Any]], schemas: Mapping[str, str]) -> Iterator[str]:
    """The sums of every fact by organisation and month, which nobody could do without. ``schemas``: those of models."""
    sums: dict[tuple[str, str], dict[str, str]] = {}
    for kpi in kpis:
        for part in ("numerator", "denominator", "spread"):
            measure = kpi[part]
            if (
                measure
                and measure["agg"] in ("sum", "sum_boolean", "count")
                and not measure["fact"].startswith("fct_kpi")
                and not measure["is_second_order"]
            ):
                column = measure["column"]
                taken = f"count({column})" if measure["agg"] == "count" else f"sum({column}::DECIMAL(28, 4))"
                if measure["agg"] == "sum_boolean":
                    taken = f"count_if({column})"
                sums.setdefault((measure["fact_id"], measure["anchor_column"]), {})[measure["name"]] = taken
    for (fact_id, anchor), columns in sorted(sums.items()):
        fact = fact_id.split(".")[-1]
        yield (
            f"SELECT organisation_id, date_trunc('month', {anchor}), {', '.join(columns.values())} "
            f"FROM {schemas[fact]}.{fact} GROUP BY ALL"
        )


@contextmanager
def _spent() -> Iterator[Spent]:
    """Time and memory of what is done inside, sampled from outside."""
    spent, done = Spent(), threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_SECONDS):
            spent.peak_mb = max(spent.peak_mb, tree_mb(os.getpid()))

    watcher = threading.Thread(target=watch, daemon=True)
    began, cpu = time.monotonic(), tree_cpu_seconds(os.getpid())
    watcher.start()
    try:
        yield spent
    finally:
        spent.seconds, spent.cpu_seconds = time.monotonic() - began, tree_cpu_seconds(os.getpid()) - cpu
        done.set()
        watcher.join()


def _line(what: str, spent: Spent) -> None:
    print(f"{what:<50} {spent.seconds:6.1f} s  {spent.cpu_seconds:6.1f} CPU-s  {spent.peak_mb:6,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
