"""The ledger of released definitions: what was released stays as it was; a change is a new version.

What belongs here: the fingerprint of each part of a version, and ``dbt_project/instruments/released.csv``, which only
grows. What does not: names, sources, marks and vectors, which may become better without a figure changing.

A part is what one figure rests on: ``scoring`` (items and scales), ``bands`` of a scale, or a programme's ``rule`` for
a scale. So a rule for another programme may join a released version, and none of those that are there may change.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestration.instruments.definition import Instrument
from orchestration.instruments.reading import DEFINITIONS

LEDGER = "released.csv"
_COLUMNS = ("instrument_code", "instrument_version", "part", "sha256")

Part = tuple[str, str, str]
Ledger = Mapping[Part, str]

_SCORING = {
    "code", "version", "valid_from", "use", "respondent", "direction", "items", "headline", "measures", "scales",
}  # fmt: skip


def fingerprints(instruments: Sequence[Instrument]) -> Ledger:
    """Every part of every version with its fingerprint."""
    return {
        (instrument.code, instrument.version, part): _hash(content)
        for instrument in instruments
        for part, content in _parts(instrument).items()
    }


def read_ledger(folder: Path = DEFINITIONS) -> Ledger:
    """What was released so far; nothing where there is no ledger yet."""
    path = folder / LEDGER
    if not path.exists():
        return {}
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return {(r["instrument_code"], r["instrument_version"], r["part"]): r["sha256"] for r in rows}


def broken_promises(released: Ledger, now: Ledger) -> list[str]:
    """What was released and is no longer as it was, each a sentence with the mend."""
    problems = []
    for (code, version, part), sha256 in sorted(released.items()):
        found = now.get((code, version, part))
        if found == sha256:
            continue
        what = "is gone" if found is None else "has changed"
        problems.append(
            f"{code}, version {version}: {part} {what} since it was released. Put it back as it was, and write the new "
            f"definition as a version of its own (such as {code}_{_next(version)}.yml, with valid_from)."
        )
    return problems


def as_text(ledger: Ledger) -> str:
    """The ledger's file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((*part, sha256) for part, sha256 in sorted(ledger.items()))
    return out.getvalue()


def _parts(instrument: Instrument) -> dict[str, Any]:
    parts: dict[str, Any] = {"scoring": instrument.model_dump(mode="json", include=_SCORING, exclude_defaults=True)}
    for band in instrument.bands:
        parts.setdefault(f"bands {band.scale}", []).append([band.code, str(band.from_.normalize())])
    for rule in instrument.rules:
        scale = rule.scale or instrument.headline
        parts[f"rule {rule.programme} {scale}"] = rule.model_dump(
            mode="json",
            include={"caseness", "reliable_change", "reliability", "pairing", "default"},
            exclude_defaults=True,
        )
    return parts


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(_canonical(content), sort_keys=True).encode()).hexdigest()


def _canonical(content: Any) -> Any:
    """Without differences that mean nothing, such as 9.50 for 9.5."""
    if isinstance(content, dict):
        return {_canonical_text(str(key)): _canonical(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_canonical(value) for value in content]
    return _canonical_text(content) if isinstance(content, str) else content


def _canonical_text(text: str) -> str:
    head, dot, tail = text.partition(".")
    if dot and head.lstrip("-").isdigit() and tail.isdigit():
        return f"{head}.{tail.rstrip('0')}".rstrip(".")
    return text


def _next(version: str) -> str:
    return str(int(version) + 1) if version.isdigit() else f"after_{version}"
