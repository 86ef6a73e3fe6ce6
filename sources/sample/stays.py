"""When households stay where, how they leave, and whether they come back.

What belongs here: the history of each household with one provider, as it truly happened. What does not: when and how
it was written down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sources.sample.calendar import FIRST_DAY, LAST_DAY, NEVER, months_of
from sources.sample.draws import Draws, Flags, Ints, by_weight, spread
from sources.sample.world import EMERGENCY, OUTREACH, RAPID, SUPPORTIVE, TRANSITIONAL, Provider

PERMANENT, TEMPORARY, HOMELESS, INSTITUTIONAL, UNKNOWN, OTHER, DECEASED = range(7)
"""Where people go when they leave."""

_STAYS_AT_MOST = 5

_LENGTHS = {
    EMERGENCY: spread(0, 3, 8, 15, 24, 34, 46, 62, 86, 120, 260),
    TRANSITIONAL: spread(20, 60, 95, 130, 165, 200, 240, 290, 350, 430, 700),
    SUPPORTIVE: spread(60, 250, 400, 560, 720, 900, 1100, 1300, 1600, 1900, 2400),
    OUTREACH: spread(3, 20, 35, 50, 70, 95, 130, 180, 250, 360, 600),
    RAPID: spread(25, 60, 90, 120, 150, 180, 215, 255, 300, 360, 500),
}
_NIGHT_LENGTHS = spread(1, 2, 3, 5, 8, 11, 16, 24, 36, 60, 170)
_LONG_RUN = (SUPPORTIVE, TRANSITIONAL, RAPID)
"""Kinds of project whose stays may have begun long before the period."""

_EXITS = {
    EMERGENCY: (300, 210, 200, 45, 200, 37, 8),
    TRANSITIONAL: (520, 190, 110, 50, 95, 25, 10),
    SUPPORTIVE: (560, 120, 80, 70, 60, 20, 90),
    OUTREACH: (200, 180, 330, 60, 200, 25, 5),
    RAPID: (690, 120, 80, 30, 60, 15, 5),
}
"""Shares in a thousand, in the order of the classes."""

_RETURNS = np.array([170, 330, 480, 300, 250, 250, 0], dtype=np.int64)
"""Probability in a thousand that a household comes back to the provider, by where it went."""
_GAPS = spread(3, 20, 45, 80, 125, 180, 245, 320, 410, 540, 800)

_SEASON = {1: 13, 2: 12, 3: 11, 4: 9, 5: 9, 6: 8, 7: 8, 8: 9, 9: 10, 10: 11, 11: 12, 12: 13}


@dataclass(frozen=True)
class Stays:
    """Stays of households of one block, in order of household and time; one row a household and stay."""

    household: Ints
    """Position in the block."""
    project: Ints
    entry: Ints
    exit: Ints
    """``NEVER`` while the stay goes on at the end of the period."""
    left_to: Ints
    """Class of the destination; meaningless while the stay goes on."""


def _season_table(first: int, last: int) -> Ints:
    """Days of a first entry: more in winter, and fewer as time goes on, because more and more entries are returns."""
    days = np.arange(first, last + 1)
    season = np.array([0, *(_SEASON[month] for month in range(1, 13))])[months_of(days)]
    return np.repeat(days, season * (100 - 40 * (days - first) // len(days)) // 60)


_RECENT = _season_table(FIRST_DAY - 60, LAST_DAY - 2)
_WITHIN = _season_table(FIRST_DAY, LAST_DAY - 2)


def draw_stays(draws: Draws, provider: Provider, has_children: Flags, earliest: Ints, is_shared: Flags) -> Stays:
    """The stays of a block of households with one provider."""
    count = len(has_children)
    parts: list[tuple[Ints, Ints, Ints, Ints, Ints]] = []
    here = np.arange(count)
    previous_exit = np.full(count, -1, dtype=np.int64)
    for turn in range(_STAYS_AT_MOST):
        project = _projects(draws, provider, has_children[here])
        kinds = np.array([p.kind for p in provider.projects])[project]
        if turn == 0:
            length = _lengths(draws, provider, project)
            entry = _first_entries(draws, kinds, length)
            early = (entry + length < FIRST_DAY) | (entry < earliest[here])
            entry = np.where(early, draws.out_of(_WITHIN, len(here)), entry)
        else:
            entry = previous_exit + draws.out_of(_GAPS, len(here))
            length = _lengths(draws, provider, project)
        if provider.worsens_on is not None:
            worse = entry + length >= provider.worsens_on
            length = np.where(worse, length * provider.worse_stay_pct // 100, length)
        leave = entry + length
        left_to = _destinations(draws, provider, kinds, is_shared[here])
        begun = entry <= LAST_DAY
        here, entry, leave, left_to, project = (a[begun] for a in (here, entry, leave, left_to, project))
        gone = leave <= LAST_DAY
        parts.append((here, project, entry, np.where(gone, leave, NEVER), left_to))
        chance = np.where(left_to == DECEASED, 0, _RETURNS[left_to] + provider.return_shift)
        back = gone & draws.chance(chance, len(here))
        here, previous_exit = here[back], leave[back]
        if not len(here):
            break
    household, project, entry, leave, left_to = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((entry, household))
    return Stays(household[order], project[order], entry[order], leave[order], left_to[order])


def _projects(draws: Draws, provider: Provider, has_children: Flags) -> Ints:
    size = len(has_children)
    with_children = draws.out_of(by_weight([p.families for p in provider.projects]), size)
    without = draws.out_of(by_weight([p.singles for p in provider.projects]), size)
    return np.where(has_children, with_children, without)


def _first_entries(draws: Draws, kinds: Ints, length: Ints) -> Ints:
    """Long stays may have begun so long before the period that they just last into it: projects are full from the
    first day on."""
    recent = draws.out_of(_RECENT, len(kinds))
    reach = length + LAST_DAY - 1 - FIRST_DAY
    long_run = FIRST_DAY - length + draws.below(2**40, len(kinds)) % reach
    return np.where(np.isin(kinds, _LONG_RUN), long_run, recent)


def _lengths(draws: Draws, provider: Provider, project: Ints) -> Ints:
    """Nights from entry to exit; zero for those who leave the same day."""
    length = np.zeros(len(project), dtype=np.int64)
    for position, place in enumerate(provider.projects):
        table = _NIGHT_LENGTHS if place.night_by_night else _LENGTHS[place.kind]
        drawn = draws.out_of(table, len(project)) * provider.stay_pct // 100
        length = np.where(project == position, np.maximum(drawn, 1) if place.night_by_night else drawn, length)
    return length


def _destinations(draws: Draws, provider: Provider, kinds: Ints, is_shared: Flags) -> Ints:
    left_to = np.zeros(len(kinds), dtype=np.int64)
    shift = provider.permanent_shift
    for kind in sorted({p.kind for p in provider.projects}):
        shares = list(_EXITS[kind])
        shares[PERMANENT] += shift
        shares[max((TEMPORARY, HOMELESS, UNKNOWN), key=lambda c: shares[c])] -= shift
        left_to = np.where(kinds == kind, draws.out_of(by_weight(shares), len(kinds)), left_to)
    return np.where(is_shared & (left_to == DECEASED), OTHER, left_to)
