"""Which answers may be read and which go to the vault.

What belongs here: the rules by which a survey connector decides about an answer of a question that the region file
does not name. What does not: formats, and the vault itself.

Privacy first: an answer stays readable only where its form or its shape shows that it identifies nobody. A lower-case
word looks the same whether it is the code of an option or a first name, so words stay readable only where a form
definition, a data dictionary or the region file says that the question has options.
"""

from __future__ import annotations

import re
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from sources.survey.mapping import FormMapping


class Privacy(StrEnum):
    """What happens to the answers of a question."""

    PLAIN = "plain"
    PRIVATE = "private"
    BY_VALUE = "by_value"
    """Readable where the value is a short number, a date, a time or a plain yes or no."""


_SENSITIVE_WORDS = """
    name names firstname forename lastname surname fullname middlename nickname alias initials kin username
    phone telephone tel mobile fax phonenumber email mail address addr street postcode postal zip zipcode
    dob birth birthdate birthday dateofbirth born ssn nhs nino mrn passport barcode
    latitude longitude altitude accuracy gps geopoint geotrace geoshape coordinates
    device deviceid imei simserial simid subscriber subscriberid
    signature photo picture image audio video
    """
_SENSITIVE = frozenset(_SENSITIVE_WORDS.split())
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")

# A longer number may be a telephone or an identity number, more decimals a place on earth.
_READABLE = (
    r"^\s*(?:"
    r"[+-]?\d{1,4}(?:[.,]\d{1,2})?"
    r"|\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
    r"|\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
    r"|(?i:yes|no|true|false)"
    r")\s*$"
)


def is_sensitive_name(text: str) -> bool:
    """Whether a question's name or label speaks of something that identifies a person."""
    return any(word.lower() in _SENSITIVE for word in _WORDS.findall(text))


def privacy_of(mapping: FormMapping, code: str, path: str, by_form: Privacy) -> Privacy:
    """The region file decides; then the question's own name; then what its form says (``by_form``)."""
    names = {code, path}
    if names & mapping.free_text:
        return Privacy.PRIVATE
    if names & mapping.readable:
        return Privacy.PLAIN
    if by_form is not Privacy.PLAIN and is_sensitive_name(code):
        return Privacy.PRIVATE
    return by_form


def readable(values: pa.Array) -> pa.Array:
    """Which values are readable under :attr:`Privacy.BY_VALUE` (boolean; NULL stays NULL)."""
    return pc.match_substring_regex(values, _READABLE)
