"""Statistics macros run in a bare DuckDB, over rows that a test makes up or reads.

What belongs here: calling. What does not: any expectation about what a macro gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import duckdb
import pandas as pd

from tests.dbt_macros import render


@cache
def macro(call: str) -> str:
    """The SQL of a macro call."""
    return render("{{ " + call + " }}", "statistics")


def evaluate_all(call: str, rows: Sequence[Mapping[str, float | None]]) -> list[float | None]:
    """An expression over columns, row by row; all columns are DOUBLE."""
    frame = pd.DataFrame(rows).astype("Float64")
    frame["row_number_of_test"] = range(len(frame))
    found = duckdb.sql(f"SELECT {macro(call)} FROM frame ORDER BY row_number_of_test").fetchall()
    return [row[0] for row in found]


def evaluate(call: str, **values: float | None) -> float | None:
    """An expression over columns of one row."""
    return evaluate_all(call, [values])[0]


def rows_of(call: str, order_by: str, **tables: str | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a macro that gives a relation, NULL as None. Tables are rows, or a query."""
    connection = duckdb.connect()
    for name, content in tables.items():
        if not isinstance(content, str):
            connection.register(f"{name}_rows", pd.DataFrame(content))
            content = f"FROM {name}_rows"
        connection.execute(f"CREATE TABLE {name} AS {content}")
    found = connection.execute(f"SELECT * FROM {macro(call)} AS found ORDER BY {order_by}")
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
