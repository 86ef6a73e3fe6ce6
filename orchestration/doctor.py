"""What `trigpoint check` finds: whether every source can be reached and read, and definitions are sound, before a run.

What belongs here: looking, without changing anything. What does not: judging rows (``expectations``).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from orchestration import frameworks
from orchestration.kpi_definitions import kpi_ids
from orchestration.region import Region, SourceBlock
from orchestration.vault import KEY_VARIABLE
from sources.connector import connectors
from sources.delivery import open_delivery
from sources.errors import RefusedError


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
    if os.environ.get(KEY_VARIABLE) is None:
        yield Finding(
            "warning",
            "vault",
            f"{KEY_VARIABLE} is not set: a key is kept in vault/local.key, which is for one machine and for trying out",
        )


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
                facts = connector.inspect(delivery, source.mapping)
            readable += 1
            stated += [facts.stated_at] if facts.stated_at else []
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
