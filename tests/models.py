"""Models of the dbt project, rendered for tests that run them in a bare DuckDB over tables of their own.

What belongs here: rendering. What does not: any expectation about what a model gives. Formulas have dbt unit tests;
this is for what takes more rows than one writes by hand, such as a whole truth table.
"""

from __future__ import annotations

from typing import Any

import jinja2

from orchestration.project import DBT_PROJECT


def model_sql(path: str) -> str:
    """A model below ``models/`` as SQL for DuckDB: ``ref('x')`` is table x, ``source('a', 'b')`` is table a_b, and an
    incremental model is built from nothing."""
    return project_sql(f"models/{path}")


def project_sql(path: str, **variables: object) -> str:
    """Any SQL file of the dbt project, an analysis too, as :func:`model_sql` does it; ``variables`` are dbt's vars."""
    macros = "\n".join(file.read_text(encoding="utf-8") for file in sorted((DBT_PROJECT / "macros").rglob("*.sql")))
    text = (DBT_PROJECT / path).read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=False, extensions=["jinja2.ext.do"])  # noqa: S701  SQL, not HTML
    context = _Context(environment, macros)
    context.names["var"] = lambda name, default=None: variables.get(name, default)
    return environment.from_string(macros + text).render(**context.names)


class _Context:
    """The names of dbt that models use."""

    def __init__(self, environment: jinja2.Environment, macros: str):
        self.names: dict[str, Any] = {
            "ref": lambda name: name,
            "source": lambda schema, name: f"{schema}_{name}",
            "config": lambda **_: "",
            "is_incremental": lambda: False,
            "this": "this",
            "return": lambda value: value,
            "adapter": self,
        }
        self._module = environment.from_string(macros).make_module(self.names)

    def dispatch(self, name: str) -> Any:
        """The macro as DuckDB has it."""
        return getattr(self._module, f"duckdb__{name}")
