"""When things run: a schedule per cadence, the release schedule, and the sensor on the drop folders.

What belongs here: jobs, schedules and sensors made from the region file. What does not: what the jobs do (``assets``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import dagster as dg

from orchestration.assets import landing_key, raw_key
from orchestration.landing import fingerprint_of
from orchestration.region import Cadence, Region

CRON = {
    Cadence.DAILY: "0 4 * * *",
    Cadence.WEEKLY: "0 4 * * 1",
    Cadence.MONTHLY: "0 4 1 * *",
    Cadence.QUARTERLY: "0 4 1 1,4,7,10 *",
    Cadence.YEARLY: "0 4 1 1 *",
}
"""When sources of a cadence are looked at, in the region's time zone: before the working day."""

SENSOR_SECONDS = 60


def main_job() -> dg.UnresolvedAssetJobDefinition:
    """The whole way from deliveries to a release; what `trigpoint run` runs, too."""
    return dg.define_asset_job(
        "main",
        selection=dg.AssetSelection.all(),
        executor_def=dg.in_process_executor,
        description="Receive, land, check, load, build, gate and publish.",
    )


def cadence_jobs(region: Region) -> dict[Cadence, dg.UnresolvedAssetJobDefinition]:
    """For each cadence: land and load its sources, so that senders hear of problems before the release."""
    jobs = {}
    for cadence in Cadence:
        sources = [source for source in region.sources if source.cadence == cadence]
        if sources:
            keys = [landing_key(s.id) for s in sources] + [raw_key(kind) for kind in sorted({s.kind for s in sources})]
            jobs[cadence] = dg.define_asset_job(
                f"intake_{cadence}",
                selection=dg.AssetSelection.assets(*keys),
                executor_def=dg.in_process_executor,
                description=f"Land and check what {cadence} sources delivered; nothing is published.",
            )
    return jobs


def schedules(
    region: Region,
    main: dg.UnresolvedAssetJobDefinition,
    intake: Mapping[Cadence, dg.UnresolvedAssetJobDefinition],
) -> list[dg.ScheduleDefinition]:
    """One schedule per cadence in use, and the release schedule."""
    zone = region.model.region.time_zone
    running = dg.DefaultScheduleStatus.RUNNING
    found = [
        dg.ScheduleDefinition(
            name=f"{cadence}_intake",
            job=job,
            cron_schedule=CRON[cadence],
            execution_timezone=zone,
            default_status=running,
            description=f"Looks at what {cadence} sources delivered, before the working day; publishes nothing.",
        )
        for cadence, job in intake.items()
    ]
    release = dg.ScheduleDefinition(
        name="release",
        job=main,
        cron_schedule=region.model.schedules.release,
        execution_timezone=zone,
        default_status=running,
        description="Publishes: the main job, from deliveries to a release.",
    )
    return [*found, release]


def drop_sensor(region: Region, main: dg.UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Runs the main job once for every change of what lies in the drop folders."""

    @dg.sensor(
        name="drop_folders",
        job=main,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Watches every source's location and runs the main job when something arrives.",
    )
    def drop_folders(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        seen = drop_state(region)
        if seen == context.cursor:
            return dg.SkipReason("nothing new in the drop folders")
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=seen)], cursor=seen)

    return drop_folders


def drop_state(region: Region) -> str:
    """One value for what lies at all locations now: names, sizes and times."""
    digest = hashlib.sha256()
    for source in region.sources:
        for path in region.deliveries_of(source):
            digest.update(f"{source.id}|{path.name}|{fingerprint_of(path)}\n".encode())
    return digest.hexdigest()[:32]
