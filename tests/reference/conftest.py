"""A region over the reference exports, taken through the real job once for all tests that look at it.

What belongs here: the region and how far it is built. What does not: what a test expects of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orchestration.pipeline import Pipeline
from orchestration.progress import Progress
from orchestration.region import Region, load_region

HMIS_EXPORTS = {
    "lsa_fy2021": "case/hud-lsa-fy2021-input/input/*.zip",
    "lsa_fy2022": "case/hud-lsa-fy2022/input/*.zip",
    "apr_psh": "case/hud-apr-testkit-1/input/psh",
    "apr_rrh": "case/hud-apr-testkit-1/input/rrh",
    "apr_th": "case/hud-apr-testkit-1/input/th",
    "apr_es_nbn": "case/hud-apr-testkit-1/input/es_nbn",
    "spm_one": "case/hud-spm-examples/input/measure_one",
    "spm_three": "case/hud-spm-examples/input/measure_three",
}
"""Source → its exports in the reference data. Each is an organisation of its own."""


@pytest.fixture(scope="session")
def loaded_region(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """The HMIS exports landed, gated and loaded."""
    path = tmp_path_factory.mktemp("reference") / "region.yml"
    path.write_text(yaml.safe_dump(_region(reference_data), sort_keys=False), encoding="utf-8")
    region = load_region(path)
    progress = Progress(region.state_dir / "progress.jsonl")
    pipeline = Pipeline(region, progress)
    for source in region.sources:
        pipeline.land(source.id)
    pipeline.load("hmis_csv")
    yield region
    progress.close()


@pytest.fixture(scope="session")
def built_region(loaded_region: Region) -> Region:
    """The same with every model built."""
    progress = Progress(loaded_region.state_dir / "progress.jsonl")
    Pipeline(loaded_region, progress).build()
    progress.close()
    return loaded_region


def _region(data: Path) -> dict[str, object]:
    return {
        "region": {"id": "reference", "name": "Reference exports", "time_zone": "America/New_York"},
        "organisations": [{"id": name, "name": name} for name in HMIS_EXPORTS],
        "sources": [
            {"id": name, "kind": "hmis_csv", "organisation": name, "location": str(data / location)}
            for name, location in HMIS_EXPORTS.items()
        ],
    }
