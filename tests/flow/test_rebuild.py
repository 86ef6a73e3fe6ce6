"""The same pins give the same release, however the warehouse came about."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.release import read_manifest
from orchestration.warehouse import connect
from tests.flow.conftest import Run, run
from tests.flow.release_content import content_of, warehouse_content

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("rebuild")]

GRANTS = ("larkspur_grants_2025-10-02.json",)
LATE = ("harbour_hmis_2025-10-02_full.zip", "harbour_management_2025-10-01.xlsx")
"""Of one provider: people and stays, and the appointments of people who were known before."""


@dataclass(frozen=True)
class Steps:
    """A region that ran without some of its deliveries, and again whenever some more had come."""

    first: Run
    with_grants: Run
    last: Run


@pytest.fixture(scope="module")
def steps(copy_of_sample: Callable[[str], Path], sample: Path) -> Steps:
    """Without a funder's and a provider's newest deliveries; then the funder's come, then the provider's."""
    folder = copy_of_sample("steps")

    def places(names: tuple[str, ...]) -> list[Path]:
        return [next(sample.rglob(name)).relative_to(sample) for name in names]

    def come(names: tuple[str, ...]) -> Run:
        for place in places(names):
            shutil.copy(sample / place, folder / place)
        return run(folder)

    for place in places((*GRANTS, *LATE)):
        (folder / place).unlink()
    return Steps(run(folder), come(GRANTS), come(LATE))


def test_pitfall_27_rebuilt_in_an_empty_folder_with_another_key_the_release_is_the_same(
    undisturbed: Run, steps: Steps
) -> None:
    """The two regions have vault keys of their own: no published figure depends on a key."""
    assert content_of(steps.last.outcome.release) == content_of(undisturbed.outcome.release)
    assert len({one.outcome.release for one in (steps.first, steps.with_grants, steps.last)}) == 3


def test_one_more_delivery_gives_the_warehouse_of_a_rebuild(
    steps: Steps, copy_of_sample: Callable[[str], Path]
) -> None:
    """Table by table; the vault is the same, so that tokens are, too."""
    second = steps.last
    rebuilt = copy_of_sample("rebuilt")
    shutil.copytree(second.region.vault_dir, rebuilt / "vault")
    fresh = run(rebuilt)
    stepwise = warehouse_content(second.region.warehouse_path)
    at_once = warehouse_content(fresh.region.warehouse_path)
    differing = {
        name: (stepwise.get(name), at_once.get(name)) for name in stepwise if stepwise[name] != at_once.get(name)
    }
    assert set(stepwise) == set(at_once)
    assert differing == {}


def test_pitfall_13_a_late_delivery_leaves_the_frozen_release_as_it_was(steps: Steps) -> None:
    first, second = steps.first, steps.last
    assert first.outcome.release != second.outcome.release
    files = read_manifest(first.outcome.release)["files"]
    assert len(files) > 1
    for file in files:
        found = hashlib.sha256((first.outcome.release / file["name"]).read_bytes()).hexdigest()
        assert found == file["sha256"], f"{file['name']} of the first release changed"


def _build_of(step: Run) -> dict[str, Any]:
    return next(e for e in step.events if e["event"] == "stage_finished" and e["stage"] == "build")


def _models_built(step: Run) -> set[str]:
    return {e["node"].split(".")[-1] for e in step.events if e["event"] == "node" and e["node"].startswith("model.")}


def test_one_more_delivery_touches_only_its_own_people(steps: Steps) -> None:
    second = steps.last
    built = _build_of(second)
    assert built["full_refresh"] is False
    with connect(second.region.warehouse_path, read_only=True) as connection:
        theirs = connection.execute(
            "SELECT count(*) FROM core.person_xref WHERE person_key IN "
            "(SELECT person_key FROM core.person_xref WHERE source_id = 'harbour_hmis')"
        ).fetchone()
        everyone = connection.execute("SELECT count(*) FROM core.person_xref").fetchone()
    assert theirs is not None and everyone is not None
    assert 0 < built["dirty_persons"] <= theirs[0] < everyone[0]


def test_a_funders_delivery_leaves_alone_what_does_not_read_awards(steps: Steps) -> None:
    """Awards, KPIs and what is published of them are built; no fact of persons, of staff or of published figures is."""
    built = _models_built(steps.with_grants)
    assert {"dim_award", "fct_award_transaction", "kpi_atom", "pub_kpi_timeseries", "pub_award_summary"} <= built
    alone = {
        "dirty_person",
        "fct_episode",
        "fct_return",
        "fct_staffing",
        "fct_benchmark_external",
        "mart_outcome_driver",
    }
    assert built & alone == set()
    assert alone <= _models_built(steps.first)
    assert _build_of(steps.with_grants)["dirty_persons"] == 0


def test_a_providers_delivery_leaves_alone_what_funders_and_publications_say(steps: Steps) -> None:
    built = _models_built(steps.last)
    assert {"dirty_person", "fct_episode", "kpi_atom"} <= built
    assert built & {"dim_award", "fct_award_transaction", "fct_benchmark_external", "dim_outcome_node"} == set()
