"""Values of a sheet, brought into one form: days, months, numbers, codes.

What belongs here: functions over single texts. What does not: which column holds what. A text that can't be read stays
as it is: the landing gate reports it, with the value that the sender wrote.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Collection
from datetime import date

from sources.identifiers import VALID, nhs_number_status, ssn_status
from sources.management._entities import Kind
from sources.management._mapping import TableMapping

_MONTHS = {name.casefold(): number for number, name in enumerate(calendar.month_name) if name} | {
    name.casefold(): number for number, name in enumerate(calendar.month_abbr) if name
}
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T]00:00(?::00(?:\.0+)?)?)?")
_PARTS = re.compile(r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})")
_WORDS = re.compile(r"(\d{1,2})[ \-]([A-Za-z]{3,9})[ \-,]+(\d{4})")
_ISO_MONTH = re.compile(r"(\d{4})-(\d{1,2})")
_NUMBER_MONTH = re.compile(r"(\d{1,2})/(\d{4})")
_WORD_MONTH = re.compile(r"([A-Za-z]{3,9})[ \-]+(\d{4})")
_GROUPED = {".": re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"), ",": re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")}
_PLAIN = {".": re.compile(r"[+-]?\d+(\.\d+)?"), ",": re.compile(r"[+-]?\d+(,\d+)?")}
_BLANKS = re.compile(r"[\s\u00a0]+")

_NAME_LIKE = re.compile(r"@|[^\W\d_]{2,}[,.]?\s+[^\W\d_]{2,}")
"""An address, or two words of letters: what stands where a reference should is a person's name."""
_NHS_WRITTEN = re.compile(r"\d{3}[ -]\d{3}[ -]\d{4}")
_SSN_WRITTEN = re.compile(r"\d{3}-\d{2}-\d{4}")
_NO_CHANCE = 6
"""One number in eleven passes the check digit by chance; six of six, one time in 1.8 million."""


def normaliser(kind: Kind, mapping: TableMapping, column: str) -> Callable[[str], str | None]:
    """The function that brings a text of this kind into its form; None for nothing."""
    codes = mapping.codes.get(column, {})
    form: Callable[[str], str] = {
        Kind.CODE: code_text,
        Kind.DATE: lambda text: day_text(text, mapping.dates),
        Kind.MONTH_START: lambda text: month_text(text, mapping.dates, is_end=False),
        Kind.MONTH_END: lambda text: month_text(text, mapping.dates, is_end=True),
        Kind.NUMBER: lambda text: number_text(text, mapping.decimal),
    }.get(kind, str)

    def normalise(text: str) -> str | None:
        stripped = text.strip()
        found = codes.get(stripped.casefold(), stripped)
        return form(found) if found else None

    return normalise


def code_text(text: str) -> str:
    """``Changed mind`` is ``changed_mind``."""
    return _BLANKS.sub("_", text.strip().casefold()).replace("-", "_")


def day_text(text: str, order: str | None) -> str:
    """An ISO date, if the text is a day; ``order`` says how 03/04/2025 is meant."""
    found = _day(text, order)
    return found.isoformat() if found else text


def month_text(text: str, order: str | None, *, is_end: bool) -> str:
    """The first or last day of the month that the text names or lies in."""
    found = _day(text, order) or _month(text)
    if found is None:
        return text
    last = calendar.monthrange(found.year, found.month)[1]
    return found.replace(day=last if is_end else 1).isoformat()


def number_text(text: str, decimal: str) -> str:
    """A number with a point and without grouping: ``1,250.50`` is ``1250.50``."""
    compact = _BLANKS.sub("", text)
    if _GROUPED[decimal].fullmatch(compact):
        compact = compact.replace("," if decimal == "." else ".", "")
    elif not _PLAIN[decimal].fullmatch(compact):
        return text
    return compact.replace(",", ".")


def looks_like_a_name(text: str) -> bool:
    """Whether a text that should be a reference is a name or an address."""
    return bool(_NAME_LIKE.search(text))


def national_ids(texts: Collection[str]) -> frozenset[str]:
    """Those of a column's distinct references that are national ids: a number written as one is (``943 476 5919``,
    ``123-45-6789``), and all of them where every one passes the check digit of an NHS number, which is no chance."""
    if len(texts) >= _NO_CHANCE and all(nhs_number_status(text)[1] == VALID for text in texts):
        return frozenset(texts)
    return frozenset(
        text
        for text in texts
        if (_NHS_WRITTEN.fullmatch(text) and nhs_number_status(text)[1] == VALID)
        or (_SSN_WRITTEN.fullmatch(text) and ssn_status(text)[1] == VALID)
    )


def _day(text: str, order: str | None) -> date | None:
    if found := _ISO.fullmatch(text):
        return _date(*map(int, found.groups()))
    if order and (found := _PARTS.fullmatch(text)):
        first, second, year = map(int, found.groups())
        return _date(year, second, first) if order == "day_first" else _date(year, first, second)
    if (found := _WORDS.fullmatch(text)) and (month := _MONTHS.get(found[2].casefold())):
        return _date(int(found[3]), month, int(found[1]))
    return None


def _month(text: str) -> date | None:
    if found := _ISO_MONTH.fullmatch(text):
        return _date(int(found[1]), int(found[2]), 1)
    if found := _NUMBER_MONTH.fullmatch(text):
        return _date(int(found[2]), int(found[1]), 1)
    if (found := _WORD_MONTH.fullmatch(text)) and (month := _MONTHS.get(found[1].casefold())):
        return _date(int(found[2]), month, 1)
    return None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
