"""The region as Dagster sees it: definitions, and the same job run by the scheduler and by the sensor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from orchestration.assets import RELEASE_KEY
from orchestration.automation import drop_state
from orchestration.definitions import build_definitions
from orchestration.region import Cadence, Region, load_region
from orchestration.release import latest
from orchestration.runner import dagster_home, run_main
from orchestration.transform import ManifestError, manifest, prepare
from tests.flow.conftest import Run
from tests.flow.release_content import content_of

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("sample")]

PATIENCE_SECONDS = 900


def test_definitions_follow_the_region_file(undisturbed: Run) -> None:
    region = undisturbed.region
    definitions = build_definitions(region)
    graph = definitions.resolve_asset_graph()
    groups = {node.group_name for node in graph.asset_nodes}
    assert {"landing", "raw", "staging", "input", "core", "kpi", "publish", "release"} <= groups
    for node in graph.asset_nodes:
        assert node.description, node.key
        assert node.owners, node.key
    landing = {node.key.path[-1] for node in graph.asset_nodes if node.group_name == "landing"}
    assert landing == {source.id for source in region.sources}
    monthly = [source.id for source in region.sources if source.cadence is Cadence.MONTHLY]
    assert monthly
    job = definitions.resolve_job_def("intake_monthly")
    assert {f"landing__{source}" for source in monthly} <= set(job.graph.node_dict)


def test_dagster_itself_finds_the_definitions_valid(undisturbed: Run) -> None:
    where = {"TRIGPOINT_REGION": str(undisturbed.region.path), "DAGSTER_HOME": str(dagster_home(undisturbed.region))}
    validation = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "orchestration.definitions"],
        env=os.environ | where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert validation.returncode == 0, validation.stdout + validation.stderr


def test_a_stale_manifest_is_a_clear_error(undisturbed: Run, copy_of_sample: Callable[[str], Path]) -> None:
    region = load_region(copy_of_sample("unprepared") / "region.yml")
    with pytest.raises(ManifestError, match="trigpoint prepare"):
        manifest(region)


def test_runs_from_the_command_line_are_told_to_the_dagster_of_the_region(undisturbed: Run) -> None:
    home = dagster_home(undisturbed.region)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        before = {run.run_id for run in instance.get_runs()}
        run_main(undisturbed.region)
        told = [run for run in instance.get_runs() if run.run_id not in before]
        assert [(run.job_name, run.status) for run in told] == [("main", dg.DagsterRunStatus.SUCCESS)]
        assert instance.get_latest_materialization_event(RELEASE_KEY)


def test_the_sensor_asks_once_for_a_change(undisturbed: Run) -> None:
    definitions = build_definitions(undisturbed.region)
    sensor = definitions.get_repository_def().get_sensor_def("drop_folders")
    context = dg.build_sensor_context()
    first = sensor.evaluate_tick(context)
    assert [request.run_key for request in first.run_requests or ()] == [drop_state(undisturbed.region)]
    again = sensor.evaluate_tick(dg.build_sensor_context(cursor=first.cursor))
    assert not again.run_requests


def test_scheduler_and_sensor_run_the_job_to_the_same_release_though_a_worker_is_killed(
    undisturbed: Run, copy_of_sample: Callable[[str], Path], tmp_path: Path
) -> None:
    """Through Dagster's own daemon, in processes of its own; the release schedule ticks every minute here."""
    folder = copy_of_sample("daemon")
    path = folder / "region.yml"
    path.write_text(path.read_text(encoding="utf-8") + '\nschedules: {release: "* * * * *"}\n', encoding="utf-8")
    region = load_region(path)
    prepare(region)
    home = dagster_home(region)
    environment = {**os.environ, "DAGSTER_HOME": str(home), "TRIGPOINT_REGION": str(path)}
    said = tmp_path / "daemon.log"
    with said.open("wb") as log:
        daemon = subprocess.Popen(
            [str(Path(sys.executable).parent / "dagster-daemon"), "run", "-m", "orchestration.definitions"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            os.kill(_first_worker(region), signal.SIGKILL)
            launched = _wait_for_success(instance)
            runs = list(instance.get_runs())
            stories = "\n".join(_story(instance, run) for run in runs)
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=60)
        except subprocess.TimeoutExpired:
            daemon.kill()
    assert any("dagster/retry_number" in run.tags for run in runs), stories
    assert launched == {"schedule", "sensor"}, f"{stories}\n{said.read_text(encoding='utf-8')[-20_000:]}"
    made = latest(region)
    assert made is not None
    theirs, ours = content_of(made), content_of(undisturbed.outcome.release)
    assert theirs["tables"] == ours["tables"]


def _first_worker(region: Region) -> int:
    """The process of the first run, once it is landing deliveries."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    told = region.state_dir / "progress.jsonl"
    while time.monotonic() < deadline:
        if told.exists():
            for line in told.read_text(encoding="utf-8").splitlines():
                if (event := json.loads(line))["event"] == "landing":
                    return int(event["pid"])
        time.sleep(0.1)
    raise AssertionError("no run began to land within the test's patience")


def _story(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """How a run went, for whoever reads why the test failed."""
    logged = instance.all_logs(run.run_id)
    last = "".join(f"\n    {entry.user_message[:500]}" for entry in logged[-3:])
    return f"{run.status} of {dict(run.tags)}{last}"


def _wait_for_success(instance: dg.DagsterInstance) -> set[str]:
    """By what the successful runs of the main job were launched, once both have been seen or patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen: set[str] = set()
    while time.monotonic() < deadline and seen != {"schedule", "sensor"}:
        runs = instance.get_runs(filters=dg.RunsFilter(job_name="main", statuses=[dg.DagsterRunStatus.SUCCESS]))
        for run in runs:
            seen |= {kind for kind in ("schedule", "sensor") if f"dagster/{kind}_name" in run.tags}
        time.sleep(1)
    return seen
