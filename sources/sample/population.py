"""The people of the region: households, who they are, and which providers know them.

What belongs here: everything about a person that does not depend on a provider. What does not: stays, and how a
provider writes a person down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sources.sample.calendar import FIRST_DAY, birthday
from sources.sample.draws import Draws, Flags, Ints, by_weight, spread, weighted
from sources.sample.world import PROVIDERS, SHARED, SHARING

SELF, CHILD, SPOUSE = 1, 2, 3
"""Relationship to the head of the household, as HMIS numbers it."""

FEWEST_PEOPLE = 120
"""Below this not every provider has enough households; a smaller region is filled up to it."""
_ASSURED = 6
"""Households that every provider has, whatever the size of the region."""

_COMPOSITIONS = ((1, 0), (2, 0), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (0, 1))
_COMPOSITION_WEIGHTS = (640, 70, 90, 70, 30, 40, 40, 15, 5)
_ADULT_AGE_DAYS = spread(6575, 7900, 9500, 11000, 12500, 14000, 15700, 17500, 19800, 22500, 30500)
_CHILD_AGE_DAYS = spread(20, 6500)
_TEEN_AGE_DAYS = spread(5900, 6560)
_SEX = by_weight((440, 530, 10, 10, 10))
"""Female, male, neither, transgender, not stated."""
_RACE = by_weight((20, 40, 300, 10, 480, 70, 80))
_ETHNICITY = weighted({0: 780, 1: 170, 99: 50})
_VETERAN = weighted({0: 905, 1: 65, 8: 5, 99: 25})

_SSN_GROUPS, _SSN_SERIALS = 99, 9999
_SSN_SPACE = 500 * _SSN_GROUPS * _SSN_SERIALS
_SSN_STEP = 198_491_317
"""A prime that shares no factor with the space, so that no two people get the same number."""
_SSN_DUMMIES = (111111111, 123456789, 219099999, 222222222, 333333333, 444444444, 457555462, 555555555)


@dataclass(frozen=True)
class Population:
    """People by position; a household's members are neighbours. ``household`` columns are by household."""

    home: Ints
    """By household: position of the provider that knows it first."""
    second: Ints
    """By household: position of a second provider, or -1."""
    first_member: Ints
    """By household: position of its head; one entry more than there are households."""
    earliest: Ints
    """By household: first day on which its members could be taken in (all born, the adults grown up)."""
    relationship: Ints
    birth: Ints
    is_adult: Flags
    """Meant as an adult of the household (18 or older from the first day of the period)."""
    given: Ints
    family: Ints
    sex: Ints
    race: Ints
    ethnicity: Ints
    veteran: Ints
    ssn: Ints

    @property
    def people(self) -> int:
        return len(self.relationship)

    @property
    def households(self) -> int:
        return len(self.home)


def draw_population(people: int, seed: int, given_names: int, family_names: int) -> Population:
    """Exactly ``people`` people, or :data:`FEWEST_PEOPLE` if that is more."""
    people = max(people, FEWEST_PEOPLE)
    draws = Draws(seed, "population")
    composition = np.array(_COMPOSITIONS, dtype=np.int64)
    kind = draws.out_of(by_weight(_COMPOSITION_WEIGHTS), people)
    ends = np.cumsum(composition[kind].sum(axis=1))
    households = int(np.searchsorted(ends, people)) + 1
    kind, ends = kind[:households], np.minimum(ends[:households], people)
    first = np.concatenate([[0], ends])
    household = np.repeat(np.arange(households), np.diff(first))
    position = np.arange(people) - first[household]
    adults = np.maximum(composition[kind][:, 0], 0)[household]
    is_adult = position < adults
    is_minor_head = (position == 0) & ~is_adult
    relationship = np.where(position == 0, SELF, np.where(is_adult, SPOUSE, CHILD))
    has_children = np.diff(first) > composition[kind][:, 0]
    home, second = _homes(draws, has_children)
    age = np.where(is_adult, draws.out_of(_ADULT_AGE_DAYS, people), draws.out_of(_CHILD_AGE_DAYS, people))
    age = np.where(is_minor_head, draws.out_of(_TEEN_AGE_DAYS, people), age)
    birth = FIRST_DAY - age
    ready = np.where(is_adult, birthday(birth, 18), birth + 1)
    ready = np.where(is_minor_head, FIRST_DAY, ready)
    race = draws.out_of(_RACE, households)[household]
    return Population(
        home=home,
        second=second,
        first_member=first,
        earliest=np.maximum.reduceat(ready, first[:-1]),
        relationship=relationship,
        birth=birth,
        is_adult=is_adult,
        given=draws.below(given_names, people),
        family=draws.below(family_names, households)[household],
        sex=draws.out_of(_SEX, people),
        race=race,
        ethnicity=draws.out_of(_ETHNICITY, households)[household],
        veteran=np.where(is_adult, draws.out_of(_VETERAN, people), 0),
        ssn=_ssn(people, seed),
    )


def _homes(draws: Draws, has_children: Flags) -> tuple[Ints, Ints]:
    """For each household its provider, and the second one that some have."""
    households = len(has_children)
    home = np.where(
        has_children,
        draws.out_of(by_weight([p.families for p in PROVIDERS]), households),
        draws.out_of(by_weight([p.singles for p in PROVIDERS]), households),
    )
    assured = np.arange(min(households, len(PROVIDERS) * _ASSURED)) % len(PROVIDERS)
    home[: len(assured)] = assured
    sharing = np.array([i for i, p in enumerate(PROVIDERS) if p.id in SHARING], dtype=np.int64)
    steps = draws.between(1, len(sharing) - 1, households)
    place = np.searchsorted(sharing, home) % len(sharing)
    other = sharing[(place + steps) % len(sharing)]
    shares = draws.chance(SHARED, households)
    shares[:4] = True
    second = np.where(shares & np.isin(home, sharing), other, -1)
    return home, second


def _ssn(people: int, seed: int) -> Ints:
    """Nine digits each: area 100 to 599, group and serial never zero; all different."""
    start = seed * 7_919 % _SSN_SPACE
    at = (np.arange(people, dtype=np.int64) * _SSN_STEP + start) % _SSN_SPACE
    area, rest = 100 + at // (_SSN_GROUPS * _SSN_SERIALS), at % (_SSN_GROUPS * _SSN_SERIALS)
    numbers = area * 1_000_000 + (1 + rest // _SSN_SERIALS) * 10_000 + 1 + rest % _SSN_SERIALS
    return np.where(np.isin(numbers, _SSN_DUMMIES), 600_000_000 + numbers % 1_000_000, numbers)
