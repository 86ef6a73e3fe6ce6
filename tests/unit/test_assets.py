"""The assets of a source: when it counts as delivered, and what is tried again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.assets import PipelineResource, delivery_key, delivery_spec, landing_asset
from orchestration.hold import BusyError
from orchestration.landing import Landed, Refusal
from orchestration.region import Region, load_region

REGION = """\
region: {id: demo, name: Demo region}
organisations:
  - {id: harbour, name: Harbour Housing}
sources:
  - {id: harbour_hmis, kind: hmis_csv, organisation: harbour, location: d/*, cadence: monthly}
  - {id: harbour_odk, kind: odk, organisation: harbour, location: o/*, mapping: {forms: {}}}
"""


@pytest.fixture
def region(tmp_path: Path) -> Region:
    (tmp_path / "region.yml").write_text(REGION, encoding="utf-8")
    return load_region(tmp_path / "region.yml")


class Stub(PipelineResource):
    """Hands the asset what landing comes to, or the error it ends with."""

    @property
    def pipeline(self) -> Any:
        return self

    def land(self, source_id: str) -> list[Landed]:
        if ANSWER["error"]:
            raise ANSWER["error"]
        return list(ANSWER["landed"])


ANSWER: dict[str, Any] = {}


def materialise(region: Region, *landed: Landed, error: Exception | None = None) -> dg.ExecuteInProcessResult:
    ANSWER.update(landed=landed, error=error)
    source = region.source("harbour_hmis")
    return dg.materialize(
        [delivery_spec(region, source), landing_asset(region, source)],
        resources={"pipeline": Stub(region_path=str(region.path))},
        raise_on_error=False,
    )


def delivered(result: dg.ExecuteInProcessResult) -> int:
    events = [event for event in result.all_events if event.is_step_materialization]
    return sum(event.asset_key == delivery_key("harbour_hmis") for event in events)


def a_delivery(**facts: Any) -> Landed:
    return Landed("d1", "c1", "harbour_hmis", "harbour", "hmis_csv", "1", "export.zip", **facts)


def test_a_source_is_as_fresh_as_its_last_usable_delivery(region: Region) -> None:
    """A run that finds nothing new, or nothing that can be used, does not make a sender look punctual."""
    assert delivered(materialise(region, a_delivery())) == 1
    assert delivered(materialise(region)) == 0
    assert delivered(materialise(region, a_delivery(refusal=Refusal("corrupt_zip", "damaged", "send again")))) == 0


def test_freshness_follows_from_cadence(region: Region) -> None:
    monthly, unstated = (delivery_spec(region, source) for source in region.sources)
    policy = monthly.freshness_policy
    assert isinstance(policy, dg.FreshnessPolicy)
    assert policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(days=46.5), warn_window=timedelta(days=31))
    assert unstated.freshness_policy is None


def test_a_busy_region_is_not_tried_again_a_share_that_is_away_is(region: Region, monkeypatch: Any) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    busy = materialise(region, error=BusyError("another run is working"))
    assert not busy.success
    assert [e for e in busy.all_events if e.is_step_up_for_retry] == []
    away = materialise(region, error=OSError("the share is away"))
    assert not away.success
    assert len([e for e in away.all_events if e.is_step_up_for_retry]) == 3
