"""From blocks to landing rows: defaults of the mapping, keys, digests, and what is masked.

What belongs here: everything about a row that does not stand in the file. What does not: reading files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.connector import Batch
from sources.funder.threesixtygiving import fields
from sources.funder.threesixtygiving.blocks import PROVENANCE, Block, column_of, complete
from sources.funder.threesixtygiving.fields import DERIVED
from sources.funder.threesixtygiving.mapping import Options
from sources.funder.threesixtygiving.moments import in_utc, iso_dates
from sources.spec import MASK

_PERSONAL = re.compile(
    r"(?i)recipient\s?ind|applicant|surname|(fore|first|last|full|middle|maiden|given|family)[ _-]?name|contact"
    r"|e-?mail|phone|mobile|fax\b|street|\baddress|birth|\bdob\b|national insurance|passport|\bsponsor|beneficiary name"
    r"|investigator|supervisor|student|fellow\b"
)
"""Headers beyond the standard that speak of a person."""
_POSTCODE = r"(?i)\b[A-Z]{1,2}[0-9][A-Z0-9]?\s*[0-9][A-Z]{2}\b"
_FINER_THAN_WARD = r"(?i)^\s*(E00|E01|E33|W00|W01|W35|S00|S01|N00|N20|95[A-Z]{2}|UPRN|[0-9]{10,12}\s*$)"

_ESSENCE = ("title", "amountAwarded", "currency", "awardDate", "fundingOrganization_id")
"""With the first recipient, what makes an award, for the key of a record without identifier: a new export date must not
make it another one."""
_FIELD, _RECORD, _NULL = "\x1f", "\x1d", "\x1e"


class Finisher:
    """Adds to blocks what does not stand in the file, in the order in which they come."""

    def __init__(self, options: Options):
        self._options = options
        self._occurrences: Counter[str] = Counter()
        self._child_rows: Counter[tuple[str, str]] = Counter()

    def finish(self, block: Block) -> Iterator[Batch]:
        grants = self._defaults(complete(block.grants, fields.tables()["grant"], PROVENANCE))
        children = {
            name: _numbered(self._dated(complete(part, fields.tables()[name], ("_parent", "_number"))))
            for name, part in block.children.items()
        }
        grants, children = _masked(grants, children)
        derived = self._derived(grants, children)
        yield _batch("grant", grants, derived, grants)
        for name, part in children.items():
            parents = part["_parent"].combine_chunks()
            provenance = {
                "_file": grants["_file"].take(parents),
                "_row_number": self._count(name, grants["_file"][0].as_py(), part.num_rows),
                "_line": grants["_line"].take(parents),
            }
            yield _batch(name, part, {key: values.take(parents) for key, values in derived.items()}, provenance)

    def _count(self, table: str, file: str, count: int) -> pa.Array:
        start = self._child_rows[table, file]
        self._child_rows[table, file] += count
        return pa.array(np.arange(start + 1, start + count + 1))

    def _defaults(self, grants: pa.Table) -> pa.Table:
        """What the mapping states for the source as a whole."""
        options = self._options
        grants = self._dated(grants)
        if options.currency:
            grants = _set(grants, "currency", pc.coalesce(grants["currency"], pa.scalar(options.currency)))
        stated = pc.or_(*(pc.is_valid(grants[f"fundingOrganization_{name}"]) for name in ("id", "name")))
        for name, default in (("id", options.funder_id), ("name", options.funder_name)):
            column = f"fundingOrganization_{name}"
            if default:
                grants = _set(grants, column, pc.if_else(stated, grants[column], pa.scalar(default)))
        return grants

    def _dated(self, rows: pa.Table) -> pa.Table:
        """Dates of the order that the mapping states as ISO dates; others are left as they are."""
        if self._options.dates is None:
            return rows
        for name in rows.column_names:
            if name.rpartition("_")[2] in fields.DATES:
                rows = _set(rows, name, iso_dates(column_of(rows, name), self._options.dates))
        return rows

    def _derived(self, grants: pa.Table, children: Mapping[str, pa.Table]) -> dict[str, pa.Array]:
        hashes, surrogates = _digests(grants, children)
        identifiers = pc.utf8_trim_whitespace(column_of(grants, "id"))
        keys = pc.if_else(pc.greater(pc.utf8_length(identifiers), 0), identifiers, None)
        keys = pc.coalesce(keys, pc.binary_join_element_wise("noid:", surrogates, ""))
        occurrences = []
        for key in keys.to_pylist():
            self._occurrences[key] += 1
            occurrences.append(str(self._occurrences[key]))
        return {
            "grantKey": keys,
            "occurrence": pa.array(occurrences, pa.string()),
            "recordHash": hashes,
            "modifiedAt": in_utc(column_of(grants, "dateModified")),
        }


def _batch(name: str, rows: pa.Table, derived: Mapping[str, pa.Array], provenance: Any) -> Batch:
    table = fields.tables()[name]
    columns = {column: derived[column] if column in derived else rows[column] for column in table.column_names}
    return Batch(name, pa.table({**columns, "_extra": rows["_extra"], **{n: provenance[n] for n in PROVENANCE}}))


def _set(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, values)


def _numbered(part: pa.Table) -> pa.Table:
    """In order of grant and list, with ``arrayIndex``: the place among the elements that hold something."""
    order = [("_parent", "ascending"), ("arrayName", "ascending"), ("_number", "ascending")]
    part = part.sort_by(order).combine_chunks()
    parents = part["_parent"].to_numpy()
    names = np.asarray(part["arrayName"].to_pylist(), dtype=object)
    starts = np.ones(part.num_rows, dtype=bool)
    starts[1:] = (parents[1:] != parents[:-1]) | (names[1:] != names[:-1])
    positions = np.arange(part.num_rows)
    first = np.maximum.accumulate(np.where(starts, positions, 0))
    return part.append_column("arrayIndex", pa.array(positions - first).cast(pa.string()))


def _masked(grants: pa.Table, children: Mapping[str, pa.Table]) -> tuple[pa.Table, dict[str, pa.Table]]:
    """Take out what may speak of a person: see the module's docstring. An individual's title moves beside the name,
    which sends it to the vault."""
    children = dict(children)
    personal = np.zeros(grants.num_rows, dtype=bool)
    individuals = children.get("recipient_individual")
    if individuals is not None:
        parents = individuals["_parent"].combine_chunks()
        personal[parents.to_numpy()] = True
        children["recipient_individual"] = _set(individuals, "grantTitle", grants["title"].take(parents))
    of_person = pa.array(personal)
    for column in ("title", "url"):
        hidden = pc.and_(of_person, pc.is_valid(grants[column]))
        grants = _set(grants, column, pc.if_else(hidden, pa.scalar(MASK), grants[column]))
    grants = _set(grants, "_extra", _masked_extra(grants["_extra"], personal))
    for name, part in children.items():
        inherited = personal[part["_parent"].to_numpy()]
        part = _set(part, "_extra", _masked_extra(part["_extra"], inherited))
        children[name] = _coarse(part, pa.array(inherited)) if name == "beneficiary_location" else part
    return grants, children


def _masked_extra(extra: pa.ChunkedArray, personal: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Array:
    maps = extra.combine_chunks()
    offsets = maps.offsets.to_numpy()
    start, end = int(offsets[0]), int(offsets[-1])
    keys, items = maps.keys.slice(start, end - start), maps.items.slice(start, end - start)
    spoken = {key for key in pc.unique(keys).to_pylist() if _PERSONAL.search(key)}
    hidden = pc.or_(
        pc.is_in(keys, pa.array(sorted(spoken), pa.string())), pa.array(np.repeat(personal, np.diff(offsets)))
    )
    items = pc.if_else(hidden, pa.scalar(MASK), items)
    return pa.MapArray.from_arrays(pa.array(offsets - start), keys, items)


def _coarse(locations: pa.Table, of_person: pa.Array) -> pa.Table:
    """Places of grants to individuals: no coordinates, no postcodes, nothing finer than a ward."""
    for name in ("latitude", "longitude", "geoCode", "name", "id"):
        values = locations[name]
        fine = pc.is_valid(values)
        if name not in ("latitude", "longitude"):
            fine = pc.or_(
                pc.match_substring_regex(values, _POSTCODE), pc.match_substring_regex(values, _FINER_THAN_WARD)
            )
        locations = _set(locations, name, pc.if_else(pc.and_(of_person, fine), pa.scalar(MASK), values))
    return locations


def _digests(grants: pa.Table, children: Mapping[str, pa.Table]) -> tuple[pa.Array, pa.Array]:
    """(digest of the grant with all its parts, digest of what makes the award), without what goes to the vault."""
    contents = [[text] for text in _contents("grant", grants)]
    recipients = [""] * grants.num_rows
    for name in sorted(children):
        part = children[name]
        parents = part["_parent"].to_pylist()
        for parent, text in zip(parents, _contents(name, part), strict=True):
            contents[parent].append(f"{name}{_FIELD}{text}")
        if name == "recipient_organization":
            named = _joined([part["arrayIndex"], part["id"], part["name"]]).to_pylist()
            recipients = _by_first(recipients, parents, named)
    essence = _joined([*(grants[column] for column in _ESSENCE), pa.array(recipients)]).to_pylist()
    return _hashed(_RECORD.join(texts) for texts in contents), _hashed(essence)


def _by_first(found: list[str], parents: list[int], named: list[str]) -> list[str]:
    for parent, text in zip(reversed(parents), reversed(named), strict=True):
        found[parent] = text
    return found


def _contents(name: str, rows: pa.Table) -> list[str]:
    """Each row's columns that are neither derived nor for the vault, as one text."""
    table = fields.tables()[name]
    left_out = {column.name for column in table.masked} | set(DERIVED)
    columns = [rows[column] for column in table.column_names if column not in left_out]
    texts: list[str] = _joined([*columns, _map_texts(rows["_extra"])]).to_pylist()
    return texts


def _map_texts(extra: pa.ChunkedArray) -> pa.Array:
    maps = extra.combine_chunks()
    entries = pc.binary_join_element_wise(maps.keys, maps.items, _FIELD)
    return pc.binary_join(pa.ListArray.from_arrays(maps.offsets, entries), _RECORD)


def _joined(columns: list[pa.ChunkedArray | pa.Array]) -> pa.Array:
    """NULL differs from empty, and ('a', NULL) from (NULL, 'a')."""
    filled = [pc.fill_null(c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c, _NULL) for c in columns]
    return pc.binary_join_element_wise(*filled, _FIELD)


def _hashed(texts: Iterable[str]) -> pa.Array:
    return pa.array([blake2b(text.encode(), digest_size=16).hexdigest() for text in texts], pa.string())
