"""The ledger of definitions: what every version meant when it was first used. KPIs and instruments have one each.

What belongs here: the file, which grows and never changes, and what is wrong when definitions and ledger disagree. What
does not: what of a definition counts (``kpi_definitions``, ``instruments.ledger``).

A figure names the version of its definition. So a definition that changes what it counts is another version: the old
hash stays, and a definition whose hash differs from the ledger's, or that is gone, is refused.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Key = tuple[str, ...]
"""Code and version, and where versions have them a part."""

Ledger = Mapping[Key, str]
"""Key → sha256."""

_HASH = "sha256"


@dataclass(frozen=True)
class Broken:
    """A definition that was in the ledger and is no longer what it was."""

    key: Key
    is_gone: bool


def digest(content: Any) -> str:
    """sha256 of what counts of a definition, whatever the order of its keys, and whether it says 9.50 or 9.5."""
    return hashlib.sha256(json.dumps(_canonical(content), sort_keys=True, default=str).encode()).hexdigest()


def read(path: Path) -> Ledger:
    """What was used so far; nothing where there is no ledger yet. The last column is the hash, the others the key."""
    if not path.exists():
        return {}
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    return {tuple(row[:-1]): row[-1] for row in rows[1:]}


def as_text(columns: Sequence[str], ledger: Ledger) -> str:
    """The ledger's file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*columns, _HASH))
    writer.writerows((*key, sha256) for key, sha256 in sorted(ledger.items()))
    return out.getvalue()


def broken(released: Ledger, now: Ledger) -> list[Broken]:
    """What is in the ledger and is no longer as it was, in order of keys."""
    return [Broken(key, key not in now) for key, sha256 in sorted(released.items()) if now.get(key) != sha256]


def _canonical(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {_canonical_text(str(key)): _canonical(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_canonical(value) for value in content]
    return _canonical_text(content) if isinstance(content, str) else content


def _canonical_text(text: str) -> str:
    head, dot, tail = text.partition(".")
    if dot and head.lstrip("-").isdigit() and tail.isdigit():
        return f"{head}.{tail.rstrip('0')}".rstrip(".")
    return text
