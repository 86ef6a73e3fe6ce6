"""Runs the main Dagster job in this process, for the command line and for tests.

What belongs here: preparing, executing and reporting one run. What does not: the job itself (``automation``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.region import Region

_CONFIGURATION = "dagster.yaml"

_DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
run_queue:
  max_concurrent_runs: 1
run_monitoring:
  enabled: true
  max_runtime_seconds: 21600
run_retries:
  enabled: true
  max_retries: 3
  retry_on_asset_or_op_failure: false
"""
"""One run at a time; what died without a word is started again, what hangs does not keep the queue for ever. A step
that failed and said why is not tried again: its input would be the same."""


_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""What happens is told by the progress events; Dagster's log would drown them."""


EXIT_CODES = {"VaultError": 1, "ManifestError": 1, "GateError": 3, "BusyError": 4, "HeldError": 4}
"""Failures that say in their own words what to do, by name: to import them all would take seconds."""


_BEFORE_ANYTHING = frozenset({"NothingLoadedError", "AsOfError"})
"""Failures for want of something to begin with, in their own words: it matters to nobody at which step they showed."""


class RunFailedError(Exception):
    """The run failed; the message says at which step, why, and what to do next."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to."""

    release: Path
    is_new: bool
    """False: the same pins were published before; nothing changed."""


def dagster_home(region: Region) -> Path:
    """Dagster's own state for a region: run history, schedules, sensor cursors."""
    home = _home(region)
    home.mkdir(parents=True, exist_ok=True)
    path = home / _CONFIGURATION
    if not path.exists():
        path.write_text(_DAGSTER_YAML, encoding="utf-8")
    return home


def _home(region: Region) -> Path:
    return region.state_dir / "dagster"


def run_main(
    region: Region, *, as_of: date | None = None, listener: Callable[[dict[str, Any]], None] = lambda _: None
) -> RunOutcome:
    """Execute the main job. Raises :class:`RunFailedError`."""
    from orchestration.hold import BusyError
    from orchestration.pipeline import Pipeline
    from orchestration.progress import Progress
    from orchestration.transform import BuildError, prepare

    progress = Progress(region.state_dir / "progress.jsonl", listener)
    pipeline = Pipeline(region, progress, as_of=as_of)
    try:
        with pipeline.locked():
            pass  # held by another run: say so at once
        with progress.stage("prepare"):
            prepare(region)
        pipeline.look()
        _execute(region, pipeline)
        folder = region.releases_dir / pipeline.pins().release_id
        progress.event("run_finished", release=folder.name, is_new=pipeline.published_now)
        return RunOutcome(folder, pipeline.published_now)
    except BuildError as error:
        raise RunFailedError(str(error), 1) from error
    except BusyError as error:
        raise RunFailedError(str(error), EXIT_CODES["BusyError"]) from error
    finally:
        pipeline.close()
        progress.close()


def _execute(region: Region, pipeline: Any) -> None:

    from orchestration.assets import PipelineResource
    from orchestration.definitions import build_definitions

    class Prepared(PipelineResource):
        """Hands the assets the pipeline of this process, so that its listener hears what happens."""

        @property
        def pipeline(self) -> Any:
            return pipeline

    resource = Prepared(region_path=str(region.path))
    job = build_definitions(region, resources={"pipeline": resource}).resolve_job_def("main")
    with _instance(region) as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False, run_config=_QUIET)
    if not result.success:
        raise _failure([event for event in result.all_events if event.is_step_failure])


def _instance(region: Region) -> Any:
    """Where Dagster keeps what it is told of a run: beside those of UI and scheduler, where there are any."""
    import dagster as dg

    if os.environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    home = _home(region)
    if (home / _CONFIGURATION).exists():
        return dg.DagsterInstance.from_config(str(home))
    instance: Any = dg.DagsterInstance.ephemeral()
    # Nobody reads the events of an instance that ends with its run, and to keep them takes seconds.
    instance.event_log_storage.store_event = lambda _event: None
    return instance


def _failure(events: list[Any]) -> RunFailedError:
    causes = []
    code = 1
    advice = ""
    for event in events:
        error = event.step_failure_data.error
        while error.cause is not None:
            error = error.cause
        name = error.cls_name or "error"
        code = EXIT_CODES.get(name, code)
        message = re.sub(rf"^(?:\w+\.)*{re.escape(name)}: ", "", error.message.strip())
        if name in _BEFORE_ANYTHING:
            causes.append(message)
        else:
            causes.append(f"{event.step_key}: {message}")
            advice = "\nWhat was landed and loaded stays; `trigpoint run` goes on from there."
    return RunFailedError("\n".join(causes) + advice, code)
