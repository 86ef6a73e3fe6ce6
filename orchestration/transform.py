"""Runs the dbt project in this process.

What belongs here: the arguments and environment of a dbt invocation, and what came of its nodes. What does not: any
model, and deciding when a build is due (``pipeline``).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.project import DBT_PROJECT, dbt_fingerprint
from orchestration.region import Region, RegionFile
from orchestration.warehouse import create_empty, memory_limit

FINGERPRINT = "trigpoint_fingerprint"
PARSED = "partial_parse.msgpack"
SHARED_TARGET = DBT_PROJECT / "target"


class ManifestError(Exception):
    """The dbt manifest is missing or older than the project; the message says how to make it."""


class BuildError(Exception):
    """Nodes of the dbt build failed. ``failures`` are (unique id, message)."""

    def __init__(self, failures: list[tuple[str, str]]):
        super().__init__("; ".join(f"{node}: {message}" for node, message in failures[:5]))
        self.failures = failures


@dataclass(frozen=True)
class NodeResult:
    """What came of one node of a build."""

    unique_id: str
    resource_type: str
    status: str
    seconds: float
    failures: int
    message: str


def target_dir(region: Region) -> Path:
    """Where dbt keeps its manifest and compiled SQL for a region."""
    return region.warehouse_path.parent / "dbt"


def prepare(region: Region) -> Path:
    """Build the manifest ahead, if the project changed since. Returns its path."""
    path = target_dir(region) / "manifest.json"
    mark = target_dir(region) / FINGERPRINT
    if not (path.exists() and mark.exists() and mark.read_text() == dbt_fingerprint()):
        if not region.warehouse_path.exists():
            create_empty(region.warehouse_path)
        _borrow(target_dir(region))
        _invoke(region, ["parse"])
        mark.write_text(dbt_fingerprint())
        _lend(target_dir(region))
    return path


def prepare_shared() -> None:
    """Parse the project once for all regions to come; part of setting up."""
    mark = SHARED_TARGET / FINGERPRINT
    if mark.exists() and mark.read_text() == dbt_fingerprint():
        return
    with tempfile.TemporaryDirectory() as scratch:
        prepare(no_region(Path(scratch)))


def no_region(folder: Path) -> Region:
    """A region with nothing in it, for what needs a warehouse but no data."""
    nothing = {
        "region": {"id": "none", "name": "None"},
        "organisations": [{"id": "none", "name": "None"}],
        "sources": [{"id": "none", "kind": "hmis_csv", "organisation": "none", "location": "none/*"}],
    }
    return Region(folder / "region.yml", RegionFile.model_validate(nothing))


def _borrow(target: Path) -> None:
    """Start from what another region parsed; dbt parses again what changed since."""
    shared = SHARED_TARGET / PARSED
    if shared.exists() and not (target / PARSED).exists():
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared, target / PARSED)


def _lend(target: Path) -> None:
    """Leave the parsed project for other regions, complete or not at all."""
    mark = SHARED_TARGET / FINGERPRINT
    if mark.exists() and mark.read_text() == dbt_fingerprint():
        return
    SHARED_TARGET.mkdir(parents=True, exist_ok=True)
    partial = SHARED_TARGET / f"{PARSED}.{os.getpid()}.part"
    shutil.copy(target / PARSED, partial)
    partial.replace(SHARED_TARGET / PARSED)
    mark.write_text(dbt_fingerprint())


def compile_models(region: Region) -> Path:
    """Compile every model against an empty warehouse. Returns the manifest, which then holds the compiled SQL."""
    create_empty(region.warehouse_path)
    _invoke(region, ["compile"])
    return target_dir(region) / "manifest.json"


def compiled(region: Region, analysis: str, variables: Mapping[str, str]) -> str:
    """The SQL of one of the project's analyses with these variables; it runs on a warehouse that has been built."""
    outcome = _invoke(region, ["compile", "--select", analysis, "--vars", json.dumps(dict(variables))])
    found = [result.node.compiled_code for result in outcome.result.results if result.node.name == analysis]
    if not found:
        raise BuildError([(analysis, "there is no analysis of this name")])
    return str(found[0])


def manifest(region: Region) -> dict[str, Any]:
    """The manifest built by :func:`prepare`. Raises :class:`ManifestError` if it is missing or stale."""
    path = target_dir(region) / "manifest.json"
    mark = target_dir(region) / FINGERPRINT
    if not path.exists() or not mark.exists():
        raise ManifestError(f"no dbt manifest for this region yet; run `trigpoint prepare --region {region.path.name}`")
    if mark.read_text() != dbt_fingerprint():
        raise ManifestError(
            "the dbt manifest is older than the dbt project; "
            f"run `trigpoint prepare --region {region.path.name}` and load again"
        )
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def build(
    region: Region, *, full_refresh: bool, on_node: Callable[[str, str], None] = lambda _node, _status: None
) -> list[NodeResult]:
    """Build seeds, models and data tests. Raises :class:`BuildError` if any failed.

    ``on_node`` hears of every node as it is done, with its unique id and status.

    Unit tests of formulas run in the project's own tests, not in production: their inputs never change there.
    """
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    if full_refresh:
        arguments.append("--full-refresh")
    results = [_node(result) for result in _invoke(region, arguments, on_node).result.results]
    failures = [(r.unique_id, r.message) for r in results if r.status in ("error", "fail", "runtime error")]
    if failures:
        raise BuildError(failures)
    return results


def unit_test(region: Region) -> list[NodeResult]:
    """Run the unit tests of the models' formulas; the region's warehouse must have been built."""
    return [_node(r) for r in _invoke(region, ["test", "--select", "test_type:unit"]).result.results]


def _node(result: Any) -> NodeResult:
    return NodeResult(
        unique_id=result.node.unique_id,
        resource_type=str(result.node.resource_type),
        status=str(result.status),
        seconds=round(float(result.execution_time), 3),
        failures=int(result.failures or 0),
        message=str(result.message or "").strip(),
    )


def _invoke(
    region: Region, arguments: list[str], on_node: Callable[[str, str], None] = lambda _node, _status: None
) -> Any:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters
    from dbt.cli.main import dbtRunner

    target = target_dir(region)
    target.mkdir(parents=True, exist_ok=True)
    places = [
        *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
        *("--target-path", str(target), "--log-path", str(target / "logs")),
        *("--log-level", "none", "--log-level-file", "info", "--no-use-colors-file", "--no-print"),
    ]

    def heard(event: Any) -> None:
        if event.info.name == "NodeFinished":
            on_node(event.data.node_info.unique_id, event.data.node_info.node_status)

    with _environment(region):
        try:
            outcome = dbtRunner(callbacks=[heard]).invoke([arguments[0], *places, *arguments[1:]])
        finally:
            # dbt-duckdb keeps the database open for the process; the next step must be able to open it.
            if DuckDBConnectionManager._ENV is not None:
                DuckDBConnectionManager._ENV.close()
            DuckDBConnectionManager.close_all_connections()
            reset_adapters()
    if outcome.exception is not None:
        raise BuildError([("dbt", str(outcome.exception))]) from outcome.exception
    return outcome


@contextmanager
def _environment(region: Region) -> Iterator[None]:
    # Relative to the folder of the warehouse: dbt's parsed project depends on the connection, and so is the same for
    # every region (see _borrow).
    wanted = {
        "TRIGPOINT_WAREHOUSE": region.warehouse_path.name,
        "TRIGPOINT_MEMORY_LIMIT": memory_limit(),
        "TRIGPOINT_TEMP_DIRECTORY": "duckdb_tmp",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
    }
    before = {name: os.environ.get(name) for name in wanted}
    here = Path.cwd()
    os.environ.update(wanted)
    os.chdir(region.warehouse_path.parent)
    try:
        yield
    finally:
        os.chdir(here)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
