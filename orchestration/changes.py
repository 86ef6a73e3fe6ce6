"""Which of the tables that models read changed since the models were last built, and which models that concerns.

What belongs here: a fingerprint for each of those tables, what is remembered of them, and the way through dbt's graph.
What does not: which rows of a model are made again (the model says so itself), and running dbt (``transform``).

A model none of whose tables changed is left alone. Fingerprints are kept when a build has succeeded; those of tables
that changed are forgotten before it starts, so that a build that breaks off is made up for by the next one, whatever
the tables hold by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from orchestration.quality import LANDING
from orchestration.warehouse import quoted, text_literal

_ROWS = "SELECT concat_ws(':', count(*), sum(hash(t)::HUGEINT)) FROM {table} AS t"
"""Whatever their order."""

_LOADED = "SELECT concat_ws(':', count(*), max(_changed_seq)) FROM {table}"
"""Of tables whose rows say when they changed."""

_FROM_LANDING = f"{_ROWS} WHERE stage = '{LANDING}'"
"""The gates of the warehouse and of the release come after the build, which does not read what they say."""

_OWN = {
    "ops.run_context": "SELECT as_of::VARCHAR FROM {table}",
    "ops.dq_result": _FROM_LANDING,
    "ops.dq_finding": _FROM_LANDING,
}


@dataclass(frozen=True)
class Changes:
    """How the tables that models read stand to what was built from them."""

    fingerprints: Mapping[str, str]
    """Table (``schema.name``) → what it holds now."""
    changed: frozenset[str]
    """Tables that hold something else than when the models were last built."""

    def concern(self, manifest: Mapping[str, Any]) -> set[str]:
        """Unique ids of the nodes (models and data tests) that read a changed table, directly or through others."""
        sources = {unique_id for unique_id, source in manifest["sources"].items() if _name(source) in self.changed}
        parents = {unique_id: _parents(node) for unique_id, node in manifest["nodes"].items()}
        concerned: dict[str, bool] = dict.fromkeys(sources, True)

        def is_concerned(unique_id: str) -> bool:
            if unique_id not in concerned:
                concerned[unique_id] = any(is_concerned(parent) for parent in parents.get(unique_id, ()))
            return concerned[unique_id]

        return {unique_id for unique_id in parents if is_concerned(unique_id)}


def find(connection: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any]) -> Changes:
    """Compare the tables that models read with those that they were last built from."""
    now = dict(_fingerprints(connection, manifest))
    built = dict(connection.execute("SELECT input_name, fingerprint FROM ops.built_input").fetchall())
    return Changes(now, frozenset(name for name, fingerprint in now.items() if built.get(name) != fingerprint))


def forget(connection: duckdb.DuckDBPyConnection, changes: Changes) -> None:
    """Call it before a build: until it has succeeded, nothing holds of what changed."""
    connection.execute("DELETE FROM ops.built_input WHERE list_contains(?, input_name)", [sorted(changes.changed)])


def remember(connection: duckdb.DuckDBPyConnection, changes: Changes) -> None:
    """Call it when a build has succeeded, with what was found before it."""
    connection.execute("DELETE FROM ops.built_input")
    connection.executemany("INSERT INTO ops.built_input VALUES (?, ?)", sorted(changes.fingerprints.items()))


def _fingerprints(connection: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    dated = {
        f"{schema}.{table}"
        for schema, table in connection.execute(
            "SELECT schema_name, table_name FROM duckdb_columns() WHERE column_name = '_changed_seq'"
        ).fetchall()
    }
    queries = []
    for source in sorted(manifest["sources"].values(), key=_name):
        name = _name(source)
        query = _OWN.get(name, _LOADED if name in dated else _ROWS)
        table = f"{quoted(source['schema'])}.{quoted(source['identifier'])}"
        queries.append(f"SELECT {text_literal(name)}, ({query.format(table=table)})")
    if queries:
        yield from connection.execute(" UNION ALL ".join(queries)).fetchall()


def _name(source: Mapping[str, Any]) -> str:
    return f"{source['schema']}.{source['identifier']}"


def _parents(node: Mapping[str, Any]) -> list[str]:
    found: list[str] = node["depends_on"].get("nodes", [])
    return found
