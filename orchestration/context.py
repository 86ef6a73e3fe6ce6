"""What the models are told: the region, its organisations and sources, the deliveries in force, and the as-of date.

What belongs here: filling the ``ops`` tables that dbt reads as sources. What does not: the raw tables (``loader``) and
check results (``quality``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import duckdb

from orchestration.landing import Landed
from orchestration.region import Region
from sources.benchmark.mapping import indicator_rows
from sources.connector import connectors
from sources.survey.mapping import survey_mapping_rows


class AsOfError(Exception):
    """No delivery states an export date, so the as-of date must be given."""


def as_of_date(stated: Iterable[str | None], given: date | None) -> date:
    """The date that figures refer to: the given one, else the latest export date that a delivery states."""
    if given is not None:
        return given
    days = [text[:10] for text in stated if text]
    if not days:
        raise AsOfError("no delivery states an export date; give one: trigpoint run --as-of YYYY-MM-DD")
    return date.fromisoformat(max(days))


def write_region(connection: duckdb.DuckDBPyConnection, region: Region, as_of: date) -> None:
    """Replace what the models know of the region file."""
    block = region.model.region
    connection.execute("BEGIN")
    _replace(connection, "region", [(block.id, block.name, block.time_zone, block.financial_year_start)])
    _replace(
        connection,
        "organisation",
        [(o.id, o.name, o.financial_year_start or block.financial_year_start) for o in region.model.organisations],
    )
    _replace(
        connection,
        "source_config",
        [
            (s.id, s.kind, connectors()[s.kind].domain, s.organisation, s.cadence, _json(s.mapping))
            for s in region.sources
        ],
    )
    forms: list[tuple[Any, ...]] = []
    items: list[tuple[Any, ...]] = []
    for source in region.sources:
        if connectors()[source.kind].domain == "survey":
            form_rows, item_rows = survey_mapping_rows(source.id, source.mapping)
            forms += form_rows
            items += item_rows
    _replace(connection, "survey_form", forms)
    _replace(connection, "survey_item", items)
    measures: list[tuple[Any, ...]] = []
    parts: list[tuple[Any, ...]] = []
    for source in region.sources:
        if connectors()[source.kind].domain == "benchmark":
            measure_rows, part_rows = indicator_rows(source.id, source.mapping)
            measures += measure_rows
            parts += part_rows
    _replace(connection, "indicator_measure", measures)
    _replace(connection, "indicator_part", parts)
    _replace(
        connection,
        "kpi_target",
        [(t.kpi, t.organisation, t.period_type, t.period_start, t.target, t.set_on) for t in region.model.targets],
    )
    connection.execute("UPDATE ops.run_context SET as_of = ?", [as_of])
    connection.execute("COMMIT")


def write_deliveries(
    connection: duckdb.DuckDBPyConnection,
    ordered: Mapping[str, Sequence[Landed]],
    status: Mapping[str, tuple[str, str | None]],
) -> None:
    """Replace the list of deliveries.

    ``ordered``: source id → its deliveries in order of application. ``status``: delivery id → (loaded, paused or
    refused; reason). The latest loaded delivery of a source is marked.
    """
    rows: list[tuple[Any, ...]] = []
    scopes: list[tuple[str, str, str]] = []
    for source_id, deliveries in ordered.items():
        loaded = [d.delivery_id for d in deliveries if status[d.delivery_id][0] == "loaded"]
        for position, d in enumerate(deliveries, start=1):
            state, reason = status[d.delivery_id]
            rows.append(
                (
                    *(d.delivery_id, source_id, d.kind, d.organisation_id, d.connector_version, d.format_version),
                    *(d.stated_at, position, d.regime, d.scope_from, d.scope_to, state, reason),
                    d.delivery_id == (loaded[-1] if loaded else None),
                )
            )
            scopes += [(d.delivery_id, source_id, value) for value in d.scope_values or ()]
    connection.execute("BEGIN")
    _replace(connection, "delivery", rows)
    _replace(connection, "delivery_scope", scopes)
    connection.execute("COMMIT")


def _replace(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    connection.execute(f"DELETE FROM ops.{table}")
    if rows:
        marks = ", ".join("?" for _ in rows[0])
        connection.executemany(f"INSERT INTO ops.{table} VALUES ({marks})", [list(row) for row in rows])


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
