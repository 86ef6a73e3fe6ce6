"""What an instrument is: the model of ``dbt_project/instruments/*.yml`` and what its parts may not say.

What belongs here: the model, the checks within one definition, and what follows from one alone (members of a scale,
lowest and highest scores). What does not: reading files (``reading``), seeds (``seeds``), and scoring itself
(``dbt_project/macros/assessment``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise, product
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orchestration.yaml_lines import Loc

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Member = int | Code
Direction = Literal["higher_better", "lower_better", "profile"]
Factor = Decimal
Weights = Mapping[Decimal, Decimal]

COMPLETE = "complete"
_PROFILE_BASE = 10


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=False)


class ItemRange(Strict):
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
    missing: dict[int, Literal["not_answered", "not_relevant", "declined", "unknown", "not_applicable"]] = Field(
        default_factory=dict, description="Values outside the range that say why there is no answer."
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
        within = [value for value in self.missing if self.min <= value <= self.max]
        if within:
            raise ValueError(f"'missing' names {within[0]}, which is an answer ({self.min} to {self.max})")
        return self

    def points_of(self, item: int, value: int) -> Decimal:
        """Points of a value as the respondent gave it."""
        if item in self.points:
            return self.points[item][value]
        return Decimal(self.min + self.max - value if item in self.reverse else value)

    def points_if_prereversed(self, item: int, value: int) -> Decimal:
        """Points of a value that the sender reversed already."""
        return self.points_of(item, self.min + self.max - value if item in self.reverse else value)

    def all_points(self, item: int) -> list[Decimal]:
        """Points that an item can have, lowest first."""
        return sorted({self.points_of(item, value) for value in range(self.min, self.max + 1)})


class Basis(Strict):
    """A set of members on which a scale can be scored."""

    code: Code
    items: tuple[int, ...]
    minimum_answered: int | None = Field(default=None, description="Default: all.")
    prorate: bool = False
    not_applicable: int | None = Field(default=None, description="Only where this item does not apply.")


class Scale(Strict):
    """A total, a subscale, or an index."""

    code: Code
    items: tuple[int, ...] | Literal["all"] | None = None
    scales: tuple[Code, ...] | None = Field(default=None, description="Made of other scales; all are needed.")
    bases: tuple[Basis, ...] | None = Field(default=None, description="Where there is more than one way, in order.")
    method: Literal["sum", "mean", "max", "profile", "goal_attainment"] = Field(
        description="profile: the points of the items as digits, which is no number; "
        "goal_attainment: Kiresuk and Sherman's T over the goals that were rated."
    )
    direction: Direction | None = Field(default=None, description="Default: the instrument's.")
    weights: dict[Member, Factor | dict[Decimal, Decimal]] = Field(
        default_factory=dict, description="Member → factor of its points, or points → weight. Default: factor 1."
    )
    multiplier: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    minimum_answered: int | None = Field(default=None, description="Default: all.")
    prorate: bool = False
    rounding: Literal["none", "half_up"] = "none"
    lookup: dict[Decimal, Decimal] | Literal["value_set"] | None = Field(
        default=None, description="Total → score; value_set: the region file names the file that has the table."
    )
    value_set: Code | None = Field(default=None, description="Whose preferences an index rests on.")
    mapping: Code | None = Field(default=None, description="By which mapping from another version, if any.")
    joined: Literal["score", "measure"] | None = Field(
        default=None,
        description="Joined a released version, whose other figures it leaves as they are; measure: its change is an "
        "outcome of its own.",
    )
    score_range: tuple[Decimal, Decimal] | None = Field(
        default=None, description="Lowest and highest score, where they do not follow from the table."
    )

    @property
    def table(self) -> Mapping[Decimal, Decimal] | None:
        """The lookup table that the definition itself has."""
        return None if self.lookup == "value_set" else self.lookup

    @model_validator(mode="after")
    def _one_membership(self) -> Self:
        given = [key for key in ("items", "scales", "bases") if getattr(self, key) is not None]
        if not given or ("bases" in given and len(given) > 1):
            raise ValueError("needs 'items', 'scales' or both, or 'bases' alone")
        if self.lookup is not None and (self.prorate or any(basis.prorate for basis in self.bases or ())):
            raise ValueError("a prorated total is in no lookup table; remove 'prorate' or 'lookup'")
        if self.table is not None:
            scores = [score for _, score in sorted(self.table.items())]
            if any(later <= earlier for earlier, later in pairwise(scores)):
                raise ValueError("'lookup' must rise with the total")
        if self.lookup == "value_set" and (self.value_set is None or self.score_range is None):
            raise ValueError("'lookup: value_set' needs 'value_set' (its code) and 'score_range'")
        if self.method == "profile" and (self.weights or self.lookup is not None or self.prorate):
            raise ValueError("a profile is no number: it has no weights, no lookup and is never prorated")
        return self


class Band(Strict):
    """A named range of scores, from a score up to the next band."""

    scale: Code
    code: Code
    from_: Decimal = Field(alias="from")


class Caseness(Strict):
    """From which score on someone counts as a case."""

    op: Literal[">=", "<="]
    value: Decimal


class Reliability(Strict):
    """What Jacobson and Truax's reliable change needs where none is published."""

    sd: Decimal = Field(gt=0, description="Standard deviation of scores before, of the named sample.")
    coefficient: Decimal = Field(ge=0, lt=1, description="Reliability of the scale.")


class Pairing(Strict):
    """Measures of one thing, of which one is judged: the one of the lowest rank that was taken at the start."""

    group: Code
    rank: int = Field(ge=1)


class Rule(Strict):
    """What a programme makes of a score."""

    programme: Code
    scale: Code | None = Field(default=None, description="Default: the headline scale.")
    default: bool = Field(default=False, description="The rule of the scale by itself.")
    caseness: Caseness | None = None
    reliable_change: Decimal | None = Field(default=None, gt=0)
    reliability: Reliability | None = Field(default=None, description="Instead of a published reliable change.")
    pairing: Pairing | None = Field(default=None, description="Default: judged by itself.")
    criterion: str
    verified: bool
    source: str

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if self.reliable_change is not None and self.reliability is not None:
            raise ValueError("give 'reliable_change' or 'reliability', not both")
        return self


class Licence(Strict):
    """Under which terms the instrument may be used."""

    holder: str
    terms: str
    registration_required: bool
    may_ship_items: bool


class Expectation(Strict):
    """What a vector must come to; keys that are absent are not compared."""

    score: Decimal | None = None
    raw: Decimal | None = None
    basis: str | None = None
    answered: int | None = None
    invalid: int | None = None
    band: str | None = None
    origin: Literal["computed", "supplied"] | None = None
    mismatch: bool | None = None
    case: bool | None = Field(default=None, description="By the default rule of the scale.")


class Vector(Strict):
    """Answers, item by item, and what they must come to."""

    name: str
    items: tuple[str | Decimal | None, ...] = Field(default=(), description="Empty: none was sent.")
    item_weights: tuple[Decimal | None, ...] = Field(default=(), description="Weights that came with the answers.")
    missing: dict[int, str] = Field(default_factory=dict, description="Item → reason for no answer.")
    prereversed: bool = False
    total: str | Decimal | None = Field(default=None, description="Total as supplied, before conversion.")
    supplied: str | Decimal | None = Field(default=None, description="Score as supplied.")
    scale: Code | None = Field(default=None, description="Default: the headline scale.")
    expect: Expectation


class Instrument(Strict):
    """One version of an instrument."""

    code: Code
    version: str
    valid_from: date | None = Field(
        default=None, description="First day of answers by this version; it ends where the next begins."
    )
    name: str
    use: Literal["outcome", "experience", "recommendation"]
    respondent: Literal["self", "parent", "teacher", "clinician", "interviewer"]
    recall_days: int | None = None
    direction: Direction
    orientation: Literal["strength", "deficit", "neutral"]
    items: ItemRange | tuple[ItemRange, ...]
    wording: dict[int, str] = Field(default_factory=dict, description="Item → question, where its licence allows it.")
    item_names: dict[int, str] = Field(
        default_factory=dict, description="Item → short name, where its licence allows names but no wording."
    )
    headline: Code | None = Field(description="The scale that stands for the instrument; null where none does.")
    measures: tuple[Code, ...] | None = Field(
        default=None, description="Scales whose change is an outcome of its own. Default: the headline."
    )
    outcome: Literal["any_scale"] | None = Field(
        default=None,
        description="any_scale: beside the change of each of `measures`, whether any got better and any got worse.",
    )
    scales: tuple[Scale, ...] = Field(min_length=1)
    bands: tuple[Band, ...] = ()
    rules: tuple[Rule, ...] = ()
    licence: Licence
    source: str
    verified: bool
    unverified: dict[str, str] = Field(
        default_factory=dict, description="Key → on what it rests until a second source confirms it."
    )
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

    @property
    def measured(self) -> tuple[str, ...]:
        """Scales whose change is an outcome."""
        joined = tuple(scale.code for scale in self.scales if scale.joined == "measure")
        if self.measures is not None:
            return (*self.measures, *joined)
        return (*(() if self.headline is None else (self.headline,)), *joined)

    @property
    def outcome_parts(self) -> tuple[str, ...]:
        """Scales that count in whether any of them changed; a scale that joined later, such as their mean, does not."""
        return () if self.outcome is None else self.measures or ()

    def scale(self, code: str) -> Scale:
        """The scale with this code; KeyError if there is none."""
        for scale in self.scales:
            if scale.code == code:
                return scale
        raise KeyError(code)

    def direction_of(self, scale: Scale) -> Direction:
        """Which way is better on a scale."""
        if scale.direction is not None:
            return scale.direction
        return "profile" if scale.method == "profile" else self.direction

    def run_of(self, item: int) -> ItemRange:
        """The run that an item belongs to."""
        return next(run for run in self.ranges if item in run.numbers)


class Programme(Strict):
    """Measures that are judged together."""

    code: Code
    multi_measure_rule: Literal["tt", "corc"]
    default: bool = False
    problems: dict[Code, Annotated[tuple[Code, ...], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Problem → the measures that a course about it may be judged by, all of one pairing group, the one "
        "made for it first. Of those taken twice the first counts, else of those taken once.",
    )
    source: str


# What follows from a definition -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Membership:
    """A basis of a scale with its members and the range of its total, as the seeds state it."""

    scale: Scale
    code: str
    rank: int
    members: tuple[Member, ...]
    minimum_answered: int
    not_applicable: int | None
    raw_min: Decimal
    raw_max: Decimal

    @property
    def stage(self) -> int:
        return 2 if self.scale.scales is not None else 1

    def factor(self, member: Member) -> Decimal:
        """By what the points of a member are multiplied."""
        if self.scale.method == "profile":
            return Decimal(_PROFILE_BASE ** (len(self.members) - 1 - self.members.index(member)))
        weight = self.scale.weights.get(member, Decimal(1))
        return weight if isinstance(weight, Decimal) else Decimal(1)

    def weights(self, member: Member) -> Weights | None:
        """Points → weight of a member, where it has such a table."""
        weight = self.scale.weights.get(member)
        return None if weight is None or isinstance(weight, Decimal) else weight


@dataclass(frozen=True)
class _Way:
    """A basis as the definition states it."""

    code: str
    members: tuple[Member, ...]
    minimum_answered: int
    prorate: bool
    not_applicable: int | None


def _ways(instrument: Instrument, scale: Scale) -> list[_Way]:
    if scale.bases is not None:
        return [
            _Way(b.code, b.items, b.minimum_answered or len(b.items), b.prorate, b.not_applicable) for b in scale.bases
        ]
    items: tuple[Member, ...] = ()
    if scale.items is not None:
        items = tuple(instrument.item_numbers) if scale.items == "all" else scale.items
    members = (*items, *(scale.scales or ()))
    return [_Way(COMPLETE, members, scale.minimum_answered or len(members), scale.prorate, None)]


def memberships(instrument: Instrument) -> list[Membership]:
    """Every basis of every scale. Scales made of scales come last: their range follows from the others'."""
    found: list[Membership] = []
    for scale in sorted(instrument.scales, key=lambda s: s.scales is not None):
        for rank, way in enumerate(_ways(instrument, scale), start=1):
            parts = (scale, way.code, rank, way.members, way.minimum_answered, way.not_applicable)
            bare = Membership(*parts, Decimal(0), Decimal(0))
            ranges = [_counted_range(instrument, found, bare, member) for member in way.members]
            found.append(Membership(*parts, *_total_range(scale, ranges)))
    return found


def _total_range(scale: Scale, ranges: Sequence[tuple[Decimal, Decimal]]) -> tuple[Decimal, Decimal]:
    """Lowest and highest total from the lowest and highest of each member."""
    lows, highs = zip(*ranges, strict=True)
    if scale.method == "max":
        return max(lows), max(highs)
    low, high = sum(lows, Decimal(0)), sum(highs, Decimal(0))
    if scale.method == "mean":
        return low / len(ranges), high / len(ranges)
    if scale.method == "goal_attainment":
        return Decimal(0), Decimal(100)
    return low, high


def _counted_range(
    instrument: Instrument, scales: Sequence[Membership], basis: Membership, member: Member
) -> tuple[Decimal, Decimal]:
    """Lowest and highest that a member counts."""
    table = basis.weights(member)
    if table is not None:
        return min(table.values()), max(table.values())
    low, high = _member_range(instrument, scales, member)
    ends = (low * basis.factor(member), high * basis.factor(member))
    return min(ends), max(ends)


def _member_range(instrument: Instrument, scales: Sequence[Membership], member: Member) -> tuple[Decimal, Decimal]:
    """Lowest and highest points of an item, or score of a scale."""
    if isinstance(member, int):
        points = instrument.run_of(member).all_points(member)
        return points[0], points[-1]
    first = next(m for m in scales if m.scale.code == member)
    if first.scale.method == "profile":
        return first.raw_min, first.raw_max
    return score_range(first)


def score_range(membership: Membership) -> tuple[Decimal, Decimal]:
    """Lowest and highest score of a scale on one basis."""
    scale = membership.scale
    if scale.score_range is not None:
        return scale.score_range
    if scale.table is not None:
        return min(scale.table.values()), max(scale.table.values())
    ends = [end * scale.multiplier + scale.offset for end in (membership.raw_min, membership.raw_max)]
    return min(ends), max(ends)


# Checks -----------------------------------------------------------------------------------------------------------


def problems_of(instrument: Instrument) -> Iterator[tuple[Loc, str]]:
    """What the parts of a definition say against each other."""
    numbers = instrument.item_numbers
    if len(set(numbers)) < len(numbers):
        yield ("items",), "an item number is there twice; let each run start after the one before"
        return
    scales = [scale.code for scale in instrument.scales]
    listed = ", ".join(scales)
    if instrument.headline is not None and instrument.headline not in scales:
        yield ("headline",), f"no scale '{instrument.headline}'; scales are {listed}"
    if instrument.headline is None and instrument.measures is None:
        yield ("measures",), "without a headline, 'measures' must say whose change is an outcome ([] for none)"
    for index, code in enumerate(instrument.measures or ()):
        if code not in scales:
            yield ("measures", index), f"no scale '{code}'; scales are {listed}"
    yield from _outcome_problems(instrument)
    broken = False
    for index, scale in enumerate(instrument.scales):
        at: Loc = ("scales", index)
        if scale.joined and scale.code in (instrument.headline, *(instrument.measures or ())):
            yield (*at, "joined"), "what the instrument is judged by cannot join it later; write a new version"
        if scale.code in scales[:index]:
            yield (*at, "code"), f"scale '{scale.code}' is there twice"
        for message in _scale_problems(instrument, scale):
            broken = True
            yield at, message
    yield from _wording_problems(instrument)
    yield from _band_problems(instrument, scales)
    yield from _rule_problems(instrument, scales)
    yield from _vector_problems(instrument, scales)
    if not broken and len(set(scales)) == len(scales):
        yield from _table_problems(instrument)


def _outcome_problems(instrument: Instrument) -> Iterator[tuple[Loc, str]]:
    if instrument.outcome is None:
        return
    if len(instrument.outcome_parts) < 2:
        yield ("outcome",), "any_scale is of several scales; list them in 'measures', or remove it"
    for scale in instrument.scales:
        if scale.code in instrument.outcome_parts and instrument.direction_of(scale) == "profile":
            yield ("outcome",), f"'{scale.code}' is a profile, which is no number to compare; take it out of 'measures'"


def _scale_problems(instrument: Instrument, scale: Scale) -> Iterator[str]:
    items = set(instrument.item_numbers)
    others = {other.code for other in instrument.scales if other.scales is None}
    unknown = sorted(set(scale.scales or ()) - others)
    if unknown:
        yield f"'scales' names '{unknown[0]}', which is no scale made of items"
    for way in _ways(instrument, scale):
        named = {member for member in way.members if isinstance(member, int)} | {way.not_applicable or min(items)}
        missing = sorted(named - items)
        if missing:
            yield f"names item {missing[0]}, which is not defined"
        if not 1 <= way.minimum_answered <= len(way.members):
            yield f"'minimum_answered' must be from 1 to {len(way.members)}"
        enough = scale.method in ("goal_attainment", "max") or way.prorate
        if way.minimum_answered < len(way.members) and not enough:
            yield f"fewer than {len(way.members)} answers are only enough with 'prorate: true'"
        strangers = [member for member in scale.weights if member not in way.members]
        if strangers and scale.bases is None:
            yield f"'weights' names {strangers[0]}, which is no member of the scale"
        if scale.method == "profile":
            yield from _profile_problems(instrument, way)


def _profile_problems(instrument: Instrument, way: _Way) -> Iterator[str]:
    for item in way.members:
        if isinstance(item, int) and item in instrument.item_numbers:
            points = instrument.run_of(item).all_points(item)
            if points[0] < 0 or points[-1] >= _PROFILE_BASE:
                yield f"item {item} has points that are no single digit; a profile is made of digits"


def _table_problems(instrument: Instrument) -> Iterator[tuple[Loc, str]]:
    """Tables with gaps, which would lose scores without a word."""
    found = memberships(instrument)
    for membership in found:
        scale = membership.scale
        at: Loc = ("scales", instrument.scales.index(scale))
        for member in membership.members:
            table = membership.weights(member)
            gaps = sorted(_values(instrument, found, member) - set(table)) if table is not None else []
            if gaps:
                yield (*at, "weights"), f"of {member} has no weight for {_plain(gaps[0])}; name every value it can have"
        if scale.table is not None:
            gaps = sorted(_totals(instrument, found, membership) - set(scale.table))
            if gaps:
                yield (*at, "lookup"), f"has no score for the total {_plain(gaps[0])}; name every total"


def _values(instrument: Instrument, scales: Sequence[Membership], member: Member) -> set[Decimal]:
    """Points that a member can have, as far as they can be listed."""
    if isinstance(member, int):
        return set(instrument.run_of(member).all_points(member))
    first = next(m for m in scales if m.scale.code == member)
    if first.scale.method == "max":
        return {points for item in first.members for points in _values(instrument, scales, item)}
    return set()


def _totals(instrument: Instrument, scales: Sequence[Membership], membership: Membership) -> set[Decimal]:
    """Totals that a scale can have, where its members count as they are."""
    if membership.scale.method != "sum" or membership.scale.weights:
        return set()
    totals = {Decimal(0)}
    for member in membership.members:
        values = _values(instrument, scales, member)
        totals = {total + value for total, value in product(totals, values)}
    return totals


def _wording_problems(instrument: Instrument) -> Iterator[tuple[Loc, str]]:
    if instrument.wording and not instrument.licence.may_ship_items:
        yield ("wording",), "the licence does not allow item wording (may_ship_items: false); remove it"
    for key, named in (("wording", instrument.wording), ("item_names", instrument.item_names)):
        for item in sorted(set(named) - set(instrument.item_numbers)):
            yield (key,), f"names item {item}, which is not defined"


def _band_problems(instrument: Instrument, scales: Sequence[str]) -> Iterator[tuple[Loc, str]]:
    starts: dict[tuple[str, Decimal], str] = {}
    for index, band in enumerate(instrument.bands):
        if band.scale not in scales:
            yield ("bands", index, "scale"), f"no scale '{band.scale}'; scales are {', '.join(scales)}"
        other = starts.setdefault((band.scale, band.from_), band.code)
        if other != band.code:
            yield ("bands", index, "from"), f"bands '{other}' and '{band.code}' begin at the same score"


def _rule_problems(instrument: Instrument, scales: Sequence[str]) -> Iterator[tuple[Loc, str]]:
    judged: dict[str | None, int] = {}
    seen: set[tuple[str, str | None]] = set()
    for index, rule in enumerate(instrument.rules):
        scale = rule.scale or instrument.headline
        if scale is None:
            yield ("rules", index, "scale"), f"is required without a headline; scales are {', '.join(scales)}"
        elif scale not in instrument.measured:
            yield ("rules", index, "scale"), f"'{scale}' is not among the measures, so nothing is judged by it"
        if (rule.programme, scale) in seen:
            yield ("rules", index, "programme"), f"'{rule.programme}' has two rules for one scale"
        seen.add((rule.programme, scale))
        judged[scale] = judged.get(scale, 0) + rule.default
    for scale, defaults in judged.items():
        if defaults != 1:
            yield ("rules",), f"exactly one rule of scale '{scale}' must be the default"


def _vector_problems(instrument: Instrument, scales: Sequence[str]) -> Iterator[tuple[Loc, str]]:
    count = len(instrument.item_numbers)
    for index, vector in enumerate(instrument.vectors):
        at: Loc = ("vectors", index)
        if vector.items and len(vector.items) != count:
            yield (*at, "items"), f"has {len(vector.items)} answers for {count} items"
        if vector.item_weights and len(vector.item_weights) != count:
            yield (*at, "item_weights"), f"has {len(vector.item_weights)} weights for {count} items"
        if not vector.items and vector.total is None and vector.supplied is None:
            yield at, "needs 'items', 'total' or 'supplied'"
        if vector.scale is None and instrument.headline is None:
            yield (*at, "scale"), f"is required without a headline; scales are {', '.join(scales)}"
        if vector.scale is not None and vector.scale not in scales:
            yield (*at, "scale"), f"no scale '{vector.scale}'; scales are {', '.join(scales)}"


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
