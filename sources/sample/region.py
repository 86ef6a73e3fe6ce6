"""The sample region as a whole: its region file, its deliveries, and the list of what was planted.

What belongs here: the order in which things are written, ``region.yml``, and the summary. What does not: formats.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from sources.sample import management_files, publication, redcap_export, surveys
from sources.sample.calendar import FIRST_DAY, LAST_DAY, end_of, iso
from sources.sample.funders import FUNDERS, write_funder
from sources.sample.hmis import Acquaintance, Course, write_provider
from sources.sample.hmis_tables import person_ids
from sources.sample.names import family_names, given_names
from sources.sample.planted import Ledger
from sources.sample.population import Population, draw_population
from sources.sample.world import PROVIDERS, Fate, Provider

REGION_FILE = "region.yml"
PLANTED_FILE = "planted.json"
_LISTED = 500
"""At most so many people and identifiers are listed in ``planted.json``."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class SampleSummary:
    """What was written."""

    region_file: Path
    people: int
    organisations: int
    deliveries: int
    rows: int
    planted_defects: int
    bytes: int


def write_region(to: Path, *, people: int = 5000, seed: int = 1, progress: Progress | None = None) -> SampleSummary:
    """Write a synthetic region into the folder ``to``, the same to the byte for the same ``people`` and ``seed``.

    A region needs a hundred-odd people to have every kind of defect at every provider; a smaller number is raised to
    that. Raises :class:`FileExistsError` if the folder holds a region file already.
    """
    if (to / REGION_FILE).exists():
        raise FileExistsError(f"{to / REGION_FILE} exists; choose another folder or remove it first")
    say = progress or (lambda stage, fraction: None)
    to.mkdir(parents=True, exist_ok=True)
    work = to / ".sample.part"
    shutil.rmtree(work, ignore_errors=True)
    say("people", 0.0)
    population = draw_population(people, seed, len(given_names()), len(family_names()))
    ledger = Ledger(seed, population.people, population.households)
    known: dict[int, Acquaintance] = {}
    weights = [int(np.sum((population.home == i) | (population.second == i))) for i in range(len(PROVIDERS))]
    total, done = sum(weights), 0
    for position, provider in enumerate(PROVIDERS):
        start, share = done / total, weights[position] / total

        def tell(fraction: float, name: str = provider.name, start: float = start, share: float = share) -> None:
            say(name, start + share * fraction)

        writers: list[_Listener] = []
        if survey := _survey_of(provider, ledger, work):
            writers.append(survey)
        if provider in management_files.senders():
            writers.append(management_files.ManagementWriter(provider, ledger))

        def on_course(course: Course, writers: list[_Listener] = writers) -> None:
            for writer in writers:
                writer.on_course(course)

        known[position] = write_provider(to, work, position, provider, population, ledger, on_course, tell)
        for writer in writers:
            writer.finish(to)
        done += weights[position]
    say("funders", 1.0)
    for funder in FUNDERS:
        write_funder(to, funder, ledger)
    publication.write_publication(to, ledger)
    _list_shared(ledger, population, known)
    _list_identifiers(ledger, population)
    shutil.rmtree(work, ignore_errors=True)
    ledger.truth |= _truth()
    ledger.write(to / PLANTED_FILE)
    (to / REGION_FILE).write_text(region_text(), encoding="utf-8")
    say("done", 1.0)
    return _summary(to, ledger)


class _Listener(Protocol):
    """What writes more files about the people of a provider."""

    def on_course(self, course: Course) -> None: ...

    def finish(self, root: Path) -> None: ...


def _survey_of(provider: Provider, ledger: Ledger, work: Path) -> surveys.OdkWriter | redcap_export.RedcapWriter | None:
    """The writer of the provider's survey, if it has one."""
    if provider.id == redcap_export.PROVIDER:
        return redcap_export.RedcapWriter(provider, ledger, work)
    for source in surveys.ODK_SOURCES:
        if source.provider == provider.id:
            return surveys.OdkWriter(source, provider, ledger, work)
    return None


def _list_shared(ledger: Ledger, population: Population, known: dict[int, Acquaintance]) -> None:
    """People whom the loaded deliveries of two providers show, all with name and birth date of good quality."""
    shown: dict[int, list[tuple[str, str, bool]]] = {}
    for position, acquaintance in known.items():
        provider = PROVIDERS[position]
        if not acquaintance.member:
            continue
        member, person, created = (
            np.concatenate(part) for part in (acquaintance.member, acquaintance.person, acquaintance.created)
        )
        has_id = np.concatenate(acquaintance.has_national_id)
        rows = np.flatnonzero(created <= end_of(provider.loaded_until))
        codes = person_ids(provider, person).texts(rows).to_pylist()
        for who, code, numbered in zip(member[rows].tolist(), codes, has_id[rows].tolist(), strict=True):
            shown.setdefault(who, []).append((provider.source, code, numbered))
    both = {who: places for who, places in sorted(shown.items()) if len(places) == 2}
    ledger.shared_people_count = len(both)
    ledger.shared_people = [
        {
            "people": [{"source": source, "person": code} for source, code, _ in places],
            "evidence": "national_id" if all(numbered for _, _, numbered in places) else "name_and_birth_date",
        }
        for places in list(both.values())[:_LISTED]
    ]


def _list_identifiers(ledger: Ledger, population: Population) -> None:
    """Names, birth dates and national ids that must not be found outside the vault; not first days of a month,
    which are left in landing on purpose, and only of adults, whose birth dates can't be taken for an event."""
    adults = np.flatnonzero(population.is_adult)
    chosen = adults[:: max(len(adults) // _LISTED, 1)][:_LISTED]
    given, family = given_names(), family_names()
    for who in chosen.tolist():
        born = iso(int(population.birth[who]))
        name = f"{given[population.given[who]]} {family[population.family[who]]}"
        ledger.identify(names=name, national_ids=f"{population.ssn[who]:09d}")
        if not born.endswith("-01"):
            ledger.identify(birth_dates=born)


def _truth() -> dict[str, object]:
    """The parameters that a statistic should find again."""
    return {
        "period": {"from": iso(FIRST_DAY), "to": iso(LAST_DAY), "months": 36, "financial_year_start": 4},
        "providers": {
            p.id: {
                "recovery": p.recovery / 1000,
                "stay_pct": p.stay_pct,
                "permanent_shift": p.permanent_shift / 1000,
                "return_shift": p.return_shift / 1000,
                "worsens_on": iso(p.worsens_on) if p.worsens_on else None,
                "worse_recovery": p.worse_recovery / 1000 if p.worsens_on else None,
                "worse_stay_pct": p.worse_stay_pct if p.worsens_on else None,
                "loaded_until": iso(p.loaded_until),
                "is_stale": any(e.fate is Fate.PAUSED for e in p.exports),
            }
            for p in PROVIDERS
        },
    }


_PERIOD = "period_type: financial_year, period_start: 2024-04-01, set_on: 2024-01-20"
_TARGETS = (
    f"{{kpi: OC-05, target: 50, {_PERIOD}}}",
    f"{{kpi: OC-12, target: 50, {_PERIOD}}}",
    f"{{measure: recovery, entity: N1, target: 45, {_PERIOD}}}",
)
"""Targets of the region as a whole, and of a figure that the yearbook publishes."""

_PEER_GROUPS = (
    "{id: families, name: Mostly families, where: {family_pct: {at_least: 50}}}",
    "{id: alike, name: Most alike, nearest: {attributes: [project_count, family_pct], members: 8}}",
)
"""By a rule, and the nearest of each."""

_REGION_HEAD = """\
# A region that does not exist: invented organisations, people and figures in the real file formats.
# Written by `trigpoint sample`; what was planted into it is listed in planted.json.
region:
  id: demo
  name: Demo region
  time_zone: Europe/London
  financial_year_start: 4
"""


def region_text() -> str:
    """The region file."""
    lines = [_REGION_HEAD.rstrip(), "organisations:"]
    lines += [f"  - {{id: {p.id}, name: {p.name}, attributes: {_attributes_of(p)}}}" for p in PROVIDERS]
    named = [(f.id, f.name) for f in FUNDERS] + [(publication.PUBLISHER, publication.PUBLISHER_NAME)]
    lines += [f"  - {{id: {code}, name: {name}}}" for code, name in named]
    lines += ["sources:"]
    for provider in PROVIDERS:
        lines += _source(provider.source, "hmis_csv", provider.id, f"{provider.id}/*.zip", "monthly")
    for funder in FUNDERS:
        location = f"{funder.id}/*.{funder.suffix}"
        lines += _source(funder.source, "threesixtygiving", funder.id, location, "quarterly")
    for odk in surveys.ODK_SOURCES:
        lines += _source(odk.id, "odk", odk.provider, f"{odk.id}/*.zip", "monthly")
        lines += surveys.mapping_of(odk)
    redcap = redcap_export
    lines += _source(redcap.SOURCE, "redcap", redcap.PROVIDER, f"{redcap.SOURCE}/*.zip", "quarterly")
    lines += redcap.mapping_of()
    for provider in management_files.senders():
        source = management_files.source_of(provider)
        suffix = "xlsx" if management_files.style_of(provider).is_workbook else "zip"
        lines += _source(source, "sheet", provider.id, f"{source}/*.{suffix}", "monthly")
        lines += management_files.mapping_of(provider)
    yearbook = publication
    lines += _source(yearbook.SOURCE, yearbook.KIND, yearbook.PUBLISHER, f"{yearbook.SOURCE}/*.csv.gz", "yearly")
    lines += yearbook.mapping_of()
    lines += ["targets:", *(f"  - {target}" for target in _TARGETS)]
    lines += ["peer_groups:", *(f"  - {group}" for group in _PEER_GROUPS)]
    return "\n".join(lines) + "\n"


def _attributes_of(provider: Provider) -> str:
    """What its peers are found by."""
    family_pct = 100 * provider.families // (provider.singles + provider.families)
    return f"{{project_count: {len(provider.projects)}, family_pct: {family_pct}}}"


def _source(source: str, kind: str, organisation: str, location: str, cadence: str) -> list[str]:
    return [
        f"  - id: {source}",
        f"    kind: {kind}",
        f"    organisation: {organisation}",
        f"    location: deliveries/{location}",
        f"    cadence: {cadence}",
    ]


def _summary(to: Path, ledger: Ledger) -> SampleSummary:
    files = sorted(p for p in (to / "deliveries").rglob("*") if p.is_file())
    return SampleSummary(
        region_file=to / REGION_FILE,
        people=ledger.people,
        organisations=len(PROVIDERS) + len(FUNDERS) + 1,
        deliveries=len(files),
        rows=sum(sum(d.rows.values()) for d in ledger.deliveries),
        planted_defects=len(ledger.defects),
        bytes=sum(p.stat().st_size for p in files),
    )
