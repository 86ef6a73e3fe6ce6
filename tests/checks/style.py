"""Style of the models' SQL, by sqlfluff's own rules (`dbt_project/.sqlfluff`).

    python -m tests.checks.style [models/kpi/fct_kpi.sql ...]

What belongs here: running sqlfluff over the models, some of them at the same time. What does not: its rules, and
whether the SQL means anything (``sql``).

Not sqlfluff's own command: for each model it compiles every macro of the project anew, which takes most of its time.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from jinja2.sandbox import SandboxedEnvironment
from sqlfluff.core import FluffConfig, Linter

from orchestration.project import DBT_PROJECT


def main(paths: Sequence[str]) -> int:
    """Print what breaks a rule. Returns 1 if anything does, else 0."""
    os.chdir(DBT_PROJECT)
    chosen = paths or sorted(str(path.relative_to(DBT_PROJECT)) for path in (DBT_PROJECT / "models").rglob("*.sql"))
    with ProcessPoolExecutor(initializer=_compile_once) as pool:
        found = [line for lines in pool.map(_broken, chosen) for line in lines]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.stdout.write(f"{len(chosen)} models, {len(found)} breaches of style\n")
    return 1 if found else 0


def _broken(path: str) -> list[str]:
    linted = Linter(config=_config()).lint_path(path)
    return [
        f"dbt_project/{path}:{violation.line_no}:{violation.line_pos}: {violation.rule_code()} {violation.desc()}"
        for violation in linted.get_violations()
    ]


@functools.cache
def _config() -> FluffConfig:
    return FluffConfig.from_root()


def _compile_once() -> None:
    """Have templates of the same text compiled once in this process: sqlfluff sets up all its environments alike."""
    compile_anew = SandboxedEnvironment.compile
    known: dict[str, Any] = {}

    def compiled(environment: SandboxedEnvironment, source: str, *arguments: Any, **options: Any) -> Any:
        if source not in known:
            known[source] = compile_anew(environment, source, *arguments, **options)
        return known[source]

    SandboxedEnvironment.compile = compiled  # type: ignore[assignment]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
