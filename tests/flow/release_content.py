"""What two releases or two warehouses have in common, for tests that compare them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestration.release import read_manifest
from orchestration.warehouse import connect

_UNSTABLE = {"_loaded_seq", "_changed_seq", "load_seq", "last_built_seq", "position", "run_id"}
"""Columns that say when a row was loaded, not what it is."""

_LEFT_OUT = {"applied", "run_context", "built_input", "dirty_person", "dq_finding"}
"""Tables that say how the warehouse came about; findings remember what a later delivery mended."""


def content_of(release: Path) -> dict[str, Any]:
    """Release id, sha256 of every file and content hash of every table."""
    manifest = read_manifest(release)
    return {
        "release_id": manifest["release_id"],
        "files": {file["name"]: file["sha256"] for file in manifest["files"]},
        "tables": {name: table["content_md5"] for name, table in manifest["tables"].items()},
    }


def warehouse_content(path: Path) -> dict[str, Any]:
    """schema.table → (rows, hash of the rows), columns that say when a row came left out."""
    found: dict[str, Any] = {}
    with connect(path, read_only=True) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_type = 'BASE TABLE' AND table_schema IN ('raw', 'core', 'kpi', 'benchmark', 'pub', 'ops') "
            "ORDER BY ALL"
        ).fetchall()
        for schema, table in tables:
            if table in _LEFT_OUT:
                continue
            columns = connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?",
                [schema, table],
            ).fetchall()
            kept = [f'coalesce("{name}"::VARCHAR, chr(30))' for (name,) in columns if name not in _UNSTABLE]
            found[f"{schema}.{table}"] = connection.execute(
                f"SELECT count(*), md5(coalesce(string_agg(h, '' ORDER BY h), '')) FROM "
                f'(SELECT md5(concat_ws(chr(31), {", ".join(kept)})) AS h FROM {schema}."{table}")'
            ).fetchone()
    return found
