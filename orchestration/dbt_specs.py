"""dbt's manifest as Dagster asset and asset check specs.

What belongs here: what a model, a seed and a data test are called and look like in Dagster. What does not: building
them (``assets``). The dagster-dbt package would do the same, and imports all of dbt into every process that shows or
runs the graph: more seconds than a run in which nothing changed takes altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg

Node = Mapping[str, Any]

_BUILT = ("model", "seed")


def node_key(node: Node) -> dg.AssetKey:
    """Key of a model or seed: schema and name, as in the warehouse."""
    return dg.AssetKey([node["schema"], node["name"]])


def asset_specs(
    manifest: Mapping[str, Any], source_key: Callable[[Node], dg.AssetKey], groups: Mapping[str, str], **common: Any
) -> dict[str, dg.AssetSpec]:
    """Specs of all models and seeds by dbt's unique id, upstream first.

    ``source_key`` gives the asset that a dbt source belongs to; ``groups`` the groups of schemas not called like them;
    ``common`` goes to every spec.
    """
    nodes = {unique_id: n for unique_id, n in manifest["nodes"].items() if n["resource_type"] in _BUILT}
    upstream = {unique_id: _parents(n) for unique_id, n in nodes.items()}
    found = {}
    for unique_id in TopologicalSorter(upstream).static_order():
        if unique_id not in nodes:
            continue
        node = nodes[unique_id]
        parents = sorted(upstream[unique_id])
        deps = [node_key(nodes[p]) if p in nodes else source_key(manifest["sources"][p]) for p in parents]
        found[unique_id] = dg.AssetSpec(
            key=node_key(node),
            deps=dict.fromkeys(deps),
            description=node["description"],
            group_name=groups.get(node["schema"], node["schema"]),
            metadata=dict(_metadata(node)),
            **common,
        )
    return found


def check_specs(manifest: Mapping[str, Any], specs: Mapping[str, dg.AssetSpec]) -> dict[str, dg.AssetCheckSpec]:
    """Specs of all data tests by dbt's unique id. None blocks: a test that fails has failed the build already."""
    return {
        unique_id: dg.AssetCheckSpec(
            name=node["name"],
            asset=specs[node["attached_node"] or _parents(node)[0]].key,
            description=node["description"] or None,
            metadata={"column": node["column_name"]} if node.get("column_name") else None,
        )
        for unique_id, node in sorted(manifest["nodes"].items())
        if node["resource_type"] == "test"
    }


def _parents(node: Node) -> list[str]:
    """Unique ids of what a node selects from; a seed depends on nothing."""
    return list(node["depends_on"].get("nodes", []))


def _metadata(node: Node) -> Iterator[tuple[str, Any]]:
    yield "dagster/table_name", f"{node['schema']}.{node['name']}"
    yield "materialized", node["config"]["materialized"]
    yield "file", f"dbt_project/{node['original_file_path']}"
    if node["columns"]:
        columns = [
            dg.TableColumn(column["name"], column["data_type"] or "", description=column["description"])
            for column in node["columns"].values()
        ]
        yield "dagster/column_schema", dg.TableSchema(columns)
