"""The ledger of released definitions: what was released stays as it was; a change is a new version.

What belongs here: the fingerprint of each part of a version, and ``dbt_project/instruments/released.csv``, which only
grows. What does not: names, sources, marks and vectors, which may become better without a figure changing.

A part is what one figure rests on: ``scoring`` (items and scales), a ``scale`` that joined later, the ``outcome`` of
several scales, ``bands`` of a scale, or a programme's ``rule`` for a scale. So a rule for another programme, or a scale
that leaves the others as they are, may join a released version, and none of those that are there may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestration import definition_ledger
from orchestration.definition_ledger import Ledger
from orchestration.instruments.definition import Instrument
from orchestration.instruments.reading import DEFINITIONS

LEDGER = "released.csv"
_COLUMNS = ("instrument_code", "instrument_version", "part")

_SCORING = {
    "code", "version", "valid_from", "use", "respondent", "direction", "items", "headline", "measures", "scales",
}  # fmt: skip


def fingerprints(instruments: Sequence[Instrument]) -> Ledger:
    """Every part of every version with its fingerprint."""
    return {
        (instrument.code, instrument.version, part): definition_ledger.digest(content)
        for instrument in instruments
        for part, content in _parts(instrument).items()
    }


def read_ledger(folder: Path = DEFINITIONS) -> Ledger:
    """What was released so far; nothing where there is no ledger yet."""
    return definition_ledger.read(folder / LEDGER)


def broken_promises(released: Ledger, now: Ledger) -> list[str]:
    """What was released and is no longer as it was, each a sentence with the mend."""
    problems = []
    for found in definition_ledger.broken(released, now):
        code, version, part = found.key
        problems.append(
            f"{code}, version {version}: {part} {'is gone' if found.is_gone else 'has changed'} since it was released. "
            f"Put it back as it was, and write the new definition as a version of its own (such as "
            f"{code}_{_next(version)}.yml, with valid_from)."
        )
    return problems


def as_text(ledger: Ledger) -> str:
    """The ledger's file."""
    return definition_ledger.as_text(_COLUMNS, ledger)


def _parts(instrument: Instrument) -> dict[str, Any]:
    scoring = instrument.model_dump(mode="json", include=_SCORING, exclude_defaults=True)
    joined = [scale for scale in scoring["scales"] if "joined" in scale]
    scoring["scales"] = [scale for scale in scoring["scales"] if "joined" not in scale]
    parts: dict[str, Any] = {"scoring": scoring} | {f"scale {scale['code']}": scale for scale in joined}
    if instrument.outcome is not None:
        parts["outcome"] = [instrument.outcome, *instrument.outcome_parts]
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


def _next(version: str) -> str:
    return str(int(version) + 1) if version.isdigit() else f"after_{version}"
