"""Trigpoint's Dagster definitions, built from a region file.

What belongs here: composing assets and automation. Nothing happens at import; only :func:`defs` reads
``TRIGPOINT_REGION``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration import assets, automation
from orchestration.region import Region, load_region
from orchestration.transform import manifest

REGION_VARIABLE = "TRIGPOINT_REGION"


def build_definitions(
    region: Region,
    *,
    dbt_manifest: Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Definitions of a region. Raises :class:`orchestration.transform.ManifestError` if the manifest is stale.

    ``dbt_manifest`` and ``resources`` replace what would be read or made; tests pass them.
    """
    dbt_manifest = manifest(region) if dbt_manifest is None else dbt_manifest
    main = automation.main_job()
    intake = automation.cadence_jobs(region)
    return dg.Definitions(
        assets=[
            *(assets.delivery_spec(region, source) for source in region.sources),
            *(assets.landing_asset(region, source) for source in region.sources),
            *(assets.raw_asset(region, kind) for kind in assets.kinds(region)),
            assets.context_asset(region),
            assets.model_assets(dbt_manifest),
            assets.release_asset(dbt_manifest),
        ],
        jobs=[main, *intake.values()],
        schedules=automation.schedules(region, main, intake),
        sensors=[automation.drop_sensor(region, main)],
        resources={"pipeline": assets.PipelineResource(region_path=str(region.path)), **(resources or {})},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Definitions of the region that ``TRIGPOINT_REGION`` names."""
    path = os.environ.get(REGION_VARIABLE)
    if not path:
        raise dg.DagsterInvalidDefinitionError(
            f"set {REGION_VARIABLE} to a region file, such as {REGION_VARIABLE}=demo/region.yml"
        )
    return build_definitions(load_region(Path(path)))
