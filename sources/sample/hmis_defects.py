"""Defects planted into HMIS exports, each a record of its own, so that nobody else's figures change.

What belongs here: which provider's export carries which defect. What does not: how a check finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sources.sample.calendar import day, iso
from sources.sample.draws import Draws
from sources.sample.files import Insertion
from sources.sample.hmis_files import ExportFiles, layout_of, line_of
from sources.sample.hmis_tables import COC
from sources.sample.names import family_names, given_names
from sources.sample.planted import Defect, Ledger
from sources.sample.world import PROVIDERS, Provider

QUARANTINED = "the row is quarantined and reported; the rest of the delivery is loaded"
WARNED = "the row is loaded; a warning is counted and reported"
_FIRST, _SECOND = day("2024-02-02"), day("2025-05-28")


@dataclass
class Guest:
    """Somebody made for a defect."""

    code: str
    given: str
    family: str
    born: str
    ssn: str


@dataclass
class HmisDefects:
    """Plants the defects of one provider: insertions by export and table."""

    provider: Provider
    exports: list[str]
    """Paths of its deliveries below the region folder."""
    export_ids: list[str]
    seed: int
    ledger: Ledger
    insertions: list[dict[str, list[Insertion]]] = field(init=False)
    guests: list[Guest] = field(default_factory=list, init=False)
    """People with a clean, lasting enrolment, whom planted survey responses are about."""
    _people: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.insertions = [{} for _ in self.exports]
        self._draws = Draws(self.seed, "defects", self.provider.id)

    def plant(self) -> None:
        plan = _PLANS.get(self.provider.id)
        if plan:
            plan(self)

    def position_of_full(self) -> int:
        """The latest export that is full and loaded."""
        return max(i for i, e in enumerate(self.provider.exports) if e.full and e.fate.value == "loaded")

    def insert(
        self, export: int, table: str, values: dict[str, str], *defects: Defect, text: str | None = None
    ) -> Insertion:
        """Put a record into an export; ``text`` instead of the line that ``values`` would make."""
        layout = layout_of(self.provider, table, self.export_ids[export])
        line = text if text is not None else line_of(layout, values)

        def written(line: int, row_number: int) -> None:
            for defect in defects:
                defect.written(line, row_number)

        insertion = Insertion(self._at(), line.encode(self.provider.style.encoding), written)
        self.insertions[export].setdefault(table, []).append(insertion)
        return insertion

    def _at(self) -> int:
        return int(self._draws.between(100, 950, 1)[0])

    def line(self, export: int, table: str, values: dict[str, str]) -> str:
        return line_of(layout_of(self.provider, table, self.export_ids[export]), values)

    def defect(self, export: int, rule: str, severity: str, file: str, table: str, record: str, **more: str) -> Defect:
        defect = Defect(
            id=self.ledger.defect_id(self.provider.source, rule),
            source=self.provider.source,
            delivery=self.exports[export],
            rule=rule,
            severity=severity,
            must=more.pop("must", QUARANTINED if severity == "record" else WARNED),
            file=file,
            table=table,
            record=record,
            **more,  # type: ignore[arg-type]
        )
        self.ledger.defects.append(defect)
        return defect

    def person(self) -> Guest:
        """Somebody who occurs nowhere else; the identifiers are remembered."""
        self._people += 1
        draws, provider = self._draws, self.provider
        given = given_names()[int(draws.below(len(given_names()), 1)[0])]
        family = family_names()[int(draws.below(len(family_names()), 1)[0])]
        born = f"{int(draws.between(1958, 1996, 1)[0])}-{self._people:02d}-{int(draws.between(2, 28, 1)[0]):02d}"
        place = [p.id for p in PROVIDERS].index(provider.id)
        ssn = f"7{place:02d}{10 + self._people:02d}{int(draws.between(1001, 9899, 1)[0]):04d}"
        self.ledger.identify(names=f"{given} {family}", birth_dates=born, national_ids=ssn)
        return Guest(f"{provider.prefix}Z{self._people:04d}", given, family, born, ssn)

    def client_row(self, person: Guest, **other: str) -> dict[str, str]:
        row = {
            "PersonalID": person.code,
            "FirstName": person.given,
            "LastName": person.family,
            "NameDataQuality": "1",
            "SSN": person.ssn,
            "SSNDataQuality": "1",
            "DOB": person.born,
            "DOBDataQuality": "1",
            **dict.fromkeys(("AmIndAKNative", "Asian", "BlackAfAmerican", "NativeHIPacific"), "0"),
            "White": "1",
            "Ethnicity": "0",
            **dict.fromkeys(("HispanicLatinaeo", "MidEastNAfrican"), "0"),
            **dict.fromkeys(("Female", "Woman"), "1"),
            **dict.fromkeys(
                ("Male", "Man", "NoSingleGender", "NonBinary", "CulturallySpecific", "Transgender", "Questioning"), "0"
            ),
            "DifferentIdentity": "0",
            "VeteranStatus": "0",
            **_audit(_FIRST),
        }
        return row | other

    def enrolment_row(self, person: Guest, **other: str) -> dict[str, str]:
        row = {
            "EnrollmentID": f"{person.code}E",
            "PersonalID": person.code,
            "ProjectID": self.provider.projects[0].code,
            "EntryDate": iso(_FIRST),
            "HouseholdID": f"{person.code}H",
            "RelationshipToHoH": "1",
            "EnrollmentCoC": COC,
            "LivingSituation": "8",
            "LengthOfStay": "99",
            "DisablingCondition": "0",
            **_audit(_FIRST),
        }
        return row | other

    def exit_row(self, person: Guest, **other: str) -> dict[str, str]:
        row = {
            "ExitID": f"{person.code}X",
            "EnrollmentID": f"{person.code}E",
            "PersonalID": person.code,
            "ExitDate": iso(_FIRST + 40),
            "Destination": "8",
            **_audit(_FIRST + 41),
        }
        return row | other

    def known_person(self, export: int, **other: str) -> Guest:
        """Somebody with a client record in the export."""
        person = self.person()
        self.insert(export, "client", self.client_row(person, **other))
        return person


def _audit(on: int, updated: int | None = None) -> dict[str, str]:
    return {"DateCreated": f"{iso(on)} 10:00:00", "DateUpdated": f"{iso(updated or on)} 10:00:00"}


def missing_entry_date(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    defect = d.defect(export, "missing_required_value", "record", "Enrollment.csv", "enrollment", f"{person.code}E",
                      column="EntryDate", value="")  # fmt: skip
    d.insert(export, "enrollment", d.enrolment_row(person, EntryDate=""), defect)


def missing_service_date(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    d.insert(export, "enrollment", d.enrolment_row(person))
    key = f"{person.code}S"
    defect = d.defect(export, "missing_required_value", "record", "Services.csv", "services", key,
                      column="DateProvided", value="")  # fmt: skip
    row = {"ServicesID": key, "EnrollmentID": f"{person.code}E", "PersonalID": person.code, "RecordType": "200",
           "TypeProvided": "200", **_audit(_FIRST)}  # fmt: skip
    d.insert(export, "services", row, defect)


def exit_before_entry(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    early = iso(_FIRST - 30)
    d.insert(export, "enrollment", d.enrolment_row(person))
    defect = d.defect(export, "exit_before_entry", "record", "Exit.csv", "exit", f"{person.code}X",
                      column="ExitDate", value=early)  # fmt: skip
    d.insert(export, "exit", d.exit_row(person, ExitDate=early), defect)


def invalid_destination(code: str) -> Callable[[HmisDefects], None]:
    def plant(d: HmisDefects) -> None:
        export = d.position_of_full()
        person = d.known_person(export)
        d.insert(export, "enrollment", d.enrolment_row(person))
        defect = d.defect(export, "invalid_code", "warning", "Exit.csv", "exit", f"{person.code}X",
                          column="Destination", value=code)  # fmt: skip
        d.insert(export, "exit", d.exit_row(person, Destination=code), defect)

    return plant


def invalid_relationship(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    defect = d.defect(export, "invalid_code", "warning", "Enrollment.csv", "enrollment", f"{person.code}E",
                      column="RelationshipToHoH", value="7")  # fmt: skip
    d.insert(export, "enrollment", d.enrolment_row(person, RelationshipToHoH="7"), defect)


def repeated_client(d: HmisDefects) -> None:
    """Two versions of one client in one file: both lines are reported, the newer one counts."""
    export = d.position_of_full()
    person = d.person()
    d.insert(export, "enrollment", d.enrolment_row(person))
    older, newer = d.client_row(person), d.client_row(person, VeteranStatus="1", **_audit(_FIRST, _SECOND))
    _repeat(d, export, "Client.csv", "client", person.code, older, newer)


def repeated_enrolment(d: HmisDefects) -> None:
    """The same record twice, to the letter."""
    export = d.position_of_full()
    person = d.known_person(export)
    row = d.enrolment_row(person)
    _repeat(d, export, "Enrollment.csv", "enrollment", f"{person.code}E", row, row)


def _repeat(
    d: HmisDefects, export: int, file: str, table: str, key: str, first: dict[str, str], second: dict[str, str]
) -> None:
    defect = d.defect(export, "duplicate_key", "warning", file, table, key,
                      must="both rows are reported; of the two versions the newer one counts")  # fmt: skip
    layout = layout_of(d.provider, table, d.export_ids[export])
    encoding = d.provider.style.encoding
    before = Insertion(150, line_of(layout, first).encode(encoding), lambda line, row: defect.other_lines.append(line))
    after = Insertion(920, line_of(layout, second).encode(encoding), defect.written)
    d.insertions[export].setdefault(table, []).extend([before, after])


def invalid_national_id(ssn: str) -> Callable[[HmisDefects], None]:
    def plant(d: HmisDefects) -> None:
        export = d.position_of_full()
        person = d.person()
        defect = d.defect(export, "invalid_national_id", "warning", "Client.csv", "client", person.code,
                          column="SSN", value=ssn)  # fmt: skip
        d.insert(export, "client", d.client_row(person, SSN=ssn), defect)
        d.insert(export, "enrollment", d.enrolment_row(person))

    return plant


def mended_later(column: str, wrong: str, right: str, rule: str) -> Callable[[HmisDefects], None]:
    """A record that is bad in the first loaded export and good in the last."""

    def plant(d: HmisDefects) -> None:
        loaded = [i for i, e in enumerate(d.provider.exports) if e.fate.value == "loaded"]
        first, last = loaded[0], loaded[-1]
        person = d.person()
        entered = day("2025-03-03")
        corrected = _audit(entered, d.provider.exports[last].until - 6)
        d.insert(first, "client", d.client_row(person))
        if d.provider.exports[last].full:
            d.insert(last, "client", d.client_row(person))
        defect = d.defect(first, rule, "record", "Enrollment.csv", "enrollment", f"{person.code}E", column=column,
                          value=wrong, mended_by=d.exports[last],
                          must="the row is quarantined; the corrected version is loaded")  # fmt: skip
        common = d.enrolment_row(person, **_audit(entered))
        d.insert(first, "enrollment", common | {column: wrong}, defect)
        d.insert(last, "enrollment", common | {column: right} | corrected)

    return plant


def entry_date_not_a_date(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    defect = d.defect(export, "invalid_date", "record", "Enrollment.csv", "enrollment", f"{person.code}E",
                      column="EntryDate", value="31/31/2024")  # fmt: skip
    d.insert(export, "enrollment", d.enrolment_row(person, EntryDate="31/31/2024"), defect)


def contact_date_not_a_date(d: HmisDefects) -> None:
    """Behind a record whose text has a line break, so that lines and rows differ."""
    export = d.position_of_full()
    person = d.known_person(export)
    d.insert(export, "enrollment", d.enrolment_row(person))
    row = {"EnrollmentID": f"{person.code}E", "PersonalID": person.code, "CurrentLivingSituation": "16",
           "InformationDate": iso(_FIRST), **_audit(_FIRST)}  # fmt: skip
    layout = layout_of(d.provider, "current_living_situation", d.export_ids[export])
    broken = line_of(
        layout, row | {"CurrentLivingSitID": f"{person.code}L1", "LocationDetails": "by the weir\nnorth bank"}
    )
    defect = d.defect(export, "invalid_date", "record", "CurrentLivingSituation.csv", "current_living_situation",
                      f"{person.code}L2", column="InformationDate", value="soon")  # fmt: skip
    wrong = line_of(layout, row | {"CurrentLivingSitID": f"{person.code}L2", "InformationDate": "soon"})
    d.insertions[export].setdefault("current_living_situation", []).extend(
        [Insertion(60, broken.encode(), lambda line, row_number: None), Insertion(840, wrong.encode(), defect.written)]
    )


def future_entry(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    defect = d.defect(export, "date_in_future", "warning", "Enrollment.csv", "enrollment", f"{person.code}E",
                      column="EntryDate", value="2026-01-15")  # fmt: skip
    d.insert(export, "enrollment", d.enrolment_row(person, EntryDate="2026-01-15"), defect)


def future_income(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    d.insert(export, "enrollment", d.enrolment_row(person))
    key = f"{person.code}I"
    defect = d.defect(export, "date_in_future", "warning", "IncomeBenefits.csv", "income_benefits", key,
                      column="InformationDate", value="2026-03-01")  # fmt: skip
    row = {"IncomeBenefitsID": key, "EnrollmentID": f"{person.code}E", "PersonalID": person.code,
           "InformationDate": "2026-03-01", "IncomeFromAnySource": "0", "BenefitsFromAnySource": "0",
           "InsuranceFromAnySource": "0", "DataCollectionStage": "2", **_audit(_FIRST)}  # fmt: skip
    d.insert(export, "income_benefits", row, defect)


def enrolment_without_client(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.person()
    defect = d.defect(export, "orphan_record", "record", "Enrollment.csv", "enrollment", f"{person.code}E",
                      column="PersonalID", value=person.code,
                      must="the row is held back and reported until its client arrives")  # fmt: skip
    d.insert(export, "enrollment", d.enrolment_row(person), defect)


def exit_without_enrolment(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    defect = d.defect(export, "orphan_record", "record", "Exit.csv", "exit", f"{person.code}X",
                      column="EnrollmentID", value=f"{person.code}E",
                      must="the row is held back and reported until its enrolment arrives")  # fmt: skip
    d.insert(export, "exit", d.exit_row(person), defect)


def quotes_in_quotes(d: HmisDefects) -> None:
    """A nickname in quotes that the sender's system did not double; behind a name with a line break."""
    export = d.position_of_full()
    earlier, person = d.person(), d.person()
    layout = layout_of(d.provider, "client", d.export_ids[export])
    split = line_of(layout, d.client_row(earlier, NameSuffix="of the\nweir"))
    d.insert(export, "enrollment", d.enrolment_row(earlier))
    text = line_of(layout, d.client_row(person, FirstName="@")).replace('"@"', f'"{person.given} "Zed" {person.given}"')
    defect = d.defect(export, "bad_quoting", "record", "Client.csv", "client", person.code,
                      must="the record can't be read: it is rejected and reported with its line")  # fmt: skip
    d.insertions[export].setdefault("client", []).extend(
        [Insertion(40, split.encode(), lambda line, row: None), Insertion(760, text.encode(), defect.written)]
    )


def too_few_fields(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    d.insert(export, "enrollment", d.enrolment_row(person))
    key = f"{person.code}D"
    row = {"DisabilitiesID": key, "EnrollmentID": f"{person.code}E", "PersonalID": person.code,
           "InformationDate": iso(_FIRST), "DisabilityType": "5", "DisabilityResponse": "0",
           "DataCollectionStage": "1", **_audit(_FIRST)}  # fmt: skip
    text = d.line(export, "disabilities", row).replace(",,,,,,", ",,,,", 1)
    defect = d.defect(export, "wrong_field_count", "record", "Disabilities.csv", "disabilities", key,
                      must="the record can't be read: it is rejected and reported with its line")  # fmt: skip
    d.insert(export, "disabilities", row, defect, text=text)


def too_many_fields(d: HmisDefects) -> None:
    export = d.position_of_full()
    person = d.known_person(export)
    d.insert(export, "enrollment", d.enrolment_row(person))
    key = f"{person.code}R"
    row = {"EventID": key, "EnrollmentID": f"{person.code}E", "PersonalID": person.code, "EventDate": iso(_FIRST),
           "Event": "4", **_audit(_FIRST)}  # fmt: skip
    text = d.line(export, "event", row).replace(",4,", ",4,,spare,", 1)
    defect = d.defect(export, "wrong_field_count", "record", "Event.csv", "event", key,
                      must="the record can't be read: it is rejected and reported with its line")  # fmt: skip
    d.insert(export, "event", row, defect, text=text)


def lasting_guests(d: HmisDefects) -> None:
    export = d.position_of_full()
    for _ in range(4):
        person = d.known_person(export)
        d.insert(export, "enrollment", d.enrolment_row(person))
        d.guests.append(person)


def lookalike(d: HmisDefects) -> None:
    """Somebody with the name and birth date of somebody else at another provider, and another national id."""
    export = d.position_of_full()
    draws = Draws(d.seed, "lookalike")
    given = given_names()[int(draws.below(len(given_names()), 1)[0])]
    family = family_names()[int(draws.below(len(family_names()), 1)[0])]
    person = replace(d.person(), given=given, family=family, born="1984-11-23")
    d.insert(export, "client", d.client_row(person))
    d.insert(export, "enrollment", d.enrolment_row(person))
    d.ledger.identify(names=f"{given} {family}", birth_dates=person.born)
    d.ledger.lookalikes.append({"source": d.provider.source, "person": person.code})


def _all(*plans: Callable[[HmisDefects], None]) -> Callable[[HmisDefects], None]:
    def plant(d: HmisDefects) -> None:
        for plan in plans:
            plan(d)

    return plant


_PLANS: dict[str, Callable[[HmisDefects], None]] = {
    "harbour": _all(
        missing_entry_date,
        exit_before_entry,
        invalid_destination("77"),
        repeated_client,
        invalid_national_id("666451234"),
        mended_later("EntryDate", "2025-02-30", "2025-02-28", "invalid_date"),
        lasting_guests,
        lookalike,
    ),
    "brackwater": _all(missing_service_date, invalid_relationship),
    "fennimoor": _all(invalid_national_id("123001234"), future_entry),
    "kestrelby": _all(
        enrolment_without_client,
        quotes_in_quotes,
        contact_date_not_a_date,
        mended_later("EntryDate", "", "2025-03-01", "missing_required_value"),
    ),
    "millrace": _all(invalid_destination("12"), exit_before_entry, lasting_guests),
    "norrowgate": _all(exit_without_enrolment, repeated_enrolment, lookalike),
    "oakapple": _all(too_few_fields, lasting_guests),
    "tidewell": _all(entry_date_not_a_date, too_many_fields, future_income, lasting_guests),
}


def submission_defect(ledger: Ledger, files: ExportFiles, delivery: str) -> None:
    """Record that a delivery as a whole must not be loaded."""
    rule = files.export.rule
    if rule is None:
        return
    source = files.provider.source
    paused = files.export.fate.value == "paused"
    must = (
        "the delivery is paused until a person releases it; the last good one stays in force"
        if paused
        else ("the delivery is refused; the last good one stays in force")
    )
    missing = "Enrollment.csv" if rule == "missing_file" else None
    ledger.defects.append(
        Defect(ledger.defect_id(source, rule), source, delivery, rule, "submission", must, file=missing)
    )
