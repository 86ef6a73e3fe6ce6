"""Days and moments as integers: days and seconds since 1970-01-01.

What belongs here: conversions, and the period that the sample covers. What does not: what happens on which day.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from sources.sample.draws import Ints

DAY_SECONDS = 86_400
EPOCH = date(1970, 1, 1)
NEVER = 2**60
"""A moment or day that does not come."""


def day(text: str) -> int:
    """The day of an ISO date."""
    return (date.fromisoformat(text) - EPOCH).days


def iso(number: int) -> str:
    """The ISO date of a day."""
    return (EPOCH + timedelta(days=int(number))).isoformat()


def end_of(number: int) -> int:
    """The last second of a day."""
    return (number + 1) * DAY_SECONDS - 1


def months_of(days: Ints) -> Ints:
    """Calendar months, 1 to 12."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1


def birthday(births: Ints, years: int) -> Ints:
    """The day on which someone born on these days completes so many years (29 February counts as 1 March)."""
    dates = births.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    into_month = (dates - months.astype("datetime64[D]")).astype(np.int64)
    target = (months.astype(np.int64) + 12 * years).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    result: Ints = target + into_month
    return result


FIRST_DAY = day("2022-10-01")
LAST_DAY = day("2025-09-30")
"""The sample covers these 36 months; stays that began before are there if they last into them."""
