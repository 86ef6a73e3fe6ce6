"""What people answer: scores that change over a stay as they truly do, and items that add up to them.

What belongs here: who is asked when, the course of scores, and answers to items. Items have codes only; no instrument's
wording is in the sample. What does not: file formats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sources.sample.calendar import DAY_SECONDS, LAST_DAY, NEVER, end_of
from sources.sample.draws import Draws, Flags, Ints, spread, weighted
from sources.sample.hmis_tables import Enrolments
from sources.sample.world import Provider

START, MID, END = range(3)
WAVES = ("start", "mid", "end")
MISSING = -1


@dataclass(frozen=True)
class Instrument:
    """Item codes and range. ``best`` is the score of somebody without any trouble."""

    code: str
    items: int
    lowest: int
    highest: int
    case_from: int
    """In units of trouble: the score above the best one."""
    reliable: int
    higher_is_better: bool = False

    @property
    def questions(self) -> tuple[str, ...]:
        return tuple(f"{self.code}_{number}" for number in range(1, self.items + 1))

    @property
    def units(self) -> int:
        """How far an item reaches."""
        return self.highest - self.lowest


PHQ9 = Instrument("phq9", 9, 0, 3, 10, 6)
GAD7 = Instrument("gad7", 7, 0, 3, 8, 4)
SWEMWBS = Instrument("swemwbs", 7, 1, 5, 12, 4, higher_is_better=True)
POM = Instrument("pom", 42, 0, 1, 0, 0, higher_is_better=True)
"""Decisions of an interviewer: 21 outcomes, then whether the support for each is there."""
STAR = Instrument("outcomes_star_homelessness", 10, 1, 10, 0, 0, higher_is_better=True)
"""Readings of scales that stand by themselves."""

SATISFACTION = ("sat_1", "sat_2", "sat_3", "sat_overall")
_RATINGS = weighted({5: 36, 4: 34, 3: 16, 2: 9, 1: 5})
_LOWER_RATINGS = weighted({5: 20, 4: 27, 3: 24, 2: 18, 1: 11})
_FIRST_READINGS = weighted({2: 15, 3: 25, 4: 25, 5: 20, 6: 15})
_STEPS = weighted({-1: 4, 0: 66, 1: 22, 2: 8})
_SMALLER_STEPS = weighted({-1: 12, 0: 76, 1: 12})


@dataclass(frozen=True)
class Waves:
    """One row a person, stay and occasion on which somebody is asked; in order of stay and time."""

    stay: Ints
    """Row of the stay among those asked."""
    person: Ints
    wave: Ints
    on: Ints
    submitted: Ints
    is_worse: Flags
    """The stay falls into the time in which the provider does worse."""
    recovers: Flags
    """What would happen to somebody who is a case at the start."""

    def only(self, wave: int) -> Ints:
        return np.flatnonzero(self.wave == wave)


def draw_waves(draws: Draws, provider: Provider, e: Enrolments, share: int = 700) -> Waves:
    """Grown-up heads of households with a stay of three weeks or more are asked up to three times."""
    known = end_of(provider.loaded_until)
    end = np.minimum(e.exit, LAST_DAY)
    asked = e.is_head & e.is_adult & (end - e.entry >= 21) & (e.deleted == NEVER) & (e.created <= known)
    asked &= draws.chance(share, e.size)
    rows = np.flatnonzero(asked)
    size = len(rows)
    entry, finish = e.entry[rows], end[rows]
    first = np.maximum(entry, e.created[rows] // DAY_SECONDS) + draws.below(6, size)
    last = finish - draws.between(1, 4, size)
    middle = first + (last - first) // 2
    has_end = (e.exit[rows] < NEVER) & (last > first + 7) & draws.chance(880, size)
    has_middle = (finish - entry >= 60) & (middle > first + 14) & (last > middle + 14) & draws.chance(800, size)
    on_time = first < finish
    worse = np.zeros(size, dtype=bool)
    if provider.worsens_on is not None:
        worse = e.exit[rows] >= provider.worsens_on
    recovers = draws.chance(np.where(worse, provider.worse_recovery, provider.recovery), size)
    shown = np.stack([on_time, on_time & has_middle, on_time & has_end], axis=1)
    days = np.stack([first, middle, last], axis=1)
    stay, wave = np.nonzero(shown)
    on = days[stay, wave]
    later = weighted({0: 75, 1: 15, 2: 6, 5: 4})
    moment = (on + draws.out_of(later, len(on))) * DAY_SECONDS + draws.between(9 * 3600, 19 * 3600, len(on))
    return Waves(stay, e.person[rows][stay], wave, on, moment, worse[stay], recovers[stay])


def draw_scores(draws: Draws, instrument: Instrument, waves: Waves) -> Ints:
    """Trouble by wave: at or above the case limit at the start for most, below it at the end for who recovers."""
    stays = int(waves.stay[-1]) + 1 if len(waves.stay) else 0
    recovers = np.zeros(stays, dtype=bool)
    recovers[waves.stay] = waves.recovers
    top, limit, reliable = instrument.items * instrument.units, instrument.case_from, instrument.reliable
    is_case = draws.chance(820, stays)
    high = draws.out_of(spread(limit, limit + 2, limit + 4, limit + 6, limit + 9, top - 1), stays)
    low = draws.below(limit, stays)
    start = np.where(is_case, high, low)
    drop = reliable + draws.below(5, stays)
    recovered = np.clip(np.minimum(start - drop, limit - 1), 0, None)
    barely = draws.chance(150, stays)
    recovered = np.where(barely, limit - 1 - draws.below(3, stays), recovered)
    change = draws.out_of(weighted({-reliable - 2: 25, -3: 20, -1: 20, 0: 12, 2: 13, reliable + 1: 10}), stays)
    stuck = np.clip(start + change, limit, top)
    calm = np.clip(start + draws.between(-3, 2, stays), 0, limit - 1)
    end = np.where(is_case, np.where(recovers, recovered, stuck), calm)
    by_wave = np.stack([start, (start + end) // 2, end], axis=1)
    trouble: Ints = by_wave[waves.stay, waves.wave]
    return trouble


def draw_items(draws: Draws, instrument: Instrument, trouble: Ints) -> Ints:
    """Answers whose sum is the score, one column an item; now and then one is missing."""
    units = instrument.items * instrument.units
    total = units - trouble if instrument.higher_is_better else trouble
    order = np.argsort(draws.matrix(len(trouble), units), axis=1, kind="stable")
    chosen = np.zeros((len(trouble), units), dtype=np.int64)
    np.put_along_axis(chosen, order, (np.arange(units)[None, :] < total[:, None]).astype(np.int64), axis=1)
    items: Ints = chosen.reshape(len(trouble), instrument.items, instrument.units).sum(axis=2) + instrument.lowest
    missing = draws.chance(20, len(trouble))
    place = draws.below(instrument.items, len(trouble))
    items[missing, place[missing]] = MISSING
    return items


def total_of(items: Ints) -> Ints:
    """Sum of complete answers, else missing."""
    return np.where((items == MISSING).any(axis=1), MISSING, items.sum(axis=1))


def draw_ratings(draws: Draws, is_worse: Flags) -> Ints:
    """Satisfaction: three questions and an overall one, 1 to 5, in the direction of the overall one."""
    size = len(is_worse)
    overall = np.where(is_worse, draws.out_of(_LOWER_RATINGS, size), draws.out_of(_RATINGS, size))
    single = np.clip(overall[:, None] + np.stack([draws.between(-1, 1, size) for _ in range(3)], axis=1), 1, 5)
    return np.concatenate([single, overall[:, None]], axis=1)


def draw_decisions(draws: Draws, is_worse: Flags) -> Ints:
    """Outcomes and supports of interviews, 0 or 1: outcomes are likelier where their support is; few are undecided."""
    size, indicators = len(is_worse), POM.items // 2
    supported = draws.matrix(size, indicators) % 1000 < np.where(is_worse, 400, 620)[:, None]
    present = draws.matrix(size, indicators) % 1000 < np.where(supported, 740, 430)
    decisions: Ints = np.concatenate([present, supported], axis=1).astype(np.int64)
    decisions[draws.matrix(size, POM.items) % 1000 < 15] = MISSING
    return decisions


def draw_readings(draws: Draws, waves: Waves) -> Ints:
    """Readings of a star by wave: each scale goes its own way, further up for who recovers; few are left out."""
    stays = int(waves.stay[-1]) + 1 if len(waves.stay) else 0
    size = stays * STAR.items
    first = draws.out_of(_FIRST_READINGS, size).reshape(stays, STAR.items)
    up, flat = (draws.out_of(steps, size).reshape(stays, STAR.items) for steps in (_STEPS, _SMALLER_STEPS))
    recovers = waves.recovers[:, None]
    steps = np.where(recovers, up[waves.stay], flat[waves.stay])
    readings: Ints = np.clip(first[waves.stay] + steps * waves.wave[:, None], STAR.lowest, STAR.highest)
    readings[draws.matrix(len(waves.stay), STAR.items) % 1000 < 15] = MISSING
    return readings
