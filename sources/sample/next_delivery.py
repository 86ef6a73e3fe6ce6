"""One more delivery for a provider of a sample region: what a system sends a day later.

What belongs here: a delta export with some new people, new exits and corrected records. What does not: the region as
it was first written (``region``).
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from sources.case_management.hmis_csv import hmis_files
from sources.sample.calendar import day, iso
from sources.sample.draws import Draws
from sources.sample.files import write_zip
from sources.sample.hmis_files import layout_of, line_of
from sources.sample.hmis_tables import COC
from sources.sample.names import family_names, given_names
from sources.sample.world import PROVIDERS, Fate, Provider

_STATED = re.compile(r"_(\d{4}-\d{2}-\d{2})_(?:full|delta)\.zip$")
_ABOUT_PROJECTS = (
    "organization", "user", "project", "project_coc", "funder", "inventory", "affiliation", "hmis_participation",
    "ce_participation",
)  # fmt: skip
_SHARE = 100
"""One enrolment in so many is new or changed."""

Row = dict[str, str]


def write_next_delivery(region_dir: Path, *, provider: str, seed: int) -> Path:
    """Write a delta export of one provider of the sample with about one per cent new or changed enrolments.

    It states the day after the provider's latest delivery, so that it can be called again and again. Raises
    :class:`KeyError` if the sample has no such provider.
    """
    known = {p.id: p for p in PROVIDERS}[provider]
    folder = region_dir / "deliveries" / provider
    before = _loaded(region_dir, known, folder)
    stated = max(day(_stated(path)) for path in folder.glob("*.zip") if _STATED.search(path.name)) + 1
    draws = Draws(seed, "next", provider, stated)
    change = _Change(known, draws, draws.hex(32).upper(), stated)
    enrolments, exits = _current(before, "Enrollment.csv"), _current(before, "Exit.csv")
    gone = {row["EnrollmentID"] for row in exits.values()}
    change.exit_some([row for row in enrolments.values() if row["EnrollmentID"] not in gone])
    change.correct_some(list(enrolments.values()))
    change.take_in(max(len(enrolments) // _SHARE // 3, 1))
    path = folder / f"{known.source}_{iso(stated)}_delta.zip"
    write_zip(path, change.members(before[-1]), iso(stated))
    return path


def _stated(path: Path) -> str:
    found = _STATED.search(path.name)
    return found.group(1) if found else ""


def _loaded(region_dir: Path, provider: Provider, folder: Path) -> list[Path]:
    """The provider's deliveries that are loaded, oldest first."""
    planted = json.loads((region_dir / "planted.json").read_text(encoding="utf-8"))["deliveries"]
    bad = {Path(d["delivery"]).name for d in planted if d["status"] != Fate.LOADED.value}
    return sorted((p for p in folder.glob("*.zip") if p.name not in bad and _STATED.search(p.name)), key=_stated)


def _current(deliveries: list[Path], file: str) -> dict[str, Row]:
    """The latest version of each record, without deleted ones, by its key, which is the first column."""
    rows: dict[str, Row] = {}
    for path in deliveries:
        with zipfile.ZipFile(path) as archive:
            text = archive.read(file).decode("utf-8-sig", errors="replace")
        for row in csv.DictReader(io.StringIO(text)):
            key = next(iter(row.values()))
            if row["DateDeleted"]:
                rows.pop(key, None)
            else:
                rows[key] = row
    return rows


@dataclass
class _Change:
    """What is new since the day before."""

    provider: Provider
    draws: Draws
    export_id: str
    stated: int

    def __post_init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.moment = f"{iso(self.stated - 1)} 15:30:00"

    def _add(self, table: str, row: Row) -> None:
        self.rows.setdefault(table, []).append(row | {"DateUpdated": self.moment})

    def _some(self, rows: list[Row]) -> list[Row]:
        """A third of a per cent, at least one if there are any; never one that was planted."""
        clean = [row for row in rows if not row["PersonalID"].startswith(f"{self.provider.prefix}Z")]
        if not clean:
            return []
        wanted = max(len(clean) // _SHARE // 3, 1)
        places = sorted(set(self.draws.below(len(clean), wanted).tolist()))
        return [clean[place] for place in places]

    def exit_some(self, open_enrolments: list[Row]) -> None:
        permanent = "10" if self.provider.version == "FY2022" else "410"
        for row in self._some(open_enrolments):
            self._add(
                "exit",
                {
                    "ExitID": f"{row['EnrollmentID']}X{self.stated}",
                    "EnrollmentID": row["EnrollmentID"],
                    "PersonalID": row["PersonalID"],
                    "ExitDate": iso(self.stated - 1),
                    "Destination": permanent,
                    "DateCreated": self.moment,
                },
            )

    def correct_some(self, enrolments: list[Row]) -> None:
        for row in self._some(enrolments):
            condition = "0" if row["DisablingCondition"] == "1" else "1"
            self._add("enrollment", row | {"DisablingCondition": condition})

    def take_in(self, people: int) -> None:
        for number in range(people):
            self._take_in(f"{self.provider.prefix}N{self.stated}{number:05d}")

    def _take_in(self, person: str) -> None:
        draws = self.draws
        given, family, age, group, serial, woman = (
            int(draws.below(limit, 1)[0]) for limit in (len(given_names()), len(family_names()), 14_000, 99, 9999, 2)
        )
        newer = self.provider.version != "FY2022"
        entry = iso(self.stated - 1)
        races = ("AmIndAKNative", "Asian", "BlackAfAmerican", "NativeHIPacific", "HispanicLatinaeo", "MidEastNAfrican")
        genders = (
            "NoSingleGender", "NonBinary", "CulturallySpecific", "Transgender", "Questioning", "DifferentIdentity",
        )  # fmt: skip
        self._add(
            "client",
            {
                "PersonalID": person,
                "FirstName": given_names()[given],
                "LastName": family_names()[family],
                "NameDataQuality": "1",
                "SSN": f"{760 + self.stated % 10}{group + 1:02d}{serial + 1:04d}",
                "SSNDataQuality": "1",
                "DOB": iso(self.stated - 7000 - age),
                "DOBDataQuality": "1",
                **dict.fromkeys(races + genders, "0"),
                "White": "1",
                "Ethnicity": "0",
                **dict.fromkeys(("Female", "Woman"), str(woman)),
                **dict.fromkeys(("Male", "Man"), str(1 - woman)),
                "VeteranStatus": "0",
                "DateCreated": self.moment,
            },
        )
        common = {"EnrollmentID": f"{person}E", "PersonalID": person, "DateCreated": self.moment}
        self._add(
            "enrollment",
            {
                **common,
                "ProjectID": self.provider.projects[0].code,
                "EntryDate": entry,
                "HouseholdID": f"{person}H",
                "RelationshipToHoH": "1",
                "EnrollmentCoC": COC,
                "LivingSituation": "116" if newer else "16",
                "LengthOfStay": "2",
                "DisablingCondition": "0",
            },
        )
        self._add(
            "income_benefits",
            {
                **common,
                "IncomeBenefitsID": f"{person}I",
                "InformationDate": entry,
                "IncomeFromAnySource": "0",
                "BenefitsFromAnySource": "0",
                "InsuranceFromAnySource": "0",
                "DataCollectionStage": "1",
            },
        )

    def members(self, latest: Path) -> dict[str, Path | bytes]:
        """The files of the delivery; those about projects are as in the latest one."""
        provider, style = self.provider, self.provider.style
        members: dict[str, Path | bytes] = {}
        with zipfile.ZipFile(latest) as archive:
            export = next(csv.DictReader(io.StringIO(archive.read("Export.csv").decode("utf-8-sig"))))
            for table, file in hmis_files().items():
                if provider.version not in file.columns:
                    continue
                if table in _ABOUT_PROJECTS:
                    old = archive.read(file.name)
                    members[file.name] = old.replace(export["ExportID"].encode(), self.export_id.encode())
                    continue
                layout = layout_of(provider, table, self.export_id)
                header = archive.read(file.name).split(b"\n", 1)[0] + b"\n"
                rows = self.rows.get(table, [])
                if table == "export":
                    rows = [self._export_row(export)]
                text = "".join(line_of(layout, {**row, **layout.fixed}) for row in rows)
                members[file.name] = header + text.encode(style.encoding)
        return members

    def _export_row(self, before: Row) -> Row:
        return before | {
            "ExportID": self.export_id,
            "ExportDate": f"{iso(self.stated)} 03:00:00",
            "ExportStartDate": before["ExportEndDate"],
            "ExportEndDate": iso(self.stated - 1),
            "ExportPeriodType": "1",
            "ExportDirective": "1",
        }
