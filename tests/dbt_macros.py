"""Macros of the dbt project, rendered for tests that run them in a bare DuckDB.

What belongs here: rendering. What does not: any expectation about what a macro gives.
"""

from __future__ import annotations

import jinja2

from orchestration.project import DBT_PROJECT


def render(text: str, *folders: str) -> str:
    """``text`` with calls of the macros in ``folders`` (below ``macros/``) resolved; the engine's are always there."""
    files = [
        path for folder in ("engine", *folders) for path in sorted((DBT_PROJECT / "macros" / folder).glob("*.sql"))
    ]
    macros = "\n".join(path.read_text(encoding="utf-8") for path in files)
    environment = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined)  # noqa: S701  SQL, not HTML
    return environment.from_string(macros + text).render()
