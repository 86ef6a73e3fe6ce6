"""Macros of the dbt project, rendered for tests that run them in a bare DuckDB.

What belongs here: rendering. What does not: any expectation about what a macro gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2

from orchestration.project import DBT_PROJECT


def render(text: str, *folders: str) -> str:
    """``text`` with calls of the macros in ``folders`` (below ``macros/``) resolved; the engine's are always there.

    ``ref('name')`` is a table of that name; of a macro with several engines it is DuckDB's.
    """
    files = [
        path for folder in ("engine", *folders) for path in sorted((DBT_PROJECT / "macros" / folder).glob("*.sql"))
    ]
    macros = "\n".join(path.read_text(encoding="utf-8") for path in files)
    environment = jinja2.Environment(
        autoescape=False,  # noqa: S701  SQL, not HTML
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.do"],
    )
    environment.globals.update({"ref": str, "return": _same, "adapter": _Adapter()})
    return environment.from_string(macros + text).render()


class _Adapter:
    """Stands in for dbt's."""

    @jinja2.pass_context
    def dispatch(self, context: jinja2.runtime.Context, name: str) -> Callable[..., str]:
        """The macro for DuckDB."""
        found: Callable[..., str] = context.resolve(f"duckdb__{name}")
        return found


def _same(value: Any) -> Any:
    return value
