"""How the region's organisations run: staff, money, reviews, appointments, goals, plans, targets, and what is done
about them.

What belongs here: the rows of each entity and their relations (where an organisation gets worse, posts stay empty,
supervision falls out, reviews and reports are late, and appointments are missed). What does not: files
(``management_files``) and planted defects (``management_defects``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import numpy as np

from sources.sample.calendar import FIRST_DAY, LAST_DAY, NEVER, day, end_of, iso
from sources.sample.draws import Draws, Ints
from sources.sample.funders import FUNDERS, Award, awards_of
from sources.sample.hmis import Course
from sources.sample.hmis_tables import enrolment_ids, person_ids
from sources.sample.names import family_names, given_names
from sources.sample.planted import Ledger
from sources.sample.world import PROVIDERS, Project, Provider

Value = str | int | Decimal | None
Row = dict[str, Value]

_MOST_STAYS = 160
"""Stays of a provider with reviews and goals, at most."""
_REVIEW_EVERY = 84
_APPOINTMENT_EVERY = 21
_REPORT_EVERY = 91
_REGION_SPEAKER = "harbour"
"""Who sends the population of the whole region."""
_FRIENDS = 12
"""Names that occur in what people say."""
_ROLES = (("case_worker", 3, 6), ("support_worker", 1, 4), ("manager", 1, 1))
"""Role, and fewest and most posts of a team."""
_STATEMENTS = (
    ("leadership", "aims_are_clear"),
    ("leadership", "figures_are_used"),
    ("learning", "we_learn_from_mistakes"),
    ("learning", "supervision_helps"),
    ("person_centred", "people_set_their_goals"),
    ("person_centred", "time_to_talk"),
)
_RUBRIC = (("maturity", "leadership"), ("maturity", "measurement"), ("maturity", "improvement"))
_WISHES = (
    ("TP02", "improve", "To get back to the bowling club"),
    ("TP03", "improve", "To see {name} every week again"),
    ("TP05", "maintain", "To stay in my own flat"),
    ("TP04", "maintain", "To keep well through the winter"),
    ("TP08", "improve", "To have a say in what happens next"),
    ("TP12", "improve", "To trust myself to use the bus"),
    ("TP13", "improve", "To cook for {name} and me"),
    ("POM08", "improve", "To find my way around town"),
    ("POM12", "maintain", "To stay close to my family"),
)


def months() -> list[tuple[int, int]]:
    """First and last day of the months that the sample covers."""
    first = np.arange("2022-10", "2025-11", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return [(int(a), int(b) - 1) for a, b in pairwise(first)]


@dataclass
class Management:
    """The rows of one provider by entity, in the order in which they are written."""

    provider: Provider
    ledger: Ledger
    rows: dict[str, list[Row]] = field(default_factory=dict)
    _stays: list[Course] = field(default_factory=list)

    def on_course(self, course: Course) -> None:
        """Hear of a block's enrolments; the first has enough of them."""
        if course.block == 0:
            self._stays.append(course)

    def draw(self) -> None:
        """Draw everything that the provider keeps about itself."""
        draws = Draws(self.ledger.seed, "management", self.provider.id)
        self.rows = {
            **_staff(draws, self.provider),
            "finance": _finance(draws, self.provider, self.ledger),
            "culture": _culture(draws, self.provider),
            **self._people(draws),
            **_plan(draws, self.provider, self.ledger),
        }
        self.rows["outcome_link"] = _outcome_links(self.rows["goal"])
        self.rows["action"] += _answers(self.provider, self.rows["staffing"], len(self.rows["action"]))
        # Draws of their own, so that what was there before them stays as it is.
        self.rows["appointment"] = self._appointments(Draws(self.ledger.seed, "appointments", self.provider.id))
        self.rows["funder_report"] = _reports(
            Draws(self.ledger.seed, "reports", self.provider.id), self.provider, self.ledger
        )
        self.rows["reference_population"] = _population_in_need(self.provider)
        self.rows["sampling_frame"] = _sampling_frame(self.provider, self.ledger.people)

    def _appointments(self, draws: Draws) -> list[Row]:
        """Every three weeks of a stay; the booking system knows person and service, not the stay."""
        rows: list[Row] = []
        for person, _episode, entry, until, _has_left, service in self._chosen(draws):
            for planned in range(max(entry, FIRST_DAY) + 7, until + 1, _APPOINTMENT_EVERY):
                came, ahead = draws.below(1000, 2).tolist()
                code, cancelled = _came_of_it(came, planned, ahead, is_worse=_is_worse(self.provider, planned))
                rows.append(
                    {
                        "service_code": service,
                        "appointment_code": f"{self.provider.prefix}B{len(rows) + 1:06d}",
                        "person_code": person,
                        "appointed_on": iso(planned),
                        "attendance_code": code,
                        "cancelled_on": iso(cancelled) if cancelled is not None else None,
                    }
                )
        return rows

    def _people(self, draws: Draws) -> dict[str, list[Row]]:
        reviews: list[Row] = []
        goals: list[Row] = []
        ratings: list[Row] = []
        for person, episode, entry, until, has_left, _service in self._chosen(draws):
            done = _reviews(draws, self.provider, reviews, person, episode, entry, until)
            self._goals(draws, goals, ratings, person, episode, entry, until if has_left else None, done)
        return {"review": reviews, "goal": goals, "goal_review": ratings}

    def _chosen(self, draws: Draws) -> list[tuple[str, str, int, int, bool, str]]:
        """Person, episode, first and last day, whether the stay has ended, and service, of stays that last some
        months."""
        found: list[tuple[str, str, int, int, bool, str]] = []
        for course in self._stays:
            e = course.enrolments
            until = np.minimum(e.exit, LAST_DAY)
            fits = e.is_head & (e.deleted == NEVER) & (e.created <= end_of(self.provider.loaded_until))
            at: Ints = np.flatnonzero(fits & (until - e.entry >= 30) & (until >= FIRST_DAY))[:_MOST_STAYS]
            people = person_ids(self.provider, e.person).texts(at).to_pylist()
            stays = enrolment_ids(self.provider, e.number).texts(at).to_pylist()
            for place, person, stay in zip(at.tolist(), people, stays, strict=True):
                service = self.provider.projects[int(e.project[place])].code
                has_left = int(e.exit[place]) < NEVER
                found.append((person, stay, int(e.entry[place]), int(until[place]), has_left, service))
        return found

    def _goals(
        self,
        draws: Draws,
        goals: list[Row],
        ratings: list[Row],
        person: str,
        episode: str,
        entry: int,
        left: int | None,
        reviewed: Sequence[int],
    ) -> None:
        for _ in range(int(draws.between(1, 2, 1)[0])):
            wish, weight, importance, start, luck, name = draws.below(1000, 6).tolist()
            node, intent, words = _WISHES[wish % len(_WISHES)]
            code = f"{self.provider.prefix}G{len(goals) + 1:05d}"
            baseline = -1 - start % 2 if intent == "improve" else 0
            level = baseline
            is_worse = self.provider.worsens_on is not None and (left or LAST_DAY) >= self.provider.worsens_on
            rated = [d for d in reviewed if d > entry + 14]
            for at in rated:
                step = int(draws.below(100, 1)[0])
                level = max(-2, min(2, level + (1 if step < (35 if is_worse else 55) else -1 if step > 88 else 0)))
                ratings.append(
                    {"goal_code": code, "rated_on": iso(at), "attainment_level": level, "rated_by_code": "together"}
                )
            goals.append(
                {
                    "goal_code": code,
                    "person_code": person,
                    "episode_code": episode,
                    "stated_on": iso(max(entry + 7, 0)),
                    "holder_code": "carer" if luck % 12 == 0 else "person",
                    "statement": words.format(name=self._name(name)),
                    "framework_code": "pom" if node.startswith("POM") else "talking_points",
                    "node_code": node,
                    "importance": 4 + importance % 7,
                    "intent_code": intent,
                    "weight": 1 + weight % 3,
                    "baseline_level": baseline,
                    "status_code": _status(luck, intent, level, is_closed=left is not None),
                    "closed_on": iso(left) if left is not None else None,
                }
            )

    def _name(self, pick: int) -> str:
        pick %= _FRIENDS
        name = f"{given_names()[pick]} {family_names()[pick * 7]}"
        self.ledger.identify(names=name)
        return name


def _status(luck: int, intent: str, level: int, *, is_closed: bool) -> str:
    if luck < 80:
        return "withdrawn" if luck < 40 else "changed"
    if not is_closed:
        return "active"
    if intent == "maintain":
        return "maintained" if level >= 0 else "not_met"
    return "met" if level >= 0 else "partly_met" if level == -1 else "not_met"


def _is_worse(provider: Provider, on: int) -> bool:
    return provider.worsens_on is not None and on >= provider.worsens_on


def team_of(project: Project) -> str:
    """Code of the team that runs a project."""
    return f"{project.code}-T"


def _staff(draws: Draws, provider: Provider) -> dict[str, list[Row]]:
    staffing: list[Row] = []
    supervision: list[Row] = []
    training: list[Row] = []
    for project in provider.projects:
        posts = [(role, int(draws.between(few, many, 1)[0]) * 100) for role, few, many in _ROLES]
        staffing += _posts(draws, provider, project, posts)
        for number in range(sum(count for _, count in posts) // 100):
            code = f"{project.code}S{number + 1:02d}"
            supervision += _supervised(draws, provider, project, code)
            training += _trained(draws, project, code)
    staffing.sort(key=lambda r: str(r["month_end_on"]))
    supervision.sort(key=lambda r: (str(r["month_end_on"]), str(r["staff_code"])))
    return {"staffing": staffing, "supervision": supervision, "training": training}


def _posts(draws: Draws, provider: Provider, project: Project, posts: Sequence[tuple[str, int]]) -> list[Row]:
    rows: list[Row] = []
    for role, established in posts:
        filled = established
        for _, last in months():
            leave, start, away = draws.below(1000, 3).tolist()
            worse = _is_worse(provider, last)
            leavers = 100 if filled >= 100 and leave < (90 if worse else 30) else 0
            starters = 100 if established - filled >= 100 and start < (120 if worse else 450) else 0
            filled += starters - leavers
            absent = min(filled, 50 if away < (300 if worse else 120) else 0)
            rows.append(
                {
                    "service_code": project.code,
                    "team_code": team_of(project),
                    "role_code": role,
                    "month_end_on": iso(last),
                    "fte_established": hundredths(established),
                    "fte_in_post": hundredths(filled),
                    "fte_absent": hundredths(absent),
                    "fte_case_holding": hundredths(filled - absent if role == "case_worker" else 0),
                    "starters_fte": hundredths(starters),
                    "leavers_fte": hundredths(leavers),
                    "transfers_fte": hundredths(0),
                }
            )
    return rows


def _supervised(draws: Draws, provider: Provider, project: Project, code: str) -> list[Row]:
    rows: list[Row] = []
    for _, last in months():
        away, held, long = draws.below(1000, 3).tolist()
        sessions = 0 if away < 30 else 1 if held < (450 if _is_worse(provider, last) else 860) else 0
        rows.append(
            {
                "service_code": project.code,
                "team_code": team_of(project),
                "role_code": "case_worker",
                "staff_code": code,
                "month_end_on": iso(last),
                "is_eligible": "no" if away < 30 else "yes",
                "session_count": sessions,
                "hours": hundredths(sessions * (100 if long < 700 else 150)),
            }
        )
    return rows


def _trained(draws: Draws, project: Project, code: str) -> list[Row]:
    joined, takes, after, follow, left = draws.below(1000, 5).tolist()
    joined_on = FIRST_DAY - 400 + joined
    left_on = joined_on + 500 + left if left < 120 and joined_on + 500 + left < LAST_DAY else None
    rows: list[Row] = []
    for course, is_outcomes, share in (("outcomes_basics", "yes", 780), ("safeguarding", "no", 950)):
        done = joined_on + 30 + after % 240 if takes < share else None
        done = None if done is not None and done > LAST_DAY else done
        followed = done + 60 if done is not None and is_outcomes == "yes" and follow < 600 else None
        rows.append(
            {
                "service_code": project.code,
                "team_code": team_of(project),
                "role_code": "case_worker",
                "staff_code": code,
                "joined_on": iso(joined_on),
                "left_on": iso(left_on) if left_on is not None else None,
                "course_code": course,
                "is_outcomes_course": is_outcomes,
                "completed_on": iso(done) if done is not None else None,
                "expires_on": iso(done + 730) if done is not None else None,
                "follow_up_on": iso(followed) if followed is not None and followed <= LAST_DAY else None,
                "hours": hundredths(700),
            }
        )
    return rows


def hundredths(value: int) -> Decimal:
    """An amount that is counted in hundredths."""
    return Decimal(value) / 100


def awards_to(provider: Provider, ledger: Ledger) -> list[Award]:
    """Two awards to the provider that run within the period, the same each time."""
    found = []
    for funder in FUNDERS[:2]:
        scratch = Ledger(ledger.seed, ledger.people)
        mine = [
            a
            for a in awards_of(funder, scratch)
            if a.recipient == provider.name
            and a.currency == "GBP"
            and isinstance(a.awarded, int)
            and FIRST_DAY <= a.awarded <= LAST_DAY - 200
        ]
        found += mine[:1]
    return found


def _finance(draws: Draws, provider: Provider, ledger: Ledger) -> list[Row]:
    rows: list[Row] = []
    lines = [
        (project.code, f"CC-{project.code}", int(draws.between(16, 42, 1)[0]) * 1000) for project in provider.projects
    ]
    awards = awards_to(provider, ledger)
    for first, last in months():
        for service, centre, budget in lines:
            share, bound = draws.below(1000, 2).tolist()
            spent = budget * (930 + share % 120 + (90 if _is_worse(provider, last) else 0)) // 1000
            rows.append(_line(service, centre, None, first, budget, spent, bound * 4, None))
        for award in awards:
            share = int(draws.below(300, 1)[0])
            begins = int(award.awarded) + 30
            if begins <= first < begins + award.months * 365 // 12 and isinstance(award.amount, int):
                part = award.amount // award.months
                spent = part * (800 + share) // 1000
                rows.append(_line(lines[0][0], lines[0][1], award.id, first, part, spent, 0, spent))
    return rows


def _line(
    service: str, centre: str, award: str | None, first: int, budget: int, spent: int, bound: int, eligible: int | None
) -> Row:
    return {
        "service_code": service,
        "cost_centre_code": centre,
        "award_code": award,
        "month_start_on": iso(first),
        "budget_amount": Decimal(budget),
        "actual_amount": Decimal(spent),
        "commitment_amount": Decimal(bound),
        "eligible_amount": None if eligible is None else Decimal(eligible),
        "currency_code": "GBP",
    }


def _culture(draws: Draws, provider: Provider) -> list[Row]:
    rows: list[Row] = []
    for year in (2023, 2024, 2025):
        wave, on = f"{year}-spring", day(f"{year}-03-01")
        worse = _is_worse(provider, on)
        for number in range(int(draws.between(12, 18, 1)[0])):
            team = team_of(provider.projects[number % len(provider.projects)])
            for domain, statement in _STATEMENTS:
                now, ideal = draws.below(100, 2).tolist()
                current = min(5, 2 + now // 30) - (1 if worse and now > 20 else 0)
                rows.append(
                    _answer("culture_survey", wave, on + number, team, f"{wave}-{number + 1:02d}", domain, statement,
                            max(1, current), 4 + (ideal > 40))
                )  # fmt: skip
        for domain, statement in _RUBRIC:
            level = min(5, 2 + int(draws.below(2, 1)[0]) + (year - 2023) // 2)
            rows.append(_answer("maturity_rubric", str(year), on + 30, None, "panel", domain, statement, level, 5))
    return rows


def _answer(
    instrument: str, wave: str, on: int, team: str | None, who: str, domain: str, statement: str, now: int, ideal: int
) -> Row:
    return {
        "instrument_code": instrument,
        "wave_code": wave,
        "answered_on": iso(on),
        "team_code": team,
        "respondent_code": who,
        "domain_code": domain,
        "statement_code": statement,
        "score_current": now,
        "score_ideal": ideal,
    }


def _reviews(
    draws: Draws, provider: Provider, rows: list[Row], person: str, episode: str, entry: int, until: int
) -> list[int]:
    """Add the reviews of a stay. Returns the days on which they were done."""
    done: list[int] = []
    for due in range(entry + _REVIEW_EVERY, until + 1, _REVIEW_EVERY):
        if due < FIRST_DAY:
            continue
        punctual, days, talk, back, agreed = draws.below(1000, 5).tolist()
        on = due - days % 8 if punctual < (430 if _is_worse(provider, due) else 840) else due + 5 + days % 60
        is_done = on <= until
        rows.append(
            {
                "review_code": f"{provider.prefix}R{len(rows) + 1:05d}",
                "person_code": person,
                "episode_code": episode,
                "due_on": iso(due),
                "done_on": iso(on) if is_done else None,
                "outcomes_discussed_code": _said(talk) if is_done else None,
                "outcomes_revisited_code": _said(back) if is_done else None,
                "is_action_agreed": ("yes" if agreed < 600 else "no") if is_done else None,
            }
        )
        if is_done:
            done.append(on)
    return done


def _said(draw: int) -> str:
    return "yes" if draw < 740 else "no" if draw < 860 else "declined" if draw < 940 else "unknown"


def _came_of_it(came: int, planned: int, ahead: int, *, is_worse: bool) -> tuple[str, int | None]:
    """What came of an appointment, and the day of its cancellation."""
    missed = 220 if is_worse else 110
    if planned > LAST_DAY - 5:
        return "booked", None
    if came < missed:
        return ("arrived_too_late" if came % 9 == 0 else "did_not_attend"), None
    if came < missed + 40:
        return "cancelled_by_person", planned - ahead % 5
    if came < missed + 70:
        return "cancelled_by_provider", planned - ahead % 8
    return "attended", None


def _reports(draws: Draws, provider: Provider, ledger: Ledger) -> list[Row]:
    """A report a quarter of each award, due after its first months; the last of an award is the final one."""
    rows: list[Row] = []
    for award in awards_to(provider, ledger):
        begins = int(award.awarded) + 30
        ends = begins + award.months * 365 // 12
        for number, due in enumerate(range(begins + _REPORT_EVERY, ends + 30, _REPORT_EVERY), start=1):
            punctual, days, longer = draws.below(1000, 3).tolist()
            extended = due + 28 if longer < 120 else None
            last = extended or due
            sent = last - days % 9 if punctual < (550 if _is_worse(provider, due) else 860) else last + 1 + days % 30
            rows.append(
                {
                    "award_code": award.id,
                    "report_code": f"R{number:02d}",
                    "due_on": iso(due),
                    "extended_due_on": iso(extended) if extended is not None else None,
                    "submitted_on": iso(sent) if sent <= LAST_DAY else None,
                }
            )
    return rows


_IN_NEED = {
    "sex": {"female": 3900, "male": 5900, "other": 200},
    "disability": {"yes": 4700, "no": 5300},
    "age_band": {
        "0_17": 1900, "18_24": 1300, "25_34": 2000, "35_44": 1900, "45_54": 1500, "55_64": 900, "65_plus": 500,
    },
    "ethnicity": {
        "white": 5200, "black": 1900, "hispanic": 1500, "asian": 500, "multiple": 400,
        "american_indian_or_alaska_native": 200, "pacific_islander": 50, "unknown": 250,
    },
}  # fmt: skip
"""People in need of the invented region, by group."""


def _population_in_need(provider: Provider) -> list[Row]:
    """The region's, from one who speaks for it, and of 2021 and 2023; Tidewell's own town is younger."""
    rows: list[Row] = []
    if provider.id == _REGION_SPEAKER:
        for year in (2021, 2023):
            rows += _in_need("region", "Demo region", year, _IN_NEED, 100)
    elif provider.id == "tidewell":
        rows += _in_need("organisation", "Tidewell town", 2022, {"age_band": _IN_NEED["age_band"]}, 40)
    return rows


def _sampling_frame(provider: Provider, people: int) -> list[Row]:
    """Whom the satisfaction survey speaks for, by year; only Harbour says how many it invited. Few answer of its
    house and dormitory, and nobody of its last stratum."""
    return [
        {
            "form_code": "satisfaction",
            "period_start_on": f"{year}-04-01",
            "stratum_code": stratum,
            "population_count": 4 + people * permille // 1000,
            "invited_count": 4 + people * permille // 1500 if provider.id == "harbour" else None,
        }
        for year in (2023, 2024, 2025)
        for stratum, permille in _FRAMES.get(provider.id, {}).items()
    ]


def _in_need(of: str, area: str, year: int, counts: Mapping[str, Mapping[str, int]], percent: int) -> list[Row]:
    """``percent`` of the counts; later groups grow by a little more a year."""
    return [
        {
            "population_of_code": of,
            "area": area,
            "dimension_code": dimension,
            "group_code": group,
            "reference_year": year,
            "person_count": count * (100 + at * (year - 2021)) * percent // 10_000,
            "origin": f"Regional needs survey {year}",
        }
        for dimension, groups in counts.items()
        for at, (group, count) in enumerate(groups.items())
    ]


_FRAMES = {
    "harbour": {"own_flat": 90, "shared_house": 120, "dormitory": 150, "hospital": 2},
    "tidewell": {"18_24": 60, "25_34": 90, "35_44": 60, "45_54": 40, "55_64": 20, "65_plus": 5},
}
"""Provider → stratum → people in a thousand of the region's."""

_OBJECTIVES = (
    ("M", None, "mission", "A home and a life of one's own for everybody", "long", "board"),
    ("G1", "M", "goal", "People find a home and keep it", "long", "chief_executive"),
    ("G2", "M", "goal", "People feel better", "medium", "chief_executive"),
    ("S1", "G1", "strategy", "Move on at the right time", "medium", "head_of_services"),
    ("O1", "G1", "outcome", "Fewer people come back", "medium", "head_of_services"),
    ("O2", "G2", "outcome", "People recover", "medium", "clinical_lead"),
    ("O3", "G2", "outcome", "People are heard", "short", "quality_lead"),
    ("G3", "M", "goal", "We run well and know it", "medium", "chief_executive"),
)
_CATEGORIES = {
    "G1": ("access", "activity", "outcomes", "equity"),
    "G2": ("experience",),
    "G3": ("efficiency", "workforce", "funding", "data_quality", "improvement"),
}
"""Objectives that stand for whole categories of KPIs."""
_MEASURED = {"S1": "OC-12", "O1": "OC-13.730", "O2": "OC-05", "O3": "EX-03"}


def _plan(draws: Draws, provider: Provider, ledger: Ledger) -> dict[str, list[Row]]:
    objectives: list[Row] = [
        _objective(code, parent, kind, label, horizon, owner)
        for code, parent, kind, label, horizon, owner in _OBJECTIVES
    ]
    links: list[Row] = [_linked(code, "kpi", kpi, None) for code, kpi in _MEASURED.items()]
    links += [
        _linked(code, "kpi_category", category, None) for code, found in _CATEGORIES.items() for category in found
    ]
    for project in provider.projects:
        team = team_of(project)
        objectives.append(
            _objective(team, "S1", "team", f"{project.name}: no bed stays empty", "short", "team_manager")
        )
        links.append(_linked(team, "kpi", "AV-03", None))
    own = f"{provider.prefix}-I1"
    objectives.append(
        _objective(
            own, team_of(provider.projects[0]), "individual", "Finish the course on outcomes", "short", "case_worker"
        )
    )
    for award in awards_to(provider, ledger):
        links += [_linked("G1", "award", award.id, Decimal("0.6")), _linked("G2", "award", award.id, Decimal("0.25"))]
    links.append(_linked("G2", "outcome_node", "nhwo:NHWO4", None))
    cycles, actions = _improvement(draws, provider)
    return {
        "objective": objectives,
        "objective_link": links,
        "target": [*_targets(provider), *_award_targets(provider, ledger)],
        "action": actions,
        "improvement_cycle": cycles,
    }


def _objective(code: str, parent: str | None, kind: str, label: str, horizon: str, owner: str) -> Row:
    return {
        "objective_code": code,
        "parent_objective_code": parent,
        "objective_type_code": kind,
        "label": label,
        "horizon_code": horizon,
        "owner_role_code": owner,
        "status_code": "active",
        "start_on": "2022-10-01",
        "end_on": None,
    }


def _linked(code: str, kind: str, linked: str, weight: Decimal | None) -> Row:
    return {"objective_code": code, "linked_type_code": kind, "linked_code": linked, "weight": weight}


def _targets(provider: Provider) -> list[Row]:
    """Targets of three years, each set in the winter before."""
    rows: list[Row] = []
    for kpi, first, step, level in (
        ("AV-03", 85, 1, "internal"),
        ("OC-05", 46, 2, "internal"),
        ("OC-12", 48, 2, "funder"),
    ):
        for at, year in enumerate((2023, 2024, 2025)):
            rows.append(
                {
                    "target_code": f"{provider.prefix}-{kpi}",
                    "kpi_id": kpi,
                    "level_code": level,
                    "entity_type_code": "organisation",
                    "entity_code": None,
                    "award_code": None,
                    "period_type_code": "financial_year",
                    "period_start_on": f"{year}-04-01",
                    "target_value": first + at * step,
                    "tolerance_pct": 10,
                    "baseline_value": first - step,
                    "origin": "annual plan",
                    "set_on": f"{year}-02-15",
                }
            )
    rows.append(
        {
            **rows[0],
            "target_code": f"{provider.prefix}-beds",
            "entity_type_code": "service",
            "entity_code": provider.projects[0].code,
            "period_start_on": "2024-04-01",
            "set_on": "2024-03-01",
        }
    )
    return rows


def _award_targets(provider: Provider, ledger: Ledger) -> list[Row]:
    """What awards ask for: episodes brought to their end, by quarter, agreed when the award was made.

    Beside them, what can't be held against an output: people served, who don't add up over quarters.
    """
    share = (provider.singles + provider.families) / sum(p.singles + p.families for p in PROVIDERS)
    rows: list[Row] = []
    for award in awards_to(provider, ledger):
        awarded = int(award.awarded)
        begins = awarded + 30
        quarters = [q for q in _quarters() if begins <= q and q + 90 <= begins + award.months * 365 // 12]
        for quarter in quarters:
            row: Row = {
                "target_code": f"{provider.prefix}-{award.id}",
                "kpi_id": "AV-01.episodes",
                "level_code": "funder",
                "entity_type_code": "organisation",
                "entity_code": None,
                "award_code": award.id,
                "period_type_code": "quarter",
                "period_start_on": iso(quarter),
                "target_value": max(1, round(ledger.people * share / 12)),
                "tolerance_pct": 10,
                "baseline_value": None,
                "origin": "award agreement",
                "set_on": iso(awarded + 14),
            }
            rows.append(row)
            if quarter == quarters[0]:
                rows.append({**row, "target_code": f"{row['target_code']}-people", "kpi_id": "AV-05"})
    return rows


def _quarters() -> list[int]:
    """First days of the quarters of the period."""
    years = range(2021, 2027)
    firsts = [day(f"{year}-{month:02d}-01") for year in years for month in (1, 4, 7, 10)]
    return [first for first in firsts if FIRST_DAY <= first <= LAST_DAY]


def _improvement(draws: Draws, provider: Provider) -> tuple[list[Row], list[Row]]:
    """Cycles, and actions that answer signals; the organisation that got worse has more of both."""
    starts = [day("2024-05-06")] + ([day("2025-03-03")] if provider.worsens_on is not None else [])
    cycles: list[Row] = []
    actions: list[Row] = []
    for number, started in enumerate(starts, start=1):
        is_over = started + 200 < LAST_DAY and number == 1
        cycles.append(
            {
                "cycle_code": f"{provider.prefix}-C{number}",
                "trigger_kpi_id": "OC-05",
                "trigger_month_on": iso(started - 40),
                "intervention_code": "weekly_case_conference",
                "stage_code": "improve" if is_over else "do",
                "started_on": iso(started),
                "review_due_on": iso(started + 180),
                "reviewed_on": iso(started + 171) if is_over else None,
                "hypothesis": "If cases are talked over every week, fewer are left without a plan",
                "predicted_effect": 4,
                "observed_effect": int(draws.between(1, 7, 1)[0]) if is_over else None,
                "decision_code": ("adopt", "adapt")[number % 2] if is_over else None,
                "decided_on": iso(started + 175) if is_over else None,
            }
        )
        for step in range(4):
            late, keeps = draws.below(1000, 2).tolist()
            opened = started + step * 14
            done = opened + (20 if late < 700 else 75)
            actions.append(
                {
                    "action_code": f"{provider.prefix}-A{len(actions) + 1:02d}",
                    "title": "Agree with the team who leads the weekly case conference",
                    "owner_role_code": "team_manager",
                    "opened_on": iso(opened),
                    "due_on": iso(opened + 45),
                    "done_on": iso(done) if done <= LAST_DAY and keeps >= 100 else None,
                    "status_code": ("done" if done <= LAST_DAY else "open") if keeps >= 100 else "cancelled",
                    "signal_kpi_id": "OC-05" if step < 2 else None,
                    "signal_month_on": iso(started - 40) if step < 2 else None,
                    "objective_code": "O2",
                    "cycle_code": f"{provider.prefix}-C{number}",
                }
            )
    actions.append(
        {
            "action_code": f"{provider.prefix}-A{len(actions) + 1:02d}",
            "title": "Ask those who left in the last months why they did",
            "owner_role_code": "chief_executive",
            "opened_on": iso(LAST_DAY + 1),
            "due_on": iso(LAST_DAY + 40),
            "status_code": "open",
            "signal_kpi_id": "WF-02",
            "signal_month_on": "2025-09-01",
            "objective_code": "G3",
        }
    )
    return cycles, actions


def _answers(provider: Provider, staffing: Sequence[Row], actions: int) -> list[Row]:
    """Actions by which the organisation answers its own chart of vacancies, two of three in time.

    The chart is XmR with limits of the first twelve months; an action answers the first month beyond the upper one.
    """
    shares: list[float] = []
    lasts = [last for _, last in months()]
    for last in lasts:
        rows = [r for r in staffing if r["month_end_on"] == iso(last)]
        established = sum(Decimal(str(r["fte_established"])) for r in rows)
        filled = sum(Decimal(str(r["fte_in_post"])) for r in rows)
        shares.append(float((established - filled) / established))
    mean = sum(shares[:12]) / 12
    upper = mean + 2.66 * sum(abs(a - b) for a, b in pairwise(shares[:12])) / 11
    found: list[Row] = []
    for at in range(12, len(lasts)):
        opened = lasts[at] + (21, 25, 55)[(at + len(provider.id)) % 3]
        if shares[at] > upper >= shares[at - 1] and opened <= LAST_DAY:
            found.append(
                {
                    "action_code": f"{provider.prefix}-A{actions + len(found) + 1:02d}",
                    "title": "Advertise the empty posts together, and ask agencies for cover",
                    "owner_role_code": "team_manager",
                    "opened_on": iso(opened),
                    "due_on": iso(opened + 60),
                    "done_on": iso(opened + 50) if opened + 50 <= LAST_DAY else None,
                    "status_code": "done" if opened + 50 <= LAST_DAY else "open",
                    "signal_kpi_id": "WF-01.vacancy",
                    "signal_month_on": f"{iso(lasts[at])[:8]}01",
                    "objective_code": "G3",
                    "cycle_code": None,
                }
            )
    return found


def _outcome_links(goals: Sequence[Row]) -> list[Row]:
    """From some personal outcomes over the service and the organisation to the nation."""
    rows = [_leads("personal", str(goal["goal_code"]), "service", "O2", "1") for goal in goals[:6]]
    rows += [
        _leads("service", "S1", "organisation", "G1", "1"),
        _leads("service", "O2", "organisation", "G2", "1"),
        _leads("organisation", "G1", "national", "nhwo:NHWO2", "0.7"),
        _leads("organisation", "G1", "national", "nhwo:NHWO4", "0.3"),
        _leads("organisation", "G2", "national", "nhwo:NHWO4", "1"),
    ]
    return rows


def _leads(from_level: str, from_code: str, to_level: str, to_code: str, weight: str) -> Row:
    return {
        "set_code": "plan",
        "mode_code": "allocate",
        "from_level_code": from_level,
        "from_code": from_code,
        "to_level_code": to_level,
        "to_code": to_code,
        "weight": Decimal(weight),
        "asserted_by_role_code": "quality_lead",
        "asserted_on": "2024-01-15",
        "origin": "annual plan",
        "valid_from_on": "2022-10-01",
    }
