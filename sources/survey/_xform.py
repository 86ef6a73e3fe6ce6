"""What an ODK form definition (XForm XML) says about a form's questions.

What belongs here: id, title and version of a form, and which questions offer options or hold media, places and codes.
What does not: submissions. A definition is optional in a delivery; with it, chosen options stay readable without
being named in the region file.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from sources.survey._privacy import Privacy

_SELECTS = frozenset({"select", "select1", "rank"})
_PRIVATE_TYPES = frozenset({"binary", "barcode", "geopoint", "geotrace", "geoshape"})


@dataclass(frozen=True)
class Definition:
    """One form definition. Paths are as in exports: ``group/question``."""

    form_code: str
    version: str | None
    title: str | None
    choices: frozenset[str]
    multiple: frozenset[str]
    private: frozenset[str]
    paths: frozenset[str]

    def privacy(self, path: str) -> Privacy:
        """What the definition says about a question's answers."""
        if path in self.choices:
            return Privacy.PLAIN
        return Privacy.PRIVATE if path in self.private else Privacy.BY_VALUE


def parse_definition(content: bytes) -> Definition | None:
    """The definition in an XML file; None if it is something else (or uses entities, which no form needs).

    Bytes of zero are those of UTF-16, in which entities would not be seen; forms are UTF-8.
    """
    if any(mark in content for mark in (b"<!DOCTYPE", b"<!ENTITY", b"\0")):
        return None
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  entities are ruled out above
    except ElementTree.ParseError:
        return None
    instance = next((e for e in root.iter() if _tag(e) == "instance" and len(e)), None)
    if _tag(root) != "html" or instance is None:
        return None
    data = instance[0]
    form_code = data.get("id") or data.tag.partition("}")[0].lstrip("{")
    prefix = f"/{_tag(data)}/"
    types = {_path(e, prefix): _local(e.get("type", "")) for e in root.iter() if _tag(e) == "bind"}
    controls = {(_tag(e), _path(e, prefix)) for e in root.iter() if e.get("ref") is not None}
    choices = {path for path, kind in types.items() if kind in _SELECTS} | _of(controls, _SELECTS)
    multiple = {path for path, kind in types.items() if kind in ("select", "rank")} | _of(controls, {"select", "rank"})
    private = {path for path, kind in types.items() if kind in _PRIVATE_TYPES} | _of(controls, {"upload"})
    title = next((e.text for e in root.iter() if _tag(e) == "title"), None)
    version = data.get("version") or next((v for k, v in data.attrib.items() if k.endswith("}version")), None)
    return Definition(
        form_code, version, title, frozenset(choices), frozenset(multiple), frozenset(private), frozenset(types)
    )


def _tag(element: ElementTree.Element) -> str:
    return _local(element.tag)


def _local(name: str) -> str:
    return name.rpartition("}")[2].rpartition(":")[2]


def _path(element: ElementTree.Element, prefix: str) -> str:
    return (element.get("nodeset") or element.get("ref") or "").removeprefix(prefix).strip("/")


def _of(controls: set[tuple[str, str]], kinds: set[str] | frozenset[str]) -> set[str]:
    return {path for kind, path in controls if kind in kinds}
