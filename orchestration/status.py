"""What `trigpoint status` and `trigpoint quarantine list` show.

What belongs here: reading the state of a region for a person, without changing it. What does not: deciding anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

import duckdb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestration.hold import BusyError, is_held
from orchestration.quality import open_defects
from orchestration.region import Region
from orchestration.release import latest, read_manifest
from orchestration.warehouse import connect


@dataclass(frozen=True)
class PausedDelivery:
    """A delivery that waits for a person."""

    delivery_id: str
    source_id: str
    organisation_id: str
    reason: str


def show(region: Region) -> RenderableType:
    """Sources with their last delivery and the latest release."""
    table = Table(box=None, pad_edge=False)
    for name in ("source", "kind", "last export", "loaded", "paused", "refused", "held"):
        left = name in ("source", "kind", "last export")
        table.add_column(name, justify="left" if left else "right", no_wrap=left)
    with _warehouse(region) as connection:
        known = _by_source(connection) if connection else {}
    for source in region.sources:
        loaded, last, paused_count, refused, held = known.get(source.id, (0, None, 0, 0, 0))
        table.add_row(
            *(source.id, source.kind, str(last)[:10] if last else "not stated" if loaded else "never"),
            *(str(n) if n else "" for n in (loaded, paused_count, refused, held)),
        )
    return Group(table, Text(), _release_line(region))


def show_quarantine(region: Region, organisation: str | None) -> RenderableType:
    """Paused deliveries, then rows held back by source, table and rule."""
    waiting = [p for p in paused(region) if organisation in (None, p.organisation_id)]
    parts: list[RenderableType] = [Text(f"{len(waiting)} paused deliveries")]
    for p in waiting:
        parts.append(Text(f"  {p.delivery_id[:12]}  {p.source_id}: {p.reason}"))
    if waiting:
        parts.append(Text("  trigpoint quarantine release DELIVERY --reason '…' lets one go on"))
    of = {source.id: source.organisation for source in region.sources}
    with _warehouse(region) as connection:
        defects = open_defects(connection) if connection else []
    held = [d for d in defects if organisation in (None, of.get(d.source_id))]
    parts += [Text(), Text("Rows held back" if held else "No rows held back")]
    for (source_id, delivery_id), found in groupby(held, key=lambda d: (d.source_id, d.delivery_id)):
        parts.append(Text(f"{source_id}, delivery {delivery_id[:12]}"))
        parts += [Text(f"  {d.row_count:>5,}  {d.table_name}: {d.rule}. {d.fix}") for d in found]
    return Group(*parts)


def paused(region: Region) -> list[PausedDelivery]:
    """Deliveries that wait for a person, by source."""
    with _warehouse(region) as connection:
        if connection is None:
            return []
        rows = connection.execute(
            "SELECT delivery_id, source_id, organisation_id, reason FROM ops.delivery WHERE status = 'paused' "
            "ORDER BY source_id, received_order"
        ).fetchall()
    return [PausedDelivery(*row) for row in rows]


def _by_source(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, object, int, int, int]]:
    rows = connection.execute(
        """SELECT d.source_id, count(*) FILTER (WHERE status = 'loaded'), max(stated_at) FILTER (WHERE is_latest),
                  count(*) FILTER (WHERE status = 'paused'), count(*) FILTER (WHERE status = 'refused'),
                  coalesce(max(q.held), 0)
           FROM ops.delivery AS d
           LEFT JOIN (
               SELECT source_id, count(DISTINCT (delivery_id, table_name, file_name, row_number)) AS held
               FROM ops.quarantine WHERE status = 'open' GROUP BY source_id
           ) AS q ON q.source_id = d.source_id
           GROUP BY d.source_id"""
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
