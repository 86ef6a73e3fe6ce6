"""DuckDB extensions from their wheels: no download, the same on every machine."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import duckdb


@cache
def extension_path(name: str) -> Path:
    """File of an extension shipped as ``duckdb-extension-<name>``. Raises LookupError if it is not installed."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    locations = (spec.submodule_search_locations if spec else None) or []
    for location in locations:
        for path in sorted(Path(location).rglob(f"{name}.duckdb_extension")):
            return path
    raise LookupError(f"the package duckdb-extension-{name} is not installed; run `make run` or install it")


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension into a connection."""
    connection.execute("LOAD '" + extension_path(name).as_posix().replace("'", "''") + "'")
