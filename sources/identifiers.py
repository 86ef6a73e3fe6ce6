"""Identifiers of people: what they are worth, and the form in which equal ones are equal.

What belongs here: pure functions over single values, and the same over Arrow arrays. What does not: keys, tokens and
storage (the vault), and rules that match people (``dbt_project``).

A value is either ``valid``, and then has a normalised form, or has a status that says why not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from operator import mul
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

VALID, MISSING, MALFORMED = "valid", "missing", "malformed"

EARLIEST_BIRTH = date(1915, 1, 1)

_SEPARATORS = re.compile(r"[\s\-./\u2010-\u2015\u2212\ufeff\u200b]+")
_MASKED = re.compile(r"[xX*#?•0-9]+")
_DIGITS = re.compile(r"[0-9]+")
_HASHED = re.compile(r"(?=.*[a-fA-F])[0-9a-fA-F]{32,128}")

SSN_DUMMIES = frozenset(
    # Printed on wallets, forms and in advertisements.
    {"078051120", "219099999", "457555462"}
    # Counted up or down.
    | {"".join(str((first + step * place) % 10) for place in range(9)) for first in range(10) for step in (1, -1)}
)
NHS_DUMMIES = frozenset({"0123456789", "9876543210"})
"""Both pass the check digit."""

NAME_PLACEHOLDERS = frozenset(
    {"anonymous", "noname", "nofirstname", "nolastname", "nosurname", "notapplicable", "unk", "unknown", "unnamed"}
    | {"declined", "notgiven", "notknown", "notprovided", "redacted", "refused", "withheld", "xx", "xxx", "xxxx"}
)
"""What is written where a name is not known: two people called so are not one."""

_LETTERS_WITHOUT_MARK = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t"}
)

_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?")
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: \d{1,2}:\d{2}(?::\d{2})?(?: ?[AP]M)?)?", re.IGNORECASE)
SENTINEL_BIRTHS = frozenset(
    {
        *(date(1, 1, 1), date(1753, 1, 1), date(1800, 1, 1), date(1899, 12, 30), date(1899, 12, 31)),
        *(date(1900, 1, 1), date(1901, 1, 1), date(1111, 11, 11)),
        *(date(2999, 12, 31), date(9999, 12, 31), date(9999, 9, 9), date(9999, 1, 1)),
    }
)
"""Dates that systems write where none is known."""

_UK_POSTCODE = re.compile(r"(GIR|[A-Z]{1,2}[0-9][A-Z0-9]?)([0-9][A-Z]{2})")
_US_ZIP = re.compile(r"([0-9]{5})(?:[0-9]{4})?")
_NO_PLACE = frozenset({"00000", "99999", "12345"})


# --- single values -----------------------------------------------------------------------------------------------


def ssn_status(text: str | None) -> tuple[str | None, str]:
    """Nine digits and ``valid``, or None and why not: ``missing``, ``partial`` (digits masked), ``hashed``,
    ``not_nine_digits``, ``area_000_666_9xx``, ``group_00``, ``serial_0000``, ``repeated_digit``, ``known_dummy``.

    The most telling reason wins: ``000000000`` is a repeated digit, ``987654321`` a known dummy.
    """
    digits, status = _digits(text, 9, "not_nine_digits")
    if digits is None:
        return None, status
    if digits == digits[0] * 9:
        return None, "repeated_digit"
    if digits in SSN_DUMMIES:
        return None, "known_dummy"
    if digits[:3] in ("000", "666") or digits[0] == "9":
        return None, "area_000_666_9xx"
    if digits[3:5] == "00":
        return None, "group_00"
    if digits[5:] == "0000":
        return None, "serial_0000"
    return digits, VALID


def nhs_number_status(text: str | None) -> tuple[str | None, str]:
    """Ten digits and ``valid``, or None and why not: ``missing``, ``partial``, ``hashed``, ``not_ten_digits``,
    ``repeated_digit``, ``known_dummy``, ``wrong_check_digit`` (modulus 11)."""
    digits, status = _digits(text, 10, "not_ten_digits")
    if digits is None:
        return None, status
    if digits == digits[0] * 10:
        return None, "repeated_digit"
    if digits in NHS_DUMMIES:
        return None, "known_dummy"
    # The weighted sum with the check digit itself (weight 1) is a multiple of 11; "0" is 48, the weights sum to 55.
    if (sum(map(mul, digits.encode(), range(10, 0, -1))) - 48 * 55) % 11:
        return None, "wrong_check_digit"
    return digits, VALID


def _digits(text: str | None, count: int, otherwise: str) -> tuple[str | None, str]:
    """So many digits, whatever separates them; else the status of what was found instead."""
    compact = text or ""
    if not (compact.isascii() and compact.isdigit()):
        compact = _SEPARATORS.sub("", unicodedata.normalize("NFKC", compact))
    if len(compact) == count and compact.isascii() and compact.isdigit():
        return compact, VALID
    if not compact:
        return None, MISSING
    if _HASHED.fullmatch(compact):
        return None, "hashed"
    if _MASKED.fullmatch(compact) and not _DIGITS.fullmatch(compact):
        return None, "partial" if any(character.isdigit() for character in compact) else MISSING
    return None, otherwise


def normalise_name(text: str | None) -> str | None:
    """Letters only, without case and marks: ``O’Brien-Løvås`` is ``obrienlovas``. None if nothing is left, or only a
    word for an unknown name. A hashed name stays a hash."""
    if not text:
        return None
    stripped = text.strip()
    if len(stripped) >= 32 and _HASHED.fullmatch(stripped):
        return stripped.lower()
    folded = stripped.lower() if stripped.isascii() else _without_marks(stripped)
    letters = folded if folded.isalpha() else "".join(character for character in folded if character.isalpha())
    return None if not letters or letters in NAME_PLACEHOLDERS else letters


def _without_marks(text: str) -> str:
    return unicodedata.normalize("NFKD", text.casefold()).casefold().translate(_LETTERS_WITHOUT_MARK)


def name_key(first: str | None, last: str | None) -> str | None:
    """One text for a whole name; None unless both parts are known."""
    first, last = normalise_name(first), normalise_name(last)
    return None if first is None or last is None else f"{last} {first}"


def birth_date_status(text: str | None) -> tuple[str | None, str]:
    """ISO date and status ``valid``, ``before_1915``, ``sentinel`` (a date that stands for none); None and ``missing``
    or ``malformed``.

    Read are ``1990-1-31`` and ``1/31/1990`` (month first), with or without a time of day. A future date is a matter of
    when the data were collected, so not judged here.
    """
    stripped = text.strip() if text else ""
    if not stripped:
        return None, MISSING
    if found := _ISO_DATE.fullmatch(stripped):
        year, month, day = map(int, found.groups())
    elif found := _US_DATE.fullmatch(stripped):
        month, day, year = map(int, found.groups())
    else:
        return None, MALFORMED
    try:
        born = date(year, month, day)
    except ValueError:
        return None, MALFORMED
    if born in SENTINEL_BIRTHS:
        return born.isoformat(), "sentinel"
    return born.isoformat(), "before_1915" if born < EARLIEST_BIRTH else VALID


def normalise_postcode(text: str | None) -> str | None:
    """``SW1A 1AA`` for a British postcode, the five digits of an American ZIP code; None for anything else, for parts
    of a postcode, and for codes that stand for no place."""
    if not text:
        return None
    compact = re.sub(r"[\s\-.]+", "", unicodedata.normalize("NFKC", text)).upper()
    if (british := _UK_POSTCODE.fullmatch(compact)) and not compact.startswith("ZZ99"):
        return f"{british[1]} {british[2]}"
    if (american := _US_ZIP.fullmatch(compact)) and american[1] not in _NO_PLACE:
        return american[1]
    return None


# --- arrays ------------------------------------------------------------------------------------------------------


def national_ids(values: pa.Array | pa.ChunkedArray, scheme: str) -> tuple[pa.Array, pa.Array]:
    """Normalised ids (NULL unless valid) and their statuses; ``scheme`` is ``ssn`` or ``nhs_number``."""
    functions = {"ssn": ssn_status, "nhs_number": nhs_number_status}
    if scheme not in functions:
        raise ValueError(f"unknown scheme of national ids: {scheme!r} (known: {', '.join(functions)})")
    return _two(functions[scheme], values)


def birth_dates(values: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """ISO dates (text; NULL if missing or malformed) and their statuses."""
    return _two(birth_date_status, values)


def names(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """As :func:`normalise_name`."""
    return _one(normalise_name, values)


def name_keys(first: pa.Array | pa.ChunkedArray, last: pa.Array | pa.ChunkedArray) -> pa.Array:
    """As :func:`name_key`; NULL unless both parts are known."""
    return pc.binary_join_element_wise(names(last), names(first), " ")


def postcode_keys(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """As :func:`normalise_postcode`."""
    return _one(normalise_postcode, values)


def _one(function: Callable[[str | None], str | None], values: pa.Array | pa.ChunkedArray) -> pa.Array:
    indices, distinct = _distinct(values)
    return pa.array([function(value) for value in distinct], pa.string()).take(indices)


def _two(
    function: Callable[[str | None], tuple[str | None, str]], values: pa.Array | pa.ChunkedArray
) -> tuple[pa.Array, pa.Array]:
    indices, distinct = _distinct(values)
    results = [function(value) for value in distinct]
    normalised = pa.array([result[0] for result in results], pa.string())
    return normalised.take(indices), pa.array([result[1] for result in results], pa.string()).take(indices)


def _distinct(values: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, list[Any]]:
    """Each distinct value once, NULL too, and where it stands: people share names and days of birth."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    encoded = values.cast(pa.string()).dictionary_encode(null_encoding="encode")
    return encoded.indices, encoded.dictionary.to_pylist()
