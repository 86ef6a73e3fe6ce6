"""The vocabulary of the 360Giving Data Standard: which header or JSON key is which field, and where it lands.

What belongs here: titles and keys (``columns.yml``), how a header is read as a field, and the landing
tables with the place of each field in them. What does not: reading files (``files``).

A field is named by its path, such as ``recipientOrganization/0/name``. A spreadsheet may write it in titles
(``Recipient Org:Name``, ``Recipient Org:0:Name``) or in keys (``recipientOrganization/0/name``,
``recipientOrganization.0.name``), in any case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sources.spec import Column, Role, Table

COLUMNS_FILE = Path(__file__).with_name("columns.yml")

_SEPARATORS = re.compile(r"[:/.]")
_SPACES = re.compile(r"\s+")

CHILDREN = {
    "recipientOrganization": "recipient_organization",
    "recipientIndividual": "recipient_individual",
    "grantProgramme": "grant_programme",
    "beneficiaryLocation": "beneficiary_location",
    "classifications": "classification",
    "fundingType": "classification",
    "applicationTransaction": "transaction",
    "commitmentTransaction": "transaction",
    "disbursementTransaction": "transaction",
}
"""Lists (and the one individual) that have a landing table of their own, by JSON key."""

FLATTENED = {
    "plannedDates": ("startDate", "endDate", "duration"),
    "actualDates": ("startDate", "endDate", "duration"),
    "fundingOrganization": ("id", "name", "department"),
    "toIndividualsDetails": ("primaryGrantReason", "secondaryGrantReason", "grantPurpose"),
}
"""Objects of which these fields of the first element are columns of ``grant``; the rest goes to ``_extra``."""

MARKS = frozenset(
    {"amountAwarded", "amountAppliedFor", "amountDisbursed", "awardDate", "currency", "fundingOrganization"}
    | {"fromOpenCall", "locationScope", "plannedDates", "actualDates", "toIndividualsDetails", *CHILDREN}
)
"""Fields that only grants have. ``id``, ``title``, ``url`` and the like occur in any list."""

DATES = frozenset({"awardDate", "dateModified", "startDate", "endDate", "transactionDate", "valueDate"})
"""Last parts of the paths of date fields."""

DERIVED = ("grantKey", "occurrence", "recordHash", "modifiedAt")
"""Columns of every landing table that the connector works out; see the package's docstring."""


class Leaf(NamedTuple):
    """A single value of a grant: ``key`` alone, or field ``sub`` of element ``number`` of the list under ``key``."""

    key: str
    number: int = 0
    sub: str = ""

    @property
    def path(self) -> str:
        """Such as ``recipientOrganization/0/name``; an object that is no list has no number."""
        if not self.sub:
            return self.key
        number = f"/{self.number}" if vocabulary().grant[self.key].many else ""
        return f"{self.key}{number}/{self.sub}"


class Place(NamedTuple):
    """Where a leaf lands. ``column`` None: in ``_extra``."""

    table: str
    column: str | None


@dataclass(frozen=True)
class Field:
    """One entry of the vocabulary."""

    title: str
    key: str
    kind: str = "text"
    """``text``, ``texts`` or the name of an object."""
    many: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """Fields of a grant and of the objects in it, by JSON key."""

    grant: Mapping[str, Field]
    objects: Mapping[str, Mapping[str, Field]]


@cache
def vocabulary() -> Vocabulary:
    """The standard's fields, read from :data:`COLUMNS_FILE`."""
    content = yaml.load(COLUMNS_FILE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return Vocabulary(_fields(content["grant"]), {name: _fields(o) for name, o in content["objects"].items()})


def _fields(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Field]:
    fields = [Field(t, str(e["key"]), str(e.get("is", "text")), bool(e.get("many"))) for t, e in entries.items()]
    return {field.key: field for field in fields}


# Headers ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def resolve(header: str) -> Leaf | None:
    """The field that a header (or a path of a mapping) names, or None if the standard does not know it."""
    parts = [_normal(part) for part in _SEPARATORS.split(header)]
    field = _named(vocabulary().grant).get(parts[0])
    if field is None:
        return None
    if field.kind in ("text", "texts"):
        return Leaf(field.key) if parts[1:] in ([], ["0"] if field.kind == "texts" else []) else None
    index, rest = _index(field, parts[1:])
    sub = _sub(vocabulary().objects[field.kind], rest) if index is not None else None
    return Leaf(field.key, index or 0, sub) if sub else None


def _normal(part: str) -> str:
    return _SPACES.sub(" ", part).strip().casefold()


def _named(fields: Mapping[str, Field]) -> dict[str, Field]:
    return {_normal(name): field for field in fields.values() for name in (field.key, field.title)}


def _index(field: Field, parts: list[str]) -> tuple[int | None, list[str]]:
    """The number of the element that a header means (0 where it says none) and the parts after it."""
    if not (parts and re.fullmatch(r"[0-9]{1,4}", parts[0])):
        return 0, parts
    index = int(parts[0])
    return (index if field.many or index == 0 else None), parts[1:]


def _sub(fields: Mapping[str, Field], parts: list[str]) -> str | None:
    field = _named(fields).get(parts[0]) if parts else None
    if field is None:
        return None
    if field.kind in ("text", "texts"):
        return field.key if parts[1:] in ([], ["0"] if field.kind == "texts" else []) else None
    index, rest = _index(field, parts[1:])
    inner = _sub(vocabulary().objects[field.kind], rest) if index is not None else None
    return f"{field.key}/{index}/{inner}" if inner else None


@cache
def _all_paths() -> tuple[str, ...]:
    paths = []
    for field in vocabulary().grant.values():
        if field.kind in ("text", "texts"):
            paths.append(field.key)
        else:
            paths += [Leaf(field.key, 0, sub).path for sub in vocabulary().objects[field.kind]]
    return tuple(paths)


def closest_path(text: str) -> str | None:
    """A field's path that looks like ``text``, for error messages."""
    found = get_close_matches(text, _all_paths(), n=1, cutoff=0.6)
    return found[0] if found else None


def header_of(leaf: Leaf) -> str:
    """How the standard writes the header of a leaf, such as ``Recipient Org:Name``."""
    field = vocabulary().grant[leaf.key]
    if not leaf.sub:
        return field.title
    sub = vocabulary().objects[field.kind].get(leaf.sub)
    number = f"{leaf.number}:" if leaf.number else ""
    return f"{field.title}:{number}{sub.title if sub else leaf.sub}"


# Landing ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=65_536)
def place(leaf: Leaf) -> Place:
    """Table and column of a leaf."""
    key, number, sub = leaf
    if not sub:
        return Place("grant", key)
    if key in CHILDREN:
        table = CHILDREN[key]
        return Place(table, sub if sub in tables()[table].column_names else None)
    return Place("grant", f"{key}_{sub}" if number == 0 and sub in FLATTENED.get(key, ()) else None)


@cache
def tables() -> dict[str, Table]:
    """The landing tables. Children share the grant's key: a grant's parts are replaced when the grant is."""
    grant = [field.key for field in vocabulary().grant.values() if field.kind in ("text", "texts")]
    grant += [f"{key}_{sub}" for key, subs in FLATTENED.items() for sub in subs]
    found = {"grant": _table("grant", grant, {"description": Role.FREE_TEXT})}
    organisation = {
        "contactName": Role.NAME_OTHER,
        "telephone": Role.CONTACT,
        "email": Role.CONTACT,
        "streetAddress": Role.CONTACT,
        "description": Role.FREE_TEXT,
    }
    individual = {"name": Role.NAME_OTHER, "grantTitle": Role.FREE_TEXT}
    transaction = {"description": Role.FREE_TEXT, "provider": Role.FREE_TEXT, "recipient": Role.FREE_TEXT}
    found["recipient_organization"] = _child("recipient_organization", "organisation", roles=organisation)
    found["recipient_individual"] = _child("recipient_individual", "person", "grantTitle", roles=individual)
    found["grant_programme"] = _child("grant_programme", "programme")
    found["beneficiary_location"] = _child("beneficiary_location", "location", roles={"description": Role.FREE_TEXT})
    found["classification"] = _child("classification", "classification")
    found["transaction"] = _child("transaction", "transaction", roles=transaction)
    return found


def _child(name: str, kind: str, *more: str, roles: Mapping[str, Role] | None = None) -> Table:
    fields = [field.key for field in vocabulary().objects[kind].values() if field.kind == "text"]
    return _table(name, ["arrayName", "arrayIndex", *fields, *more], roles or {}, parents=((("grantKey",), "grant"),))


def _table(
    name: str,
    fields: list[str],
    roles: Mapping[str, Role],
    parents: tuple[tuple[tuple[str, ...], str], ...] = (),
) -> Table:
    columns = tuple(Column(field, roles.get(field, Role.PLAIN)) for field in (*DERIVED, *fields))
    return Table(
        name,
        columns,
        key=("grantKey",),
        key_is_unique=False,
        version_column="modifiedAt",
        parents=parents,
    )
