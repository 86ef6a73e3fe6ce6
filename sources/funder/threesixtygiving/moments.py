"""Dates of the connector: ISO times in UTC, and dates of a stated order as ISO dates.

What belongs here: the few dates that the connector itself must understand. What does not: typing (staging does it).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

_ISO = re.compile(r"\s*\d{4}-\d{2}-\d{2}")


def utc(text: str) -> str | None:
    """An ISO date or time as ``YYYY-MM-DD HH:MM:SS`` in UTC (also where no zone is stated), or None."""
    if not _ISO.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment.year >= 1000 else None


def in_utc(values: pa.Array) -> pa.Array:
    encoded = pc.dictionary_encode(values)
    moments = pa.array([utc(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return moments.take(encoded.indices)


def iso_dates(values: pa.Array, order: str) -> pa.Array:
    """``24/07/2014`` (also with ``.`` or ``-``, and a time behind it) as ``2014-07-24``; anything else unchanged."""
    first, second = ("d", "m") if order == "day_first" else ("m", "d")
    pattern = rf"^\s*(?P<{first}>[0-9]{{1,2}})[/.-](?P<{second}>[0-9]{{1,2}})[/.-](?P<y>[0-9]{{4}})(?:[ T].*)?$"
    found = pc.extract_regex(values, pattern)
    year, month, day = (pc.struct_field(found, name) for name in "ymd")
    iso = pc.binary_join_element_wise(year, pc.utf8_lpad(month, 2, "0"), pc.utf8_lpad(day, 2, "0"), "-")
    return pc.coalesce(iso, values)
