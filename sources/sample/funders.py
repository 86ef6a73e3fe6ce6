"""Three funders that publish their awards to the standard of 360Giving: as JSON, as CSV, and as a spreadsheet.

What belongs here: the awards, later amendments, planted defects, and the three shapes. What does not: the standard's
field names beyond those used here.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from sources.sample.calendar import FIRST_DAY, day, iso
from sources.sample.draws import Draws
from sources.sample.files import write_zip
from sources.sample.hmis_defects import QUARANTINED
from sources.sample.names import family_names, given_names
from sources.sample.planted import Defect, DeliveryFact, Ledger
from sources.sample.world import PROVIDERS

_MOST = 4000
_FIRST_LINE = 2
"""On which the first award stands, in all three formats."""
_PLACES = ("Brackwater", "Fennimoor", "Kestrelby", "Norrowgate", "Tidewell", "Whole region")
_OTHERS = ("Quillmarsh Advice", "Hollowmere Kitchen", "Ashgrit Works", "Penfurrow Youth", "Dunlock Gardens")
_AMENDED_FROM = day("2025-07-15")


@dataclass(frozen=True)
class Funder:
    """A funder, how it publishes, and the days of its publications."""

    id: str
    name: str
    programmes: tuple[tuple[str, str], ...]
    suffix: str
    published: tuple[int, ...]
    euro_permille: int
    individual_permille: int = 0

    @property
    def source(self) -> str:
        return f"{self.id}_grants"

    @property
    def org_id(self) -> str:
        return org_id(self.name)


def org_id(name: str) -> str:
    """An organisation's identifier in an invented scheme."""
    return f"XI-TRIG-{name.split()[0].upper()}"


FUNDERS = (
    Funder(
        "larkspur",
        "Larkspur Weir Fund",
        (("HOME", "Finding a home"), ("KEEP", "Keeping a home"), ("SMALL", "Small grants to people")),
        "json",
        (day("2025-07-04"), day("2025-10-02")),
        60,
        individual_permille=80,
    ),
    Funder(
        "meridew",
        "Meridew Foundation",
        (("CORE", "Core costs"), ("WELL", "Wellbeing"), ("LEARN", "Learning together")),
        "csv",
        (day("2025-07-08"), day("2025-10-01")),
        30,
    ),
    Funder(
        "tallowhill",
        "Tallowhill Trust",
        (("BUILD", "Buildings"), ("PEOPLE", "People who help"), ("START", "New starts")),
        "xlsx",
        (day("2025-09-24"),),
        0,
    ),
)


@dataclass(frozen=True)
class Award:
    """One award as published. ``amount`` and ``awarded`` are text where they are wrong on purpose."""

    id: str
    title: str
    programme: tuple[str, str]
    amount: int | str | None
    currency: str
    awarded: int | str
    months: int
    recipient: str
    is_individual: bool
    recipient_id: str
    place: str
    modified: int
    defect: Defect | None = None


def write_funder(root: Path, funder: Funder, ledger: Ledger) -> None:
    """Write all publications of a funder."""
    awards = awards_of(funder, ledger)
    for number, published in enumerate(funder.published):
        is_last = number == len(funder.published) - 1
        shown = [a for a in awards if isinstance(a.awarded, int) and a.awarded + 20 <= published]
        if is_last:
            shown = [_amended(a, at) for at, a in enumerate(shown)] if number else shown
        path = f"deliveries/{funder.id}/{funder.source}_{iso(published)}.{funder.suffix}"
        if is_last:
            shown = _with_defects(funder, shown, path, ledger)
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _WRITERS[funder.suffix](target, funder, shown, published)
        for at, award in enumerate(shown):
            if award.defect:
                award.defect.written(at + _FIRST_LINE, at + 1)
        fact = DeliveryFact(funder.source, "threesixtygiving", funder.id, path, None, "loaded", None, None)
        ledger.deliveries.append(replace(fact, rows={target.name: len(shown)}, landed={"grant": len(shown)}))
        if is_last:
            ledger.truth.setdefault("awards", []).extend(_totals(funder, shown))


def awards_of(funder: Funder, ledger: Ledger) -> list[Award]:
    """All awards of a funder as they were first made, the same each time."""
    draws = Draws(ledger.seed, "awards", funder.id)
    size = min(80 + ledger.people // 60, _MOST)
    last = funder.published[-1]
    days = sorted(draws.between(FIRST_DAY, last - 20, size).tolist())
    awards = []
    for at, awarded in enumerate(days):
        pick, roll, euro, individual, thousands, months, place = draws.below(1000, 7).tolist()
        is_individual = individual < funder.individual_permille
        programme = funder.programmes[2 if is_individual else roll % (2 if funder.individual_permille else 3)]
        number = f"{at + 1:06d}"
        if is_individual:
            recipient, recipient_id = _person(draws, ledger), f"360G-{funder.id}-IND-{number}"
            amount = 100 + thousands // 10 * 10
        else:
            recipient = _organisation(pick)
            recipient_id = org_id(recipient)
            amount = 2500 + thousands * (40 if roll % 4 else 140)
        awards.append(
            Award(
                id=f"360G-{funder.id}-{number}",
                title=f"{programme[1]} {iso(awarded)[:4]}",
                programme=programme,
                amount=amount,
                currency="EUR" if euro < funder.euro_permille else "GBP",
                awarded=awarded,
                months=(6, 12, 24, 36)[months % 4],
                recipient=recipient,
                is_individual=is_individual,
                recipient_id=recipient_id,
                place=_PLACES[place % len(_PLACES)],
                modified=awarded + 15,
            )
        )
    return awards


def _organisation(pick: int) -> str:
    names = [p.name for p in PROVIDERS]
    return names[pick % len(names)] if pick < 850 else _OTHERS[pick % len(_OTHERS)]


def _person(draws: Draws, ledger: Ledger) -> str:
    given = given_names()[int(draws.below(len(given_names()), 1)[0])]
    name = f"{given} {family_names()[int(draws.below(len(family_names()), 1)[0])]}"
    ledger.identify(names=name)
    return name


def _amended(award: Award, at: int) -> Award:
    """Every twentieth award was changed between the two publications."""
    if at % 20 != 7 or not isinstance(award.amount, int):
        return award
    return replace(award, amount=award.amount + 500, modified=max(award.modified, _AMENDED_FROM + at % 60))


def _with_defects(funder: Funder, awards: list[Award], path: str, ledger: Ledger) -> list[Award]:
    """Records that are wrong on purpose, between the others; each is new in this publication."""
    sample = next(a for a in reversed(awards) if not a.is_individual)
    planted: list[tuple[int, Award]] = []

    def plant(rule: str, severity: str, column: str, value: str | None, **changes: Any) -> None:
        number = len(planted) + 1
        award = replace(sample, id=f"360G-{funder.id}-9{number:05d}", modified=sample.modified, **changes)
        must = QUARANTINED if severity == "record" else "both rows are kept as awards; the repeated id is reported"
        defect = Defect(
            ledger.defect_id(funder.source, rule), funder.source, path, rule, severity, must,
            file=path.rsplit("/", 1)[1], table="grant", record=award.id, column=column, value=value,
        )  # fmt: skip
        ledger.defects.append(defect)
        planted.append((150 * number, replace(award, defect=defect)))

    for rule in _PLANTED[funder.id]:
        if rule == "missing_required_value":
            plant(rule, "record", "amountAwarded", None, amount=None)
        elif rule == "invalid_date":
            plant(rule, "record", "awardDate", "2024-13-45", awarded="2024-13-45")
        elif rule == "negative_amount":
            plant(rule, "record", "amountAwarded", "-1200", amount=-1200)
        else:
            plant(rule, "warning", "id", None, amount=8000)
    mixed = list(awards)
    for at, award in sorted(planted, key=lambda p: -p[0]):
        mixed.insert(len(awards) * at // 1000, award)
    return _repeat(mixed)


def _repeat(awards: list[Award]) -> list[Award]:
    """A second record for every id that is planted as repeated, further down, for another amount."""
    for at, award in enumerate(awards):
        if award.defect and award.defect.rule == "duplicate_key":
            award.defect.value = award.id
            award.defect.other_lines.append(at + _FIRST_LINE)
            again = replace(award, amount=4500)
            awards[at] = replace(award, defect=None)
            return [*awards, again]
    return awards


_PLANTED = {
    "larkspur": ("duplicate_key", "missing_required_value", "invalid_date"),
    "meridew": ("duplicate_key", "invalid_date", "negative_amount"),
    "tallowhill": ("missing_required_value", "negative_amount"),
}


def _totals(funder: Funder, awards: Sequence[Award]) -> list[dict[str, object]]:
    """What was awarded by programme and currency, without records that are quarantined."""
    found: dict[tuple[str, str], list[int]] = {}
    for award in awards:
        if isinstance(award.amount, int) and award.amount > 0 and isinstance(award.awarded, int):
            found.setdefault((award.programme[0], award.currency), []).append(award.amount)
    return [
        {"source": funder.source, "programme": p, "currency": c, "awards": len(amounts), "amount": sum(amounts)}
        for (p, c), amounts in sorted(found.items())
    ]


def _dates(award: Award) -> tuple[int, int]:
    start = (award.awarded if isinstance(award.awarded, int) else award.modified) + 30
    return start, start + award.months * 365 // 12


def _write_json(path: Path, funder: Funder, awards: Sequence[Award], published: int) -> None:
    lines = ",\n".join(json.dumps(_grant(funder, award), ensure_ascii=False) for award in awards)
    path.write_text(f'{{"grants": [\n{lines}\n]}}\n', encoding="utf-8")


def _grant(funder: Funder, award: Award) -> dict[str, Any]:
    start, end = _dates(award)
    grant: dict[str, Any] = {
        "id": award.id,
        "title": award.title,
        "description": f"{award.programme[1]}, {award.months} months",
        "currency": award.currency,
        "amountAwarded": award.amount,
        "awardDate": award.awarded if isinstance(award.awarded, str) else f"{iso(award.awarded)}T00:00:00+00:00",
        "plannedDates": [{"startDate": iso(start), "endDate": iso(end), "duration": award.months}],
        "beneficiaryLocation": [{"name": award.place}],
        "fundingOrganization": [{"id": funder.org_id, "name": funder.name}],
        "grantProgramme": [{"code": award.programme[0], "title": award.programme[1]}],
        "dateModified": f"{iso(award.modified)}T09:00:00+00:00",
        "dataSource": f"https://{funder.id}.example.org/grants",
    }
    if award.amount is None:
        del grant["amountAwarded"]
    if award.is_individual:
        grant["recipientIndividual"] = {"id": award.recipient_id, "name": award.recipient}
        grant["toIndividualsDetails"] = {"primaryGrantReason": "GTIR010", "grantPurpose": ["GTIP020"]}
    else:
        grant["recipientOrganization"] = [{"id": award.recipient_id, "name": award.recipient}]
    return grant


_TITLES = (
    "Identifier", "Title", "Description", "Currency", "Amount Awarded", "Award Date", "Planned Dates:0:Start Date",
    "Planned Dates:0:End Date", "Planned Dates:0:Duration (months)", "Recipient Org:0:Identifier",
    "Recipient Org:0:Name", "Beneficiary Location:0:Name", "Funding Org:0:Identifier", "Funding Org:0:Name",
    "Grant Programme:0:Code", "Grant Programme:0:Title", "Last Modified", "Data Source", "Panel",
)  # fmt: skip
"""The standard's titles, and one column of the funder's own."""


def _values(funder: Funder, award: Award) -> list[Any]:
    start, end = _dates(award)
    awarded = award.awarded if isinstance(award.awarded, str) else iso(award.awarded)
    return [
        award.id, award.title, f"{award.programme[1]}, {award.months} months", award.currency,
        "" if award.amount is None else award.amount, awarded, iso(start), iso(end), award.months, award.recipient_id,
        award.recipient, award.place, funder.org_id, funder.name, *award.programme, iso(award.modified),
        f"https://{funder.id}.example.org/grants", f"Panel {award.months}",
    ]  # fmt: skip


def _write_csv(path: Path, funder: Funder, awards: Sequence[Award], published: int) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_TITLES)
    writer.writerows(_values(funder, award) for award in awards)
    path.write_bytes(text.getvalue().encode())


_DATE_COLUMNS = (5, 6, 7, 16)


def _write_xlsx(path: Path, funder: Funder, awards: Sequence[Award], published: int) -> None:
    """A workbook with real dates; packed again without compression, so that it is the same everywhere."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    book.set_properties({"title": f"Awards of {funder.name}", "created": datetime.fromisoformat(iso(published))})
    sheet = book.add_worksheet("Awards")
    as_date = book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.write_row(0, 0, [title.replace(":0:", ":") for title in _TITLES])
    for at, award in enumerate(awards, start=1):
        for column, value in enumerate(_values(funder, award)):
            moment = _as_date(value) if column in _DATE_COLUMNS else None
            if moment:
                sheet.write_datetime(at, column, moment, as_date)
            else:
                sheet.write(at, column, value)
    meta = book.add_worksheet("Meta")
    meta.write_row(0, 0, ["Version"])
    meta.write_row(1, 0, ["1.4"])
    book.close()
    made.seek(0)
    with zipfile.ZipFile(made) as archive:
        members: dict[str, Path | bytes] = {name: archive.read(name) for name in archive.namelist()}
    write_zip(path, members, iso(published))


def _as_date(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time())
    except ValueError:
        return None


_WRITERS: dict[str, Callable[[Path, Funder, Sequence[Award], int], None]] = {
    "json": _write_json,
    "csv": _write_csv,
    "xlsx": _write_xlsx,
}
