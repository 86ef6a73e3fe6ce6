"""The region file: one YAML file that says everything about a deployment.

What belongs here: its model, the errors that name file, line and key, its JSON Schema, and the paths that follow from
where the file lies. What does not: reading deliveries or state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from orchestration.instruments.known import (
    ValueSetError,
    awaited_value_sets,
    known_items,
    known_programmes,
    read_value_set,
)
from orchestration.yaml_lines import Loc, key_lines, place, repeated_keys, sentence
from sources.connector import MappingProblem, connectors
from sources.delivery import Limits
from sources.survey.mapping import parse_mapping

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Month = Annotated[int, Field(ge=1, le=12)]


def _cron_field(number: str, names: str = "") -> str:
    value = f"(?:{number}{'|' + names if names else ''})"
    part = rf"(?:\*|{value}(?:-{value})?)(?:/[1-9]\d?)?"
    return f"{part}(?:,{part})*"


_CRON = re.compile(
    " +".join(
        (
            _cron_field(r"[0-5]?\d"),
            _cron_field(r"[01]?\d|2[0-3]"),
            _cron_field(r"0?[1-9]|[12]\d|3[01]"),
            _cron_field(r"0?[1-9]|1[0-2]", "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"),
            _cron_field(r"[0-7]", "sun|mon|tue|wed|thu|fri|sat"),
        )
    ),
    re.IGNORECASE,
)
"""Five fields of numbers, ranges, steps and lists. The scheduler knows a few forms more; these serve everybody."""


class RegionFileError(Exception):
    """The region file can't be used. ``problems`` are sentences, each with file, line and key."""

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class Cadence(StrEnum):
    """How often a source is expected to deliver; drives its schedule and its freshness policy."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RegionBlock(_Strict):
    """The region itself."""

    id: Identifier = Field(description="Short name used in keys, paths and release ids.")
    name: str
    time_zone: str = Field(default="UTC", description="IANA time zone of schedules.")
    financial_year_start: Month = Field(default=1, description="Month in which the financial year starts.")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown time zone '{value}'; use an IANA name such as Europe/London") from error
        return value


class OrganisationBlock(_Strict):
    """An organisation that delivers data or is funded."""

    id: Identifier
    name: str
    financial_year_start: Month | None = Field(default=None, description="Overrides the region's.")
    attributes: dict[Identifier, float | str] = Field(
        default_factory=dict, description="What peers are found by: size, setting, need; numbers or words."
    )


class LimitsBlock(_Strict):
    """When a delivery is paused until a person releases it, and what it may cost at most."""

    max_error_share: float = Field(default=0.05, ge=0, le=1, description="Share of rows with record-level errors.")
    max_row_change: float = Field(
        default=0.25, ge=0, description="Relative change of a full export's row count against the last accepted one."
    )
    max_files: int = Field(default=Limits.max_members, ge=1, description="Files of one delivery; more are refused.")
    max_file_bytes: int = Field(default=Limits.max_member_bytes, ge=1, description="Bytes of one file, unpacked.")
    max_delivery_bytes: int = Field(default=Limits.max_total_bytes, ge=1, description="Bytes of all files, unpacked.")
    max_compression: int = Field(
        default=Limits.max_ratio, ge=1, description="Unpacked by packed bytes of a file; more is taken for a zip bomb."
    )

    @property
    def of_delivery(self) -> Limits:
        """What opening a delivery may cost."""
        return Limits(
            max_members=self.max_files,
            max_member_bytes=self.max_file_bytes,
            max_total_bytes=self.max_delivery_bytes,
            max_ratio=self.max_compression,
        )


class SourceBlock(_Strict):
    """One system of one organisation."""

    id: Identifier
    kind: str = Field(description="Kind of system, such as hmis_csv; decides the connector.")
    organisation: Identifier
    location: str = Field(
        min_length=1, description="Glob of deliveries (files or folders), relative to the region file."
    )
    cadence: Cadence | None = None
    mapping: dict[str, Any] = Field(default_factory=dict, description="What the kind needs to know of this source.")
    limits: LimitsBlock = LimitsBlock()


class TargetBlock(_Strict):
    """A target of a KPI, or of a figure that others publish. One set after its period began is never judged."""

    kpi: str | None = Field(default=None, description="Id of a KPI; this or measure.")
    measure: str | None = Field(default=None, description="A measure of an indicator_table source, by its id there.")
    entity: str | None = Field(default=None, description="With measure: whose figure, by the code of the publication.")
    organisation: Identifier | None = Field(default=None, description="With kpi; none: the whole region.")
    award: str | None = Field(
        default=None, description="Identifier of the award that asks for it, as its funder publishes it."
    )
    period_type: Literal["month", "quarter", "financial_year", "calendar_year", "rolling12"]
    period_start: date
    target: float
    tolerance_pct: float = Field(default=0, ge=0, description="Missed by no more per cent of the target: amber.")
    set_on: date

    @model_validator(mode="after")
    def _is_of_one_figure(self) -> Self:
        if (self.kpi is None) == (self.measure is None):
            raise ValueError("name the figure: kpi for one of ours, or measure for one that others publish")
        if (self.measure is None) != (self.entity is None):
            raise ValueError("entity says whose published figure it is: it goes with measure and with nothing else")
        if self.measure is not None and (self.organisation or self.award):
            raise ValueError("a published figure is of an entity; organisation and award go with kpi")
        return self


class RangeBlock(_Strict):
    """Numbers from one on up to another, both inclusive."""

    at_least: float | None = None
    at_most: float | None = None


class NearestBlock(_Strict):
    """The organisations that are most alike in some attributes, each brought to the same scale."""

    attributes: list[Identifier] = Field(min_length=1)
    members: int = Field(default=15, ge=5, description="How many peers each organisation gets.")


class PeerGroupBlock(_Strict):
    """Organisations that may be held against each other: by a rule, a list, or the nearest of each."""

    id: Identifier
    name: str
    where: dict[Identifier, list[str] | RangeBlock] = Field(
        default_factory=dict, description="Attribute to the words that it may be, or to a range of numbers."
    )
    members: list[str] = Field(
        default_factory=list, description="Organisations by id, or by the code that a publication gives them."
    )
    nearest: NearestBlock | None = None

    @model_validator(mode="after")
    def _one_way(self) -> PeerGroupBlock:
        if sum(map(bool, (self.where, self.members, self.nearest))) != 1:
            raise ValueError("say who belongs to it in one way: where, members or nearest")
        if self.id == "all":
            raise ValueError("'all' is the group of every organisation; take another id")
        return self


class RebaseBlock(_Strict):
    """Somebody decided that a series begins anew: its limits are made again from here on. Never done by itself."""

    kpi: str = Field(description="KPI, or measure of a publication.")
    organisation: str | None = Field(default=None, description="Its id or published code. None: the whole region.")
    from_month: date = Field(description="First month of the new limits.")
    reason: str = Field(min_length=1)
    approved_by: str = Field(min_length=1)


class ValueSetBlock(_Strict):
    """A table of health-state indices that may not be shipped: a CSV file with the columns state and index."""

    instrument: str
    code: str = Field(description="Code of the value set in the instrument's definition.")
    file: str = Field(description="Relative to the region file.")


class SchedulesBlock(_Strict):
    """Cron expressions in the region's time zone."""

    release: str = Field(default="0 6 2 * *", description="When the release job runs.")

    @field_validator("release")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        if not _CRON.fullmatch(value):
            raise ValueError(f"'{value}' is no cron expression; write minute hour day month weekday, as in 0 6 2 * *")
        return value


class DisclosureBlock(_Strict):
    """How small numbers are protected in what is published."""

    profile: Literal["nhsd_5_8"] = "nhsd_5_8"


class RegionFile(_Strict):
    """The whole region file."""

    region: RegionBlock
    organisations: list[OrganisationBlock] = Field(min_length=1)
    sources: list[SourceBlock] = Field(min_length=1)
    targets: list[TargetBlock] = Field(default_factory=list)
    peer_groups: list[PeerGroupBlock] = Field(default_factory=list)
    rebases: list[RebaseBlock] = Field(default_factory=list)
    value_sets: list[ValueSetBlock] = Field(default_factory=list)
    outcome_programme: str | None = Field(
        default=None, description="Whose rules judge courses (instruments/programmes.yml). Default: talking_therapies."
    )
    schedules: SchedulesBlock = SchedulesBlock()
    disclosure: DisclosureBlock = DisclosureBlock()


class Region:
    """A region file in its place: the model, and the paths of deliveries and state beside it."""

    def __init__(self, path: Path, model: RegionFile, lines: Mapping[Loc, int] | None = None):
        self.path = path
        self._lines = lines or {}
        self.root = path.parent
        self.model = model

    @property
    def id(self) -> str:
        return self.model.region.id

    @property
    def sources(self) -> list[SourceBlock]:
        return self.model.sources

    @cached_property
    def organisations(self) -> dict[str, OrganisationBlock]:
        return {organisation.id: organisation for organisation in self.model.organisations}

    def line_of(self, *key: str | int) -> int | None:
        """The line of the region file on which a key stands; None if the region was not read from a file."""
        return self._lines.get(key)

    def source(self, source_id: str) -> SourceBlock:
        """The source with this id; KeyError if there is none."""
        for source in self.sources:
            if source.id == source_id:
                return source
        raise KeyError(source_id)

    def deliveries_of(self, source: SourceBlock) -> list[Path]:
        """Files and folders that match the source's location now, by name; hidden and partial ones are left out."""
        location = Path(source.location)
        base = Path(location.anchor) if location.is_absolute() else self.root
        parts = location.parts[1:] if location.is_absolute() else location.parts
        found = _expand(base, parts)
        return sorted(
            (p for p in found if not p.name.startswith((".", "~$")) and p.suffix != ".part"),
            key=lambda p: p.as_posix(),
        )

    @property
    def value_sets(self) -> list[tuple[str, str, int, Decimal]]:
        """Value set, instrument, state and index of every table that the region brings."""
        awaited = awaited_value_sets()
        return [
            (block.code, block.instrument, state, index)
            for block in self.model.value_sets
            for state, index in read_value_set(self.root / block.file, awaited[block.instrument, block.code])
        ]

    @property
    def landing_dir(self) -> Path:
        return self.root / "landing"

    @property
    def vault_dir(self) -> Path:
        return self.root / "vault"

    @property
    def warehouse_path(self) -> Path:
        return self.root / "warehouse" / "build.duckdb"

    @property
    def reports_dir(self) -> Path:
        return self.root / "reports"

    @property
    def members_dir(self) -> Path:
        return self.root / "members"

    @property
    def releases_dir(self) -> Path:
        return self.root / "releases"

    @property
    def state_dir(self) -> Path:
        """Ledger, decisions about paused deliveries, and the event log of runs."""
        return self.root / "state"


def _expand(base: Path, parts: Sequence[str]) -> list[Path]:
    """Paths below ``base`` that match ``parts``; leading parts without a wildcard may climb with ``..``."""
    fixed = 0
    while fixed < len(parts) and not re.search(r"[*?\[]", parts[fixed]):
        base = base / parts[fixed]
        fixed += 1
    rest = parts[fixed:]
    if not rest:
        return [base] if base.exists() else []
    return list(base.glob("/".join(rest))) if base.exists() else []


def load_region(path: Path) -> Region:
    """Read and validate a region file. Raises :class:`RegionFileError` naming file, line and key."""
    path = path.resolve()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RegionFileError([f"{path.name}: can't be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise RegionFileError([f"{path.name}:{line}: not UTF-8; save the file as UTF-8"]) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        raise RegionFileError([f"{path.name}{where}: not valid YAML: {getattr(error, 'problem', error)}"]) from error
    lines = key_lines(root)
    if twice := list(repeated_keys(root)):
        at = [place(path.name, {loc: line}, loc) for loc, line in twice]
        raise RegionFileError([f"{where}: is there twice; a key can be there once" for where in at])
    try:
        model = RegionFile.model_validate(data)
    except ValidationError as error:
        raise RegionFileError([sentence(path.name, lines, e) for e in error.errors()]) from error
    problems = list(_cross_checks(path, lines, model))
    if problems:
        raise RegionFileError(problems)
    return Region(path, model, lines)


def json_schema() -> str:
    """JSON Schema of the region file, for editors."""
    return json.dumps(RegionFile.model_json_schema(), indent=2, sort_keys=True) + "\n"


def _cross_checks(path: Path, lines: dict[Loc, int], model: RegionFile) -> Iterable[str]:
    name = path.name
    yield from _repeated(name, lines, "organisations", [o.id for o in model.organisations])
    yield from _repeated(name, lines, "sources", [s.id for s in model.sources])
    known = {organisation.id for organisation in model.organisations}
    kinds = connectors()
    for index, source in enumerate(model.sources):
        at: Loc = ("sources", index)
        if source.organisation not in known:
            where = place(name, lines, (*at, "organisation"))
            yield f"{where}: no organisation '{source.organisation}'; add it under organisations"
        if source.kind not in kinds:
            where = place(name, lines, (*at, "kind"))
            yield f"{where}: unknown kind '{source.kind}'; known kinds: {', '.join(sorted(kinds))}"
            continue
        for problem in kinds[source.kind].check_mapping(source.mapping):
            within = problem.at if isinstance(problem, MappingProblem) else ()
            yield f"{place(name, lines, (*at, 'mapping', *within))}: {problem}"
    for index, target in enumerate(model.targets):
        if target.organisation is not None and target.organisation not in known:
            where = place(name, lines, ("targets", index, "organisation"))
            yield f"{where}: no organisation '{target.organisation}'"
    yield from _repeated(name, lines, "peer_groups", [group.id for group in model.peer_groups])
    attributes = {attribute for organisation in model.organisations for attribute in organisation.attributes}
    for index, group in enumerate(model.peer_groups):
        for attribute in (*group.where, *(group.nearest.attributes if group.nearest else ())):
            if attribute not in attributes:
                where = place(name, lines, ("peer_groups", index))
                yield f"{where}: no organisation has the attribute '{attribute}'; add it under attributes"

    yield from _instrument_problems(path, lines, model)


def _instrument_problems(path: Path, lines: dict[Loc, int], model: RegionFile) -> Iterable[str]:
    """What the region file says of instruments that no definition knows."""
    programmes = known_programmes()
    if model.outcome_programme is not None and model.outcome_programme not in programmes:
        where = place(path.name, lines, ("outcome_programme",))
        yield f"{where}: no programme '{model.outcome_programme}'; known: {', '.join(programmes)}"
    for index, source in enumerate(model.sources):
        kind = connectors().get(source.kind)
        if kind is None or kind.domain != "survey" or kind.check_mapping(source.mapping):
            continue
        where = place(path.name, lines, ("sources", index, "mapping"))
        yield from (f"{where}: {problem}" for problem in unknown_items(source.mapping))
    awaited = awaited_value_sets()
    for index, value_set in enumerate(model.value_sets):
        where = place(path.name, lines, ("value_sets", index))
        states = awaited.get((value_set.instrument, value_set.code))
        if states is None:
            known = ", ".join(f"{code} of {instrument}" for instrument, code in sorted(awaited))
            yield f"{where}: no value set '{value_set.code}' is awaited for {value_set.instrument}; known: {known}"
            continue
        try:
            read_value_set(path.parent / value_set.file, states)
        except ValueSetError as error:
            yield f"{where}: {error}"


def unknown_items(mapping: Mapping[str, Any]) -> Iterable[str]:
    """Questions of a survey mapping that are mapped to what no instrument has."""
    known = known_items()
    for code, form in sorted(parse_mapping(mapping).forms.items()):
        for instrument, numbers in sorted(form.items.items()):
            if instrument not in known:
                yield f"form '{code}': no instrument '{instrument}'; see `trigpoint instrument list`"
                continue
            for question, number in numbers.items():
                if number not in known[instrument]:
                    yield (
                        f"form '{code}': '{question}' is mapped to item {number} of {instrument}, "
                        f"which has items {min(known[instrument])} to {max(known[instrument])}"
                    )


def _repeated(name: str, lines: dict[Loc, int], block: str, ids: list[str]) -> Iterable[str]:
    for index, identifier in enumerate(ids):
        if identifier in ids[:index]:
            yield f"{place(name, lines, (block, index, 'id'))}: id '{identifier}' is used twice; ids are unique"
