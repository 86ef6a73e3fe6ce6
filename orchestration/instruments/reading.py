"""Definitions from their files, or every problem with file, line and key.

What belongs here: reading ``dbt_project/instruments/*.yml`` and what definitions may not say against each other. What
does not: what one definition may say (``definition``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from orchestration.instruments.definition import Instrument, Programme, problems_of
from orchestration.project import DBT_PROJECT
from orchestration.yaml_lines import Loc, key_lines, place, sentence

DEFINITIONS = DBT_PROJECT / "instruments"
PROGRAMMES = "programmes.yml"


class InstrumentError(Exception):
    """Definitions can't be used. ``problems`` are sentences, each with file, line and key."""

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class _Located:
    instrument: Instrument
    name: str
    lines: Mapping[Loc, int]

    def at(self, *key: int | str) -> str:
        return place(self.name, self.lines, key)


def read_instruments(folder: Path = DEFINITIONS) -> list[Instrument]:
    """All definitions of a folder, by code and first day. Raises :class:`InstrumentError` with every problem."""
    problems: list[str] = []
    found: list[_Located] = []
    for path in sorted(folder.glob("*.yml")):
        if path.name == PROGRAMMES:
            continue
        try:
            found.append(_locate(path))
        except InstrumentError as error:
            problems += error.problems
    problems += _overlapping(found)
    if (folder / PROGRAMMES).exists():
        programmes, lines = _programmes(folder)
        problems += _strangers(found, {programme.code for programme in programmes})
        problems += _unfit_for_problems(found, programmes, lines)
    if problems:
        raise InstrumentError(problems)
    return sorted((f.instrument for f in found), key=lambda i: (i.code, i.valid_from or date.min))


def read_instrument(path: Path) -> Instrument:
    """One definition. Raises :class:`InstrumentError`."""
    return _locate(path).instrument


def read_programmes(folder: Path = DEFINITIONS) -> list[Programme]:
    """The programmes that rules refer to. Raises :class:`InstrumentError`."""
    return _programmes(folder)[0]


def _programmes(folder: Path) -> tuple[list[Programme], dict[Loc, int]]:
    path = folder / PROGRAMMES
    programmes, lines = _read(path, TypeAdapter(list[Programme]).validate_python)
    problems = []
    if sum(p.default for p in programmes) != 1:
        problems.append(f"{path.name}:1: exactly one programme must be the default")
    for index, programme in enumerate(programmes):
        if programme.code in [p.code for p in programmes[:index]]:
            problems.append(f"{place(path.name, lines, (index, 'code'))}: '{programme.code}' is there twice")
    if problems:
        raise InstrumentError(problems)
    return programmes, lines


def latest(instruments: Sequence[Instrument]) -> dict[str, Instrument]:
    """The version of each instrument that answers of today are scored by."""
    return {i.code: i for i in instruments}


def _locate(path: Path) -> _Located:
    instrument, lines = _read(path, Instrument.model_validate)
    problems = [f"{place(path.name, lines, at)}: {message}" for at, message in problems_of(instrument)]
    if path.stem != instrument.code and not path.stem.startswith(f"{instrument.code}_"):
        problems.append(f"{place(path.name, lines, ('code',))}: a file is named after its instrument")
    if problems:
        raise InstrumentError(problems)
    return _Located(instrument, path.name, lines)


def _read(path: Path, validate: Callable[[Any], Any]) -> tuple[Any, dict[Loc, int]]:
    text = path.read_text(encoding="utf-8")
    try:
        lines = key_lines(yaml.compose(text, Loader=yaml.SafeLoader))
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        raise InstrumentError([f"{path.name}{where}: not valid YAML: {getattr(error, 'problem', error)}"]) from error
    try:
        return validate(_exact(data)), lines
    except ValidationError as error:
        raise InstrumentError([sentence(path.name, lines, e) for e in error.errors()]) from error


def _exact(data: Any) -> Any:
    """YAML's floats as the decimals that were written."""
    if isinstance(data, float):
        return Decimal(str(data))
    if isinstance(data, dict):
        return {_exact(key): _exact(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_exact(value) for value in data]
    return data


def _strangers(found: Sequence[_Located], programmes: set[str]) -> Iterator[str]:
    """Rules of programmes that nobody defined."""
    for one in found:
        for index, rule in enumerate(one.instrument.rules):
            if rule.programme not in programmes:
                where = one.at("rules", index, "programme")
                yield f"{where}: no programme '{rule.programme}'; add it to {PROGRAMMES}"


def _unfit_for_problems(
    found: Sequence[_Located], programmes: Sequence[Programme], lines: Mapping[Loc, int]
) -> Iterator[str]:
    """Measures of a problem that stand for nothing in the programme, or for another thing than those beside them."""
    groups = {
        (rule.programme, one.instrument.code): rule.pairing.group
        for one in found
        for rule in one.instrument.rules
        if rule.pairing
    }
    for index, programme in enumerate(programmes):
        for problem, codes in programme.problems.items():
            where = place(PROGRAMMES, lines, (index, "problems", problem))
            for code in codes:
                if (programme.code, code) not in groups:
                    yield f"{where}: {code} has no rule of {programme.code} with 'pairing'; add one, or take it out"
            named = sorted({groups[programme.code, code] for code in codes if (programme.code, code) in groups})
            if len(named) > 1:
                yield f"{where}: measures are of the groups {' and '.join(named)}; name those of one group only"


def _overlapping(found: Sequence[_Located]) -> Iterator[str]:
    """Versions of one instrument that would both apply to an answer."""
    for index, one in enumerate(found):
        for other in found[:index]:
            if one.instrument.code != other.instrument.code:
                continue
            if one.instrument.version == other.instrument.version:
                version = one.instrument.version
                yield f"{one.at('version')}: version '{version}' is in {other.name} too; give it a new one"
            if one.instrument.valid_from == other.instrument.valid_from:
                since = one.instrument.valid_from or "the beginning"
                yield (
                    f"{one.at('valid_from')}: overlaps with {other.name}: both apply from {since} on; "
                    "write in the later version from which day on answers are scored by it"
                )
