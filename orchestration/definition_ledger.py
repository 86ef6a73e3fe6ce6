"""The ledger of definitions: what every version of a definition meant when it was first used.

What belongs here: the file of (code, version, sha256) rows, which grows and never changes, and what is wrong when
definitions and ledger disagree. What does not: what a definition holds (KPIs and instruments say what of it counts).

A figure names the version of its definition. So a definition that changes what it counts is another version: the old
hash stays, and a definition whose hash differs from the ledger's is refused.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Key = tuple[str, str]
"""(code, version)."""

_HEADER = ["code", "version", "sha256"]


@dataclass(frozen=True)
class Disagreement:
    """A definition that the ledger does not hold as it stands."""

    key: Key
    is_changed: bool
    """The ledger holds another definition of this version; else it holds none."""

    def sentence(self, record_with: str) -> str:
        """What is wrong and how to mend it."""
        code, version = self.key
        if self.is_changed:
            return (
                f"{code} version {version} no longer means what it meant when it was first used. Undo the change, or "
                f"give the new definition a new version and end the old one's validity"
            )
        return f"{code} version {version} is not in the ledger yet. Run `{record_with}` and commit what it adds"


def digest(content: Mapping[str, Any]) -> str:
    """sha256 of what counts of a definition, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def read(path: Path) -> dict[Key, str]:
    """Hashes by code and version. An absent file is an empty ledger."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["code"], row["version"]): row["sha256"] for row in csv.DictReader(file)}


def compare(path: Path, current: Mapping[Key, str]) -> list[Disagreement]:
    """What the ledger does not hold as it stands, in order of code and version."""
    held = read(path)
    return [Disagreement(key, is_changed=key in held) for key, sha in sorted(current.items()) if held.get(key) != sha]


def record(path: Path, current: Mapping[Key, str]) -> list[Key]:
    """Add what is new. Rows that are there stay as they are, also of definitions that are gone or were changed."""
    held = read(path)
    added = sorted(key for key in current if key not in held)
    rows = held | {key: current[key] for key in added}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows([*key, rows[key]] for key in sorted(rows))
    path.write_text(text.getvalue(), encoding="utf-8")
    return added
