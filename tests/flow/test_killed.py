"""A run that is killed anywhere and run again ends in the release of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.region import load_region
from tests.flow.conftest import Run, run
from tests.flow.release_content import content_of

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("sample")]

Trigger = Callable[[dict[str, Any]], bool]


def finished(stage: str, **fields: str) -> Trigger:
    """The boundary after a stage."""
    return lambda e: e["event"] == "stage_finished" and e["stage"] == stage and fields.items() <= e.items()


def seen(event: str, **fields: str) -> Trigger:
    """An event in the middle of writing."""
    return lambda e: e["event"] == event and fields.items() <= e.items()


KILLS: dict[str, Trigger] = {
    "while_landing_the_first_delivery": seen("landing"),
    "after_landing_a_source": finished("land", source="harbour_hmis"),
    "while_landing_a_survey": seen("landing", source="tidewell_odk"),
    "after_landing_all": finished("land", source="oakapple_redcap"),
    "between_gate_and_load": seen("gated", kind="hmis_csv"),
    "while_loading": seen("applying", source="millrace_hmis"),
    "after_loading_a_kind": finished("load", kind="hmis_csv"),
    "while_building": seen("node", node="model.trigpoint.fct_episode"),
    "after_building": finished("build"),
    "while_publishing": seen("releasing"),
}
"""Each in turn on the same region, which the run before left as it was killed."""


def test_killed_ten_times_the_release_is_that_of_an_undisturbed_run(
    undisturbed: Run, copy_of_sample: Callable[[str], Path]
) -> None:
    folder = copy_of_sample("killed")
    for name, trigger in KILLS.items():
        said = folder.with_name(f"{name}.txt")
        assert kill_when(folder, trigger, said), f"{name}: the run ended before it could be killed: {said.read_text()}"
    assert content_of(run(folder).outcome.release) == content_of(undisturbed.outcome.release)
    region = load_region(folder / "region.yml")
    halves = [p for top in (region.releases_dir, region.members_dir) for p in top.glob(".*.part")]
    assert halves == []


def kill_when(folder: Path, trigger: Trigger, said: Path) -> bool:
    """Start the command line in a process of its own and kill it at an event. False: it ended before.

    What it said goes to ``said``.
    """
    log = folder / "state" / "progress.jsonl"
    start = log.stat().st_size if log.exists() else 0
    program = [sys.executable, "-c", "from orchestration.cli import main; main()", "run", "--region"]
    with said.open("wb") as output:
        process = subprocess.Popen(
            [*program, str(folder / "region.yml")], stdout=output, stderr=subprocess.STDOUT, env=os.environ
        )
    try:
        for event in _follow(log, start, process):
            if event.get("pid") == process.pid and trigger(event):
                process.send_signal(signal.SIGKILL)
                return process.wait() == -signal.SIGKILL
        return False
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _follow(log: Path, position: int, process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Events as they are written, until the process ends."""
    rest = b""
    while True:
        is_over = process.poll() is not None
        if log.exists():
            with log.open("rb") as file:
                file.seek(position)
                rest += file.read()
                position = file.tell()
        *lines, rest = rest.split(b"\n")
        for line in lines:
            if line:
                yield json.loads(line)
        if is_over:
            return
        time.sleep(0.01)
