"""Outcome instruments: from definitions that people write to the seeds that the models score by.

What belongs here: the model of ``dbt_project/instruments/*.yml``, its errors, and the seeds ``ref_instrument*``,
``ref_score_lookup`` and ``ref_outcome_programme``. What does not: scoring itself (``dbt_project/macros/assessment``).

``python -m orchestration.instruments`` writes the seeds; a test fails when they are behind the definitions.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from orchestration.project import DBT_PROJECT
from orchestration.yaml_lines import Loc, key_lines, place, sentence

DEFINITIONS = DBT_PROJECT / "instruments"
SEEDS = DBT_PROJECT / "seeds"
PROGRAMMES = "programmes.yml"

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_COMPLETE = "complete"


class InstrumentError(Exception):
    """Definitions can't be used. ``problems`` are sentences, each with file, line and key."""

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=False)


class ItemRange(_Strict):
    """A run of items with the same range."""

    count: int = Field(ge=1, le=200, description="How many items, numbered from `first`.")
    first: int = Field(default=1, ge=1)
    min: int
    max: int
    reverse: tuple[int, ...] = Field(default=(), description="Items whose points are min + max − value.")
    safeguard: tuple[int, ...] = Field(default=(), description="Items that call for a safeguarding response.")
    points: dict[int, dict[int, Decimal]] = Field(
        default_factory=dict, description="Item → value → points, where they are not the value itself."
    )

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.count)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max <= self.min:
            raise ValueError(f"max ({self.max}) must be above min ({self.min})")
        for key, items in (("reverse", self.reverse), ("safeguard", self.safeguard), ("points", tuple(self.points))):
            unknown = sorted(set(items) - set(self.numbers))
            if unknown:
                raise ValueError(
                    f"'{key}' names item {unknown[0]}, which is not among items {self.first} to {self.numbers[-1]}"
                )
        for item, points in self.points.items():
            if set(points) != set(range(self.min, self.max + 1)):
                raise ValueError(f"'points' of item {item} must name every value from {self.min} to {self.max}")
        return self

    def points_of(self, item: int, value: int) -> Decimal:
        """Points of a value as the respondent gave it."""
        if item in self.points:
            return self.points[item][value]
        return Decimal(self.min + self.max - value if item in self.reverse else value)

    def points_if_prereversed(self, item: int, value: int) -> Decimal:
        """Points of a value that the sender reversed already."""
        return self.points_of(item, self.min + self.max - value if item in self.reverse else value)


class Basis(_Strict):
    """A set of members on which a scale can be scored."""

    code: Code
    items: tuple[int, ...]
    minimum_answered: int | None = Field(default=None, description="Default: all.")
    prorate: bool = False
    not_applicable: int | None = Field(default=None, description="Only where this item does not apply.")


class Scale(_Strict):
    """A total or a subscale."""

    code: Code
    items: tuple[int, ...] | Literal["all"] | None = None
    scales: tuple[Code, ...] | None = Field(default=None, description="Made of other scales; all are needed.")
    bases: tuple[Basis, ...] | None = Field(default=None, description="Where there is more than one way, in order.")
    method: Literal["sum", "mean"]
    multiplier: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    minimum_answered: int | None = Field(default=None, description="Default: all.")
    prorate: bool = False
    rounding: Literal["none", "half_up"] = "none"
    lookup: dict[Decimal, Decimal] | None = Field(default=None, description="Total → score.")

    @model_validator(mode="after")
    def _one_membership(self) -> Self:
        given = [key for key in ("items", "scales", "bases") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("needs exactly one of 'items', 'scales', 'bases'")
        if self.lookup is not None and (self.prorate or any(basis.prorate for basis in self.bases or ())):
            raise ValueError("a prorated total is in no lookup table; remove 'prorate' or 'lookup'")
        if self.lookup is not None:
            scores = [score for _, score in sorted(self.lookup.items())]
            if any(later <= earlier for earlier, later in pairwise(scores)):
                raise ValueError("'lookup' must rise with the total")
        return self


class Band(_Strict):
    """A named range of scores, from a score up to the next band."""

    scale: Code
    code: Code
    from_: Decimal = Field(alias="from")


class Caseness(_Strict):
    """From which score on someone counts as a case."""

    op: Literal[">=", "<="]
    value: Decimal


class Rule(_Strict):
    """What a programme makes of the headline score."""

    programme: Code
    default: bool = Field(default=False, description="The rule of the instrument by itself.")
    caseness: Caseness | None = None
    reliable_change: Decimal | None = Field(default=None, gt=0)
    criterion: str
    verified: bool
    source: str


class Licence(_Strict):
    """Under which terms the instrument may be used."""

    holder: str
    terms: str
    registration_required: bool
    may_ship_items: bool


class Expectation(_Strict):
    """What a vector must come to; keys that are absent are not compared."""

    score: Decimal | None = None
    raw: Decimal | None = None
    basis: str | None = None
    answered: int | None = None
    invalid: int | None = None
    band: str | None = None


class Vector(_Strict):
    """Answers, item by item, and what they must come to."""

    name: str
    items: tuple[str | Decimal | None, ...]
    missing: dict[int, str] = Field(default_factory=dict, description="Item → reason for no answer.")
    prereversed: bool = False
    scale: Code | None = Field(default=None, description="Default: the headline scale.")
    expect: Expectation


class Instrument(_Strict):
    """One version of an instrument."""

    code: Code
    version: str
    current: bool = Field(default=True, description="The version that a mapping means when it names none.")
    name: str
    use: Literal["outcome", "experience"]
    respondent: Literal["self", "parent", "teacher", "clinician", "interviewer"]
    recall_days: int | None = None
    direction: Literal["higher_better", "lower_better", "profile"]
    orientation: Literal["strength", "deficit"]
    items: ItemRange | tuple[ItemRange, ...]
    headline: Code
    scales: tuple[Scale, ...] = Field(min_length=1)
    bands: tuple[Band, ...] = ()
    rules: tuple[Rule, ...] = ()
    licence: Licence
    source: str
    verified: bool
    unverified: tuple[str, ...] = Field(default=(), description="Keys that rest on general knowledge.")
    vectors: tuple[Vector, ...] = Field(min_length=1)

    @property
    def ranges(self) -> tuple[ItemRange, ...]:
        return (self.items,) if isinstance(self.items, ItemRange) else self.items

    @property
    def item_numbers(self) -> list[int]:
        return [number for run in self.ranges for number in run.numbers]

    @property
    def safeguard_items(self) -> set[int]:
        return {item for run in self.ranges for item in run.safeguard}


class Programme(_Strict):
    """Measures that are judged together."""

    code: Code
    multi_measure_rule: Literal["tt", "corc"]
    default: bool = False
    source: str


@dataclass(frozen=True)
class Membership:
    """A basis of a scale with its members and the range of its total, as the seeds state it."""

    scale: Scale
    code: str
    rank: int
    members: tuple[str, ...]
    minimum_answered: int
    not_applicable: int | None
    raw_min: Decimal
    raw_max: Decimal

    @property
    def stage(self) -> int:
        return 2 if self.scale.scales is not None else 1


def read_instruments(folder: Path = DEFINITIONS) -> list[Instrument]:
    """All definitions of a folder, by code and version. Raises :class:`InstrumentError` with every problem."""
    problems: list[str] = []
    found: list[Instrument] = []
    for path in sorted(folder.glob("*.yml")):
        if path.name == PROGRAMMES:
            continue
        try:
            found.append(read_instrument(path))
        except InstrumentError as error:
            problems += error.problems
    problems += _repeated(found)
    if problems:
        raise InstrumentError(problems)
    return sorted(found, key=lambda i: (i.code, i.version))


def read_instrument(path: Path) -> Instrument:
    """One definition. Raises :class:`InstrumentError`."""
    instrument, lines = _read(path, Instrument.model_validate)
    problems = [f"{place(path.name, lines, at)}: {message}" for at, message in _problems(instrument)]
    if path.stem != instrument.code and not path.stem.startswith(f"{instrument.code}_"):
        problems.append(f"{place(path.name, lines, ('code',))}: a file is named after its instrument")
    if problems:
        raise InstrumentError(problems)
    return instrument


def read_programmes(folder: Path = DEFINITIONS, instruments: Sequence[Instrument] = ()) -> list[Programme]:
    """The programmes that rules refer to. Raises :class:`InstrumentError`."""
    path = folder / PROGRAMMES
    programmes, lines = _read(path, TypeAdapter(list[Programme]).validate_python)
    problems = []
    if sum(p.default for p in programmes) != 1:
        problems.append(f"{path.name}:1: exactly one programme must be the default")
    known = {p.code for p in programmes}
    for instrument in instruments:
        for rule in instrument.rules:
            if rule.programme not in known:
                problems.append(f"{instrument.code}: rules: no programme '{rule.programme}'; add it to {path.name}")
    for index, programme in enumerate(programmes):
        if programme.code in [p.code for p in programmes[:index]]:
            problems.append(f"{place(path.name, lines, (index, 'code'))}: '{programme.code}' is there twice")
    if problems:
        raise InstrumentError(problems)
    return programmes


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


def _repeated(instruments: Sequence[Instrument]) -> Iterator[str]:
    for code in sorted({i.code for i in instruments}):
        versions = [i for i in instruments if i.code == code]
        if len({i.version for i in versions}) < len(versions):
            yield f"{code}: a version is defined twice; give each file its own version"
        if sum(i.current for i in versions) != 1:
            yield f"{code}: exactly one version must be current; write 'current: false' in the others"


def _problems(instrument: Instrument) -> Iterator[tuple[Loc, str]]:
    """What the parts of a definition say against each other."""
    numbers = instrument.item_numbers
    if len(set(numbers)) < len(numbers):
        yield ("items",), "an item number is there twice; let each run start after the one before"
    scales = [scale.code for scale in instrument.scales]
    if instrument.headline not in scales:
        yield ("headline",), f"no scale '{instrument.headline}'; scales are {', '.join(scales)}"
    for index, scale in enumerate(instrument.scales):
        at: Loc = ("scales", index)
        if scale.code in scales[:index]:
            yield (*at, "code"), f"scale '{scale.code}' is there twice"
        yield from ((at, message) for message in _scale_problems(instrument, scale))
    for index, band in enumerate(instrument.bands):
        if band.scale not in scales:
            yield ("bands", index, "scale"), f"no scale '{band.scale}'"
    if instrument.rules and sum(rule.default for rule in instrument.rules) != 1:
        yield ("rules",), "exactly one rule must be the default"
    for index, vector in enumerate(instrument.vectors):
        if len(vector.items) != len(numbers):
            yield ("vectors", index, "items"), f"has {len(vector.items)} answers for {len(numbers)} items"


def _scale_problems(instrument: Instrument, scale: Scale) -> Iterator[str]:
    items = set(instrument.item_numbers)
    others = {other.code for other in instrument.scales if other.scales is None}
    unknown = sorted(set(scale.scales or ()) - others)
    if unknown:
        yield f"'scales' names '{unknown[0]}', which is no scale made of items"
    for _, members, minimum, prorate, not_applicable in _bases(instrument, scale):
        missing = sorted((set(members) | {not_applicable or min(items)}) - items) if scale.scales is None else []
        if missing:
            yield f"names item {missing[0]}, which is not defined"
        if not 1 <= minimum <= len(members):
            yield f"'minimum_answered' must be from 1 to {len(members)}"
        if minimum < len(members) and not prorate:
            yield f"fewer than {len(members)} answers are only enough with 'prorate: true'"


def _bases(instrument: Instrument, scale: Scale) -> list[tuple[str, tuple[int | str, ...], int, bool, int | None]]:
    """(code, members, minimum answered, prorate, item that must not apply) of each basis."""
    if scale.bases is not None:
        return [(b.code, b.items, b.minimum_answered or len(b.items), b.prorate, b.not_applicable) for b in scale.bases]
    members: tuple[int | str, ...] = scale.scales or ()
    if scale.items is not None:
        members = tuple(instrument.item_numbers) if scale.items == "all" else scale.items
    return [(_COMPLETE, members, scale.minimum_answered or len(members), scale.prorate, None)]


def memberships(instrument: Instrument) -> list[Membership]:
    """Every basis of every scale. Scales made of scales come last: their range follows from the others'."""
    found: list[Membership] = []
    for scale in sorted(instrument.scales, key=lambda s: s.scales is not None):
        for rank, (code, members, minimum, _, not_applicable) in enumerate(_bases(instrument, scale), start=1):
            lows, highs = zip(*(_range(instrument, found, member) for member in members), strict=True)
            low, high = sum(lows, Decimal(0)), sum(highs, Decimal(0))
            if scale.method == "mean":
                low, high = low / len(members), high / len(members)
            found.append(Membership(scale, code, rank, tuple(map(str, members)), minimum, not_applicable, low, high))
    return found


def _range(instrument: Instrument, scales: Sequence[Membership], member: int | str) -> tuple[Decimal, Decimal]:
    """Lowest and highest points of an item, or score of a scale."""
    if isinstance(member, int):
        run = next(run for run in instrument.ranges if member in run.numbers)
        points = [run.points_of(member, value) for value in range(run.min, run.max + 1)]
        return min(points), max(points)
    first = next(m for m in scales if m.scale.code == member)
    return score_range(first)


def score_range(membership: Membership) -> tuple[Decimal, Decimal]:
    """Lowest and highest score of a scale on one basis."""
    scale = membership.scale
    if scale.lookup is not None:
        return min(scale.lookup.values()), max(scale.lookup.values())
    ends = [end * scale.multiplier + scale.offset for end in (membership.raw_min, membership.raw_max)]
    return min(ends), max(ends)


# Seeds ------------------------------------------------------------------------------------------------------------

Row = Mapping[str, object]


def seed_rows(instruments: Sequence[Instrument], programmes: Sequence[Programme]) -> dict[str, list[Row]]:
    """Rows of every seed, by name, in a stable order."""
    return {
        "ref_instrument": [_instrument_row(i) for i in instruments],
        "ref_instrument_item": [row for i in instruments for row in _item_rows(i)],
        "ref_instrument_scale": [row for i in instruments for row in _scale_rows(i)],
        "ref_instrument_member": [row for i in instruments for row in _member_rows(i)],
        "ref_score_lookup": [row for i in instruments for row in _lookup_rows(i)],
        "ref_instrument_band": [row for i in instruments for row in _band_rows(i)],
        "ref_instrument_rule": [row for i in instruments for row in _rule_rows(i)],
        "ref_outcome_programme": [
            {
                "programme_code": p.code,
                "multi_measure_rule_code": p.multi_measure_rule,
                "is_default": p.default,
                "source": p.source,
            }
            for p in programmes
        ],
    }


def _key(instrument: Instrument) -> dict[str, object]:
    return {"instrument_code": instrument.code, "instrument_version": instrument.version}


def _instrument_row(instrument: Instrument) -> Row:
    return {
        **_key(instrument),
        "is_current": instrument.current,
        "instrument_name": instrument.name,
        "use_code": instrument.use,
        "respondent_code": instrument.respondent,
        "recall_days": instrument.recall_days,
        "item_count": len(instrument.item_numbers),
        "direction_code": instrument.direction,
        "orientation_code": instrument.orientation,
        "headline_scale_code": instrument.headline,
        "licence_holder": instrument.licence.holder,
        "licence_terms": instrument.licence.terms,
        "is_registration_required": instrument.licence.registration_required,
        "may_ship_items": instrument.licence.may_ship_items,
        "source": instrument.source,
        "is_verified": instrument.verified,
        "unverified": " ".join(instrument.unverified),
    }


def _item_rows(instrument: Instrument) -> Iterator[Row]:
    for run in instrument.ranges:
        for item in run.numbers:
            for value in range(run.min, run.max + 1):
                yield {
                    **_key(instrument),
                    "item_number": item,
                    "item_value": value,
                    "points": run.points_of(item, value),
                    "points_if_prereversed": run.points_if_prereversed(item, value),
                    "is_safeguard": item in run.safeguard,
                }


def _scale_rows(instrument: Instrument) -> Iterator[Row]:
    for m in memberships(instrument):
        low, high = score_range(m)
        yield {
            **_key(instrument),
            "scale_code": m.scale.code,
            "basis_code": m.code,
            "basis_rank": m.rank,
            "stage": m.stage,
            "method_code": m.scale.method,
            "multiplier": m.scale.multiplier,
            "score_offset": m.scale.offset,
            "rounding_code": m.scale.rounding,
            "member_count": len(m.members),
            "minimum_answered": m.minimum_answered,
            "not_applicable_member": m.not_applicable,
            "has_lookup": m.scale.lookup is not None,
            "raw_min": m.raw_min,
            "raw_max": m.raw_max,
            "score_min": low,
            "score_max": high,
        }


def _member_rows(instrument: Instrument) -> Iterator[Row]:
    for m in memberships(instrument):
        for member in m.members:
            yield {
                **_key(instrument),
                "scale_code": m.scale.code,
                "basis_code": m.code,
                "member_code": member,
            }


def _lookup_rows(instrument: Instrument) -> Iterator[Row]:
    for scale in instrument.scales:
        for total, score in sorted((scale.lookup or {}).items()):
            yield {**_key(instrument), "scale_code": scale.code, "raw_total": total, "score": score}


def _band_rows(instrument: Instrument) -> Iterator[Row]:
    for band in instrument.bands:
        yield {
            **_key(instrument),
            "scale_code": band.scale,
            "band_code": band.code,
            "score_from": band.from_,
            "is_verified": instrument.verified and "bands" not in instrument.unverified,
        }


def _rule_rows(instrument: Instrument) -> Iterator[Row]:
    for rule in instrument.rules:
        yield {
            "programme_code": rule.programme,
            **_key(instrument),
            "is_default": rule.default,
            "caseness_operator": rule.caseness.op if rule.caseness else None,
            "caseness_value": rule.caseness.value if rule.caseness else None,
            "reliable_change": rule.reliable_change,
            "criterion": rule.criterion,
            "is_verified": rule.verified,
            "source": rule.source,
        }


def as_csv(rows: Iterable[Row]) -> str:
    """Rows as CSV text: header, no quoting but where needed, booleans as true/false, NULL as empty."""
    listed = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(listed[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _text(value) for key, value in row.items()} for row in listed)
    return out.getvalue()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def compiled(folder: Path = DEFINITIONS) -> dict[str, str]:
    """The text of every seed file, by name. Raises :class:`InstrumentError`."""
    instruments = read_instruments(folder)
    programmes = read_programmes(folder, instruments)
    return {f"{name}.csv": as_csv(rows) for name, rows in seed_rows(instruments, programmes).items()}


def main() -> int:
    """Write the seeds. Returns the exit code."""
    try:
        texts = compiled()
    except InstrumentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name, text in texts.items():
        (SEEDS / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {len(texts)} seeds to {SEEDS.relative_to(DBT_PROJECT.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
