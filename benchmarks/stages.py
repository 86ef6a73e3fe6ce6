"""Times each stage of the real pipeline on samples of several sizes, beside a hand-written script: `make bench`.

What belongs here: what is timed, in which order, and the table. What does not: the stages (``worker``) and the
hand-written script (``floor``). Each stage runs in a process of its own, so that its peak memory is its own; it
therefore pays its imports, which in `trigpoint run` the stages share. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NEXT_PROVIDER = "harbour"
QUIET = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
    "GX_ANALYTICS_ENABLED": "False",
}


@dataclass(frozen=True)
class Timing:
    """One line of the table."""

    stage: str
    seconds: float
    cpu_seconds: float | None
    peak_mb: float | None
    rows: int | None


def main() -> None:
    """Measure every size and print one table for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=[5_000, 500_000], help="sizes of the sample")
    parser.add_argument("--keep", type=Path, help="folder to keep the regions in; default: a temporary one")
    options = parser.parse_args()
    print(_machine(), flush=True)
    if options.keep:
        _measure_all(options.people, options.keep)
        return
    with tempfile.TemporaryDirectory() as folder:
        _measure_all(options.people, Path(folder))


def _measure_all(sizes: list[int], folder: Path) -> None:
    for people in sizes:
        region = folder / f"people_{people}"
        if region.exists():
            raise SystemExit(f"{region.name} exists already in the folder to keep; remove it or choose another")
        print(f"\n### {people:,} people\n", flush=True)
        before = _load()
        lines, notes = _measure(region, people)
        print("\n".join(lines), flush=True)
        print("\n" + " ".join(notes) + f" Load average {before} before, {_load()} after.", flush=True)


def _measure(region: Path, people: int) -> tuple[list[str], list[str]]:
    sample = _work("sample", region, str(people))
    first, _ = _stages(region, "")
    floor = _work("floor", region, str(region.parent / "floor"))
    _work("next", region, NEXT_PROVIDER)
    second, rebuilt = _stages(region, "one more delivery: ")
    nothing = _work("run", region)
    if nothing["is_new"]:
        raise SystemExit("a run on an unchanged region published something new")
    floor_seconds = floor["unzip_seconds"] + floor["script_seconds"]
    floor_timings = [
        Timing("floor: unzip", floor["unzip_seconds"], None, None, None),
        Timing("floor: script", floor["script_seconds"], None, floor["peak_mb"], floor["rows"]),
    ]
    timings = [
        _timing("write the sample", sample),
        *first,
        _sum("first run", first),
        *second,
        _sum("one more delivery: run", second),
        _timing("nothing changed: `trigpoint run`", nothing),
        *floor_timings,
    ]
    notes = [
        f"The sample has {sample['deliveries']} deliveries, {sample['megabytes']:.0f} MB as sent.",
        f"The floor agrees with {floor['agreeing']} of {floor['figures']} figures of three KPIs.",
        f"One more delivery: {rebuilt['rebuilt'] or 0:,} of {rebuilt['persons']:,} people were built again.",
    ]
    return _table(timings, floor_seconds), notes


def _stages(region: Path, prefix: str) -> tuple[list[Timing], dict[str, Any]]:
    """The stages of one run, each in its own process, and what the build told."""
    timings = [_timing(prefix + stage, _work(*call)) for stage, call in _calls(region)]
    built = _work("build", region)
    timings.append(_timing(prefix + "build", built))
    timings.append(_timing(prefix + "publish", _work("publish", region)))
    return timings, built


def _calls(region: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "prepare models", ("prepare", region)
    yield "land", ("land", region)
    for kind in _work("kinds", region)["kinds"]:
        yield f"load {kind}", ("load", region, kind)


def _work(stage: str, region: Path, *arguments: str) -> dict[str, Any]:
    """Do a stage in a process of its own. This process imports little: a child starts with its parent's peak."""
    command = [sys.executable, "-m", "benchmarks.worker", stage, str(region.resolve()), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | QUIET, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{stage} failed:\n{done.stderr[-4000:]}")
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def _timing(stage: str, facts: dict[str, Any]) -> Timing:
    return Timing(stage, facts["seconds"], facts["cpu_seconds"], facts["peak_mb"], facts["rows"])


def _sum(stage: str, timings: list[Timing]) -> Timing:
    landed = next(t.rows for t in timings if t.stage.endswith("land"))
    return Timing(
        f"**{stage}**",
        sum(t.seconds for t in timings),
        sum(t.cpu_seconds or 0 for t in timings),
        max(t.peak_mb or 0 for t in timings),
        landed,
    )


def _table(timings: list[Timing], floor_seconds: float) -> list[str]:
    lines = ["| stage | wall s | CPU s | peak MB | rows | rows/s | × floor |", "|---|--:|--:|--:|--:|--:|--:|"]
    for t in timings:
        cells = [
            t.stage,
            f"{t.seconds:.1f}",
            "" if t.cpu_seconds is None else f"{t.cpu_seconds:.1f}",
            "" if t.peak_mb is None else f"{t.peak_mb:,.0f}",
            "" if t.rows is None else f"{t.rows:,}",
            "" if not t.rows else f"{t.rows / t.seconds:,.0f}",
            f"{t.seconds / floor_seconds:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Machine: {os.cpu_count()} cores, {memory:.0f} GiB memory, {platform.system()}; "
        f"Python {platform.python_version()}, DuckDB {version('duckdb')}, dbt {version('dbt-core')}, "
        f"Great Expectations {version('great-expectations')}, Dagster {version('dagster')}."
    )


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
