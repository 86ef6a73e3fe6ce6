"""The invented region: who is in it, what they run, how they differ, and when they deliver.

What belongs here: facts of the region as data, and the true parameters that a statistic should find again. What does
not: people, and file formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sources.sample.calendar import day

EMERGENCY, TRANSITIONAL, SUPPORTIVE, OUTREACH, RAPID = 1, 2, 3, 4, 13
"""Project types, as both formats number them (FY2024 gives night-by-night shelters 1 and the others 0)."""


class Fate(StrEnum):
    """What must become of a delivery."""

    LOADED = "loaded"
    PAUSED = "paused"
    REFUSED = "refused"


@dataclass(frozen=True)
class Project:
    """A service. The weights say how often it takes in households without and with children."""

    code: str
    name: str
    kind: int
    singles: int
    families: int
    night_by_night: bool = False
    funder: int = 8


@dataclass(frozen=True)
class Export:
    """One delivery of a case-management system: all that was entered up to the end of ``until``."""

    until: int
    full: bool = True
    fate: Fate = Fate.LOADED
    rule: str | None = None
    """Why it is not loaded."""

    @property
    def stated_day(self) -> int:
        return self.until + 2


@dataclass(frozen=True)
class Style:
    """How a sender's system writes its CSV files."""

    newline: str = "\n"
    quoted_header: bool = False
    bom: bool = False
    encoding: str = "utf-8"
    csv_version: str = "FY2022"
    software: str = "Lodestone Casework"


@dataclass(frozen=True)
class Provider:
    """An organisation that houses people, and how it truly performs. Shares are in a thousand."""

    id: str
    name: str
    prefix: str
    singles: int
    families: int
    """How often a household without, with children is at home here."""
    version: str
    projects: tuple[Project, ...]
    exports: tuple[Export, ...]
    style: Style = field(default_factory=Style)
    permanent_shift: int = 0
    """Added to the share of exits to permanent housing."""
    stay_pct: int = 100
    """Length of stay, as a percentage of what is usual for the kind of project."""
    return_shift: int = 0
    recovery: int = 480
    """Probability that someone at caseness at the start is below it at the end."""
    worsens_on: int | None = None
    worse_recovery: int = 0
    worse_stay_pct: int = 0
    entry_lag: int = 1
    """Days that data entry takes, as a factor."""

    @property
    def source(self) -> str:
        return f"{self.id}_hmis"

    @property
    def loaded_until(self) -> int:
        """The day up to which its loaded deliveries know everything."""
        return max(export.until for export in self.exports if export.fate is Fate.LOADED)


JUNE, JULY, AUGUST, SEPTEMBER = (day(f"2025-{m}") for m in ("06-30", "07-31", "08-31", "09-30"))
_TWO_FULL = (Export(JUNE), Export(SEPTEMBER))
_FULL_AND_DELTA = (Export(AUGUST), Export(SEPTEMBER, full=False))
_FULL_AND_TWO_DELTAS = (Export(JULY), Export(AUGUST, full=False), Export(SEPTEMBER, full=False))

PROVIDERS: tuple[Provider, ...] = (
    Provider(
        "harbour",
        "Harbour Housing",
        "HB",
        190,
        150,
        "FY2022",
        (
            Project("HB1", "Harbour Lodge", EMERGENCY, 60, 50),
            Project("HB2", "Harbour Move-On", RAPID, 25, 40, funder=3),
            Project("HB3", "Harbour Homes", SUPPORTIVE, 15, 10, funder=2),
        ),
        _TWO_FULL,
        recovery=520,
        permanent_shift=60,
        stay_pct=95,
    ),
    Provider(
        "brackwater",
        "Brackwater Night Shelter",
        "BW",
        190,
        0,
        "FY2022",
        (
            Project("BW1", "Brackwater Hall", EMERGENCY, 85, 20, night_by_night=True),
            Project("BW2", "Brackwater Annex", EMERGENCY, 15, 80),
        ),
        (Export(AUGUST - 11, fate=Fate.REFUSED, rule="unreadable_archive"), *_FULL_AND_DELTA),
        Style(newline="\r\n", csv_version="2022"),
        permanent_shift=-90,
        return_shift=80,
        entry_lag=2,
    ),
    Provider(
        "fennimoor",
        "Fennimoor Homes",
        "FM",
        90,
        70,
        "FY2024",
        (
            Project("FM1", "Fennimoor Court", SUPPORTIVE, 50, 30, funder=2),
            Project("FM2", "Fennimoor Bridge", TRANSITIONAL, 50, 70, funder=5),
        ),
        _TWO_FULL,
        Style(quoted_header=True, csv_version="2024 v1.3", software="Wayfare"),
        permanent_shift=40,
        stay_pct=110,
    ),
    Provider(
        "kestrelby",
        "Kestrelby Outreach",
        "KB",
        120,
        0,
        "FY2022",
        (
            Project("KB1", "Kestrelby Street Team", OUTREACH, 80, 50, funder=10),
            Project("KB2", "Kestrelby Lodgings", RAPID, 20, 50, funder=3),
        ),
        (Export(JULY + 15, fate=Fate.REFUSED, rule="missing_file"), *_FULL_AND_DELTA),
        Style(csv_version="v1_3"),
        permanent_shift=-40,
        entry_lag=2,
        stay_pct=120,
    ),
    Provider(
        "millrace",
        "Millrace Support",
        "MR",
        90,
        110,
        "FY2024",
        (
            Project("MR1", "Millrace Homes First", RAPID, 55, 70, funder=3),
            Project("MR2", "Millrace House", TRANSITIONAL, 30, 30, funder=5),
            Project("MR3", "Millrace Nights", EMERGENCY, 15, 0, night_by_night=True),
        ),
        _FULL_AND_TWO_DELTAS,
        Style(newline="\r\n", quoted_header=True, csv_version="FY2024", software="Wayfare"),
        recovery=550,
        permanent_shift=110,
        return_shift=-60,
        stay_pct=90,
    ),
    Provider(
        "norrowgate",
        "Norrowgate Families",
        "NG",
        20,
        380,
        "FY2022",
        (
            Project("NG1", "Norrowgate Family Shelter", EMERGENCY, 60, 60),
            Project("NG2", "Norrowgate Rehousing", RAPID, 40, 40, funder=3),
        ),
        _TWO_FULL,
        Style(bom=True),
        permanent_shift=90,
        return_shift=-40,
        stay_pct=85,
    ),
    Provider(
        "oakapple",
        "Oakapple Steps",
        "OA",
        90,
        50,
        "FY2024",
        (
            Project("OA1", "Oakapple Trust House", TRANSITIONAL, 60, 60, funder=5),
            Project("OA2", "Oakapple Keys", SUPPORTIVE, 40, 40, funder=2),
        ),
        _FULL_AND_DELTA,
        Style(csv_version="2024 v1.3", software="Wayfare"),
        recovery=500,
        stay_pct=105,
    ),
    Provider(
        "tidewell",
        "Tidewell Crisis Rooms",
        "TW",
        150,
        150,
        "FY2022",
        (
            Project("TW1", "Tidewell Crisis Rooms – Café Row", EMERGENCY, 80, 80),
            Project("TW2", "Tidewell Return Home", RAPID, 20, 20, funder=3),
        ),
        _FULL_AND_TWO_DELTAS,
        Style(newline="\r\n", encoding="cp1252"),
        recovery=540,
        worsens_on=day("2025-01-01"),
        worse_recovery=270,
        worse_stay_pct=150,
    ),
    Provider(
        "quarnby",
        "Quarnby Lane",
        "QL",
        15,
        15,
        "FY2022",
        (Project("QL1", "Quarnby Lane House", EMERGENCY, 100, 100),),
        (Export(JUNE), Export(SEPTEMBER, fate=Fate.PAUSED, rule="row_count_change")),
    ),
    Provider(
        "saltmere",
        "Saltmere Rooms",
        "SM",
        15,
        15,
        "FY2022",
        (Project("SM1", "Saltmere Rooms", TRANSITIONAL, 100, 100, funder=5),),
        (Export(JUNE), Export(SEPTEMBER, fate=Fate.PAUSED, rule="error_share")),
    ),
)

SHARED = 60
"""Households in a thousand that are also with a second provider."""
SHARING = tuple(p.id for p in PROVIDERS if p.id not in ("quarnby", "saltmere"))
