"""A region over the reference data, taken through the real job once for all tests that look at it.

What belongs here: the region and its one run. What does not: what a test expects of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.region import Region, load_region
from orchestration.runner import run_main

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

GRANT_FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "lloyds": ("funder/360giving-lloyds-bank-foundation/*.json", {}),
    "abct": ("funder/360giving-abct/*.xlsx", {}),
    "sport_england": (
        "funder/sport-england-lottery/*.csv",
        {"columns": {"Programme Name": "grantProgramme/0/title", "Region": "Beneficiary Location:Name"}},
    ),
}
"""Source → its file and the columns that the standard's titles do not tell. Each is an organisation of its own."""

REDCAP_PROJECTS = (
    "arm-single-longitudinal",
    "checkboxes-1",
    "clinical-trial-1",
    "longitudinal",
    "repeating-instruments",
    "simple",
    "survey",
    "validation-types-1",
)
"""Each a source, all of one organisation."""


def redcap_source(project: str) -> str:
    """The source of a REDCap project."""
    return f"redcap_{project.replace('-', '_')}"


@pytest.fixture(scope="session")
def reference_region(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Region:
    """The reference data after one run of the main job, which published a release."""
    path = tmp_path_factory.mktemp("reference") / "region.yml"
    path.write_text(yaml.safe_dump(region_file(reference_data), sort_keys=False), encoding="utf-8")
    region = load_region(path)
    assert run_main(region).is_new
    return region


def region_file(data: Path) -> dict[str, Any]:
    """The region's file."""
    organisations = [*HMIS_EXPORTS, *GRANT_FILES, "surveys"]
    return {
        "region": {"id": "reference", "name": "Reference data", "time_zone": "America/New_York"},
        "organisations": [{"id": name, "name": name} for name in organisations],
        "sources": [
            *(
                {"id": name, "kind": "hmis_csv", "organisation": name, "location": str(data / location)}
                for name, location in HMIS_EXPORTS.items()
            ),
            *(
                {
                    "id": name,
                    "kind": "threesixtygiving",
                    "organisation": name,
                    "location": str(data / location),
                    "mapping": mapping,
                }
                for name, (location, mapping) in GRANT_FILES.items()
            ),
            *(
                {
                    "id": redcap_source(project),
                    "kind": "redcap",
                    "organisation": "surveys",
                    "location": str(data / "survey/redcap-projects" / project),
                }
                for project in REDCAP_PROJECTS
            ),
        ],
    }
