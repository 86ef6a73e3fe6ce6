"""Tables in a bare DuckDB from rows that name only the columns that matter.

What belongs here: making them. What does not: what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

Row = Mapping[str, Any]


def create_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str], rows: Sequence[Row] = ()
) -> None:
    """A table of these columns (name → type); what a row does not name is NULL. Raises KeyError for a column that the
    table does not have."""
    for row in rows:
        unknown = sorted(set(row) - set(columns))
        if unknown:
            raise KeyError(f"{name} has no column {unknown[0]}")
    texts = {
        column: pa.array([None if row.get(column) is None else str(row[column]) for row in rows], pa.string())
        for column in columns
    }
    connection.register("given", pa.table(texts))
    typed = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in columns.items())
    connection.execute(f"CREATE TABLE {name} AS SELECT {typed} FROM given")
    connection.unregister("given")
