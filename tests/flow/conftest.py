"""A tiny sample region, run once through the real job and shared by the tests that only look at it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestration.cli import app
from orchestration.region import Region, load_region
from orchestration.runner import RunOutcome, run_main
from sources.sample import write_region

PEOPLE = 400
SEED = 1


@dataclass(frozen=True)
class Run:
    """A region and what its last run came to."""

    region: Region
    outcome: RunOutcome
    events: list[dict[str, Any]]

    @property
    def planted(self) -> dict[str, Any]:
        """What the generator planted."""
        data: dict[str, Any] = json.loads((self.region.root / "planted.json").read_text(encoding="utf-8"))
        return data


def ask(region: Region, *arguments: str) -> Result:
    """Run a command on a region."""
    return CliRunner().invoke(app, [*arguments, "--region", str(region.path)], env={"COLUMNS": "200"})


def run(folder: Path) -> Run:
    """Run the main job on the region in a folder."""
    region = load_region(folder / "region.yml")
    events: list[dict[str, Any]] = []
    outcome = run_main(region, listener=events.append)
    return Run(region, outcome, events)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pristine sample region; copy it before running anything on it."""
    folder: Path = tmp_path_factory.mktemp("sample") / "region"
    write_region(folder, people=PEOPLE, seed=SEED)
    return folder


@pytest.fixture(scope="session")
def copy_of_sample(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a fresh copy of the sample region under a name."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(sample, tmp_path_factory.mktemp(name) / "region"))

    return copy


@pytest.fixture(scope="session")
def undisturbed(copy_of_sample: Callable[[str], Path]) -> Run:
    """The sample region after one run that nothing disturbed."""
    return run(copy_of_sample("undisturbed"))
