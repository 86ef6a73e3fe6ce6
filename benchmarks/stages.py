"""Times each stage of the real pipeline on samples of several sizes, beside a hand-written script: `make bench`.

What belongs here: what is timed, in which order, and the table. What does not: watching a run (``watched``), what is
done beside it (``worker``), and the hand-written script (``floor``). Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.watched import watch

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
    first = _run(region, "first run")
    floor = _work("floor", region, str(region.parent / "floor"))
    _work("next", region, NEXT_PROVIDER)
    second = _run(region, "one more delivery")
    nothing = _run(region, "nothing changed")
    floor_seconds = floor["unzip_seconds"] + floor["script_seconds"]
    floor_timings = [
        Timing("floor: unzip", floor["unzip_seconds"], None, None, None),
        Timing("floor: script", floor["script_seconds"], None, floor["peak_mb"], floor["rows"]),
    ]
    timings = [_timing("write the sample", sample), *first, *second, nothing[-1], *floor_timings]
    counts = _work("counts", region)
    notes = [
        f"The sample has {sample['deliveries']} deliveries, {sample['megabytes']:.0f} MB as sent.",
        f"The floor agrees with {floor['agreeing']} of {floor['figures']} figures of three KPIs.",
        f"One more delivery: {counts['rebuilt'] or 0:,} of {counts['persons']:,} people were built again.",
    ]
    return _table(timings, floor_seconds), notes


def _run(region: Path, name: str) -> list[Timing]:
    """Lines for the stages of one run, and for the run as a whole at the end."""
    before = _work("counts", region)
    try:
        run = watch((region / "region.yml").resolve(), os.environ | QUIET)
    except RuntimeError as error:
        raise SystemExit(f"{name} failed:\n{error}") from error
    after = _work("counts", region)
    rows = {stage: after[stage] - before[stage] for stage in after if stage.startswith("load ")}
    rows |= {"build": after["build"], "publish": after["publish"]}
    rows |= {stage.name: stage.facts["rows"] for stage in run.stages if stage.name == "land"}
    lines = [Timing(f"{name}: {s.name}", s.seconds, None, s.peak_mb, rows.get(s.name)) for s in run.stages]
    lines.append(Timing(f"**{name}: `trigpoint run`**", run.seconds, run.cpu_seconds, run.peak_mb, rows.get("land")))
    # A large size takes long: what is known is told at once.
    for line in lines:
        sys.stderr.write(f"{line.stage}: {line.seconds:.1f} s, {line.peak_mb or 0:,.0f} MB, {line.rows or 0:,} rows\n")
    return lines


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
