"""What a connector is, and how one is found.

What belongs here: the protocol between a connector and the landing zone, and discovery. A new kind of source is one
module under ``sources/<domain>/`` that defines ``CONNECTOR``; nothing else has to be edited.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import pyarrow as pa

from sources.delivery import Delivery
from sources.errors import RefusedError
from sources.spec import DeliveryFacts, Table

__all__ = ["Batch", "Connector", "MappingProblem", "RefusedError", "Reject", "connectors"]

DOMAINS = ("funder", "case_management", "survey", "management", "benchmark")


class MappingProblem(str):
    """What is wrong with a ``mapping`` block, a sentence; ``at`` says where, as keys from the block on down."""

    at: tuple[str | int, ...] = ()

    def __new__(cls, sentence: str, at: tuple[str | int, ...] = ()) -> MappingProblem:
        problem = super().__new__(cls, sentence)
        problem.at = at
        return problem


@dataclass(frozen=True)
class Batch:
    """Rows of one landing table.

    ``rows``: every spec column as string, ``_extra`` (map<string, string>; columns beyond the spec, only non-empty
    values), ``_file`` (string), ``_row_number`` (int64, 1-based count of records in that file, rejected ones counted,
    header not), ``_line`` (int64, 1-based physical line on which the record starts; for JSON the 1-based position of
    the record where a line is not known). Empty text is NULL.
    """

    table: str
    rows: pa.Table


@dataclass(frozen=True)
class Reject:
    """One record that could not be read as a row of its table. It is counted, quarantined and reported."""

    table: str
    file: str
    row_number: int
    line: int
    rule: str
    message: str
    fix: str
    column: str | None = None
    raw: bytes = b""
    """The record's bytes (at most 64 KiB), kept in the vault only."""


class Connector(Protocol):
    """Reads deliveries of one kind of system."""

    kind: str
    """As in the region file: ``hmis_csv``, ``threesixtygiving``, …"""
    domain: str
    version: str
    """Raise it when the same delivery would land differently: landing is keyed by it."""
    title: str
    tables: Mapping[str, Table]

    def inspect(self, delivery: Delivery, mapping: Mapping[str, Any]) -> DeliveryFacts:
        """Read what the delivery says of itself. Raises :class:`RefusedError` if it is not of this kind."""

    def read(self, delivery: Delivery, facts: DeliveryFacts, mapping: Mapping[str, Any]) -> Iterator[Batch | Reject]:
        """Yield the delivery's rows, in bounded memory. Raises :class:`RefusedError` if it can't be used; what the
        headers of its files show of that, before the first row."""

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        """Problems of the region file's ``mapping`` block for this kind, each a sentence; empty if it is fine. A
        :class:`MappingProblem` also tells its place."""


@cache
def connectors() -> dict[str, Connector]:
    """Every connector by kind, found in the packages of :data:`DOMAINS`."""
    found: dict[str, Connector] = {}
    for domain in DOMAINS:
        package = importlib.import_module(f"sources.{domain}")
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
            module = importlib.import_module(f"sources.{domain}.{info.name}")
            connector = getattr(module, "CONNECTOR", None)
            if connector is not None:
                found[connector.kind] = connector
    return found
