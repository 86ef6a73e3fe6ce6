"""What `trigpoint status` and `trigpoint quarantine list` show.

What belongs here: reading the state of a region for a person, without changing it. What does not: deciding anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

import duckdb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestration.hold import BusyError, is_held
from orchestration.ledger import Ledger
from orchestration.quality import LoneDelta, lone_deltas, open_defects
from orchestration.region import Region
from orchestration.release import latest, read_manifest
from orchestration.warehouse import connect


@dataclass(frozen=True)
class StoppedDelivery:
    """A delivery that was not loaded: paused until a person decides, or refused."""

    delivery_id: str
    source_id: str
    organisation_id: str
    reason: str


def show(region: Region) -> RenderableType:
    """Sources with their last delivery and the latest release."""
    # Narrow enough for a terminal of 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("source", "kind", "last export", "loaded", "paused", "refused", "held"):
        left = name in ("source", "kind", "last export")
        table.add_column(name, justify="left" if left else "right", no_wrap=left)
    going_on = released(region)
    with _warehouse(region) as connection:
        known = _by_source(connection, [d.delivery_id for d in going_on]) if connection else {}
        lone = lone_deltas(connection) if connection else []
    for source in region.sources:
        loaded, last, paused_count, refused, held = known.get(source.id, (0, None, 0, 0, 0))
        table.add_row(
            *(source.id, source.kind, str(last)[:10] if last else "not stated" if source.id in known else "never"),
            *(str(n) if n else "" for n in (loaded, paused_count, refused, held)),
        )
    parts = [*_released_lines(going_on), *map(lone_delta_line, lone)]
    return Group(table, Text(), *([*parts, Text()] if parts else []), _release_line(region))


def lone_delta_line(lone: LoneDelta) -> Text:
    """A delta whose rows wait for a full export, and of whom to ask it."""
    return Text(f"{lone.source_id}, delivery {lone.delivery_id[:12]}: {lone.sentence}")


def show_quarantine(region: Region, organisation: str | None) -> RenderableType:
    """Paused and refused deliveries, then rows held back by source, table and rule."""
    waiting = [p for p in paused(region) if organisation in (None, p.organisation_id)]
    parts: list[RenderableType] = [Text(f"Paused deliveries: {len(waiting)}"), *map(_line, waiting)]
    if waiting:
        parts.append(Text("  trigpoint quarantine release DELIVERY --reason '…' lets one go on"))
    going_on = [d for d in released(region) if organisation in (None, d.organisation_id)]
    if going_on:
        parts += [Text(), *_released_lines(going_on)]
    refused = [d for d in _stopped(region, "refused") if organisation in (None, d.organisation_id)]
    if refused:
        parts += [Text(), Text(f"Refused deliveries: {len(refused)}"), *map(_line, refused)]
    of = {source.id: source.organisation for source in region.sources}
    with _warehouse(region) as connection:
        defects = open_defects(connection) if connection else []
    held = [d for d in defects if organisation in (None, of.get(d.source_id))]
    parts += [Text(), Text("Rows held back" if held else "No rows held back")]
    for (source_id, delivery_id), found in groupby(held, key=lambda d: (d.source_id, d.delivery_id)):
        parts.append(Text(f"{source_id}, delivery {delivery_id[:12]}"))
        parts += [Text(f"  {d.row_count:>5,}  {d.table_name}: {d.rule}. {d.fix}") for d in found]
    return Group(*parts)


def paused(region: Region) -> list[StoppedDelivery]:
    """Deliveries that wait for a person, by source."""
    decided = Ledger(region.state_dir).released
    return [d for d in _stopped(region, "paused") if d.delivery_id not in decided]


def released(region: Region) -> list[StoppedDelivery]:
    """Deliveries that a person has released and no run has loaded yet, by source."""
    decided = Ledger(region.state_dir).released
    return [d for d in _stopped(region, "paused") if d.delivery_id in decided]


def _stopped(region: Region, status: str) -> list[StoppedDelivery]:
    with _warehouse(region) as connection:
        if connection is None:
            return []
        rows = connection.execute(
            "SELECT delivery_id, source_id, organisation_id, reason FROM ops.delivery WHERE status = ? "
            "ORDER BY source_id, received_order",
            [status],
        ).fetchall()
    return [StoppedDelivery(*row) for row in rows]


def _released_lines(deliveries: Sequence[StoppedDelivery]) -> list[Text]:
    if not deliveries:
        return []
    return [Text(f"Released, loaded by the next run: {len(deliveries)}"), *map(_line, deliveries)]


def _line(delivery: StoppedDelivery) -> Text:
    return Text(f"  {delivery.delivery_id[:12]}  {delivery.source_id}: {delivery.reason}")


def _by_source(
    connection: duckdb.DuckDBPyConnection, released_ids: Sequence[str]
) -> dict[str, tuple[int, object, int, int, int]]:
    """Source → loaded deliveries, export date of the last of them (of any, if none is loaded), paused ones that nobody
    released, refused ones, rows held back."""
    rows = connection.execute(
        """SELECT d.source_id, count(*) FILTER (WHERE status = 'loaded'),
                  CASE WHEN bool_or(is_latest) THEN max(stated_at) FILTER (WHERE is_latest) ELSE max(stated_at) END,
                  count(*) FILTER (WHERE status = 'paused' AND NOT list_contains(?, delivery_id)),
                  count(*) FILTER (WHERE status = 'refused'), coalesce(max(q.held), 0)
           FROM ops.delivery AS d
           LEFT JOIN (
               SELECT source_id, count(DISTINCT (delivery_id, table_name, file_name, row_number)) AS held
               FROM ops.quarantine WHERE status = 'open' GROUP BY source_id
           ) AS q ON q.source_id = d.source_id
           GROUP BY d.source_id""",
        [list(released_ids)],
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def _release_line(region: Region) -> Text:
    folder = latest(region)
    if folder is None:
        return Text("Nothing is published yet.")
    manifest = read_manifest(folder)
    return Text(f"Latest release {folder.name}, {manifest['status']}, as of {manifest['as_of']}")


@contextmanager
def _warehouse(region: Region) -> Iterator[duckdb.DuckDBPyConnection | None]:
    if not region.warehouse_path.exists():
        yield None
        return
    if is_held(region):
        raise BusyError("a run is under way; ask again when it has ended (releases/latest can be read at any time)")
    with connect(region.warehouse_path, read_only=True) as connection:
        yield connection
