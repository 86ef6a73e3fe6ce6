"""Whether a table holds grants, and which of its columns is which field.

What belongs here: headers against the standard and against the mapping of the source, and what an engineer is told
about a delivery (``Findings``). What does not: reading rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from sources.errors import RefusedError
from sources.funder.threesixtygiving import fields
from sources.funder.threesixtygiving.fields import Leaf
from sources.funder.threesixtygiving.mapping import Options, folded
from sources.funder.threesixtygiving.moments import utc


@dataclass
class Findings:
    """What came to light while the files were read."""

    modified: str | None = None
    """The latest date at which a package or a grant says it was modified, in UTC."""
    package_modified: str | None = None
    version: str | None = None
    record_count: int = 0
    empty_count: int = 0
    details: dict[str, str] = field(default_factory=dict)

    def saw_modified(self, text: str | None) -> None:
        moment = utc(text) if text else None
        if moment and (self.modified is None or moment > self.modified):
            self.modified = moment

    def note(self, key: str, text: str) -> None:
        known = self.details.get(key)
        if text not in (known or "").split("; "):
            self.details[key] = f"{known}; {text}" if known else text


def targets_of(headers: Sequence[str], options: Options) -> dict[str, Leaf]:
    """Header → field, first come, first served: a second column for a field is kept as a column beyond the standard."""
    mapped = {header: options.columns[folded(header)].leaf for header in headers if folded(header) in options.columns}
    taken = set(mapped.values())
    found: dict[str, Leaf] = {}
    used: set[Leaf] = set()
    for header in headers:
        leaf = mapped.get(header) or fields.resolve(header)
        if leaf is None or leaf in used or (leaf in taken and header not in mapped):
            continue
        found[header] = leaf
        used.add(leaf)
    return found


def holds_grants(keys: AbstractSet[str]) -> bool:
    """Whether these fields (by their keys in a grant) are those of grants, and not of any other list."""
    marks = keys & fields.MARKS
    return ("id" in keys and bool(marks)) or ("amountAwarded" in keys and len(marks) > 1)


def check_headers(file: str, headers: Sequence[str], targets: Mapping[str, Leaf], options: Options) -> None:
    """Refuse a table that holds no grants, or that lacks a column of the mapping."""
    if not holds_grants({leaf.key for leaf in targets.values()}):
        raise no_grants(file, headers)
    fed = set(targets.values())
    for header, leaf in options.columns.values():
        if leaf not in fed:
            raise RefusedError(
                "missing_column",
                f"{file} has no column '{header}', which the mapping of this source reads as {leaf.path}.",
                "Ask whether the column was renamed; then correct mapping.columns in the region file.",
                file=file,
                line=1,
            )


def no_grants(file: str, headers: Sequence[str]) -> RefusedError:
    shown = ", ".join(repr(header) for header in headers[:6]) or "no columns"
    names = {folded(header) for header in headers}
    what = "contracting data (OCDS)" if names & {"ocid", "releases"} else "something else"
    if len(headers) == 1 and ";" in headers[0]:
        what = "a table with another delimiter (set mapping.delimiter)"
    return RefusedError(
        "not_grants",
        f"{file} holds no grants but {what}: it has {shown}, and no identifier or amount awarded beside a field that "
        "only grants have.",
        "Send a 360Giving file with the columns Identifier, Amount Awarded, Currency, Award Date, Recipient Org and "
        "Funding Org; name a publisher's own headers in mapping.columns of the region file.",
        file=file,
    )
