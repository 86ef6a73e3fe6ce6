"""HMIS CSV exports of a provider: their files, line by line, and the tables about projects.

What belongs here: headers, quoting, the tables about organisation, projects and capacity, and packing. What does not:
what people did (``hmis_tables``) and which defects are planted (``hmis_defects``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from sources.case_management.hmis_csv import hmis_files
from sources.sample.calendar import FIRST_DAY, LAST_DAY, day, iso
from sources.sample.columns import Constant
from sources.sample.draws import Ints
from sources.sample.files import Insertion, LineFile, write_zip
from sources.sample.hmis_tables import COC
from sources.sample.records import Layout, Records, View, lines
from sources.sample.world import EMERGENCY, OUTREACH, RAPID, Export, Fate, Project, Provider

_QUOTED_NAMES = frozenset(
    """
    FirstName MiddleName LastName NameSuffix SSN OrganizationName OrganizationCommonName ProjectName
    ProjectCommonName CoCCode EnrollmentCoC Geocode Address1 Address2 City State ZIP SourceName
    SourceContactFirst SourceContactLast SoftwareName SoftwareVersion CSVVersion GrantID LocationDetails
    AssessmentLocation
    """.split()  # noqa: SIM905
)
_OPENED = day("2014-04-01")
_EXPANDED = day("2024-04-01")
"""From this day on every project has some more beds."""
SPOILT_COLUMNS = (
    ("income_benefits", "InformationDate"),
    ("disabilities", "InformationDate"),
    ("health_and_dv", "InformationDate"),
)
"""What is unreadable in the delivery that has too many errors."""


@cache
def layout_of(provider: Provider, table: str, export_id: str) -> Layout:
    """How the rows of a table are written in one export."""
    header = hmis_files()[table].columns[provider.version]
    quoted = frozenset(name for name in header if name in _QUOTED_NAMES or name.endswith("ID"))
    return Layout(header, quoted, provider.style.newline, {"UserID": f"{provider.prefix}U1", "ExportID": export_id})


def line_of(layout: Layout, values: Mapping[str, str]) -> str:
    """One record as a line of its file. Columns that are not given stay empty."""
    given = {**layout.fixed, **values}
    cells = []
    for name in layout.header:
        value = given.get(name, "")
        needs = any(sign in value for sign in '",\r\n')
        quoted = needs or (value and name in layout.quoted)
        cells.append('"' + value.replace('"', '""') + '"' if quoted else value)
    return ",".join(cells) + layout.newline


@dataclass
class ExportFiles:
    """The files of one export while they are written."""

    folder: Path
    provider: Provider
    export: Export
    since: int | None
    export_id: str
    insertions: Mapping[str, list[Insertion]] = field(default_factory=dict)
    files: dict[str, LineFile] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        style = self.provider.style
        for name, file in hmis_files().items():
            if self.provider.version not in file.columns:
                continue
            quote = '"' if style.quoted_header else ""
            header = ",".join(f"{quote}{column}{quote}" for column in self.layout(name).header) + style.newline
            start = b"\xef\xbb\xbf" if style.bom else b""
            planted = self.insertions.get(name, ())
            self.files[name] = LineFile(self.folder / file.name, start + header.encode(), planted)

    @property
    def name(self) -> str:
        """File name of the delivery."""
        kind = "full" if self.export.full else "delta"
        return f"{self.provider.source}_{iso(self.export.stated_day)}_{kind}.zip"

    @property
    def view(self) -> View:
        spoilt = {c: Constant("not known") for c in SPOILT_COLUMNS} if self.export.rule == "error_share" else {}
        share = 3 if self.export.rule == "row_count_change" else 1
        return View((self.export.until + 1) * 86_400 - 1, self.since, share, spoilt)

    @property
    def is_gutted(self) -> bool:
        """A delivery that is refused as a whole carries no people."""
        return self.export.fate is Fate.REFUSED

    def layout(self, table: str) -> Layout:
        return layout_of(self.provider, table, self.export_id)

    def append(self, tables: Mapping[str, Records]) -> None:
        if self.is_gutted:
            return
        for name, records in tables.items():
            self.files[name].append(lines(name, records, self.view, self.layout(name)))

    def describe(self, table: str, *rows: Mapping[str, str]) -> None:
        """Write rows of a table that is about the provider, not about people."""
        audit = {"DateCreated": f"{iso(_OPENED)} 09:00:00", "DateUpdated": f"{iso(_OPENED)} 09:00:00"}
        if table == "export":
            audit = {}
        style = self.provider.style
        for row in rows:
            text = line_of(self.layout(table), {**audit, **row}).encode(style.encoding)
            self.files[table].insertions = [*self.files[table].insertions, Insertion(1000, text, _ignore)]

    def pack(self, target: Path) -> dict[str, int]:
        """Close the files and zip them; the number of records by file."""
        for file in self.files.values():
            file.close()
        left_out = {"enrollment"} if self.export.rule == "missing_file" else set()
        members = {f.path.name: f.path for name, f in self.files.items() if name not in left_out}
        write_zip(target, members, iso(self.export.stated_day))
        if self.export.rule == "unreadable_archive":
            content = target.read_bytes()
            target.write_bytes(content[: len(content) * 3 // 5])
            return {}
        return {f.path.name: f.rows for name, f in self.files.items() if name not in left_out}


def _ignore(line: int, row_number: int) -> None:
    """Rows that nobody asks for."""


def describe_provider(files: ExportFiles, capacity: Ints) -> None:
    """The tables about the export, the organisation and its projects. ``capacity``: beds by project."""
    provider, export = files.provider, files.export
    style = provider.style
    files.describe(
        "export",
        {
            "ExportID": files.export_id,
            "SourceType": "1",
            "SourceID": provider.prefix,
            "SourceName": provider.name,
            "ExportDate": f"{iso(export.stated_day)} 03:00:00",
            "ExportStartDate": iso(FIRST_DAY if files.since is None else files.since // 86_400 + 1),
            "ExportEndDate": iso(export.until),
            "SoftwareName": style.software,
            "SoftwareVersion": "8.2",
            "CSVVersion": style.csv_version,
            "ExportPeriodType": "3" if export.full else "1",
            "ExportDirective": "2" if export.full else "1",
            "HashStatus": "1",
            "ImplementationID": provider.prefix,
        },
    )
    files.describe(
        "organization",
        {"OrganizationID": f"{provider.prefix}O1", "OrganizationName": provider.name, "VictimServiceProvider": "0"},
    )
    files.describe("user", {"UserID": f"{provider.prefix}U1"})
    for position, project in enumerate(provider.projects):
        _describe_project(files, project, int(capacity[position]))


def _describe_project(files: ExportFiles, project: Project, beds: int) -> None:
    provider = files.provider
    newer = provider.version != "FY2022"
    kind = int(project.night_by_night) if newer and project.kind == EMERGENCY else project.kind
    tracking = "3" if project.night_by_night else "0" if project.kind == EMERGENCY else ""
    common = {"ProjectID": project.code}
    files.describe(
        "project",
        {
            **common,
            "OrganizationID": f"{provider.prefix}O1",
            "ProjectName": project.name,
            "OperatingStartDate": iso(_OPENED),
            "ContinuumProject": "1",
            "ProjectType": str(kind),
            "HousingType": "" if project.kind == OUTREACH else "3" if project.kind == RAPID else "1",
            "RRHSubType": "2" if project.kind == RAPID else "",
            "TrackingMethod": tracking,
            "HMISParticipatingProject": "1",
            "TargetPopulation": "4",
        },
    )
    files.describe(
        "project_coc",
        {**common, "ProjectCoCID": f"{project.code}L", "CoCCode": COC, "Geocode": "990001", "GeographyType": "2"},
    )
    files.describe(
        "funder",
        {
            **common,
            "FunderID": f"{project.code}F",
            "Funder": str(project.funder),
            "GrantID": f"{project.code}-2014",
            "StartDate": iso(_OPENED),
        },
    )
    if newer:
        files.describe(
            "hmis_participation",
            {
                **common,
                "HMISParticipationID": f"{project.code}P",
                "HMISParticipationType": "1",
                "HMISParticipationStatusStartDate": iso(_OPENED),
            },
        )
        files.describe(
            "ce_participation",
            {
                **common,
                "CEParticipationID": f"{project.code}Q",
                "AccessPoint": "0",
                "ReceivesReferrals": "1",
                "CEParticipationStatusStartDate": iso(_OPENED),
            },
        )
    if project.kind != OUTREACH:
        _describe_inventory(files, project, beds)


def _describe_inventory(files: ExportFiles, project: Project, beds: int) -> None:
    """Beds in two periods: a tenth more from the expansion on; families have units of three beds."""
    shares = {"1": project.singles, "3": project.families}
    if files.provider.singles == 0 or files.provider.id == "norrowgate":
        shares = {"3": 1}
    total = sum(shares.values())
    periods = ((iso(_OPENED), iso(_EXPANDED - 1), beds), (iso(_EXPANDED), "", beds + max(beds // 10, 1)))
    for household, share in shares.items():
        for number, (start, end, size) in enumerate(periods):
            part = max(size * share // total, 1)
            units = max(part // 3, 1) if household == "3" else part
            files.describe(
                "inventory",
                {
                    "ProjectID": project.code,
                    "InventoryID": f"{project.code}I{household}{number}",
                    "CoCCode": COC,
                    "HouseholdType": household,
                    "Availability": "1" if project.kind == EMERGENCY else "",
                    "UnitInventory": str(units),
                    "BedInventory": str(part),
                    "OtherBedInventory": str(part),
                    "ESBedType": "1" if project.kind == EMERGENCY else "",
                    "InventoryStartDate": start,
                    "InventoryEndDate": end,
                },
            )


class Occupancy:
    """Counts person-nights by project, to size projects so that they are used well but not over-used."""

    _TARGET_PCT = 86

    def __init__(self, provider: Provider):
        self._provider = provider
        self._nights = np.zeros(len(provider.projects), dtype=np.int64)

    def add(self, project: Ints, entry: Ints, exit_day: Ints, counts: np.ndarray) -> None:
        """Stays of persons; ``counts``: which of them use a bed every night of it."""
        first = np.maximum(entry, FIRST_DAY)
        nights = np.clip(np.minimum(exit_day, LAST_DAY + 1) - first, 0, None)
        np.add.at(self._nights, project, np.where(counts, nights, 0))

    def add_nights(self, project: Ints) -> None:
        np.add.at(self._nights, project, 1)

    def beds(self) -> Ints:
        span = (LAST_DAY - FIRST_DAY + 1) * self._TARGET_PCT
        needed = -(-self._nights * 100 // span)
        beds: Ints = np.maximum(needed, 2)
        return beds
