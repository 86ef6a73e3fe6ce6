"""Where the parts of the checkout lie, and what version they are.

What belongs here: the paths of the dbt project and the suites, and the fingerprints that a release pins. What does
not: anything of a region.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT = ROOT / "dbt_project"

_ENGINES = ("duckdb", "dbt-core", "dbt-duckdb", "great-expectations", "pyarrow")
_DBT_LEFT_OUT = {"target", "logs", "dbt_packages"}


def fingerprint(files: Iterable[Path], base: Path) -> str:
    """sha256 over relative names and contents, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda p: p.relative_to(base).as_posix()):
        digest.update(path.relative_to(base).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def dbt_fingerprint() -> str:
    """Identity of the dbt project: everything that a model can depend on."""
    files = (
        path
        for path in DBT_PROJECT.rglob("*")
        if path.is_file()
        and path.suffix in {".sql", ".yml", ".yaml", ".csv", ".md"}
        and path.relative_to(DBT_PROJECT).parts[0] not in _DBT_LEFT_OUT
    )
    return fingerprint(files, DBT_PROJECT)


@cache
def suites_fingerprint() -> str:
    """Identity of what is acceptable: suites and their adapter, with the code lists they refer to."""
    files = [*(ROOT / "expectations").rglob("*.yml"), *(ROOT / "expectations").rglob("*.py")]
    files += [ROOT / "orchestration" / "quality.py", *(DBT_PROJECT / "seeds").rglob("*.csv")]
    return fingerprint(files, ROOT)


@cache
def code_fingerprint() -> str:
    """Identity of all code that can change a published number, and of the engines it runs on."""
    files = [
        path
        for package in ("orchestration", "sources", "expectations")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix in {".py", ".yml", ".csv"} and "sample" not in path.parts
    ]
    engines = "|".join(f"{name}={_version(name)}" for name in _ENGINES)
    return hashlib.sha256(f"{fingerprint(files, ROOT)}|{dbt_fingerprint()}|{engines}".encode()).hexdigest()


def product_version() -> str:
    """Version of the installed distribution."""
    return _version("trigpoint")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "0"
