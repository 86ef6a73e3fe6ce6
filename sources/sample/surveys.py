"""The survey sources of the region: who asks what, what is planted, and the deliveries.

What belongs here: sources with their forms and mapping blocks, and the way from stays to responses. What does not: the
shapes of the files (``odk_export``, ``redcap_export``) and the course of scores (``survey_answers``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sources.sample.calendar import DAY_SECONDS, NEVER, day, iso
from sources.sample.columns import Column, Constant, Labels
from sources.sample.draws import Draws, Ints, by_weight, weighted
from sources.sample.files import Insertion, write_zip
from sources.sample.hmis import Course
from sources.sample.hmis_defects import Guest
from sources.sample.hmis_tables import person_ids
from sources.sample.odk_export import COMMENTS, Form, FormFiles, Repeat, Responses, single
from sources.sample.planted import Defect, DeliveryFact, Ledger
from sources.sample.survey_answers import (
    END,
    GAD7,
    MID,
    MISSING,
    PHQ9,
    POM,
    SATISFACTION,
    STAR,
    SWEMWBS,
    Instrument,
    Waves,
    draw_decisions,
    draw_items,
    draw_ratings,
    draw_readings,
    draw_scores,
    draw_waves,
)
from sources.sample.world import JUNE, SEPTEMBER, Provider

DELIVERED = (JUNE, SEPTEMBER)
PLANTED_ON = day("2025-08-11")
"""After the first delivery, so that a planted response is in one delivery only."""
_FIRST_PLANTED = 10**9
_REVIEW = weighted({MISSING: 70, 0: 25, 1: 4, 2: 1})
_REPEATS = weighted({0: 30, 1: 35, 2: 25, 3: 10})

SUPPORTS = Repeat("supports", {"support_kind": ("benefits", "housing", "health", "work"), "minutes": None})
GOALS = Repeat("goals", {"goal_area": ("home", "money", "people", "health"), "progress": ("1", "2", "3", "4", "5")})
_SATISFACTION = Form("satisfaction", "answered_on", SATISFACTION, "2", has_wave=False, comment="sat_comment")
_LIVES_IN = ("own_flat", "shared_house", "dormitory")
"""Strata of the sampling frame of Harbour Housing; Tidewell's are age bands."""
_CONTENT = by_weight((80, 16, 4))
_LESS_CONTENT = by_weight((45, 35, 20))


@dataclass(frozen=True)
class OdkForm:
    """A form and the instruments on it, which are drawn as courses of scores; none for satisfaction."""

    form: Form
    instruments: tuple[Instrument, ...] = ()
    stratum: str | None = None
    """What of the person is the stratum of the sampling frame."""
    is_interview: bool = False
    """Decisions at the end of a stay instead of a course of scores."""
    is_star: bool = False
    """Readings of scales instead of items that add up to a score."""

    @property
    def range(self) -> tuple[int, int]:
        """Lowest answer, and how many there are."""
        if not self.instruments:
            return 1, 5
        return self.instruments[0].lowest, self.instruments[0].units + 1


@dataclass(frozen=True)
class OdkSource:
    """What one provider asks with ODK."""

    provider: str
    is_json: bool
    forms: tuple[OdkForm, ...]

    @property
    def id(self) -> str:
        return f"{self.provider}_odk"


ODK_SOURCES = (
    OdkSource(
        "harbour",
        True,
        (
            OdkForm(
                Form("wellbeing_check", "visit_date", PHQ9.questions, "3", total="phq9_total", repeat=SUPPORTS), (PHQ9,)
            ),
            OdkForm(replace(_SATISFACTION, stratum=("lives_in", _LIVES_IN))),
        ),
    ),
    OdkSource(
        "tidewell",
        True,
        (
            OdkForm(Form("check_in", "visit_date", (*PHQ9.questions, *GAD7.questions), "1"), (PHQ9, GAD7)),
            OdkForm(_SATISFACTION, stratum="age_band"),
            OdkForm(
                Form("outcome_interview", "held_on", POM.questions, "1", has_wave=False), (POM,), is_interview=True
            ),
        ),
    ),
    OdkSource(
        "millrace",
        False,
        (
            OdkForm(Form("wellbeing_scale", "visit_date", SWEMWBS.questions, "5", repeat=GOALS), (SWEMWBS,)),
            OdkForm(_SATISFACTION),
            OdkForm(Form("star_chart", "visit_date", STAR.questions, "1"), (STAR,), is_star=True),
        ),
    ),
)


def mapping_of(source: OdkSource) -> list[str]:
    """The source's mapping block in the region file."""
    lines = ["    mapping:", "      forms:"]
    for known in source.forms:
        form = known.form
        lines.append(f"        {form.code}:")
        lines += instrument_lines(known.instruments) or rating_lines()
        if form.total:
            lines.append(f"          total: {form.total}")
        lines += [
            f"          person: {{field: client_ref, scheme: {source.provider}_hmis}}",
            f"          assessed_on: {form.date}",
        ]
        lines += ["          timepoint: wave"] if form.has_wave else []
        lines += [f"          stratum: {form.stratum[0]}"] if form.stratum else []
        lines += [f"          stratum: {{person: {known.stratum}}}"] if known.stratum else []
        lines.append(f"          free_text: [{form.comment}]")
        if form.repeat:
            lines.append(f"          plain: [{', '.join(form.repeat.options)}]")
    return lines


def rating_lines() -> list[str]:
    """Which question is which rating of the satisfaction survey."""
    items = ", ".join(f"{question}: {number}" for number, question in enumerate(SATISFACTION, start=1))
    return ["          instrument: satisfaction", f"          items: {{{items}}}"]


def instrument_lines(instruments: Sequence[Instrument]) -> list[str]:
    """Which question is which item."""
    items = [
        "{" + ", ".join(f"{question}: {number}" for number, question in enumerate(known.questions, start=1)) + "}"
        for known in instruments
    ]
    if len(instruments) == 1:
        return [f"          instrument: {instruments[0].code}", f"          items: {items[0]}"]
    if not instruments:
        return []
    return [
        "          instruments:",
        *(f"            {known.code}: {block}" for known, block in zip(instruments, items, strict=True)),
    ]


def submit(known: OdkForm, draws: Draws, provider: Provider, waves: Waves, first: int, seed: int) -> Responses:
    """Submissions of one form by the people who were asked, numbered from ``first`` on."""
    if known.is_interview:
        rows = waves.only(END)
        rows = rows[draws.chance(500, len(rows))]
        answers = draw_decisions(draws, waves.is_worse[rows])
    elif known.is_star:
        rows = np.arange(len(waves.on))
        answers = draw_readings(draws, waves)
    elif known.instruments:
        rows = np.arange(len(waves.on))
        drawn = [draw_items(draws, i, draw_scores(draws, i, waves)) for i in known.instruments]
        answers = np.concatenate(drawn, axis=1)
    else:
        rows = waves.only(END)
        rows = rows[draws.chance(650, len(rows))]
        answers = draw_ratings(draws, waves.is_worse[rows])
    size = len(rows)
    submitted = waves.submitted[rows] + (0 if known.instruments else 900)
    edited = (submitted < JUNE * DAY_SECONDS) & draws.chance(30, size) & (answers[:, 0] != MISSING)
    moment = draws.between((JUNE + 3) * DAY_SECONDS, (SEPTEMBER - 10) * DAY_SECONDS, size)
    before = answers.copy()
    lowest, span = known.range
    before[:, 0] = np.where(edited, (answers[:, 0] - lowest + 1) % span + lowest, answers[:, 0])
    comment = np.where(draws.chance(350, size), draws.below(len(COMMENTS), size), MISSING)
    return Responses(
        number=first + np.arange(size),
        client=person_ids(provider, waves.person[rows]),
        on=waves.on[rows],
        submitted=submitted,
        wave=waves.wave[rows],
        answers=answers,
        before=before,
        edited=np.where(edited, moment, NEVER),
        comment=Labels(COMMENTS, comment),
        review=draws.out_of(_REVIEW, size),
        repeats=draws.out_of(_REPEATS, size),
        repeat_values=draws.below(10_000, size),
        stratum=_strata(known.form, answers, Draws(seed, provider.id, "strata", first)),
    )


def _strata(form: Form, answers: Ints, draws: Draws) -> Ints:
    """Those with a flat of their own are the content ones, and most of those who answer; the frame knows better. The
    draws are others than those of the answers, so that what was there before them stays as it is."""
    size = len(answers)
    if not form.stratum:
        return np.full(size, MISSING)
    is_content = answers.sum(axis=1) >= 4 * answers.shape[1]
    return np.where(is_content, draws.out_of(_CONTENT, size), draws.out_of(_LESS_CONTENT, size))


@dataclass
class OdkWriter:
    """Writes the deliveries of one ODK source while its provider's people pass by."""

    source: OdkSource
    provider: Provider
    ledger: Ledger
    work: Path
    files: list[list[FormFiles]] = field(init=False)
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0 for _ in self.source.forms]
        self.files = [
            [
                FormFiles(known.form, self._salt(place), until, self.source.is_json, self._folder(number))
                for place, known in enumerate(self.source.forms)
            ]
            for number, until in enumerate(DELIVERED)
        ]

    def _salt(self, place: int) -> int:
        known = ODK_SOURCES.index(self.source)
        return self.ledger.seed * 1000 + known * 100 + place * 10 + 1

    def _folder(self, number: int) -> Path:
        return self.work / self.source.id / str(number)

    def delivery(self, number: int) -> str:
        name = self.source.id
        return f"deliveries/{name}/{name}_{iso(DELIVERED[number] + 3)}.zip"

    def on_course(self, course: Course) -> None:
        if course.block == 0:
            _PLANS[self.source.provider](OdkDefects(self, course.guests))
        draws = Draws(self.ledger.seed, self.source.id, course.block)
        waves = draw_waves(draws, self.provider, course.enrolments)
        for place, known in enumerate(self.source.forms):
            responses = submit(known, draws, self.provider, waves, self.counts[place], self.ledger.seed)
            self.counts[place] += len(responses.number)
            for delivery in self.files:
                delivery[place].append(responses)

    def finish(self, root: Path) -> None:
        for number, delivery in enumerate(self.files):
            members: dict[str, Path | bytes] = {}
            rows: dict[str, int] = {}
            for form in delivery:
                form.close(members, rows)
            path = self.delivery(number)
            write_zip(root / path, members, iso(DELIVERED[number] + 3))
            main = sum(form.main.rows for form in delivery)
            fact = DeliveryFact(self.source.id, "odk", self.source.provider, path, None, "loaded", None, None)
            self.ledger.deliveries.append(replace(fact, rows=rows, landed={"response": main}))
        shutil.rmtree(self.work / self.source.id)


@dataclass
class OdkDefects:
    """Plants responses into the second delivery. They are about people made for it, so nobody's scores change."""

    writer: OdkWriter
    guests: Sequence[Guest]
    planted: int = 0

    def add(
        self,
        place: int,
        guest: int,
        answers: Sequence[int],
        rule: str | None = None,
        column: str | None = None,
        value: str | None = None,
        client: str | None = None,
        total_error: int = 0,
        tells_name: bool = False,
    ) -> None:
        writer = self.writer
        files = writer.files[1][place]
        person = self.guests[guest]
        number = _FIRST_PLANTED + self.planted
        self.planted += 1
        comment: Column = (
            Constant(f"spoke with {person.given} {person.family} about the room")
            if tells_name
            else (Labels(COMMENTS, np.array([0])))
        )
        code = client or person.code
        responses = single(number, Constant(code), PLANTED_ON, MID, answers, comment, total_error)
        line = files.lines(responses, np.array([0])).to_pylist()[0]
        defect = self._defect(rule, files, number, column, value) if rule else None

        def written(line: int, row_number: int) -> None:
            if defect:
                defect.written(line, row_number)

        insertion = Insertion(150 + 130 * self.planted % 800, line.encode(), written)
        files.main.insertions = [*files.main.insertions, insertion]

    def _defect(self, rule: str, files: FormFiles, number: int, column: str | None, value: str | None) -> Defect:
        writer = self.writer
        record = files.submission_id(number)
        defect = Defect(
            writer.ledger.defect_id(writer.source.id, rule),
            writer.source.id,
            writer.delivery(1),
            rule,
            "warning",
            MUST[rule],
            file=f"{files.form.code}/{files.main.path.name}",
            table="response" if rule == "unattached_response" else "answer",
            record=record,
            column=column,
            value=value,
        )
        writer.ledger.defects.append(defect)
        return defect


MUST = {
    "out_of_range_answer": "the answer becomes NULL (never clamped), the response has no score; a warning is reported",
    "unattached_response": "the response is kept without a person and listed in the worklist",
    "total_mismatch": "the computed total is used; a warning is reported",
}
_PLAIN_PHQ9 = (1, 1, 2, 1, 0, 1, 1, 0, 0)
_PLAIN_GAD7 = (1, 1, 1, 0, 1, 0, 1)
_PLAIN_SWEMWBS = (3, 3, 4, 3, 3, 4, 4)


def _harbour(d: OdkDefects) -> None:
    d.add(0, 0, _PLAIN_PHQ9, "total_mismatch", "phq9_total", str(sum(_PLAIN_PHQ9) + 3), total_error=3)
    d.add(0, 1, _PLAIN_PHQ9, "unattached_response", "client_ref", "HBX99999", client="HBX99999")
    d.add(0, 2, _PLAIN_PHQ9, tells_name=True)
    d.add(1, 3, (4, 4, 5, 4), tells_name=True)


def _tidewell(d: OdkDefects) -> None:
    wrong = (1, 1, 7, *_PLAIN_PHQ9[3:])
    d.add(0, 0, (*wrong, *_PLAIN_GAD7), "out_of_range_answer", "phq9_3", "7")
    d.add(1, 1, (3, 3, 4, 3), "unattached_response", "client_ref", "TWX99999", client="TWX99999")
    d.add(0, 2, (*_PLAIN_PHQ9, *_PLAIN_GAD7), tells_name=True)


def _millrace(d: OdkDefects) -> None:
    d.add(0, 0, (3, 9, *_PLAIN_SWEMWBS[2:]), "out_of_range_answer", "swemwbs_2", "9")
    d.add(0, 1, _PLAIN_SWEMWBS, "unattached_response", "client_ref", "MRX99999", client="MRX99999")
    d.add(0, 2, _PLAIN_SWEMWBS, tells_name=True)


_PLANS: dict[str, Callable[[OdkDefects], None]] = {"harbour": _harbour, "tidewell": _tidewell, "millrace": _millrace}
