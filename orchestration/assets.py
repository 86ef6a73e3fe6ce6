"""The region as Dagster assets: landing, raw, models, release.

What belongs here: kinds of assets, made by small factories from the region file and the dbt manifest, and the resource
that holds the stages. What does not: what a stage does (``pipeline``), and when it runs (``automation``).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from expectations.results import CheckResult
from orchestration import dbt_specs, gate
from orchestration.dbt_process import NodeResult
from orchestration.hold import BusyError
from orchestration.pipeline import Pipeline
from orchestration.progress import Progress
from orchestration.region import Cadence, Region, SourceBlock, load_region
from orchestration.vault import VaultError
from sources.connector import connectors

OWNERS = ["team:data-engineering"]

WINDOWS = {
    Cadence.DAILY: timedelta(days=1),
    Cadence.WEEKLY: timedelta(days=7),
    Cadence.MONTHLY: timedelta(days=31),
    Cadence.QUARTERLY: timedelta(days=92),
    Cadence.YEARLY: timedelta(days=366),
}
"""After how long a source of a cadence is expected to have delivered; half as long again and it is late."""

OUTSIDE = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For steps that read what lies outside: a share that is away for a moment."""

CONTEXT_KEY = dg.AssetKey(["raw", "context"])
RELEASE_KEY = dg.AssetKey(["release"])


class PipelineResource(dg.ConfigurableResource):
    """The stages of a region. ``as_of`` is the date that figures refer to; default: what the deliveries state."""

    region_path: str
    as_of: str | None = None

    @cached_property
    def pipeline(self) -> Pipeline:
        """The stages, with progress events going to ``state/progress.jsonl``."""
        region = load_region(Path(self.region_path))
        progress = Progress(region.state_dir / "progress.jsonl")
        return Pipeline(region, progress, as_of=date.fromisoformat(self.as_of) if self.as_of else None)


def landing_key(source_id: str) -> dg.AssetKey:
    """Asset of one source's landed deliveries."""
    return dg.AssetKey(["landing", source_id])


def raw_key(kind: str) -> dg.AssetKey:
    """Asset of the raw tables of one kind of source."""
    return dg.AssetKey(["raw", kind])


def delivery_key(source_id: str) -> dg.AssetKey:
    """Asset of what one source sends."""
    return dg.AssetKey(["deliveries", source_id])


def delivery_spec(region: Region, source: SourceBlock) -> dg.AssetSpec:
    """What a sender sends, made outside. It is as fresh as its last usable delivery, however often runs look at it."""
    organisation = region.organisations[source.organisation].name
    window = WINDOWS.get(source.cadence) if source.cadence else None
    return dg.AssetSpec(
        key=delivery_key(source.id),
        group_name="deliveries",
        description=f"What {organisation} sends to {source.location} ({connectors()[source.kind].title}).",
        kinds={"file"},
        owners=OWNERS,
        tags={"kind": source.kind, "organisation": source.organisation},
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=window * 1.5, warn_window=window)
        if window
        else None,
    )


def landing_asset(region: Region, source: SourceBlock) -> dg.AssetsDefinition:
    """One source's deliveries, received and landed."""
    organisation = region.organisations[source.organisation].name
    title = connectors()[source.kind].title

    @dg.asset(
        key=landing_key(source.id),
        deps=[delivery_key(source.id)],
        group_name="landing",
        description=f"Deliveries of {organisation} ({title}) as Parquet with provenance; identifiers go to the vault.",
        kinds={"python", "parquet"},
        owners=OWNERS,
        tags={"kind": source.kind, "organisation": source.organisation},
        retry_policy=OUTSIDE,
    )
    def landing(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult:
        try:
            landed = pipeline.pipeline.land(source.id)
        except (BusyError, VaultError) as error:
            # Neither is away for a moment only: to try again would keep whoever waits in the dark.
            raise dg.Failure(str(error), allow_retries=False) from error
        for d in landed:
            if d.refusal is None:
                facts = {"name": d.name, "delivery": d.delivery_id, "exported": d.stated_at or "not stated"}
                context.log_event(dg.AssetMaterialization(delivery_key(source.id), metadata=facts))
        refused = [f"{d.name}: {d.refusal.message}" for d in landed if d.refusal]
        return dg.MaterializeResult(
            metadata={
                "deliveries": len(landed),
                "dagster/row_count": sum(d.landed_count for d in landed),
                "refused": dg.MetadataValue.md("\n".join(f"- {line}" for line in refused) or "none"),
            }
        )

    return landing


def raw_asset(region: Region, kind: str) -> dg.AssetsDefinition:
    """The raw tables of one kind: new deliveries checked by Great Expectations, what passed applied."""
    sources = [source for source in region.sources if source.kind == kind]
    names = gate.check_names(kind)

    spec = dg.AssetSpec(
        key=raw_key(kind),
        deps=[landing_key(source.id) for source in sources],
        group_name="raw",
        description=f"Raw tables of all {connectors()[kind].title} sources: rows that passed their gate, with the "
        "delivery, file and line they came from, and which of them are current.",
        kinds={"duckdb", "greatexpectations"},
        owners=OWNERS,
    )

    # Only a multi-asset may leave checks out; those of deliveries that were judged before still stand.
    @dg.multi_asset(
        name=f"raw__{kind}",
        specs=[spec],
        can_subset=True,
        pool="warehouse",
        check_specs=[
            dg.AssetCheckSpec(name=name, asset=raw_key(kind), description=description)
            for name, description in names.items()
        ],
    )
    def raw(pipeline: PipelineResource) -> Iterator[Any]:
        loaded = pipeline.pipeline.load(kind)
        applied = sum(len(deliveries) for deliveries in loaded.applied.values())
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={"deliveries_checked": _deliveries(loaded.results), "deliveries_applied": applied},
        )
        yield from _check_results(raw_key(kind), names, loaded.results)

    return raw


def _deliveries(results: Sequence[CheckResult]) -> int:
    return len({result.delivery_id for result in results})


def _check_results(
    key: dg.AssetKey, names: Mapping[str, str], results: Sequence[CheckResult]
) -> Iterator[dg.AssetCheckResult]:
    """One Dagster check result a rule: the worst of its outcomes over deliveries, tables and columns.

    A rule that was put to nothing has no result: what it last said still stands.
    """
    for name in names:
        mine = [r for r in results if gate.check_name(r) == name]
        if not mine:
            continue
        failed = [r for r in mine if r.outcome == "fail"]
        errors = [r for r in mine if r.outcome == "error"]
        severe = any(r.severity in ("submission", "error") for r in failed) or bool(errors)
        yield dg.AssetCheckResult(
            check_name=name,
            asset_key=key,
            passed=not failed and not errors,
            severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
            metadata={
                "checked": sum(r.checked_count for r in mine),
                "failed": sum(r.failed_count for r in failed),
                "errors": len(errors),
                "not_applicable": sum(1 for r in mine if r.outcome == "not_applicable"),
                "where": dg.MetadataValue.md("\n".join(f"- {r.check_id}: {r.message}" for r in failed[:20]) or "none"),
            },
        )


def source_key(source: Mapping[str, Any]) -> dg.AssetKey:
    """Asset of a dbt source: all raw tables of a kind are one, and so is what the models are told of the region."""
    kind = source["name"].partition("__")[0]
    return raw_key(kind) if source["schema"] == "raw" and kind in connectors() else CONTEXT_KEY


def model_assets(dbt_manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Every seed and model of the dbt project, built in one invocation."""
    specs = {
        # Models that were not built again are not reported as materialised; the release waits for what it publishes.
        unique_id: spec.replace_attributes(skippable=not _is_published(spec.key))
        for unique_id, spec in dbt_specs.asset_specs(
            dbt_manifest, source_key, {"pub": "publish"}, owners=OWNERS, kinds={"dbt", "duckdb"}
        ).items()
    }
    checks = dbt_specs.check_specs(dbt_manifest, specs)

    @dg.multi_asset(
        name="models",
        specs=list(specs.values()),
        check_specs=list(checks.values()),
        can_subset=True,
        pool="warehouse",
    )
    def models(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> Iterator[Any]:
        nodes = {node.unique_id: node for node in pipeline.pipeline.build() or ()}
        for unique_id, spec in specs.items():
            if spec.key in context.selected_asset_keys and (unique_id in nodes or _is_published(spec.key)):
                yield dg.MaterializeResult(asset_key=spec.key, metadata=_node_metadata(nodes.get(unique_id)))
        for unique_id, check in checks.items():
            node = nodes.get(unique_id)
            if node is not None:
                yield dg.AssetCheckResult(
                    check_name=check.name,
                    asset_key=check.asset_key,
                    passed=node.status in ("pass", "success"),
                    severity=dg.AssetCheckSeverity.WARN if node.status == "warn" else dg.AssetCheckSeverity.ERROR,
                    metadata={"failures": node.failures, "message": node.message},
                )

    return models


def _is_published(key: dg.AssetKey) -> bool:
    return key.path[0] == "pub"


def _node_metadata(node: NodeResult | None) -> dict[str, Any]:
    if node is None:
        return {"status": "unchanged"}
    return {"status": node.status, "seconds": node.seconds}


def context_asset(region: Region) -> dg.AssetsDefinition:
    """What the models are told of the region; written with the build, shown so that lineage is whole."""

    @dg.asset(
        key=CONTEXT_KEY,
        deps=[raw_key(kind) for kind in kinds(region)],
        group_name="raw",
        description="Region, organisations, sources, deliveries in force and the as-of date, as the models read them.",
        kinds={"duckdb"},
        owners=OWNERS,
        pool="warehouse",
    )
    def context(pipeline: PipelineResource) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"as_of": pipeline.pipeline.write_context().isoformat()})

    return context


def release_asset(dbt_manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """The release: made only if the final gate passes."""
    published = [
        dbt_specs.node_key(node)
        for node in dbt_manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == "pub"
    ]
    names = gate.check_names("publish")

    spec = dg.AssetSpec(
        key=RELEASE_KEY,
        deps=published,
        group_name="release",
        description="An immutable folder for BI and regional bodies: served.duckdb, Parquet, dictionary, KPI "
        "catalogue, aggregated quality, manifest. `releases/latest` moves only if the final gate passes.",
        kinds={"duckdb", "parquet", "greatexpectations"},
        owners=OWNERS,
    )

    @dg.multi_asset(
        name="release",
        specs=[spec],
        can_subset=True,
        pool="warehouse",
        check_specs=[
            dg.AssetCheckSpec(name=name, asset=RELEASE_KEY, description=description)
            for name, description in names.items()
        ],
    )
    def publish(pipeline: PipelineResource) -> Iterator[Any]:
        published = pipeline.pipeline.publish()
        yield dg.MaterializeResult(
            asset_key=spec.key, metadata={"release": published.folder.name, "is_new": published.is_new}
        )
        yield from _check_results(RELEASE_KEY, names, published.results)

    return publish


def kinds(region: Region) -> list[str]:
    """Kinds of the region's sources, sorted."""
    return sorted({source.kind for source in region.sources})
