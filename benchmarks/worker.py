"""What a benchmark does beside the runs, in a process of its own; prints what came of it as one line of JSON.

What belongs here: writing samples, the hand-written script, counting rows, and measuring this process. What does not:
the runs themselves (``watched``) and how results are shown (``stages``).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestration.region import Region, load_region
from orchestration.release import latest, read_manifest
from orchestration.warehouse import connect

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


def write_sample(folder: Path, people: str) -> Facts:
    from sources.sample import write_region

    written = write_region(folder, people=int(people))
    return {"rows": written.rows, "megabytes": written.bytes / 1_000_000, "deliveries": written.deliveries}


def write_next(folder: Path, provider: str) -> Facts:
    from sources.sample import write_next_delivery

    write_next_delivery(folder, provider=provider, seed=1)
    return {"rows": None}


def counts(folder: Path) -> Facts:
    """Rows that each stage's tables hold: loaded by kind, in the tables of the models, published."""
    region = _region(folder)
    facts: Facts = {f"load {kind}": 0 for kind in {source.kind for source in region.sources}}
    facts |= {"build": 0, "publish": 0, "persons": 0, "rows": None}
    facts["rebuilt"] = _last_stage(region, "build").get("dirty_persons")
    release = latest(region)
    if release is None:
        return facts
    facts["publish"] = sum(table["rows"] for table in read_manifest(release)["tables"].values())
    with connect(region.warehouse_path, read_only=True) as connection:
        accounts = connection.execute(
            "SELECT 'load ' || kind, sum(landed_count + rejected_count)::BIGINT "
            "FROM ops.row_account JOIN ops.source_config USING (source_id) GROUP BY kind"
        ).fetchall()
        tables = connection.execute(
            "SELECT sum(estimated_size)::BIGINT FROM duckdb_tables() "
            "WHERE schema_name IN ('core', 'kpi', 'benchmark', 'pub') AND NOT internal"
        ).fetchone()
        persons = connection.execute("SELECT count(*) FROM core.person_xref").fetchone()
    return facts | dict(accounts) | {"build": (tables or (0,))[0], "persons": (persons or (0,))[0]}


def _last_stage(region: Region, stage: str) -> Facts:
    """What the last event of a stage said, of those that did something."""
    log = region.state_dir / "progress.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    ended = [event for event in map(json.loads, lines) if event["event"] == "stage_finished"]
    return next((event for event in reversed(ended) if event["stage"] == stage and "dirty_persons" in event), {})


def floor(folder: Path, scratch: str) -> Facts:
    from dataclasses import asdict

    from benchmarks.floor import run_floor

    return asdict(run_floor(_region(folder), Path(scratch)))


STAGES: dict[str, Callable[..., Facts]] = {
    "sample": write_sample,
    "next": write_next,
    "counts": counts,
    "floor": floor,
}

if __name__ == "__main__":
    main(sys.argv[1:])
