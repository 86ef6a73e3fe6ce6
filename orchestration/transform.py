"""Runs the dbt project.

What belongs here: the arguments and environment of a dbt invocation, and what is prepared once for all regions. What
does not: any model, the process that dbt runs in (``dbt_process``), and deciding when a build is due (``pipeline``).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestration import dbt_process, frameworks
from orchestration.data_tests import run_data_tests
from orchestration.dbt_process import NodeResult
from orchestration.kpi_definitions import with_places
from orchestration.project import DBT_PROJECT, code_fingerprint, dbt_fingerprint
from orchestration.quality import ensure_tables as ensure_quality_tables
from orchestration.region import Region, RegionFile
from orchestration.warehouse import connect, create_empty, memory_limit

FINGERPRINT = "trigpoint_compiled"
MANIFEST = "manifest.json"
PARSED = "partial_parse.msgpack"
SHARED_TARGET = DBT_PROJECT / "target"
TEMPLATE = SHARED_TARGET / "empty" / "build.duckdb"
"""An empty warehouse; of the same name as a region's, which views refer to."""

_STATIC = (
    "resource_type:seed",
    "path:models/staging,config.materialized:view",
    "path:models/input,resource_type:model",
)
"""Nodes that depend on the code alone: made anew when it changes, not with each run."""


class ManifestError(Exception):
    """The dbt manifest is missing or older than the project; the message says how to make it."""


class BuildError(Exception):
    """Nodes of the dbt build failed. ``failures`` are (unique id, message)."""

    def __init__(self, failures: list[tuple[str, str]]):
        super().__init__("; ".join(f"{node}: {message}" for node, message in failures[:5]))
        self.failures = failures


def target_dir(region: Region) -> Path:
    """Where dbt keeps its manifest and compiled SQL for a region."""
    return region.warehouse_path.parent / "dbt"


def prepare(region: Region) -> Path:
    """Build the manifest ahead, with the SQL of data tests in it, if the project changed since. Returns its path.

    Raises :class:`BuildError` if frameworks, crosswalks or the KPI catalogue are wrong, with file, line and mend.
    """
    path = target_dir(region) / MANIFEST
    mark = target_dir(region) / FINGERPRINT
    if _is_fresh(target_dir(region)):
        return path
    if wrong := frameworks.problems():
        raise BuildError([("frameworks", problem) for problem in wrong])
    _borrow(target_dir(region))
    if not _is_fresh(SHARED_TARGET):
        ensure_warehouse(region)
        _parse(region)
    mark.write_text(dbt_fingerprint())
    _lend(target_dir(region))
    return path


def _parse(region: Region) -> None:
    compiling = ["compile", "--select", "test_type:data"]
    before = target_dir(region) / PARSED
    was_there = before.exists()
    try:
        _invoke(region, compiling)
    except BuildError:
        # Where something moved from one file to another, dbt finds it in both if it starts from what it parsed before.
        if not was_there:
            raise
        before.unlink(missing_ok=True)
        _invoke(region, compiling)


def _is_fresh(target: Path) -> bool:
    """Whether a folder holds what dbt parsed of the project as it is now."""
    mark = target / FINGERPRINT
    return (target / MANIFEST).exists() and mark.exists() and mark.read_text() == dbt_fingerprint()


def prepare_shared() -> None:
    """Do once, as part of setting up, what is the same for all regions: parse the project, and make an empty warehouse
    that holds the seeds and views."""
    with tempfile.TemporaryDirectory() as scratch:
        region = no_region(Path(scratch))
        prepare(region)
        if _template_mark().exists() and _template_mark().read_text() == code_fingerprint():
            return
        _create_empty(region.warehouse_path)
        _invoke(region, ["build", "--select", *_STATIC, "--exclude-resource-types", "unit_test", "test"])
        with connect(region.warehouse_path) as connection:
            connection.execute("UPDATE ops.run_context SET static_code = ?", [code_fingerprint()])
        TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
        partial = TEMPLATE.with_suffix(f".{os.getpid()}.part")
        shutil.move(region.warehouse_path, partial)
        _template_mark().unlink(missing_ok=True)
        partial.replace(TEMPLATE)
        _template_mark().write_text(code_fingerprint())


def ensure_warehouse(region: Region) -> None:
    """Give a region that has no warehouse an empty one, with seeds and views if they were prepared."""
    if region.warehouse_path.exists():
        return
    if _template_mark().exists() and _template_mark().read_text() == code_fingerprint():
        region.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
        partial = region.warehouse_path.with_suffix(".part")
        shutil.copy(TEMPLATE, partial)
        partial.replace(region.warehouse_path)
    else:
        _create_empty(region.warehouse_path)


def _create_empty(path: Path) -> None:
    """A warehouse with no rows, in which every model compiles and runs."""
    create_empty(path)
    with connect(path) as connection:
        ensure_quality_tables(connection)


def _template_mark() -> Path:
    return TEMPLATE.with_suffix(".code")


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
    target.mkdir(parents=True, exist_ok=True)
    for name in (PARSED, MANIFEST):
        if (SHARED_TARGET / name).exists():
            shutil.copy(SHARED_TARGET / name, target / name)


def _lend(target: Path) -> None:
    """Leave the parsed project for other regions, each file complete or not at all, the mark last."""
    if _is_fresh(SHARED_TARGET):
        return
    SHARED_TARGET.mkdir(parents=True, exist_ok=True)
    for name in (PARSED, MANIFEST, FINGERPRINT):
        partial = SHARED_TARGET / f"{name}.{os.getpid()}.part"
        shutil.copy(target / name, partial)
        partial.replace(SHARED_TARGET / name)


def compile_models(region: Region) -> Path:
    """Compile every model against an empty warehouse. Returns the manifest, which then holds the compiled SQL."""
    _create_empty(region.warehouse_path)
    _invoke(region, ["compile"])
    return target_dir(region) / MANIFEST


def compiled(region: Region, analysis: str, variables: Mapping[str, str]) -> str:
    """The SQL of one of the project's analyses with these variables; it runs on a warehouse that has been built."""
    # In a folder of its own: other variables would have the next run parse the whole project again.
    folder = target_dir(region).with_name("dbt_analyses")
    results = _invoke(region, ["compile", "--select", analysis, "--vars", json.dumps(dict(variables))], target=folder)
    found = [result.compiled for result in results if result.unique_id.endswith(f".{analysis}")]
    if not found:
        raise BuildError([(analysis, "there is no analysis of this name")])
    return found[0]


def manifest(region: Region) -> dict[str, Any]:
    """The manifest built by :func:`prepare`. Raises :class:`ManifestError` if it is missing or stale."""
    path = target_dir(region) / MANIFEST
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
    region: Region,
    *,
    only: Collection[str] | None,
    static: bool,
    on_node: Callable[[str, str], None] = lambda _node, _status: None,
) -> list[NodeResult]:
    """Build models and, if ``static``, seeds and views; then run the data tests. Raises :class:`BuildError` if any
    failed.

    ``only`` are the unique ids of the models and tests that are concerned; None is all of them, from nothing.
    ``on_node`` hears of every node as it is done, with its unique id and status.

    Unit tests of formulas run in the project's own tests, not in production: their inputs never change there.
    """
    arguments = ["build", "--exclude-resource-types", "unit_test", "test", "--no-write-json"]
    known = manifest(region)
    if only is None:
        arguments.append("--full-refresh")
    else:
        names = [known["nodes"][unique_id]["name"] for unique_id in sorted(only) if unique_id.startswith("model.")]
        if not names:
            return []
        arguments += ["--select", *names]
    if not static:
        arguments += ["--exclude", *_STATIC]
    results = _succeeded(_invoke(region, arguments, on_node))
    tests = run_data_tests(region.warehouse_path, known, only)
    for test in tests:
        on_node(test.unique_id, test.status)
    return results + _succeeded(tests)


def _succeeded(results: list[NodeResult]) -> list[NodeResult]:
    failures = [
        (r.unique_id, with_places(r.message)) for r in results if r.status in ("error", "fail", "runtime error")
    ]
    if failures:
        raise BuildError(failures)
    return results


def unit_test(region: Region, models: Sequence[str] = ()) -> list[NodeResult]:
    """Run the unit tests of the models' formulas, of all or of some; the region's warehouse must have been built."""
    selected = [f"test_type:unit,{model}" for model in models] or ["test_type:unit"]
    return _invoke(region, ["test", "--select", *selected])


def kpi_catalogue() -> list[dict[str, Any]]:
    """The KPI catalogue as the project's macro reads it. Raises :class:`BuildError` if definitions are wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        region = no_region(Path(scratch))
        try:
            prepare(region)
            found: list[dict[str, Any]] = dbt_process.call_macro(_invocation(region, ["parse"]), "kpi_definitions")
        except (dbt_process.DbtError, BuildError) as error:
            raise BuildError([("catalogue", with_places(str(error)))]) from error
        return found


def warm_up(region: Region) -> None:
    """Start dbt and have it parse the project, beside whatever comes before the build.

    The manifest is there already and may be being read: it is not written again.
    """
    if _is_fresh(target_dir(region)):
        ensure_warehouse(region)
        dbt_process.warm_up(_invocation(region, ["parse", "--no-write-json"]))


def _invoke(
    region: Region,
    arguments: list[str],
    on_node: Callable[[str, str], None] = lambda _node, _status: None,
    target: Path | None = None,
) -> list[NodeResult]:
    (target or target_dir(region)).mkdir(parents=True, exist_ok=True)
    try:
        return dbt_process.invoke(_invocation(region, arguments, target), on_node)
    except dbt_process.DbtError as error:
        raise BuildError([("dbt", with_places(str(error)))]) from error


def _invocation(region: Region, arguments: list[str], target: Path | None = None) -> dbt_process.Invocation:
    target = (target or target_dir(region)).resolve()
    places = [
        *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
        *("--target-path", str(target), "--log-path", str(target / "logs")),
        *("--log-level", "none", "--log-level-file", "info", "--no-use-colors-file", "--no-print"),
    ]
    # The warehouse is named relative to its folder: dbt's parsed project depends on the connection, and so is the same
    # for every region (see _borrow).
    environment = {
        "TRIGPOINT_WAREHOUSE": region.warehouse_path.name,
        "TRIGPOINT_MEMORY_LIMIT": memory_limit(),
        "TRIGPOINT_TEMP_DIRECTORY": "duckdb_tmp",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
    }
    return dbt_process.Invocation([*arguments, *places], str(region.warehouse_path.parent.resolve()), environment)
