"""Parses every compiled model and analysis as Spark SQL, so that the dbt project can move engines.

What belongs here: compiling into a scratch warehouse, and the portability rules that a parser can't see. What does
not: what the models compute.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import sqlglot
from sqlglot import exp

from orchestration.transform import compile_models, no_region


def main() -> int:
    """Compile and parse. Returns the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        models = dict(compiled_models(Path(scratch)))
    problems = [f"{path}: {problem}" for path, sql in models.items() for problem in portability_problems(sql)]
    for problem in problems:
        sys.stderr.write(problem + "\n")
    sys.stdout.write(f"{len(models)} models parse as Spark SQL, {len(problems)} problems\n")
    return 1 if problems else 0


def compiled_models(scratch: Path) -> Iterator[tuple[str, str]]:
    """(path, compiled SQL) of every model and analysis, compiled against an empty warehouse below ``scratch``."""
    manifest = compile_models(no_region(scratch))
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    for node in sorted(nodes.values(), key=lambda n: n["original_file_path"]):
        if node["resource_type"] in ("model", "analysis"):
            yield node["original_file_path"], node["compiled_code"]


def portability_problems(sql: str) -> Iterator[str]:
    """What keeps a compiled model from running on Spark as well, as far as text and parse tree tell."""
    try:
        tree = sqlglot.parse_one(sql, read="spark")
    except sqlglot.errors.ParseError as error:
        yield f"does not parse as Spark SQL: {str(error).splitlines()[0]}"
        return
    for ordered in tree.find_all(exp.Ordered):
        text = ordered.sql(dialect="spark").upper()
        if "NULLS FIRST" not in text and "NULLS LAST" not in text and not _states_nulls(ordered, sql):
            yield f"ORDER BY without NULLS FIRST or LAST: {text[:80]}"
    if re.search(r"\bnow\s*\(|\bcurrent_(date|timestamp)\b", sql, re.IGNORECASE):
        yield "depends on the time of the run"


def _states_nulls(ordered: exp.Ordered, sql: str) -> bool:
    """The parser drops a NULLS clause that is the dialect's default; the text still has it."""
    column = re.escape(ordered.this.sql(dialect="spark"))
    return bool(re.search(column + r"\s*(asc|desc)?\s*nulls\s+(first|last)", sql, re.IGNORECASE))


if __name__ == "__main__":
    sys.exit(main())
