"""HMIS tables of a block of households: what a provider's caseworkers wrote down about their stays.

What belongs here: the content of the client-level tables, in the codes of the formats FY2022 and FY2024. What does
not: the tables about projects, files, exports, and planted defects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sources.sample.calendar import DAY_SECONDS, LAST_DAY, NEVER, birthday
from sources.sample.columns import BLANK, MISSING_DAY, Column, Constant, Days, Digits, Ids, Labels, Numbers
from sources.sample.draws import Draws, Flags, Ints, spread, weighted
from sources.sample.names import family_names, given_names
from sources.sample.population import SELF, Population
from sources.sample.records import Change, Records
from sources.sample.stays import (
    DECEASED,
    HOMELESS,
    INSTITUTIONAL,
    OTHER,
    PERMANENT,
    TEMPORARY,
    UNKNOWN,
    Stays,
)
from sources.sample.world import EMERGENCY, OUTREACH, RAPID, SUPPORTIVE, TRANSITIONAL, Provider

MISSING = -1
COC = "XX-500"

_LAGS = weighted({0: 560, 1: 170, 2: 80, 3: 60, 5: 50, 8: 40, 12: 30, 20: 10})
"""Days from an event to its entry into the system."""

_DESTINATIONS = {
    PERMANENT: weighted({10: 40, 31: 18, 20: 14, 3: 8, 22: 7, 23: 5, 19: 2, 33: 3, 34: 2, 11: 1}),
    TEMPORARY: weighted({12: 28, 13: 27, 2: 25, 14: 12, 29: 5, 32: 3}),
    HOMELESS: weighted({1: 50, 16: 46, 18: 4}),
    INSTITUTIONAL: weighted({7: 35, 6: 25, 4: 15, 5: 20, 25: 5}),
    UNKNOWN: weighted({30: 60, 99: 25, 8: 10, 9: 5}),
    OTHER: weighted({17: 1}),
    DECEASED: weighted({24: 1}),
}
_TO_2024 = {
    1: 101, 16: 116, 18: 118, 4: 204, 5: 205, 6: 206, 7: 207, 15: 215, 25: 225, 2: 302, 12: 312, 13: 313, 14: 314,
    29: 329, 32: 332, 10: 410, 11: 411, 22: 422, 23: 423,
    3: 435, 19: 435, 20: 435, 31: 435, 33: 435, 34: 435,
}  # fmt: skip
"""Living situations and destinations of FY2022 that FY2024 numbers otherwise."""
_SUBSIDY_2024 = {3: 440, 19: 419, 20: 420, 31: 431, 33: 433, 34: 434}
"""Rentals whose subsidy FY2024 puts into a column of its own."""

_PRIOR = {
    EMERGENCY: weighted({16: 45, 1: 18, 14: 8, 4: 2, 6: 3, 7: 5, 5: 2, 29: 3, 2: 3, 20: 3, 10: 5, 8: 1, 99: 2}),
    OUTREACH: weighted({16: 88, 1: 8, 18: 2, 99: 2}),
    TRANSITIONAL: weighted({1: 52, 16: 22, 18: 2, 7: 6, 5: 5, 14: 5, 29: 3, 10: 3, 99: 2}),
    SUPPORTIVE: weighted({1: 48, 16: 30, 18: 4, 2: 14, 4: 2, 99: 2}),
    RAPID: weighted({1: 62, 16: 28, 18: 3, 2: 5, 99: 2}),
}
_HOMELESS_BEFORE = (1, 16, 18)
_LENGTH_OF_STAY = weighted({10: 12, 11: 18, 2: 22, 3: 20, 4: 16, 5: 9, 8: 1, 99: 2})
_DAYS_ON_STREET = spread(0, 5, 12, 25, 45, 80, 130, 220, 380, 700, 2500)
_TIMES = weighted({1: 50, 2: 20, 3: 12, 4: 14, 8: 2, 99: 2})
_MONTHS = weighted({101: 34, 102: 12, 103: 9, 104: 6, 106: 8, 109: 5, 111: 3, 112: 4, 113: 15, 8: 2, 99: 2})

_NAME_QUALITY = weighted({1: 970, 2: 15, 8: 4, 9: 3, 99: 8})
_SSN_QUALITY = weighted({1: 850, 2: 30, 8: 25, 9: 40, 99: 55})
_DOB_QUALITY = weighted({1: 945, 2: 30, 8: 5, 9: 4, 99: 16})

_INCOMES = ("Earned", "SSI", "SSDI", "TANF", "GA")
_OTHER_INCOMES = (
    "Unemployment", "VADisabilityService", "VADisabilityNonService", "PrivateDisability", "WorkersComp",
    "SocSecRetirement", "Pension", "ChildSupport", "Alimony", "OtherIncomeSource",
)  # fmt: skip
_OTHER_BENEFITS = ("WIC", "TANFChildCare", "TANFTransportation", "OtherTANF", "OtherBenefitsSource")
_EARNINGS = spread(180, 420, 640, 820, 1000, 1180, 1400, 1650, 1980, 2400, 3300)
_AMOUNTS = {"SSI": spread(500, 841, 914, 967), "SSDI": spread(650, 950, 1240, 1600),
            "TANF": spread(210, 390, 520), "GA": spread(90, 160, 230)}  # fmt: skip
_DISABILITY_TYPES = {5: 190, 7: 260, 9: 420, 10: 280}
"""Physical, chronic health, mental health, substance use: how many in a thousand have it."""
_DOMESTIC_VIOLENCE = weighted({0: 700, 1: 230, 8: 10, 9: 10, 99: 50})
_OUTREACH_SERVICES = weighted({1: 10, 2: 25, 4: 20, 5: 10, 6: 25, 10: 10})
_EVENTS = weighted({2: 20, 4: 25, 11: 15, 13: 25, 14: 15})
_REFERRAL_RESULTS = weighted({1: 55, 2: 20, 3: 25})


@dataclass(frozen=True)
class Enrolments:
    """One row a person and stay, in order of stay; and the people of the block."""

    person: Ints
    """Position of the person within the provider."""
    member: Ints
    """Position of the person in the region."""
    household: Ints
    stay: Ints
    number: Ints
    """Of the enrolment, within the provider; never used twice."""
    stay_number: Ints
    project: Ints
    kind: Ints
    is_night_by_night: Flags
    entry: Ints
    exit: Ints
    left_to: Ints
    is_head: Flags
    is_adult: Flags
    """18 or older at entry."""
    created: Ints
    exit_created: Ints
    deleted: Ints

    @property
    def size(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Numbering:
    """How far a provider's ids have been used up by earlier blocks."""

    people: int = 0
    enrolments: int = 0
    stays: int = 0
    rows: int = 0


def enrol(
    draws: Draws, provider: Provider, population: Population, households: Ints, stays: Stays, numbering: Numbering
) -> Enrolments:
    """Write every member of a household into each of its stays."""
    sizes = np.diff(population.first_member)[households]
    first_person = numbering.people + np.concatenate([[0], np.cumsum(sizes)[:-1]])
    repeated = sizes[stays.household]
    stay = np.repeat(np.arange(len(stays.household)), repeated)
    place = np.arange(len(stay)) - np.repeat(np.concatenate([[0], np.cumsum(repeated)[:-1]]), repeated)
    household = stays.household[stay]
    member = population.first_member[households[household]] + place
    project = stays.project[stay]
    entry, exit_day = stays.entry[stay], stays.exit[stay]
    lag = draws.out_of(_LAGS, len(stays.household)) * provider.entry_lag
    created = ((stays.entry + lag) * DAY_SECONDS + _office_time(draws, len(lag)))[stay]
    gone = stays.exit < NEVER
    exit_lag = draws.out_of(_LAGS, len(stays.household)) * provider.entry_lag
    exit_entered = (np.where(gone, stays.exit, 0) + exit_lag) * DAY_SECONDS + _office_time(draws, len(lag))
    removed = draws.chance(4, len(lag))
    removal = created[np.searchsorted(stay, np.arange(len(lag)))] + draws.between(20, 60, len(lag)) * DAY_SECONDS
    return Enrolments(
        person=first_person[household] + place,
        member=member,
        household=household,
        stay=stay,
        number=numbering.enrolments + np.arange(len(stay)),
        stay_number=numbering.stays + stay,
        project=project,
        kind=np.array([p.kind for p in provider.projects])[project],
        is_night_by_night=np.array([p.night_by_night for p in provider.projects])[project],
        entry=entry,
        exit=exit_day,
        left_to=stays.left_to[stay],
        is_head=population.relationship[member] == SELF,
        is_adult=birthday(population.birth[member], 18) <= entry,
        created=created,
        exit_created=np.maximum(np.where(gone, exit_entered, NEVER)[stay], created),
        deleted=np.where(removed, removal, NEVER)[stay],
    )


def _office_time(draws: Draws, size: int) -> Ints:
    """Seconds from midnight, between 8 and 18 o'clock."""
    return draws.between(8 * 3600, 18 * 3600, size)


class Block:
    """The tables of one block of households with one provider."""

    def __init__(
        self, draws: Draws, provider: Provider, population: Population, e: Enrolments, shared: Flags, rows_before: int
    ):
        self.draws, self.provider, self.population, self.e = draws, provider, population, e
        self.shared = shared
        """By enrolment: the household is with another provider, too."""
        self._rows_used = rows_before
        self._newer = provider.version != "FY2022"

    def tables(self) -> dict[str, Records]:
        """Every client-level table by name, drawn once."""
        disabilities, disabling = self._disabilities()
        made = {
            "client": self._client(),
            "enrollment": self._enrollment(disabling),
            "exit": self._exit(),
            "income_benefits": self._income(),
            "disabilities": disabilities,
            "health_and_dv": self._health(),
            "services": self._services(),
            "current_living_situation": self._contacts(),
            "employment_education": self._employment(),
        }
        if not self._newer:
            made["enrollment_coc"] = self._enrollment_coc()
        if self.provider.id in ("tidewell", "norrowgate"):
            made["event"] = self._events()
            made["assessment"] = self._assessments()
        return made

    @property
    def rows_used(self) -> int:
        return self._rows_used

    def _ids(self, letter: str, size: int) -> Ids:
        """Ids of ``size`` new rows."""
        first = self._rows_used
        self._rows_used += size
        return Ids(f"{self.provider.prefix}{letter}", 1_000_001 + first + np.arange(size))

    def person_ids(self, rows: Ints) -> Ids:
        return person_ids(self.provider, self.e.person[rows])

    def _records(
        self, rows: Ints, event: Ints, letter: str, key: str, columns: dict[str, Column], lag: int = 1
    ) -> Records:
        """Records that hang on enrolments ``rows``: about the days ``event``, entered some days later."""
        e = self.e
        entered = (event + self.draws.out_of(_LAGS, len(rows)) * lag) * DAY_SECONDS
        created = np.maximum(entered + _office_time(self.draws, len(rows)), e.created[rows])
        return Records(
            created=created,
            household=e.household[rows],
            columns={
                key: self._ids(letter, len(rows)),
                "EnrollmentID": enrolment_ids(self.provider, e.number[rows]),
                "PersonalID": self.person_ids(rows),
                **columns,
            },
            deleted=e.deleted[rows],
        )

    def _client(self) -> Records:
        e, p, draws = self.e, self.population, self.draws
        person, first_row = np.unique(e.person, return_index=True)
        size = len(person)
        member = e.member[first_row]
        created = np.full(size, NEVER, dtype=np.int64)
        np.minimum.at(created, e.person - person[0], e.created)
        shared = self.shared[first_row]
        name_quality = np.where(shared, 1, draws.out_of(_NAME_QUALITY, size))
        ssn_quality = draws.out_of(_SSN_QUALITY, size)
        self.has_national_id = ssn_quality == 1
        dob_quality = np.where(shared, 1, draws.out_of(_DOB_QUALITY, size))
        named = np.isin(name_quality, (1, 2))
        born = np.isin(dob_quality, (1, 2))
        birth = p.birth[member]
        approximate = birth.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        birth = np.where(dob_quality == 2, approximate, birth)
        corrected = (dob_quality == 1) & ~shared & draws.chance(20, size)
        moment = created + draws.between(5, 200, size) * DAY_SECONDS
        sex, race, ethnicity = p.sex[member], p.race[member], p.ethnicity[member]
        columns: dict[str, Column] = {
            "PersonalID": person_ids(self.provider, person),
            "FirstName": Labels(given_names(), np.where(named, p.given[member], MISSING)),
            "LastName": Labels(family_names(), np.where(named, p.family[member], MISSING)),
            "NameDataQuality": Numbers(name_quality),
            "SSN": Digits(np.where(np.isin(ssn_quality, (1, 2)), p.ssn[member], MISSING), 9),
            "SSNDataQuality": Numbers(ssn_quality),
            "DOB": Days(np.where(born, birth, MISSING_DAY)),
            "DOBDataQuality": Numbers(dob_quality),
            "VeteranStatus": Numbers(p.veteran[member]),
            **_race(race, ethnicity, self._newer),
            **_gender(sex, self._newer),
        }
        before = {"DOB": BLANK, "DOBDataQuality": Constant("99")}
        return Records(created, columns, e.household[first_row], [Change(np.where(corrected, moment, NEVER), before)])

    def _enrollment(self, disabling: Ints) -> Records:
        e, draws = self.e, self.draws
        asked = e.is_adult | e.is_head
        prior = np.zeros(e.size, dtype=np.int64)
        for kind, table in _PRIOR.items():
            prior = np.where(e.kind == kind, draws.out_of(table, e.size), prior)
        street = np.isin(prior, _HOMELESS_BEFORE)
        known = prior < 99
        housed = asked & ~street & known & (prior != 8)
        under = np.where(housed, draws.below(1000, e.size) < 450, MISSING).astype(np.int64)
        street_before = np.where(under == 1, draws.below(1000, e.size) < 500, MISSING).astype(np.int64)
        told = asked & (street | (street_before == 1))
        since = np.where(told, e.entry - draws.out_of(_DAYS_ON_STREET, e.size), MISSING_DAY)
        moved, moved_at = self._moves()
        columns: dict[str, Column] = {
            "EnrollmentID": enrolment_ids(self.provider, e.number),
            "PersonalID": person_ids(self.provider, e.person),
            "ProjectID": Labels([p.code for p in self.provider.projects], e.project),
            "EntryDate": Days(e.entry),
            "HouseholdID": household_ids(self.provider, e.stay_number),
            "RelationshipToHoH": Numbers(self.population.relationship[e.member]),
            "EnrollmentCoC": Constant(COC),
            "LivingSituation": Numbers(np.where(asked, self._situation(prior), MISSING)),
            "RentalSubsidyType": Numbers(np.where(asked, _subsidy(prior), MISSING)),
            "LengthOfStay": Numbers(np.where(asked, draws.out_of(_LENGTH_OF_STAY, e.size), MISSING)),
            "LOSUnderThreshold": Numbers(under),
            "PreviousStreetESSH": Numbers(street_before),
            "DateToStreetESSH": Days(since),
            "TimesHomelessPastThreeYears": Numbers(np.where(told, draws.out_of(_TIMES, e.size), MISSING)),
            "MonthsHomelessPastThreeYears": Numbers(np.where(told, draws.out_of(_MONTHS, e.size), MISSING)),
            "DisablingCondition": Numbers(disabling),
            "DateOfEngagement": Days(np.where((e.kind == OUTREACH) & asked, e.entry, MISSING_DAY)),
            "MoveInDate": Days(moved),
        }
        change = Change(moved_at, {"MoveInDate": BLANK})
        return Records(e.created, columns, e.household, [change], e.deleted)

    def _moves(self) -> tuple[Ints, Ints]:
        """Day of moving into permanent housing, and the moment it was entered; the same for a whole household."""
        e, draws = self.e, self.draws
        stays = int(e.stay[-1]) + 1
        wait = draws.out_of(spread(2, 9, 17, 26, 38, 55, 90), stays)[e.stay]
        wait = np.where(e.kind == SUPPORTIVE, wait // 2, wait)
        succeeds = draws.chance(900, stays)[e.stay] | (e.kind == SUPPORTIVE)
        day = e.entry + wait
        moved = np.isin(e.kind, (RAPID, SUPPORTIVE)) & succeeds & (day < np.minimum(e.exit, LAST_DAY))
        moment = np.maximum((day + 1) * DAY_SECONDS + _office_time(draws, stays)[e.stay], e.created)
        return np.where(moved, day, MISSING_DAY), np.where(moved, moment, NEVER)

    def _situation(self, code: Ints) -> Ints:
        return _translate(code, _TO_2024) if self._newer else code

    def _exit(self) -> Records:
        e, draws = self.e, self.draws
        stays = int(e.stay[-1]) + 1
        destination = np.zeros(stays, dtype=np.int64)
        first_row = np.searchsorted(e.stay, np.arange(stays))
        left_to = e.left_to[first_row]
        for kind, table in _DESTINATIONS.items():
            destination = np.where(left_to == kind, draws.out_of(table, stays), destination)
        corrected = (left_to != UNKNOWN) & draws.chance(60, stays)
        rows = np.flatnonzero(e.exit < NEVER)
        destination, corrected = destination[e.stay[rows]], corrected[e.stay[rows]]
        created = e.exit_created[rows]
        moment = np.where(corrected, created + draws.between(5, 200, stays)[e.stay[rows]] * DAY_SECONDS, NEVER)
        columns: dict[str, Column] = {
            "ExitID": Ids(f"{self.provider.prefix}X", 100_001 + e.number[rows]),
            "EnrollmentID": enrolment_ids(self.provider, e.number[rows]),
            "PersonalID": self.person_ids(rows),
            "ExitDate": Days(e.exit[rows]),
            "Destination": Numbers(self._situation(destination)),
            "DestinationSubsidyType": Numbers(_subsidy(destination)),
        }
        before: dict[str, Column] = {"Destination": Constant("99"), "DestinationSubsidyType": BLANK}
        return Records(created, columns, e.household[rows], [Change(moment, before)], e.deleted[rows])

    def _income(self) -> Records:
        """At entry, on each anniversary, and at exit, for adults and heads."""
        e, draws = self.e, self.draws
        asked = np.flatnonzero(e.is_adult | e.is_head)
        profile = {name: np.zeros(e.size, dtype=np.int64) for name in _INCOMES}
        profile["Earned"] = np.where(draws.chance(230, e.size), draws.out_of(_EARNINGS, e.size), 0)
        for name, permille in (("SSI", 160), ("SSDI", 110), ("TANF", 80), ("GA", 120)):
            profile[name] = np.where(draws.chance(permille, e.size), draws.out_of(_AMOUNTS[name], e.size), 0)
        gains = draws.chance(320 if self.provider.permanent_shift >= 0 else 240, e.size)
        loses = ~gains & draws.chance(110, e.size)
        raised = np.where(gains, profile["Earned"] + draws.out_of(_EARNINGS, e.size) // 2, profile["Earned"])
        later = np.where(loses, 0, raised)
        end = np.minimum(e.exit, LAST_DAY)
        rows, days, stages = [asked], [e.entry[asked]], [np.full(len(asked), 1)]
        for year in (1, 2, 3, 4, 5):
            due = asked[e.entry[asked] + 365 * year <= end[asked]]
            rows.append(due)
            days.append(np.minimum(e.entry[due] + 365 * year + draws.between(-20, 20, len(due)), end[due]))
            stages.append(np.full(len(due), 5))
        left = asked[e.exit[asked] < NEVER]
        rows.append(left)
        days.append(e.exit[left])
        stages.append(np.full(len(left), 3))
        row, on, stage = (np.concatenate(part) for part in (rows, days, stages))
        order = np.lexsort((stage, on, row))
        row, on, stage = row[order], on[order], stage[order]
        amounts = {name: profile[name][row] for name in _INCOMES}
        amounts["Earned"] = np.where(stage == 1, profile["Earned"][row], later[row])
        total = np.sum(list(amounts.values()), axis=0)
        told = ~draws.chance(35, len(row))
        has = np.where(told, (total > 0).astype(np.int64), 99)
        zero = Numbers(np.where(has == 1, 0, MISSING))
        benefits = draws.chance(480, len(row)).astype(np.int64)
        insured = draws.chance(700, len(row)).astype(np.int64)
        no_benefit, no_insurance = (
            Numbers(np.where(benefits == 1, 0, MISSING)),
            Numbers(np.where(insured == 1, 0, MISSING)),
        )
        columns: dict[str, Column] = {
            "InformationDate": Days(on),
            "IncomeFromAnySource": Numbers(has),
            "TotalMonthlyIncome": Numbers(np.where(has == 1, total, MISSING)),
            **dict.fromkeys(_OTHER_INCOMES, zero),
            "BenefitsFromAnySource": Numbers(benefits),
            "SNAP": Numbers(np.where(benefits == 1, 1, MISSING)),
            **dict.fromkeys(
                ("WIC", "TANFChildCare", "TANFTransportation", "OtherTANF", "OtherBenefitsSource"), no_benefit
            ),
            "InsuranceFromAnySource": Numbers(insured),
            "Medicaid": Numbers(np.where(insured == 1, 1, MISSING)),
            **dict.fromkeys(
                (
                    "Medicare",
                    "SCHIP",
                    "VAMedicalServices",
                    "VHAServices",
                    "EmployerProvided",
                    "COBRA",
                    "PrivatePay",
                    "StateHealthIns",
                    "IndianHealthServices",
                    "OtherInsurance",
                ),
                no_insurance,
            ),
            "DataCollectionStage": Numbers(stage),
        }
        for name, amount in amounts.items():
            columns[name] = Numbers(np.where(has == 1, (amount > 0).astype(np.int64), MISSING))
            columns[f"{name}Amount"] = Numbers(np.where((has == 1) & (amount > 0), amount, MISSING))
        return self._records(row, on, "I", "IncomeBenefitsID", columns)

    def _disabilities(self) -> tuple[Records, Ints]:
        """One row a kind of disability at entry, for adults and heads; and the enrolments' disabling condition."""
        e, draws = self.e, self.draws
        asked = np.flatnonzero(e.is_adult | e.is_head)
        kinds = np.array(list(_DISABILITY_TYPES), dtype=np.int64)
        has = np.stack([draws.chance(share, len(asked)) for share in _DISABILITY_TYPES.values()], axis=1)
        told = ~draws.chance(40, len(asked))
        disabling = np.where(draws.chance(40, e.size), 1, 0)
        disabling[asked] = np.where(told, has.any(axis=1).astype(np.int64), 99)
        row = np.repeat(asked, len(kinds))
        kind = np.tile(kinds, len(asked))
        yes = has.reshape(-1)
        response = np.where(yes, np.where(kind == 10, draws.between(1, 3, len(row)), 1), 0)
        response = np.where(np.repeat(told, len(kinds)), response, 99)
        lasting = np.where((response > 0) & (response < 99), np.where(draws.chance(850, len(row)), 1, 0), MISSING)
        columns: dict[str, Column] = {
            "InformationDate": Days(e.entry[row]),
            "DisabilityType": Numbers(kind),
            "DisabilityResponse": Numbers(response),
            "IndefiniteAndImpairs": Numbers(lasting),
            "DataCollectionStage": Constant("1"),
        }
        return self._records(row, e.entry[row], "D", "DisabilitiesID", columns), disabling

    def _health(self) -> Records:
        e, draws = self.e, self.draws
        row = np.flatnonzero(e.is_adult | e.is_head)
        violence = draws.out_of(_DOMESTIC_VIOLENCE, len(row))
        victim = violence == 1
        columns: dict[str, Column] = {
            "InformationDate": Days(e.entry[row]),
            "DomesticViolenceSurvivor" if self._newer else "DomesticViolenceVictim": Numbers(violence),
            "WhenOccurred": Numbers(np.where(victim, draws.between(1, 4, len(row)), MISSING)),
            "CurrentlyFleeing": Numbers(np.where(victim, draws.below(2, len(row)), MISSING)),
            "DataCollectionStage": Constant("1"),
        }
        return self._records(row, e.entry[row], "V", "HealthAndDVID", columns)

    def _enrollment_coc(self) -> Records:
        e = self.e
        row = np.arange(e.size)
        columns: dict[str, Column] = {
            "HouseholdID": household_ids(self.provider, e.stay_number),
            "ProjectID": Labels([p.code for p in self.provider.projects], e.project),
            "InformationDate": Days(e.entry),
            "CoCCode": Constant(COC),
            "DataCollectionStage": Constant("1"),
        }
        records = self._records(row, e.entry, "C", "EnrollmentCoCID", columns)
        return Records(e.created, records.columns, records.household, (), e.deleted)

    def nights(self) -> tuple[Ints, Ints]:
        """Enrolment row and day of every night spent in a night-by-night shelter; never the night of the exit."""
        e, draws = self.e, self.draws
        here = np.flatnonzero(e.is_night_by_night)
        last = np.minimum(e.exit[here], LAST_DAY + 1)
        spans = np.maximum(last - e.entry[here], 1)
        row = np.repeat(here, spans)
        start = np.repeat(np.cumsum(spans) - spans, spans)
        into = np.arange(len(row)) - start
        day = e.entry[row] + into
        ends = into == np.repeat(spans, spans) - 1
        kept = (into == 0) | (ends & (e.exit[row] < NEVER)) | draws.chance(640, len(row))
        return row[kept], day[kept]

    def _services(self) -> Records:
        e, draws = self.e, self.draws
        row, day = self.nights()
        self.bed_nights = row, day
        outreach = np.flatnonzero((e.kind == OUTREACH) & (e.is_adult | e.is_head))
        count = draws.out_of(spread(0, 1, 2, 4), len(outreach))
        more = np.repeat(outreach, count)
        span = np.minimum(e.exit[more], LAST_DAY) - e.entry[more]
        more_day = e.entry[more] + draws.below(2**40, len(more)) % np.maximum(span, 1)
        row, day = np.concatenate([row, more]), np.concatenate([day, more_day])
        is_night = np.arange(len(row)) < len(row) - len(more)
        kind = np.where(is_night, 200, draws.out_of(_OUTREACH_SERVICES, len(row)))
        columns: dict[str, Column] = {
            "DateProvided": Days(day),
            "RecordType": Numbers(np.where(is_night, 200, 141)),
            "TypeProvided": Numbers(kind),
        }
        return self._single_deletions(self._records(row, day, "S", "ServicesID", columns, lag=0))

    def _single_deletions(self, records: Records) -> Records:
        """Some records that were entered by mistake and deleted later, alone."""
        size = len(records.created)
        removed = self.draws.chance(3, size)
        moment = records.created + self.draws.between(2, 60, size) * DAY_SECONDS
        assert records.deleted is not None  # noqa: S101
        deleted = np.minimum(records.deleted, np.where(removed, moment, NEVER))
        return Records(records.created, records.columns, records.household, records.changes, deleted)

    def _contacts(self) -> Records:
        """Where outreach workers found someone: on the day of entry and some days after."""
        e, draws = self.e, self.draws
        outreach = np.flatnonzero((e.kind == OUTREACH) & (e.is_adult | e.is_head))
        count = 1 + draws.out_of(spread(0, 2, 4, 7, 14), len(outreach))
        row = np.repeat(outreach, count)
        is_first = np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else np.zeros(0, dtype=bool)
        span = np.minimum(e.exit[row], LAST_DAY) - e.entry[row]
        day = e.entry[row] + np.where(is_first, 0, draws.below(2**40, len(row)) % np.maximum(span, 1))
        order = np.lexsort((day, row))
        place = self._situation(draws.out_of(weighted({16: 80, 1: 14, 14: 6}), len(row)))
        columns: dict[str, Column] = {"InformationDate": Days(day[order]), "CurrentLivingSituation": Numbers(place)}
        records = self._records(row[order], day[order], "L", "CurrentLivingSitID", columns)
        return self._single_deletions(records)

    def _employment(self) -> Records:
        e, draws = self.e, self.draws
        row = np.flatnonzero((e.kind == TRANSITIONAL) & e.is_adult)
        works = draws.chance(260, len(row))
        columns: dict[str, Column] = {
            "InformationDate": Days(e.entry[row]),
            "LastGradeCompleted": Numbers(draws.out_of(weighted({3: 10, 4: 30, 5: 35, 7: 15, 10: 8, 12: 2}), len(row))),
            "SchoolStatus": Numbers(draws.out_of(weighted({1: 8, 2: 4, 3: 40, 4: 20, 5: 28}), len(row))),
            "Employed": Numbers(works.astype(np.int64)),
            "EmploymentType": Numbers(np.where(works, draws.between(1, 3, len(row)), MISSING)),
            "NotEmployedReason": Numbers(np.where(works, MISSING, draws.between(1, 3, len(row)))),
            "DataCollectionStage": Constant("1"),
        }
        return self._records(row, e.entry[row], "M", "EmploymentEducationID", columns)

    def _events(self) -> Records:
        """Referrals of heads, with a result that becomes known later."""
        e, draws = self.e, self.draws
        heads = np.flatnonzero(e.is_head & draws.chance(400, e.size))
        end = np.minimum(e.exit[heads], LAST_DAY)
        on = np.minimum(e.entry[heads] + draws.below(30, len(heads)), end)
        event = draws.out_of(_EVENTS, len(heads))
        referred = event >= 10
        result_day = np.minimum(on + draws.between(2, 45, len(heads)), LAST_DAY)
        columns: dict[str, Column] = {
            "EventDate": Days(on),
            "Event": Numbers(event),
            "ProbSolDivRRResult": Numbers(np.where(event == 2, draws.below(2, len(heads)), MISSING)),
            "ReferralResult": Numbers(np.where(referred, draws.out_of(_REFERRAL_RESULTS, len(heads)), MISSING)),
            "ResultDate": Days(np.where(referred, result_day, MISSING_DAY)),
        }
        records = self._records(heads, on, "R", "EventID", columns)
        moment = np.maximum(result_day * DAY_SECONDS + _office_time(draws, len(heads)), records.created + 60)
        change = Change(np.where(referred, moment, NEVER), {"ReferralResult": BLANK, "ResultDate": BLANK})
        return Records(records.created, records.columns, records.household, [change], records.deleted)

    def _assessments(self) -> Records:
        e, draws = self.e, self.draws
        heads = np.flatnonzero(e.is_head & draws.chance(500, e.size))
        on = np.minimum(e.entry[heads] + draws.below(14, len(heads)), np.minimum(e.exit[heads], LAST_DAY))
        columns: dict[str, Column] = {
            "AssessmentDate": Days(on),
            "AssessmentLocation": Constant("1"),
            "AssessmentType": Numbers(draws.between(1, 3, len(heads))),
            "AssessmentLevel": Numbers(draws.between(1, 2, len(heads))),
            "PrioritizationStatus": Numbers(draws.between(1, 2, len(heads))),
        }
        return self._records(heads, on, "A", "AssessmentID", columns)


def person_ids(provider: Provider, person: Ints) -> Ids:
    return Ids(provider.prefix, 100_001 + person)


def enrolment_ids(provider: Provider, number: Ints) -> Ids:
    return Ids(f"{provider.prefix}E", 100_001 + number)


def household_ids(provider: Provider, number: Ints) -> Ids:
    return Ids(f"{provider.prefix}H", 100_001 + number)


def _translate(codes: Ints, mapping: dict[int, int]) -> Ints:
    table = np.arange(128)
    table[list(mapping)] = list(mapping.values())
    translated: Ints = np.where(codes >= 0, table[codes], MISSING)
    return translated


def _subsidy(codes: Ints) -> Ints:
    table = np.full(128, MISSING)
    table[list(_SUBSIDY_2024)] = list(_SUBSIDY_2024.values())
    subsidy: Ints = np.where(codes >= 0, table[codes], MISSING)
    return subsidy


_RACES = ("AmIndAKNative", "Asian", "BlackAfAmerican", "NativeHIPacific", "White")


def _race(race: Ints, ethnicity: Ints, newer: bool) -> dict[str, Column]:
    """Race 5 is more than one, 6 not stated."""
    unstated = race == 6
    columns: dict[str, Column] = {}
    for position, name in enumerate(_RACES):
        columns[name] = Numbers(((race == position) | ((race == 5) & np.isin(position, (1, 4)))).astype(np.int64))
    if newer:
        latino = (ethnicity == 1) & ~unstated
        columns |= {"HispanicLatinaeo": Numbers(latino.astype(np.int64)), "MidEastNAfrican": Constant("0")}
    else:
        columns["Ethnicity"] = Numbers(ethnicity)
    columns["RaceNone"] = Numbers(np.where(unstated, 99, MISSING))
    return columns


def _gender(sex: Ints, newer: bool) -> dict[str, Column]:
    """0 female, 1 male, 2 neither, 3 transgender and female, 4 not stated."""
    female, male = Numbers(np.isin(sex, (0, 3)).astype(np.int64)), Numbers((sex == 1).astype(np.int64))
    neither, trans = Numbers((sex == 2).astype(np.int64)), Numbers((sex == 3).astype(np.int64))
    columns: dict[str, Column] = {
        "Transgender": trans,
        "Questioning": Constant("0"),
        "GenderNone": Numbers(np.where(sex == 4, 99, MISSING)),
    }
    if newer:
        none = Constant("0")
        return columns | {"Woman": female, "Man": male, "NonBinary": neither, "CulturallySpecific": none,
                          "DifferentIdentity": none}  # fmt: skip
    return columns | {"Female": female, "Male": male, "NoSingleGender": neither}
