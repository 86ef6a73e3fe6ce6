"""A REDCap project: longitudinal, with a repeating instrument, check boxes and codes for missing answers.

What belongs here: the project's dictionary, events and data export. What does not: the course of scores.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sources.sample.calendar import iso
from sources.sample.columns import BLANK, Column, Constant, Days, Labels, Numbers, Texts, join
from sources.sample.draws import Draws, Flags, Ints
from sources.sample.files import Insertion, LineFile, write_zip
from sources.sample.hmis import Course
from sources.sample.hmis_tables import person_ids
from sources.sample.odk_export import COMMENTS
from sources.sample.planted import Defect, DeliveryFact, Ledger
from sources.sample.survey_answers import (
    END,
    GAD7,
    MISSING,
    PHQ9,
    SATISFACTION,
    START,
    SWEMWBS,
    WAVES,
    Instrument,
    Waves,
    draw_items,
    draw_ratings,
    draw_scores,
    draw_waves,
    total_of,
)
from sources.sample.surveys import DELIVERED, MUST, PLANTED_ON, instrument_lines, rating_lines
from sources.sample.world import Provider

PROVIDER = "oakapple"
SOURCE = "oakapple_redcap"
EVENTS = ("intake_arm_1", "month_3_arm_1", "exit_arm_1")
EVENT_NAMES = ("Intake", "Month 3", "Exit")
NEEDS = ("Money", "Health", "Home", "Family")
INSTRUMENTS = (PHQ9, GAD7, SWEMWBS)
FORMS = {
    "client_intake": "Client intake",
    "phq9": "Form A",
    "gad7": "Form B",
    "swemwbs": "Form C",
    "satisfaction": "Satisfaction",
}
NOT_ANSWERED, DECLINED = "-999", "-888"

Cells = dict[str, Column]


def mapping_of() -> list[str]:
    """The source's mapping block in the region file."""
    lines = ["    mapping:", "      forms:"]
    person = f"          person: {{field: client_ref, scheme: {PROVIDER}_hmis}}"
    for instrument in INSTRUMENTS:
        lines += [f"        {instrument.code}:", *instrument_lines([instrument])]
        lines += ["          total: phq9_total"] if instrument is PHQ9 else []
        lines += [person, f"          assessed_on: {instrument.code}_date"]
    lines += ["        satisfaction:", *rating_lines(), person, "          assessed_on: sat_date"]
    lines += ["          free_text: [sat_comment]"]
    points = ", ".join(f"{event}: {wave}" for event, wave in zip(EVENTS, WAVES, strict=True))
    lines += [f"      events: {{{points}}}"]
    return [*lines, f'      missing_codes: {{"{NOT_ANSWERED}": not_answered, "{DECLINED}": declined}}']


def header() -> list[str]:
    """Columns of the data file."""
    names = ["client_ref", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", "intake_date"]
    names += [f"support_needs___{number}" for number in range(1, len(NEEDS) + 1)]
    names += ["intake_notes", "client_intake_complete"]
    for instrument in INSTRUMENTS:
        names += [f"{instrument.code}_date", *instrument.questions]
        names += ["phq9_total"] if instrument is PHQ9 else []
        names.append(f"{instrument.code}_complete")
    return [*names, "sat_date", *SATISFACTION, "sat_comment", "satisfaction_complete"]


def dictionary() -> bytes:
    """The data dictionary as REDCap writes it. Labels name the item by number only."""
    titles = [
        "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
        "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
        "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)",
        "Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
        "Field Annotation",
    ]  # fmt: skip
    needs = " | ".join(f"{number}, {label}" for number, label in enumerate(NEEDS, start=1))
    rows = [
        _field("client_ref", "client_intake", "text", "Client reference"),
        _field("intake_date", "client_intake", "text", "Date of intake", validation="date_ymd"),
        _field("support_needs", "client_intake", "checkbox", "Support wanted", needs),
        _field("intake_notes", "client_intake", "notes", "Notes"),
    ]
    for instrument in INSTRUMENTS:
        code = instrument.code
        options = " | ".join(f"{n}, {n}" for n in range(instrument.lowest, instrument.highest + 1))
        rows.append(_field(f"{code}_date", code, "text", "Date answered", validation="date_ymd"))
        rows += [_field(q, code, "radio", f"Item {n}", options) for n, q in enumerate(instrument.questions, start=1)]
        if instrument is PHQ9:
            rows.append(_field("phq9_total", code, "calc", "Total", f"sum([{'],['.join(instrument.questions)}])"))
    ratings = " | ".join(f"{n}, {n}" for n in range(1, 6))
    rows.append(_field("sat_date", "satisfaction", "text", "Date answered", validation="date_ymd"))
    rows += [_field(q, "satisfaction", "radio", f"Rating {n}", ratings) for n, q in enumerate(SATISFACTION, start=1)]
    rows.append(_field("sat_comment", "satisfaction", "notes", "Anything else"))
    return _table([titles, *rows])


def _field(name: str, form: str, kind: str, label: str, choices: str = "", validation: str = "") -> list[str]:
    return [name, form, "", kind, label, choices, "", validation, *[""] * 10]


def _table(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def project_files() -> dict[str, bytes]:
    """Everything but the data."""
    per_event = {0: [*FORMS][:4], 1: [*FORMS][1:], 2: [*FORMS][1:]}
    events = [
        [name, "1", code, "", str(3101 + n)] for n, (name, code) in enumerate(zip(EVENT_NAMES, EVENTS, strict=True))
    ]
    mapped = [["1", EVENTS[event], form] for event, forms in per_event.items() for form in forms]
    return {
        "dictionary.csv": dictionary(),
        "arm.csv": _table([["arm_num", "name"], ["1", "Everybody"]]),
        "event.csv": _table(
            [["event_name", "arm_num", "unique_event_name", "custom_event_label", "event_id"], *events]
        ),
        "event_mapping.csv": _table([["arm_num", "unique_event_name", "form"], *mapped]),
        "instruments.csv": _table([["instrument_name", "instrument_label"], *([c, t] for c, t in FORMS.items())]),
    }


@dataclass
class RedcapWriter:
    """Writes the project's deliveries while the provider's people pass by: one record a person, for the first stay."""

    provider: Provider
    ledger: Ledger
    work: Path
    files: list[LineFile] = field(init=False)

    def __post_init__(self) -> None:
        first = (",".join(header()) + "\n").encode()
        self.files = []
        for number, _ in enumerate(DELIVERED):
            folder = self.work / SOURCE / str(number)
            folder.mkdir(parents=True)
            self.files.append(LineFile(folder / "data.csv", first))

    def delivery(self, number: int) -> str:
        return f"deliveries/{SOURCE}/{SOURCE}_{iso(DELIVERED[number] + 3)}.zip"

    def on_course(self, course: Course) -> None:
        if course.block == 0:
            self._plant([guest.code for guest in course.guests])
        draws = Draws(self.ledger.seed, SOURCE, course.block)
        waves = draw_waves(draws, self.provider, course.enrolments)
        first_stay = _first_of(waves.person, waves.stay)
        on, cells = _record_cells(draws, self.provider, waves, first_stay)
        for until, file in zip(DELIVERED, self.files, strict=True):
            file.append(_lines(cells, np.flatnonzero(on <= until)))

    def _plant(self, guests: Sequence[str]) -> None:
        phq9, gad7 = [1, 1, 2, 1, 0, 1, 1, 0, 0], [1, 1, 1, 7, 1, 0, 1]
        plans = (
            (guests[0], gad7, "out_of_range_answer", "gad7_4", "7", 0, 300),
            (guests[1], [1] * 7, "total_mismatch", "phq9_total", str(sum(phq9) + 2), 2, 500),
            ("OAX99999", None, "unattached_response", "client_ref", "OAX99999", 0, 700),
        )
        for client, anxiety, rule, column, value, error, at in plans:
            row = self._row(client, phq9, anxiety, sum(phq9) + error)
            self._insert(row, rule, column, value, at)

    @staticmethod
    def _row(client: str, phq9: Sequence[int], gad7: Sequence[int] | None, total: int) -> dict[str, str]:
        row = dict.fromkeys(header(), "")
        row |= {"client_ref": client, "redcap_event_name": EVENTS[1], "phq9_date": iso(PLANTED_ON)}
        row |= {question: str(answer) for question, answer in zip(PHQ9.questions, phq9, strict=True)}
        row |= {"phq9_total": str(total), "phq9_complete": "2"}
        if gad7:
            row |= {"gad7_date": iso(PLANTED_ON), "gad7_complete": "2"}
            row |= {question: str(answer) for question, answer in zip(GAD7.questions, gad7, strict=True)}
        return row

    def _insert(self, row: dict[str, str], rule: str, column: str, value: str, at: int) -> None:
        defect = Defect(
            self.ledger.defect_id(SOURCE, rule),
            SOURCE,
            self.delivery(1),
            rule,
            "warning",
            MUST[rule],
            file="data.csv",
            table="response" if rule == "unattached_response" else "answer",
            record=f"{row['client_ref']}|{EVENTS[1]}",
            column=column,
            value=value,
        )
        self.ledger.defects.append(defect)
        text = (",".join(row.values()) + "\n").encode()
        self.files[1].insertions = [*self.files[1].insertions, Insertion(at, text, defect.written)]

    def finish(self, root: Path) -> None:
        for number, file in enumerate(self.files):
            file.close()
            path = self.delivery(number)
            write_zip(root / path, {**project_files(), "data.csv": file.path}, iso(DELIVERED[number] + 3))
            fact = DeliveryFact(SOURCE, "redcap", PROVIDER, path, None, "loaded", None, None)
            self.ledger.deliveries.append(replace(fact, rows={"data.csv": file.rows}, landed={"record": file.rows}))
        shutil.rmtree(self.work / SOURCE)


def _first_of(person: Ints, stay: Ints) -> Ints:
    """Rows that belong to the first stay of their person."""
    _, start, place = np.unique(person, return_index=True, return_inverse=True)
    return np.flatnonzero(stay == stay[start][place])


def _record_cells(draws: Draws, provider: Provider, waves: Waves, chosen: Ints) -> tuple[Ints, Cells]:
    """Rows of the data file, in order of record, event and repeat: their days and their cells."""
    items = {i.code: draw_items(draws, i, draw_scores(draws, i, waves))[chosen] for i in INSTRUMENTS}
    person, wave, on = waves.person[chosen], waves.wave[chosen], waves.on[chosen]
    ratings = draw_ratings(draws, waves.is_worse[chosen])
    size = len(chosen)
    times = np.where(wave == START, 0, np.where(wave == END, 1 + draws.below(2, size), draws.below(2, size)))
    row = np.concatenate([np.arange(size), np.repeat(np.arange(size), times)])
    before = np.repeat(np.cumsum(times) - times, times)
    instance = np.concatenate([np.zeros(size, dtype=np.int64), np.arange(times.sum()) - before + 1])
    order = np.lexsort((instance, wave[row], person[row]))
    row, instance = row[order], instance[order]
    is_repeat = instance > 0
    is_intake = ~is_repeat & (wave[row] == START)
    size = len(row)
    cells: Cells = {
        "client_ref": person_ids(provider, person[row]),
        "redcap_event_name": Labels(EVENTS, wave[row]),
        "redcap_repeat_instrument": Labels(("satisfaction",), np.where(is_repeat, 0, MISSING)),
        "redcap_repeat_instance": Numbers(np.where(is_repeat, instance, MISSING)),
        "intake_date": Days(np.where(is_intake, on[row], -(10**6))),
        "intake_notes": BLANK,
        "client_intake_complete": Numbers(np.where(is_intake, 2, MISSING)),
    }
    for number in range(1, len(NEEDS) + 1):
        cells[f"support_needs___{number}"] = Numbers(np.where(is_intake, draws.below(2, size), MISSING))
    for instrument in INSTRUMENTS:
        cells |= _instrument_cells(instrument, items[instrument.code][row], is_repeat, on[row], person[row])
    rated = np.where(is_repeat[:, None], np.clip(ratings[row] - (instance[:, None] > 1), 1, 5), MISSING)
    cells |= {question: Numbers(rated[:, place]) for place, question in enumerate(SATISFACTION)}
    said = np.where(is_repeat & draws.chance(300, size), draws.below(len(COMMENTS), size), MISSING)
    return on[row], cells | {
        "sat_date": Days(np.where(is_repeat, on[row], -(10**6))),
        "sat_comment": Labels(COMMENTS, said),
        "satisfaction_complete": Numbers(np.where(is_repeat, 2, MISSING)),
    }


def _instrument_cells(instrument: Instrument, items: Ints, is_repeat: Flags, on: Ints, person: Ints) -> Cells:
    """A missing answer is exported as a code that says why."""
    labels = [*(str(value) for value in range(instrument.highest + 1)), NOT_ANSWERED, DECLINED]
    code = instrument.highest + 1 + (person % 3 == 0)
    cells: Cells = {f"{instrument.code}_date": Days(np.where(is_repeat, -(10**6), on))}
    for place, question in enumerate(instrument.questions):
        value = np.where(items[:, place] == MISSING, code, items[:, place])
        cells[question] = Labels(labels, np.where(is_repeat, MISSING, value))
    if instrument is PHQ9:
        cells["phq9_total"] = Numbers(np.where(is_repeat, MISSING, total_of(items)))
    return cells | {f"{instrument.code}_complete": Numbers(np.where(is_repeat, MISSING, 2))}


def _lines(cells: Cells, rows: Ints) -> Texts:
    parts: list[Texts | str] = []
    for name in header():
        parts += [cells.get(name, Constant()).texts(rows), ","]
    return join([*parts[:-1], "\n"], len(rows))
