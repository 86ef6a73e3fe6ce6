"""The same pins give the same release, however the warehouse came about."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.release import read_manifest
from orchestration.warehouse import connect
from tests.flow.conftest import Run, run
from tests.flow.release_content import content_of, warehouse_content

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("rebuild")]

LATE = ("harbour_hmis_2025-10-02_full.zip", "harbour_management_2025-10-01.xlsx")
"""Of one provider: people and stays, and the appointments of people who were known before."""


@pytest.fixture(scope="module")
def in_two_steps(copy_of_sample: Callable[[str], Path], sample: Path) -> tuple[Run, Run]:
    """A region that ran without one provider's newest deliveries, and again when they had come."""
    folder = copy_of_sample("two_steps")
    arriving = [next(folder.rglob(name)).relative_to(folder) for name in LATE]
    for held in arriving:
        (folder / held).unlink()
    first = run(folder)
    for come in arriving:
        shutil.copy(sample / come, folder / come)
    return first, run(folder)


def test_pitfall_27_rebuilt_in_an_empty_folder_with_another_key_the_release_is_the_same(
    undisturbed: Run, in_two_steps: tuple[Run, Run]
) -> None:
    """The two regions have vault keys of their own: no published figure depends on a key."""
    first, second = in_two_steps
    assert content_of(second.outcome.release) == content_of(undisturbed.outcome.release)
    assert first.outcome.release != second.outcome.release


def test_one_more_delivery_gives_the_warehouse_of_a_rebuild(
    in_two_steps: tuple[Run, Run], copy_of_sample: Callable[[str], Path]
) -> None:
    """Table by table; the vault is the same, so that tokens are, too."""
    _, second = in_two_steps
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


def test_pitfall_13_a_late_delivery_leaves_the_frozen_release_as_it_was(in_two_steps: tuple[Run, Run]) -> None:
    first, second = in_two_steps
    assert first.outcome.release != second.outcome.release
    files = read_manifest(first.outcome.release)["files"]
    assert len(files) > 1
    for file in files:
        found = hashlib.sha256((first.outcome.release / file["name"]).read_bytes()).hexdigest()
        assert found == file["sha256"], f"{file['name']} of the first release changed"


def test_one_more_delivery_touches_only_its_own_people(in_two_steps: tuple[Run, Run]) -> None:
    _, second = in_two_steps
    built = next(e for e in second.events if e["event"] == "stage_finished" and e["stage"] == "build")
    assert built["full_refresh"] is False
    with connect(second.region.warehouse_path, read_only=True) as connection:
        theirs = connection.execute(
            "SELECT count(*) FROM core.person_xref WHERE person_key IN "
            "(SELECT person_key FROM core.person_xref WHERE source_id = 'harbour_hmis')"
        ).fetchone()
        everyone = connection.execute("SELECT count(*) FROM core.person_xref").fetchone()
    assert theirs is not None and everyone is not None
    assert 0 < built["dirty_persons"] <= theirs[0] < everyone[0]
