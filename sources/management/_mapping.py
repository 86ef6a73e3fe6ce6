"""The region file's ``mapping`` block of a sheet: which entity it feeds, and which of its columns are which.

What belongs here: reading and checking the block. What does not: reading files.

A sheet or file that is called like an entity, and whose header uses the entity's column names, needs no mapping. Else::

    mapping:
      entity: staffing                          # the entity that every file of the delivery feeds
      columns: {"Team name": team_code, "FTE (budget)": fte_established}       # header: column
      codes: {role_code: {"Case worker": case_worker}}                         # column: {as written: code}
      constants: {currency_code: GBP, scheme_code: harbour_hmis}               # where the sheet has no value
      dates: day_first                          # or month_first: how 03/04/2025 is meant; default: ISO dates only
      decimal: ","                              # how numbers are written; default a point
      delimiter: ";"                            # of CSV files; default a comma
      complete: true                            # a delivery replaces all that this source sent; default false
      tables:                                   # several sheets or files: name or pattern: the same keys
        "Staff *": {entity: staffing, columns: {...}}
        Budget: {entity: finance}

What stands beside ``tables`` holds for all of them; what a table says itself comes first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from sources.management._entities import Entity, Kind, entities

_TABLE_KEYS = ("entity", "columns", "codes", "constants", "dates", "decimal", "delimiter")
_TOP_KEYS = (*_TABLE_KEYS, "complete", "tables")
_DATES = ("day_first", "month_first")
_DECIMALS = (".", ",")
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class TableMapping:
    """What is known of one sheet or file."""

    entity: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Header → column."""
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column → value as written, case folded → code."""
    constants: Mapping[str, str] = field(default_factory=dict)
    dates: str | None = None
    decimal: str = "."
    delimiter: str = ","


@dataclass(frozen=True)
class SheetMapping:
    """The whole block."""

    default: TableMapping
    tables: Mapping[str, TableMapping]
    """Name or pattern of a sheet or file → its mapping, in the order of the region file."""
    is_complete: bool

    def of(self, *names: str) -> TableMapping | None:
        """The mapping of a sheet or file by the first pattern that one of its names fits; else by an entity's name;
        else the one for all. None where nothing says what it feeds."""
        folded = [name.strip().casefold() for name in names]
        for pattern, table in self.tables.items():
            if any(fnmatchcase(name, pattern.strip().casefold()) for name in folded):
                return table
        if self.default.entity is not None:
            return self.default
        named = next((entity for name in names if (entity := entity_called(name))), None)
        return None if named is None else _with(self.default, {"entity": named})


def entity_called(name: str) -> str | None:
    """The entity that a file or sheet is called after: ``Goal review 2025-10-01.csv`` is goal_review."""
    words = re.sub(r"[^a-z]+", "_", re.sub(r"\.(csv|xlsx)$", "", name.strip().casefold())).strip("_")
    return words if words in entities() else None


def parse_mapping(mapping: Mapping[str, Any]) -> SheetMapping:
    """Read a block that :func:`check_mapping` found fine."""
    default = _with(TableMapping(), mapping)
    tables = {str(name): _with(default, block or {}) for name, block in (mapping.get("tables") or {}).items()}
    return SheetMapping(default, tables, bool(mapping.get("complete", False)))


def _with(base: TableMapping, block: Mapping[str, Any]) -> TableMapping:
    codes = {
        column: {str(value).strip().casefold(): str(code) for value, code in (values or {}).items()}
        for column, values in (block.get("codes") or {}).items()
    }
    return TableMapping(
        entity=block.get("entity", base.entity),
        columns={**base.columns, **{str(header): column for header, column in (block.get("columns") or {}).items()}},
        codes={**base.codes, **codes},
        constants={**base.constants, **{column: str(v) for column, v in (block.get("constants") or {}).items()}},
        dates=block.get("dates", base.dates),
        decimal=block.get("decimal", base.decimal),
        delimiter=block.get("delimiter", base.delimiter),
    )


def check_mapping(mapping: Mapping[str, Any]) -> list[str]:
    """Problems of a block, each a sentence that says how to mend it."""
    problems = [f"unknown key '{key}'; known are {', '.join(_TOP_KEYS)}" for key in mapping if key not in _TOP_KEYS]
    if not isinstance(mapping.get("complete", False), bool):
        problems.append("'complete' must be true or false")
    tables = mapping.get("tables") or {}
    if not isinstance(tables, Mapping):
        return [*problems, "'tables' must be a block of names and mappings"]
    problems += _check_table(mapping, needs_entity=False, is_shared=bool(tables))
    if problems:
        return problems
    for name, block in tables.items():
        if not isinstance(block or {}, Mapping):
            problems.append(f"table '{name}': must be a block of keys and values")
            continue
        unknown = [key for key in block or {} if key not in _TABLE_KEYS]
        problems += [f"table '{name}': unknown key '{key}'; known are {', '.join(_TABLE_KEYS)}" for key in unknown]
        merged = {**{key: mapping[key] for key in ("entity",) if key in mapping}, **(block or {})}
        found = _check_table(merged, needs_entity=True, is_shared=False)
        problems += [f"table '{name}': {problem}" for problem in found]
    return problems


def _check_table(block: Mapping[str, Any], *, needs_entity: bool, is_shared: bool) -> list[str]:
    problems = list(_check_shapes(block))
    if problems:
        return problems
    entity = block.get("entity")
    if entity is not None and entity not in entities():
        return [f"'entity' is '{entity}'{_like(str(entity), entities())}; known are {', '.join(entities())}"]
    if entity is None and needs_entity:
        return [f"'entity' is missing; say which of these it feeds: {', '.join(entities())}"]
    if entity is None or is_shared:
        known = {name: kind for e in entities().values() for name, kind in e.kinds.items()}
    else:
        known = dict(entities()[entity].kinds)
    problems += _check_columns(block, known)
    if entity is not None and not is_shared:
        problems += _check_private(block, entities()[entity])
    return problems


def _check_shapes(block: Mapping[str, Any]) -> Iterator[str]:
    for key in ("columns", "codes", "constants"):
        if not isinstance(block.get(key) or {}, Mapping):
            yield f"'{key}' must be a block of keys and values"
    for key, allowed in (("dates", _DATES), ("decimal", _DECIMALS), ("delimiter", _DELIMITERS)):
        if block.get(key) is not None and block[key] not in allowed:
            yield f"'{key}' must be one of {', '.join(repr(value) for value in allowed)}"
    codes = block.get("codes") or {}
    for column, values in codes.items() if isinstance(codes, Mapping) else ():
        if not isinstance(values, Mapping):
            yield f"codes: '{column}' must be a block of values as written and codes"


def _check_columns(block: Mapping[str, Any], known: Mapping[str, Kind]) -> Iterator[str]:
    owner: dict[str, str] = {}
    for header, column in (block.get("columns") or {}).items():
        if column not in known:
            yield f"columns: '{header}' is to feed '{column}'{_like(str(column), known)}; known are {', '.join(known)}"
        elif column in owner:
            yield f"columns: '{header}' and '{owner[column]}' both feed '{column}'; a column has one source"
        owner[column] = header
    for key in ("codes", "constants"):
        for column in block.get(key) or {}:
            if column not in known:
                yield f"{key}: there is no column '{column}'{_like(str(column), known)}"


def _check_private(block: Mapping[str, Any], entity: Entity) -> Iterator[str]:
    for column in block.get("constants") or {}:
        if entity.kinds.get(column) is Kind.REFERENCE:
            yield f"constants: '{column}' tells records apart and can't be the same for all"


def _like(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean '{close[0]}'?)" if close else ", which does not exist"
