"""One stage of one region, in a process of its own: does it, and prints what it took as one line of JSON.

What belongs here: calling a stage of the real pipeline and measuring this process. What does not: which stages there
are to time and how results are shown (``stages``).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestration.pipeline import Pipeline
from orchestration.progress import Progress
from orchestration.region import Region, load_region

Facts = dict[str, Any]


def main(arguments: list[str]) -> None:
    """``STAGE FOLDER [ARGUMENT]``."""
    stage, folder, *rest = arguments
    started = time.perf_counter()
    facts = STAGES[stage](Path(folder), *rest)
    facts |= {"seconds": time.perf_counter() - started, "cpu_seconds": _cpu_seconds(), "peak_mb": _peak_mb()}
    print("\n" + json.dumps(facts))


def _cpu_seconds() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def _peak_mb() -> float:
    """Highest resident memory of this process, or of the largest it started."""
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / unit


def _region(folder: Path) -> Region:
    return load_region(folder / "region.yml")


def _pipeline(folder: Path) -> Pipeline:
    region = _region(folder)
    return Pipeline(region, Progress(region.state_dir / "progress.jsonl"))


def write_sample(folder: Path, people: str) -> Facts:
    from sources.sample import write_region

    written = write_region(folder, people=int(people))
    return {"rows": written.rows, "megabytes": written.bytes / 1_000_000, "deliveries": written.deliveries}


def write_next(folder: Path, provider: str) -> Facts:
    from sources.sample import write_next_delivery

    write_next_delivery(folder, provider=provider, seed=1)
    return {"rows": None}


def prepare(folder: Path) -> Facts:
    from orchestration.transform import prepare as prepare_models

    prepare_models(_region(folder))
    return {"rows": None}


def land(folder: Path) -> Facts:
    pipeline = _pipeline(folder)
    landed = [delivery for source in pipeline.region.sources for delivery in pipeline.land(source.id)]
    return {"rows": sum(delivery.landed_count for delivery in landed)}


def load(folder: Path, kind: str) -> Facts:
    pipeline = _pipeline(folder)
    before = _accounted(pipeline.region)
    pipeline.load(kind)
    return {"rows": _accounted(pipeline.region) - before}


def _accounted(region: Region) -> int:
    return _count(region, "SELECT coalesce(sum(landed_count + rejected_count), 0) FROM ops.row_account")


def _count(region: Region, query: str) -> int:
    import duckdb

    from orchestration.warehouse import connect

    if not region.warehouse_path.exists():
        return 0
    try:
        with connect(region.warehouse_path, read_only=True) as connection:
            found = connection.execute(query).fetchone()
    except duckdb.CatalogException:
        # Before the first load there are no tables.
        return 0
    return int(found[0]) if found else 0


def build(folder: Path) -> Facts:
    pipeline = _pipeline(folder)
    pipeline.build()
    rows = _count(
        pipeline.region,
        "SELECT sum(estimated_size) FROM duckdb_tables() "
        "WHERE schema_name IN ('core', 'kpi', 'benchmark', 'pub') AND NOT internal",
    )
    persons = _count(pipeline.region, "SELECT count(*) FROM core.person_xref")
    return {"rows": rows, "persons": persons, "rebuilt": _last_stage(pipeline.region, "build").get("dirty_persons")}


def _last_stage(region: Region, stage: str) -> Facts:
    """What the last event of a stage said."""
    lines = (region.state_dir / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    ended = [event for event in map(json.loads, lines) if event["event"] == "stage_finished"]
    return next((event for event in reversed(ended) if event["stage"] == stage), {})


def publish(folder: Path) -> Facts:
    from orchestration.release import read_manifest

    published = _pipeline(folder).publish()
    return {"rows": sum(table["rows"] for table in read_manifest(published.folder)["tables"].values())}


def run(folder: Path) -> Facts:
    from orchestration.runner import run_main

    outcome = run_main(_region(folder))
    return {"rows": None, "is_new": outcome.is_new}


def floor(folder: Path, scratch: str) -> Facts:
    from dataclasses import asdict

    from benchmarks.floor import run_floor

    return asdict(run_floor(_region(folder), Path(scratch)))


def kinds(folder: Path) -> Facts:
    """The kinds of the region's sources, in order."""
    return {"kinds": list(dict.fromkeys(source.kind for source in _region(folder).sources)), "rows": None}


STAGES: dict[str, Callable[..., Facts]] = {
    "sample": write_sample,
    "next": write_next,
    "prepare": prepare,
    "land": land,
    "load": load,
    "build": build,
    "publish": publish,
    "run": run,
    "floor": floor,
    "kinds": kinds,
}

if __name__ == "__main__":
    main(sys.argv[1:])
