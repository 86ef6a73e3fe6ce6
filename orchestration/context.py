"""What the models are told: the region, its organisations and sources, the deliveries in force, and the as-of date.

What belongs here: filling the ``ops`` tables that dbt reads as sources. What does not: the raw tables (``loader``) and
check results (``quality``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import duckdb

from orchestration.landing import Landed
from orchestration.region import OrganisationBlock, PeerGroupBlock, RangeBlock, Region
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
        [
            (
                *(t.kpi, t.measure, t.entity, t.organisation, t.award),
                *(t.period_type, t.period_start, t.target, t.set_on, t.tolerance_pct),
                *(region.path.name, region.line_of("targets", position)),
            )
            for position, t in enumerate(region.model.targets)
        ],
    )
    _replace(connection, "organisation_attribute", list(_attribute_rows(region.model.organisations)))
    _replace(connection, "peer_group", [row for group in region.model.peer_groups for row in _peer_group_rows(group)])
    _replace(
        connection,
        "spc_rebase",
        [(r.kpi, r.organisation or block.id, r.from_month, r.reason, r.approved_by) for r in region.model.rebases],
    )
    _replace(connection, "value_set", region.value_sets)
    programme = region.model.outcome_programme
    _replace(connection, "outcome_programme", [(programme,)] if programme else [])
    connection.execute("UPDATE ops.run_context SET as_of = ?", [as_of])
    connection.execute("COMMIT")


def _attribute_rows(organisations: Sequence[OrganisationBlock]) -> Iterator[tuple[Any, ...]]:
    for organisation in organisations:
        for code, value in sorted(organisation.attributes.items()):
            is_text = isinstance(value, str)
            yield organisation.id, code, value if is_text else None, None if is_text else value


def _peer_group_rows(group: PeerGroupBlock) -> Iterator[tuple[Any, ...]]:
    """One row for every word, range, member or attribute of a group."""
    for attribute, accepted in sorted(group.where.items()):
        if isinstance(accepted, RangeBlock):
            yield group.id, group.name, "rule", attribute, None, accepted.at_least, accepted.at_most, None, None
        else:
            for word in sorted(set(accepted)):
                yield group.id, group.name, "rule", attribute, word, None, None, None, None
    for member in sorted(set(group.members)):
        yield group.id, group.name, "list", None, None, None, None, member, None
    if group.nearest:
        for attribute in sorted(set(group.nearest.attributes)):
            yield group.id, group.name, "nearest", attribute, None, None, None, None, group.nearest.members


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
                    d.is_changes_only,
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
