"""One grant at a time: what a JSON object or a spreadsheet row says, by field.

What belongs here: the record that JSON and XLSX files are read into, and the walk over a JSON grant. What does not:
where fields land (``fields``, ``blocks``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sources.funder.threesixtygiving.fields import Field, Leaf, vocabulary

Part = dict[str, str]
"""Field → text of one element of a list; deeper fields by path, such as ``location/0/name``."""


@dataclass
class Record:
    """A grant of a JSON or XLSX file. What is empty is not there."""

    file: str
    row_number: int
    line: int
    grant: dict[str, str] = field(default_factory=dict)
    """Fields of the grant itself, by key."""
    parts: dict[tuple[str, int], Part] = field(default_factory=dict)
    """By key and number of the element."""
    extra: dict[str, str] = field(default_factory=dict)
    """What the standard does not know, or what has another shape than it says, by header or path."""

    def setdefault(self, leaf: Leaf, text: str) -> str:
        """The value of a leaf, which is set if it has none."""
        if not leaf.sub:
            return self.grant.setdefault(leaf.key, text)
        return self.parts.setdefault((leaf.key, leaf.number), {}).setdefault(leaf.sub, text)


@cache
def _texts(kind: str) -> frozenset[str]:
    """Keys of the fields that hold one value."""
    fields = vocabulary().grant if kind == "grant" else vocabulary().objects[kind]
    return frozenset(key for key, found in fields.items() if found.kind == "text")


def record_of(grant: Mapping[str, Any], file: str, row_number: int, line: int) -> Record:
    """A JSON grant, whose numbers must have been read as text."""
    record = Record(file, row_number, line)
    fields, texts = vocabulary().grant, _texts("grant")
    for key, value in grant.items():
        if type(value) is str and key in texts:
            if value:
                record.grant[key] = value
        elif key not in fields:
            record.extra.update(_flat(key, value))
        elif fields[key].kind in ("text", "texts"):
            _put_text(record.grant, record.extra, key, value, fields[key], key)
        else:
            _put_parts(record, fields[key], value)
    return record


def _put_parts(record: Record, of: Field, value: Any) -> None:
    elements = value if isinstance(value, list) else [value]
    fields, texts = vocabulary().objects[of.kind], _texts(of.kind)
    for number, element in enumerate(elements):
        if not isinstance(element, dict) or (number and not of.many):
            record.extra.update(_flat(f"{of.key}/{number}" if isinstance(value, list) else of.key, element))
            continue
        part: Part = {}
        for sub, inner in element.items():
            if type(inner) is str and sub in texts:
                if inner:
                    part[sub] = inner
            elif sub not in fields:
                record.extra.update(_flat(f"{of.key}/{number}/{sub}", inner))
            elif fields[sub].kind in ("text", "texts"):
                _put_text(part, record.extra, sub, inner, fields[sub], f"{of.key}/{number}/{sub}")
            else:
                part.update(_flat(sub, inner))
        if part:
            record.parts[of.key, number] = part


def _put_text(known: Part, extra: dict[str, str], key: str, value: Any, of: Field, path: str) -> None:
    """A value that is no plain text; lists of texts are joined by ``;``."""
    text = _scalar(value)
    if of.kind == "texts" and isinstance(value, list):
        scalars = [_scalar(part) for part in value]
        text = ";".join(filter(None, scalars)) if None not in scalars else None
    if text:
        known[key] = text
    elif text is None:
        extra.update(_flat(path, value))


def _scalar(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every scalar under ``value`` with its path; empty values are left out."""
    pending = [(path, value)]
    while pending:
        at, item = pending.pop()
        if isinstance(item, dict):
            pending += [(f"{at}/{key}", inner) for key, inner in item.items()]
        elif isinstance(item, list):
            pending += [(f"{at}/{index}", inner) for index, inner in enumerate(item)]
        elif text := _scalar(item):
            yield at, text
