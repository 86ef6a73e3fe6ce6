"""The ``mapping`` block of a publication in the region file: which columns and texts mean what.

What belongs here: the block as a model, its problems as sentences with their place, and what follows from it for the
models (``indicator_rows``). What does not: reading files (``indicator_table``), and what is made of the figures
(``dbt_project``). Every key is explained, with a worked example, in README.md beside this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from sources.connector import MappingProblem

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Header = Annotated[str, Field(min_length=1)]
Stated = Annotated[str, Field(min_length=1, max_length=500)]
Comparability = Literal["exact", "similar", "indicative"]
PeriodType = Literal["month", "quarter", "financial_year", "calendar_year", "rolling12", "other"]
PERIOD_TYPES: tuple[str, ...] = get_args(PeriodType)
Status = Literal["suppressed", "not_published"]

UNITS = {
    "percent": 100,
    "proportion": 1,
    "ratio": 1,
    "per_1000": 1_000,
    "per_10000": 10_000,
    "per_100000": 100_000,
    "count": 1,
    "days": 1,
    "score": 1,
    "currency": 1,
}
"""Unit → what numerator over denominator is multiplied with to give the value."""

QUOTIENTS = ("proportion", "rate", "ratio")
"""Statistics that are a numerator over a denominator."""

ROLES = ("value", "numerator", "denominator", "lower", "upper", "centre", "score")
"""What a published number can be to a figure. ``lower`` and ``upper`` are published limits, ``centre`` a published
median or mean of the organisations, ``score`` a published distance from it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Publication(_Strict):
    """Who says it, by which method, and how far it may be compared."""

    code: Code
    method_version: Annotated[str, Field(min_length=1)]
    comparability: Comparability
    name: Stated | None = None
    source: Stated | None = None
    licence: Stated | None = None


class FileBlock(_Strict):
    """Which files of a delivery hold figures, and how they are written."""

    members: str = "*"
    delimiter: str = ","
    encoding: str | None = None
    sheet: str | None = None
    skip_lines: Annotated[int, Field(ge=0, le=10_000)] = 0

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if len(value) != 1 or not value.isascii() or value in '"\r\n\0':
            raise ValueError("write one character, such as ';' or \"\\t\" (in quotes)")
        return value


class Wide(_Strict):
    """A record is an organisation in a period; every measure has columns of its own."""

    type: Literal["wide"]


class Tidy(_Strict):
    """A record is one figure: a column says which measure, others hold its numbers."""

    type: Literal["tidy"]
    measure: Header
    value: Header | None = None
    numerator: Header | None = None
    denominator: Header | None = None
    lower: Header | None = None
    upper: Header | None = None
    centre: Header | None = None
    score: Header | None = None

    @property
    def columns(self) -> dict[str, str]:
        """Role → column."""
        return {role: getattr(self, role) for role in ROLES if getattr(self, role)}


class TidyByStatistic(_Strict):
    """A record is one number: columns say which measure and which statistic of it; one column holds the number."""

    type: Literal["tidy_by_statistic"]
    measure: Header
    statistic: Header
    value: Header


Layout = Annotated[Wide | Tidy | TidyByStatistic, Field(discriminator="type")]


class Coded(_Strict):
    """A column of which each text stands for a code; ``total`` (slices only) lists those for the whole."""

    column: Header
    codes: dict[str, Code] = Field(default_factory=dict)
    total: list[str] = Field(default_factory=list)


def _form(value: Any) -> str:
    """Which variant a key holds: the errors are about that one alone."""
    if isinstance(value, LevelRules) or (isinstance(value, Mapping) and "rules" in value):
        return "by rules"
    return "block" if isinstance(value, Mapping | BaseModel) else "word"


class LevelRule(_Strict):
    """Organisations whose code matches are of this level."""

    matches: str
    level: Code

    @field_validator("matches")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"'{value}' is no regular expression ({error})") from error
        return value


class LevelRules(_Strict):
    rules: list[LevelRule] = Field(min_length=1)


Level = Annotated[
    Annotated[Code, Tag("word")] | Annotated[Coded, Tag("block")] | Annotated[LevelRules, Tag("by rules")],
    Discriminator(_form),
]
SliceType = Annotated[Annotated[Code, Tag("word")] | Annotated[Coded, Tag("block")], Discriminator(_form)]
PeriodTypes = Annotated[Annotated[PeriodType, Tag("word")] | Annotated[Coded, Tag("block")], Discriminator(_form)]


class Organisation(_Strict):
    """Whom a figure is about: columns, or one organisation for the whole file."""

    code: Header | None = None
    name: Header | None = None
    fixed: dict[Literal["code", "name"], str] | None = None
    level: Level
    codes: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> Organisation:
        if (self.code is None) == (self.fixed is None):
            raise ValueError("name the column with the organisation's code, or write fixed: {code: …, name: …}")
        if self.fixed is not None and set(self.fixed) != {"code", "name"}:
            raise ValueError("fixed needs code and name")
        return self


class Fixed(_Strict):
    start: date
    end: date
    label: str


class Period(_Strict):
    """When a figure is about: first and last day, a first day, a label, or one period for the whole file."""

    type: PeriodTypes
    start: Header | None = None
    end: Header | None = None
    label: Header | None = None
    fixed: Fixed | None = None
    dates: Literal["iso", "day_first", "month_first"] = "iso"
    end_is_exclusive: bool = False
    year_starts_in: Annotated[int, Field(ge=1, le=12)] | None = None
    label_year: Literal["first", "last"] | None = None

    @model_validator(mode="after")
    def _known(self) -> Period:
        ways = [self.fixed is not None, self.start is not None, self.label is not None and self.start is None]
        if sum(ways) != 1:
            raise ValueError("say when: start (with end), or label, or fixed: {start: …, end: …, label: …}")
        if self.end is not None and self.start is None:
            raise ValueError("end needs start")
        if self.end_is_exclusive and self.end is None:
            raise ValueError("end_is_exclusive is about the column end")
        types = set(self.type.codes.values()) if isinstance(self.type, Coded) else {self.type}
        if self.start is None and self.fixed is None and types & {"financial_year"} and self.year_starts_in is None:
            raise ValueError("a label such as 2021-22 needs year_starts_in, the number of the month (4 for April)")
        if isinstance(self.type, Coded) and (unknown := types - {*PERIOD_TYPES}):
            raise ValueError(f"{', '.join(sorted(unknown))} is no type of period; known are {_listed(PERIOD_TYPES)}")
        return self


class Slice(_Strict):
    """One way in which figures are broken down."""

    type: SliceType
    column: Header
    codes: dict[str, str] = Field(default_factory=dict)
    total: list[str] = Field(default_factory=list)


class Interval(_Strict):
    """What a mark stands for: the whole numbers, or values, that it hides."""

    status: Status
    from_: Annotated[Decimal | None, Field(alias="from")] = None
    to: Decimal | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        if self.status == "not_published" and (self.from_ is not None or self.to is not None):
            raise ValueError("what was not published has no interval; only suppressed has from and to")
        if self.from_ is not None and self.to is not None and self.from_ > self.to:
            raise ValueError("from is greater than to")
        return self


Mark = Annotated[Annotated[Status, Tag("word")] | Annotated[Interval, Tag("block")], Discriminator(_form)]


class Numbers(_Strict):
    """How numbers are written."""

    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'"] | None = None
    percent_sign: bool = False

    @model_validator(mode="after")
    def _different(self) -> Numbers:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands can't be the same character")
        return self


Base = Annotated[Decimal, Field(gt=0)]


class Rounding(_Strict):
    """The multiple to which numbers were rounded, by level of organisation; ``default`` for levels not named."""

    counts: dict[Code, Base] = Field(default_factory=dict)
    values: dict[Code, Base] = Field(default_factory=dict)


class Terms(_Strict):
    """A sum of published numbers, less others."""

    plus: list[str] = Field(min_length=1)
    minus: list[str] = Field(default_factory=list)


Cells = Annotated[Annotated[str, Tag("word")] | Annotated[Terms, Tag("block")], Discriminator(_form)]


class Measure(_Strict):
    """One measure and the published numbers that make its figures."""

    name: Annotated[str, Field(min_length=1)]
    direction: Literal[1, -1, 0]
    unit: str
    statistic: Literal["proportion", "rate", "count", "mean", "ratio", "value"]
    rows: str | None = None
    value: str | None = None
    numerator: Cells | None = None
    denominator: Cells | None = None
    lower: str | None = None
    upper: str | None = None
    centre: str | None = None
    score: str | None = None
    scale: Annotated[Decimal, Field(gt=0)] = Decimal(1)
    kpi_id: str | None = None
    method_version: str | None = None
    comparability: Comparability | None = None

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, value: str) -> str:
        if value not in UNITS:
            raise ValueError(f"'{value}' is no known unit; known are {_listed(UNITS)}")
        return value

    @property
    def named_roles(self) -> dict[str, Cells]:
        return {role: getattr(self, role) for role in ROLES if getattr(self, role) is not None}


class IndicatorMapping(_Strict):
    """The whole block."""

    publication: Publication
    file: FileBlock = FileBlock()
    layout: Layout
    organisation: Organisation
    period: Period
    slices: list[Slice] = Field(default_factory=list)
    marks: dict[str, Mark] = Field(default_factory=dict)
    numbers: Numbers = Numbers()
    rounding: Rounding = Rounding()
    measures: dict[Code, Measure] = Field(min_length=1)
    ignore: list[str] = Field(default_factory=list)
    replaces: Literal["figures", "periods", "everything"] = "figures"


@dataclass(frozen=True)
class Part:
    """One published number as a part of a measure's figures."""

    measure_id: str
    role: str
    cell_code: str
    sign: int
    """-1 for what is subtracted."""
    is_main: bool
    """The figure exists where this number's record exists, and its line is the figure's."""


def parse_mapping(block: Mapping[str, Any]) -> IndicatorMapping:
    """Read a block that :func:`check_indicator_mapping` found fine."""
    return IndicatorMapping.model_validate(block)


def check_indicator_mapping(block: Mapping[str, Any]) -> list[str]:
    """Problems of a block, each a sentence with its place."""
    try:
        mapping = parse_mapping(block)
    except ValidationError as error:
        return [_problem(block, detail) for detail in error.errors()]
    return list(_contradictions(mapping))


def parts_of(mapping: IndicatorMapping) -> list[Part]:
    """Which published number is what to which measure, in order of the block."""
    return [part for code, measure in mapping.measures.items() for part in _parts(mapping, code, measure)]


def cell_code(*texts: str) -> str:
    """Name of a published number within its record's organisation, period and slice: column, or measure and column,
    or measure and statistic; blanks around and between words don't count."""
    return " | ".join(folded(text) for text in texts)


def folded(text: str) -> str:
    """A text as it is compared: without case and superfluous blanks."""
    return " ".join(text.casefold().split())


def is_count(mapping: IndicatorMapping, part: Part) -> bool:
    """Whether the part is a count, which is rounded as counts are, or a value worked out from counts."""
    return part.role in ("numerator", "denominator") or mapping.measures[part.measure_id].statistic == "count"


MeasureRow = tuple[
    str, str, str, str, str, int, str, float, str, str, str | None, Decimal, str | None, str | None, str | None
]
PartRow = tuple[str, str, str, str, int, int, bool]


def indicator_rows(source_id: str, block: Mapping[str, Any]) -> tuple[list[MeasureRow], list[PartRow]]:
    """Rows of ``ops.indicator_measure`` and ``ops.indicator_part``, in a stable order."""
    mapping = parse_mapping(block)
    publication = mapping.publication
    measures: list[MeasureRow] = [
        (
            *(source_id, code, measure.name, publication.code),
            measure.method_version or publication.method_version,
            *(measure.direction, measure.unit, float(UNITS[measure.unit]), measure.statistic),
            measure.comparability or publication.comparability,
            *(measure.kpi_id, measure.scale, publication.name, publication.source, publication.licence),
        )
        for code, measure in sorted(mapping.measures.items())
    ]
    parts = parts_of(mapping)
    counted = {(p.measure_id, p.role): 0 for p in parts}
    for part in parts:
        counted[part.measure_id, part.role] += 1
    rows: list[PartRow] = [
        (source_id, p.measure_id, p.role, p.cell_code, p.sign, counted[p.measure_id, p.role], p.is_main) for p in parts
    ]
    return measures, sorted(rows)


def _parts(mapping: IndicatorMapping, code: str, measure: Measure) -> Iterator[Part]:
    roles = _roles(mapping.layout, code, measure)
    main = next((role for role in ROLES if role in roles), None)
    for role, terms in roles.items():
        for number, (cell, sign) in enumerate(terms):
            yield Part(code, role, cell, sign, role == main and number == 0)


def _roles(layout: Layout, code: str, measure: Measure) -> dict[str, list[tuple[str, int]]]:
    """Role → its terms. A count is value and numerator at once, whichever of the two is named."""
    if isinstance(layout, Tidy):
        text = measure.rows or code
        roles = {role: [(cell_code(text, column), 1)] for role, column in layout.columns.items()}
    else:
        roles = {role: list(_terms(layout, cells)) for role, cells in measure.named_roles.items()}
    if measure.statistic == "count":
        for given, other in (("value", "numerator"), ("numerator", "value")):
            if given in roles and other not in roles and len(roles[given]) == 1:
                roles[other] = roles[given]
    return {role: roles[role] for role in ROLES if role in roles}


def _terms(layout: Layout, cells: Cells) -> Iterator[tuple[str, int]]:
    terms = cells if isinstance(cells, Terms) else Terms(plus=[cells])
    for names, sign in ((terms.plus, 1), (terms.minus, -1)):
        for name in names:
            texts = name.split("|") if isinstance(layout, TidyByStatistic) else [name]
            yield cell_code(*texts), sign


# Problems -----------------------------------------------------------------------------------------------------------


def _contradictions(mapping: IndicatorMapping) -> Iterator[MappingProblem]:
    layout = mapping.layout
    if isinstance(layout, Tidy) and not layout.columns:
        yield MappingProblem("names no column with numbers; add value, or numerator and denominator", ("layout",))
    if mapping.ignore and isinstance(layout, Wide):
        yield MappingProblem("is for tidy files; columns that no measure names are ignored as it is", ("ignore",))
    for index, one in enumerate(mapping.slices):
        totals = one.type.model_fields_set if isinstance(one.type, Coded) else one.model_fields_set
        if "total" not in totals | one.model_fields_set:
            yield MappingProblem(
                "needs total: the texts that stand for the whole, such as [All]; [] if the file has none",
                ("slices", index),
            )
    owners: dict[str, str] = {}
    for code, measure in mapping.measures.items():
        yield from _measure_problems(layout, code, measure)
        if isinstance(layout, Tidy):
            text = folded(measure.rows or code)
            if text in owners:
                yield MappingProblem(f"reads the same rows as '{owners[text]}'", ("measures", code))
            owners[text] = code
    yield from _mixed_quantities(mapping)


def _measure_problems(layout: Layout, code: str, measure: Measure) -> Iterator[MappingProblem]:
    at = ("measures", code)
    named = set(measure.named_roles)
    if isinstance(layout, Tidy) and named:
        role = sorted(named)[0]
        yield MappingProblem("belongs under layout: in a tidy file all measures have the same columns", (*at, role))
        return
    if not isinstance(layout, Tidy) and measure.rows is not None:
        yield MappingProblem("is for layout type tidy; name the numbers in value, numerator, …", (*at, "rows"))
    roles = _roles(layout, code, measure)
    if "value" not in roles and not {"numerator", "denominator"} <= set(roles):
        yield MappingProblem("has no figure: name its value, or its numerator and denominator", at)
    elif "denominator" in roles and "numerator" not in roles and measure.statistic in QUOTIENTS:
        yield MappingProblem(f"a {measure.statistic} with a denominator needs its numerator", (*at, "denominator"))
    if measure.statistic == "proportion" and measure.unit not in ("percent", "proportion"):
        yield MappingProblem("a proportion is given in percent or proportion", (*at, "unit"))
    if isinstance(layout, TidyByStatistic):
        for role, cells in measure.named_roles.items():
            names = [*cells.plus, *cells.minus] if isinstance(cells, Terms) else [cells]
            for name in names:
                if name.count("|") != 1 or not all(text.strip() for text in name.split("|")):
                    yield MappingProblem(
                        f"'{name}' does not name a number; write measure | statistic, as the file spells them",
                        (*at, role),
                    )


def _mixed_quantities(mapping: IndicatorMapping) -> Iterator[MappingProblem]:
    """A number is rounded as a count or as a value; it can't be both."""
    seen: dict[str, tuple[bool, str]] = {}
    for part in parts_of(mapping):
        count = is_count(mapping, part)
        other = seen.setdefault(part.cell_code, (count, part.measure_id))
        if other[0] != count and mapping.rounding != Rounding():
            here, there = ("count", "value") if count else ("value", "count")
            yield MappingProblem(
                f"'{part.cell_code}' is a {here} here and a {there} in '{other[1]}'; with rounding it must be one of "
                "them",
                ("measures", part.measure_id, part.role),
            )


def _problem(block: Mapping[str, Any], error: Any) -> MappingProblem:
    at = _keys(block, tuple(error["loc"]))
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "is not a known key here; remove it or correct its spelling"
    elif error["type"] == "missing":
        at, message = (*at, error["loc"][-1]), "is required and missing"
    elif error["type"] == "string_pattern_mismatch":
        message = f"'{error['input']}' must be lower-case letters, digits and underscores, starting with a letter"
    elif error["type"] == "string_type":
        message = f"must be text; put it in quotes ({error['input']!r} is not text to YAML)"
    elif error["type"] == "union_tag_not_found":
        message = "needs type: wide, tidy or tidy_by_statistic"
    elif error["type"] == "union_tag_invalid":
        message = f"'{error['ctx']['tag']}' is no known type; known are wide, tidy, tidy_by_statistic"
    elif error["type"] == "literal_error":
        message = f"{error['input']!r} is not allowed; write {error['ctx']['expected']}"
    return MappingProblem(message, at)


def _keys(block: Any, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """pydantic's path without its names for the variants of the model: the keys that the block has."""
    at: Any = block
    keys: list[int | str] = []
    for step in loc:
        inside = at if isinstance(at, Mapping) else dict(enumerate(at)) if isinstance(at, list) else {}
        if step in inside:
            at = inside[step]
            keys.append(step)
    return tuple(keys)


def _listed(names: Any) -> str:
    return ", ".join(names)
