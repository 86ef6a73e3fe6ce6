"""One `trigpoint run`, watched from outside: how long each stage took, and the memory of all its processes.

What belongs here: running the real command, reading its progress events, and sampling memory. What does not: which
runs there are, and how results are shown (``stages``).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EVERY_SECONDS = 0.05
_PROGRAM = "from orchestration.cli import main; main()"


@dataclass(frozen=True)
class StageTime:
    """A stage of a run: ``land`` is all sources together, ``load`` has its kind in its name."""

    name: str
    seconds: float
    peak_mb: float
    facts: dict[str, Any]
    """What its last event told, ``rows`` added up."""


@dataclass(frozen=True)
class WatchedRun:
    """A run as a whole."""

    stages: list[StageTime]
    seconds: float
    cpu_seconds: float
    peak_mb: float


def watch(region: Path, environment: dict[str, str]) -> WatchedRun:
    """Run the main job on a region file and watch it. Raises RuntimeError, with its output, if it fails."""
    log = region.parent / "state" / "progress.jsonl"
    start = log.stat().st_size if log.exists() else 0
    spent = _cpu_seconds()
    began = time.time()
    samples: list[tuple[float, float]] = []
    command = [sys.executable, "-c", _PROGRAM, "run", "--region", str(region)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while process.poll() is None:
            samples.append((time.time(), tree_mb(process.pid)))
            time.sleep(_EVERY_SECONDS)
        output = process.stdout.read().decode() if process.stdout else ""
    if process.returncode:
        raise RuntimeError(output[-4000:])
    ended = time.time()
    with log.open("rb") as file:
        file.seek(start)
        events = [json.loads(line) for line in file]
    peak = max((mb for _, mb in samples), default=0.0)
    return WatchedRun(list(_stages(events, samples)), ended - began, _cpu_seconds() - spent, peak)


def _stages(events: list[dict[str, Any]], samples: list[tuple[float, float]]) -> Iterator[StageTime]:
    finished: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        if event["event"] == "stage_finished":
            name = f"load {event['kind']}" if event["stage"] == "load" else str(event["stage"])
            finished.setdefault(name, []).append(event)
    for name, ends in finished.items():
        spans = [(event["at"] - event["seconds"], event["at"]) for event in ends]
        peak = max((mb for at, mb in samples if any(first <= at <= last for first, last in spans)), default=0.0)
        rows = sum(event.get("rows", 0) for event in ends)
        yield StageTime(name, sum(event["seconds"] for event in ends), peak, ends[-1] | {"rows": rows})


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def tree_mb(root: int) -> float:
    """Resident memory of a process and all that it started, in MB; what they share is counted for each."""
    return sum(_resident_mb(process) for process in _tree(root))


def tree_cpu_seconds(root: int) -> float:
    """Processor time of a process and all that it started and that still run, in seconds."""
    return sum(_process_cpu_seconds(process) for process in _tree(root))


def _tree(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    tree = {root}
    while more := {child for child, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return tree


def _process_cpu_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000
