"""What the readers of the three file formats hand to the one that makes landing rows.

What belongs here: a block of records of one file as Arrow tables, made from single records or from a flat table whose
columns are paths. What does not: files (``files``, ``sheets``), and everything that is derived or masked (``rows``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.funder.threesixtygiving import fields
from sources.funder.threesixtygiving.fields import CHILDREN, DERIVED, Leaf
from sources.funder.threesixtygiving.records import Part, Record
from sources.spec import Table

EXTRA_TYPE = pa.map_(pa.string(), pa.string())
PROVENANCE = ("_file", "_row_number", "_line")


@dataclass(frozen=True)
class Block:
    """Some records of one file.

    ``grants`` has columns of its landing table (absent ones mean NULL), ``_extra`` and provenance; each of ``children``
    has ``_parent`` (position in ``grants``), ``_number`` (of the element), ``arrayName`` and ``_extra``.
    """

    grants: pa.Table
    children: Mapping[str, pa.Table]


def block_of(records: Sequence[Record]) -> Block:
    """Records as grants and their parts."""
    grants = [_placed(record) for record in records]
    elements: dict[str, list[tuple[int, str, int, Part]]] = {}
    for parent, record in enumerate(records):
        for (key, number), part in record.parts.items():
            if key in CHILDREN:
                elements.setdefault(CHILDREN[key], []).append((parent, key, number, part))
    rows = _arrays(grants, fields.tables()["grant"])
    rows["_extra"] = pa.array([list(record.extra.items()) for record in records], EXTRA_TYPE)
    rows["_file"] = pa.array([record.file for record in records], pa.string())
    rows["_row_number"] = pa.array([record.row_number for record in records], pa.int64())
    rows["_line"] = pa.array([record.line for record in records], pa.int64())
    return Block(pa.table(rows), {table: _part_table(table, found) for table, found in elements.items()})


def _placed(record: Record) -> dict[str, str]:
    """Columns of ``grant``: its own fields, and those of its parts that have no table of their own."""
    grant = record.grant
    for (key, number), part in record.parts.items():
        if key in CHILDREN:
            continue
        for sub, text in part.items():
            column = fields.place(Leaf(key, number, sub)).column
            if column is None:
                record.extra[Leaf(key, number, sub).path] = text
            else:
                grant[column] = text
    return grant


def _part_table(table: str, elements: Sequence[tuple[int, str, int, Part]]) -> pa.Table:
    parents, keys, numbers, parts = zip(*elements, strict=True)
    rows = _arrays(parts, fields.tables()[table])
    rows["arrayName"] = pa.array(keys, pa.string())
    columns = set(fields.tables()[table].column_names)
    rows["_extra"] = pa.array([[(s, part[s]) for s in part if s not in columns] for part in parts], EXTRA_TYPE)
    rows["_parent"] = pa.array(parents, pa.int64())
    rows["_number"] = pa.array(numbers, pa.int64())
    return pa.table(rows)


def _arrays(records: Sequence[Mapping[str, str]], table: Table) -> dict[str, pa.Array]:
    names = [name for name in table.column_names if name not in DERIVED and name != "arrayIndex"]
    rows = pa.array(records, pa.struct([(name, pa.string()) for name in names]))
    return dict(zip(names, rows.flatten(), strict=True))


def split(rows: pa.Table, by_path: Mapping[str, Leaf]) -> Block:
    """Rows whose columns are paths, as grants and their parts."""
    grant: dict[str, pa.ChunkedArray] = {}
    beyond: dict[str, pa.ChunkedArray] = {}
    parts: dict[tuple[str, str, int], dict[str, tuple[str | None, pa.ChunkedArray]]] = {}
    for path, leaf in by_path.items():
        place = fields.place(leaf)
        if place.table != "grant":
            parts.setdefault((place.table, leaf.key, leaf.number), {})[leaf.sub] = (place.column, rows[path])
        elif place.column is None:
            beyond[leaf.path] = rows[path]
        else:
            grant[place.column] = rows[path]
    extra = _extended(rows["_extra"], beyond, rows.num_rows)
    grants = pa.table({**grant, "_extra": extra, **{name: rows[name] for name in PROVENANCE}})
    children: dict[str, list[pa.Table]] = {}
    for (table, key, number), columns in sorted(parts.items()):
        children.setdefault(table, []).append(_part(key, number, columns, rows.num_rows))
    return Block(grants, {table: pa.concat_tables(found) for table, found in _aligned(children).items()})


def _part(key: str, number: int, columns: Mapping[str, tuple[str | None, pa.ChunkedArray]], count: int) -> pa.Table:
    """The rows that have an element ``number`` of the list ``key``."""
    present = pa.array(np.zeros(count, dtype=bool))
    for _, values in columns.values():
        present = pc.or_(present, pc.is_valid(values).combine_chunks())
    parents = pc.indices_nonzero(present).cast(pa.int64())
    taken = {sub: (column, values.take(parents)) for sub, (column, values) in columns.items()}
    beyond = {sub: values for sub, (column, values) in taken.items() if column is None}
    return pa.table(
        {
            **{column: values for column, values in taken.values() if column is not None},
            "arrayName": pa.repeat(pa.scalar(key), len(parents)),
            "_extra": _extended(None, beyond, len(parents)),
            "_parent": parents,
            "_number": pa.repeat(pa.scalar(number, pa.int64()), len(parents)),
        }
    )


def _aligned(children: Mapping[str, list[pa.Table]]) -> dict[str, list[pa.Table]]:
    """Tables of the same columns, so that they can be put below each other."""
    return {
        name: [complete(part, fields.tables()[name], ("_parent", "_number")) for part in parts]
        for name, parts in children.items()
    }


def complete(rows: pa.Table, table: Table, more: Sequence[str]) -> pa.Table:
    """All columns of the spec that are not derived, ``_extra`` and ``more``, in order."""
    names = [name for name in table.column_names if name not in DERIVED and name != "arrayIndex"]
    return pa.table(
        {
            **{name: column_of(rows, name) for name in names},
            **{name: rows[name] for name in ("_extra", *more)},
        }
    )


def column_of(rows: pa.Table, name: str) -> pa.Array:
    if name not in rows.column_names:
        return pa.nulls(rows.num_rows, pa.string())
    values = rows[name]
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _extended(extra: pa.ChunkedArray | None, beyond: Mapping[str, pa.ChunkedArray], count: int) -> pa.Array:
    """A map column with more entries; fields of the standard that have no column of their own are rare."""
    if extra is not None and not beyond:
        return extra.combine_chunks().cast(EXTRA_TYPE)
    maps = [dict(entries or ()) for entries in extra.to_pylist()] if extra is not None else [{} for _ in range(count)]
    for name, values in beyond.items():
        for entries, value in zip(maps, values.to_pylist(), strict=True):
            if value is not None:
                entries[name] = value
    return pa.array([list(entries.items()) for entries in maps], EXTRA_TYPE)
