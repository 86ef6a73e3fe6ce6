"""Writes the HMIS deliveries of one provider, block by block of households, in bounded memory.

What belongs here: the order of work. What does not: what is in the tables, and how files look.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sources.case_management.hmis_csv import hmis_files
from sources.sample.calendar import NEVER, end_of, iso
from sources.sample.draws import Draws, Flags, Ints
from sources.sample.hmis_defects import Guest, HmisDefects, submission_defect
from sources.sample.hmis_files import ExportFiles, Occupancy, describe_provider
from sources.sample.hmis_tables import Block, Enrolments, Numbering, enrol
from sources.sample.planted import DeliveryFact, Ledger
from sources.sample.population import Population
from sources.sample.stays import draw_stays
from sources.sample.world import OUTREACH, Fate, Provider

BLOCK_HOUSEHOLDS = 20_000


@dataclass
class Acquaintance:
    """People whom a provider shares with another: position in the region, number here, first entered."""

    member: list[Ints] = field(default_factory=list)
    person: list[Ints] = field(default_factory=list)
    created: list[Ints] = field(default_factory=list)
    has_national_id: list[Flags] = field(default_factory=list)


@dataclass(frozen=True)
class Course:
    """What surveys need to know of a block, and the people made for planted responses."""

    block: int
    enrolments: Enrolments
    guests: Sequence[Guest]


def blocks_of(
    provider: Provider, position: int, population: Population, seed: int
) -> Iterator[tuple[int, Ints, Draws]]:
    """The provider's households, its own first, in blocks: number, positions in the region, and draws."""
    mine = np.flatnonzero(population.home == position)
    joined = np.flatnonzero(population.second == position)
    households = np.concatenate([mine, joined])
    for block, start in enumerate(range(0, len(households), BLOCK_HOUSEHOLDS)):
        yield block, households[start : start + BLOCK_HOUSEHOLDS], Draws(seed, "stays", provider.id, block)


def write_provider(
    root: Path,
    work: Path,
    position: int,
    provider: Provider,
    population: Population,
    ledger: Ledger,
    on_course: Callable[[Course], None],
    progress: Callable[[float], None],
) -> Acquaintance:
    """Write all deliveries of a provider; ``on_course`` is told about each block's enrolments."""
    seed = ledger.seed
    exports, guests = _open_exports(work, provider, ledger)
    occupancy = Occupancy(provider)
    acquaintance = Acquaintance()
    numbering = Numbering()
    households = int(np.sum((population.home == position) | (population.second == position)))
    done = 0
    for block, chosen, draws in blocks_of(provider, position, population, seed):
        has_children = np.diff(population.first_member)[chosen] > 1
        is_shared = population.second[chosen] >= 0
        stays = draw_stays(draws, provider, has_children, population.earliest[chosen], is_shared)
        e = enrol(draws, provider, population, chosen, stays, numbering)
        made = Block(draws, provider, population, e, is_shared[e.household], numbering.rows)
        tables = made.tables()
        for files in exports:
            files.append(tables)
        _occupy(occupancy, e, made.bed_nights)
        _remember(acquaintance, made, is_shared[e.household])
        on_course(Course(block, e, guests))
        numbering = Numbering(
            numbering.people + int(np.diff(population.first_member)[chosen].sum()),
            numbering.enrolments + e.size,
            numbering.stays + len(stays.entry),
            made.rows_used,
        )
        done += len(chosen)
        progress(done / households)
    for files in exports:
        describe_provider(files, occupancy.beds())
        _finish(root, files, ledger)
    return acquaintance


def delivery_path(provider: Provider, files_name: str) -> str:
    return f"deliveries/{provider.id}/{files_name}"


def _open_exports(work: Path, provider: Provider, ledger: Ledger) -> tuple[list[ExportFiles], list[Guest]]:
    draws = Draws(ledger.seed, "exports", provider.id)
    ids = [draws.hex(32).upper() for _ in provider.exports]
    opened: list[ExportFiles] = []
    names = []
    for export in provider.exports:
        kind = "full" if export.full else "delta"
        names.append(delivery_path(provider, f"{provider.source}_{iso(export.stated_day)}_{kind}.zip"))
    defects = HmisDefects(provider, names, ids, ledger.seed, ledger)
    defects.plant()
    known_until = None
    for number, export in enumerate(provider.exports):
        since = None if export.full else known_until
        folder = work / provider.id / str(number)
        opened.append(ExportFiles(folder, provider, export, since, ids[number], defects.insertions[number]))
        if export.fate is not Fate.REFUSED:
            known_until = end_of(export.until)
    return opened, defects.guests


def _finish(root: Path, files: ExportFiles, ledger: Ledger) -> None:
    provider, export = files.provider, files.export
    delivery = delivery_path(provider, files.name)
    rows = files.pack(root / delivery)
    submission_defect(ledger, files, delivery)
    unreadable: dict[str, int] = {}
    for defect in ledger.defects:
        if defect.delivery == delivery and defect.rule in ("bad_quoting", "wrong_field_count"):
            unreadable[str(defect.file)] = unreadable.get(str(defect.file), 0) + 1
    readable = export.rule != "unreadable_archive"
    ledger.deliveries.append(
        DeliveryFact(
            source=provider.source,
            kind="hmis_csv",
            organisation=provider.id,
            delivery=delivery,
            stated_at=f"{iso(export.stated_day)} 03:00:00" if readable else None,
            status=export.fate.value,
            regime="full" if export.full else "delta",
            format_version=provider.version if readable else None,
            rule=export.rule,
            rows=rows,
            unreadable=unreadable,
            landed=_landed(rows, unreadable) if export.fate is not Fate.REFUSED else {},
        )
    )
    shutil.rmtree(files.folder)


def _landed(rows: dict[str, int], unreadable: dict[str, int]) -> dict[str, int]:
    tables = {file.name: table for table, file in hmis_files().items()}
    return {tables[file]: count - unreadable.get(file, 0) for file, count in rows.items()}


def _occupy(occupancy: Occupancy, e: Enrolments, bed_nights: tuple[Ints, Ints]) -> None:
    """Beds are used every night of a stay, but in night-by-night shelters only where a night is recorded."""
    sleeps: Flags = ~e.is_night_by_night & (e.kind != OUTREACH) & (e.deleted == NEVER)
    occupancy.add(e.project, e.entry, e.exit, sleeps)
    occupancy.add_nights(e.project[bed_nights[0]])


def _remember(acquaintance: Acquaintance, made: Block, is_shared: Flags) -> None:
    e = made.e
    rows = np.flatnonzero(is_shared)
    person, first = np.unique(e.person[rows], return_index=True)
    created = np.full(len(person), NEVER, dtype=np.int64)
    np.minimum.at(created, np.searchsorted(person, e.person[rows]), e.created[rows])
    acquaintance.member.append(e.member[rows][first])
    acquaintance.person.append(person)
    acquaintance.created.append(created)
    acquaintance.has_national_id.append(made.has_national_id[person - e.person.min()])
