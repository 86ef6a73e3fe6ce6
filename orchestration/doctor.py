"""What `trigpoint check` finds: whether every source can be reached and read, and definitions are sound, before a run.

What belongs here: looking, without changing anything. What does not: judging rows (``expectations``).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from orchestration import frameworks
from orchestration.kpi_definitions import kpi_ids
from orchestration.region import Region, SourceBlock
from orchestration.vault import KEY_VARIABLE, LOCAL_KEY, VaultError, has_local_key
from sources.connector import Connector, connectors
from sources.delivery import MIB, Delivery, EnoughError, open_delivery
from sources.errors import RefusedError

_LOOKED_AT = 64 * MIB
"""Bytes of each file that are looked at; what is wrong behind them, the run tells."""


@dataclass(frozen=True)
class Finding:
    """One thing found, with what to do about it."""

    level: Literal["ok", "warning", "error"]
    source: str
    message: str


def examine(region: Region) -> Iterator[Finding]:
    """Look at the region's places and at every source's deliveries."""
    yield from _places(region)
    yield from _definitions(region)
    for source in region.sources:
        yield from _source(region, source)


def _places(region: Region) -> Iterator[Finding]:
    if not os.access(region.root, os.W_OK):
        yield Finding("error", "region", f"can't write beside {region.path.name}; state lies there")
    yield from _vault_key(region)


def _vault_key(region: Region) -> Iterator[Finding]:
    shown = f"{region.vault_dir.name}/{LOCAL_KEY}"
    try:
        is_there = has_local_key(region.vault_dir)
    except VaultError as error:
        yield Finding("error", "vault", str(error))
        return
    if is_there:
        said = f"the key is kept in {shown}, which is for one machine and for trying out"
        yield Finding("warning", "vault", f"{KEY_VARIABLE} is not set: {said}")
    elif os.environ.get(KEY_VARIABLE) is None:
        said = f"the first run will make a key in {shown}, which is for one machine and for trying out"
        own = f"to bring your own, set {KEY_VARIABLE} before it, such as to the output of `openssl rand -hex 32`"
        yield Finding("warning", "vault", f"{KEY_VARIABLE} is not set: {said}; {own}, and keep it safe")


def _definitions(region: Region) -> Iterator[Finding]:
    """Crosswalks that do not add up, and targets of figures that there are not, each with its line."""
    yield from (Finding("error", "frameworks", problem) for problem in frameworks.problems())
    kpis = {kpi_id.upper(): kpi_id for kpi_id in kpi_ids()}
    measures = {
        measure
        for source in region.sources
        if connectors()[source.kind].domain == "benchmark"
        for measure in source.mapping.get("measures", {})
    }
    for position, target in enumerate(region.model.targets):
        place = f"{region.path.name}:{region.line_of('targets', position) or 1}"
        if target.kpi is not None and target.kpi.upper() not in kpis:
            close = difflib.get_close_matches(target.kpi.upper(), sorted(kpis), 1)
            meant = f"; did you mean {kpis[close[0]]}?" if close else "; `trigpoint kpi list` shows those there are"
            yield Finding("error", "targets", f"{place}: there is no KPI '{target.kpi}'{meant}")
        elif target.measure is not None and target.measure not in measures:
            known = f"; there are: {', '.join(sorted(measures))}" if measures else ""
            yield Finding("error", "targets", f"{place}: no source brings a measure '{target.measure}'{known}")


def _source(region: Region, source: SourceBlock) -> Iterator[Finding]:
    deliveries = region.deliveries_of(source)
    if not deliveries:
        yield Finding("error", source.id, f"nothing at {source.location}; correct the location or wait for a delivery")
        return
    connector = connectors()[source.kind]
    readable = 0
    stated: list[str] = []
    for path in deliveries:
        try:
            with open_delivery(path, source.limits.of_delivery) as delivery:
                stated_at = _look_into(delivery.beginning(_LOOKED_AT), connector, source.mapping)
            readable += 1
            stated += [stated_at] if stated_at else []
        except RefusedError as error:
            yield Finding(
                "warning", source.id, f"{path.name} will be refused: {error.message.rstrip('.')}. {error.fix}"
            )
        except OSError as error:
            yield Finding("error", source.id, f"{path.name} can't be read: {error.strerror}; check its permissions")
    if readable:
        last = f", the last one exported {max(stated)}" if stated else ""
        yield Finding("ok", source.id, f"{readable} of {len(deliveries)} deliveries readable{last}")
    else:
        yield Finding("error", source.id, f"none of {len(deliveries)} deliveries can be used")


def _look_into(delivery: Delivery, connector: Connector, mapping: Mapping[str, Any]) -> str | None:
    """Begin to read a delivery, so far that it is refused for what its headers show. Returns when it says that it was
    exported."""
    stated_at = None
    with suppress(EnoughError):
        facts = connector.inspect(delivery, mapping)
        stated_at = facts.stated_at
        next(connector.read(delivery, facts, mapping), None)
    return stated_at
