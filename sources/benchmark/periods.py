"""When a published figure is about: days and labels as their first and last day, both inclusive.

What belongs here: reading dates and labels as the mapping says they are meant; nothing is guessed from the data. What
does not: which columns hold them (``mapping``).
"""

from __future__ import annotations

import re
from datetime import date, timedelta

Span = tuple[date, date]

_MONTHS = {"month": 1, "quarter": 3, "financial_year": 12, "calendar_year": 12, "rolling12": 12}
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T][\d:.]+Z?)?")
_PARTED = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?: [\d:.]+)?")
_TWO_YEARS = re.compile(r"(\d{4})\s*[-/–]\s*(\d{4}|\d{2})")
_YEAR = re.compile(r"(\d{4})")
_YEAR_AND_MONTH = re.compile(r"(\d{4})[-/]?(\d{2})")
_NAME_AND_YEAR = re.compile(r"([a-z]{3,9})\.?[ -](\d{4}|\d{2})")
_QUARTER = re.compile(r"q([1-4])|\bquarter ([1-4])")
_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


def day_of(text: str, order: str) -> date | None:
    """A day; ``order`` (iso, day_first, month_first) says how 03/04/2024 is meant. ISO is always understood."""
    text = text.strip()
    if found := _ISO.fullmatch(text):
        return _date(int(found[1]), int(found[2]), int(found[3]))
    found = _PARTED.fullmatch(text)
    if found is None or order == "iso":
        return None
    first, second, year = (int(part) for part in found.groups())
    return _date(year, second, first) if order == "day_first" else _date(year, first, second)


def last_day(start: date, period_type: str) -> date | None:
    """Last day of a period of this type that starts on ``start``; None for types without a length."""
    months = _MONTHS.get(period_type)
    return _months_later(start, months) - timedelta(days=1) if months else None


def span_of(label: str, period_type: str, year_starts_in: int | None, label_year: str | None) -> Span | None:
    """First and last day of a period by its label; None if the label can't be read as one of this type.

    Financial years are written 2021-22, 2021/22 or 2021-2022; as a single year only with ``label_year``, which says
    whether it names the year's first or last day. Quarters are Q1 to Q4 with such a year, or with a calendar year.
    Months are 2021-04, 202104, April 2021, Apr-21.
    """
    text = " ".join(label.lower().replace("fy", " ").split())
    if period_type == "month":
        start = _month(text)
    elif period_type == "quarter":
        start = _quarter(text, year_starts_in, label_year)
    elif period_type == "calendar_year":
        found = _YEAR.fullmatch(text)
        start = _date(int(found[1]), 1, 1) if found else None
    elif period_type == "financial_year":
        start = _year_start(text, year_starts_in, label_year)
    else:
        start = None
    end = last_day(start, period_type) if start else None
    return (start, end) if start and end else None


def _month(text: str) -> date | None:
    if found := _YEAR_AND_MONTH.fullmatch(text):
        return _date(int(found[1]), int(found[2]), 1)
    if found := _NAME_AND_YEAR.fullmatch(text):
        named = [number for number, name in enumerate(_NAMES, start=1) if name.startswith(found[1])]
        year = int(found[2]) + (2000 if len(found[2]) == 2 else 0)
        return _date(year, named[0], 1) if len(named) == 1 else None
    return None


def _quarter(text: str, year_starts_in: int | None, label_year: str | None) -> date | None:
    found = _QUARTER.search(text)
    if found is None:
        return None
    rest = _QUARTER.sub(" ", text).strip(" -/,:")
    start = _year_start(rest, year_starts_in or 1, label_year)
    return _months_later(start, 3 * (int(found[1] or found[2]) - 1)) if start else None


def _year_start(text: str, starts_in: int | None, label_year: str | None) -> date | None:
    if starts_in is None:
        return None
    if found := _TWO_YEARS.fullmatch(text):
        first, last = int(found[1]), int(found[2])
        follows = last == first + 1 if len(found[2]) == 4 else last == (first + 1) % 100
        return _date(first, starts_in, 1) if follows and starts_in > 1 else None
    found = _YEAR.fullmatch(text)
    if found is None or (starts_in > 1 and label_year is None):
        return None
    return _date(int(found[1]) - (1 if label_year == "last" and starts_in > 1 else 0), starts_in, 1)


def _months_later(start: date, months: int) -> date:
    """The same day so many months later; periods start on days that every month has."""
    years, month = divmod(start.month - 1 + months, 12)
    return date(start.year + years, month + 1, min(start.day, 28))


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
