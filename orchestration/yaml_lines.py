"""Where a key stands in a YAML file, and validation errors in words that name file, line and key.

What belongs here: what every YAML file that people write has in common. What does not: any one file's model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

Loc = tuple[int | str, ...]


def key_lines(node: yaml.Node | None, at: Loc = ()) -> dict[Loc, int]:
    """1-based line of every key path of a YAML document."""
    found: dict[Loc, int] = {}
    if node is None:
        return found
    found[at] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found |= key_lines(value, (*at, str(key.value)))
            found[(*at, str(key.value))] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found |= key_lines(value, (*at, index))
    return found


def repeated_keys(node: yaml.Node | None, at: Loc = ()) -> Iterator[tuple[Loc, int]]:
    """(key path, line) of every key that its mapping already has; YAML itself would silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (*at, str(key.value))
            if key.value in seen:
                yield here, key.start_mark.line + 1
            seen.add(key.value)
            yield from repeated_keys(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from repeated_keys(value, (*at, index))


def place(name: str, lines: Mapping[Loc, int], at: Loc) -> str:
    """``file:line: key`` of a key path, or of the nearest one above it that the file has."""
    known = at
    while known and known not in lines:
        known = known[:-1]
    key = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in at).lstrip(".")
    return f"{name}:{lines.get(known, 1)}: {key or 'file'}"


def sentence(name: str, lines: Mapping[Loc, int], error: Any) -> str:
    """A pydantic error as a sentence with its place and, where there is one, the mend."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "is not a known key; remove it or correct its spelling"
    elif error["type"] == "missing":
        message = "is required and missing"
    elif error["type"] in ("model_type", "model_attributes_type"):
        message = "must be keys with values, as in `key: value`"
    elif error["type"] == "string_pattern_mismatch":
        message = "must be lower-case letters, digits and underscores, starting with a letter"
    return f"{place(name, lines, tuple(error['loc']))}: {message}"
