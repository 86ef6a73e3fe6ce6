"""The build database: how it is opened, and the tables that exist before any model runs.

What belongs here: the connection settings (stated once), the ``raw`` tables that follow from the connectors' specs, and
the ``ops`` tables that orchestration fills. What does not: how deliveries are applied to them (``loader``), and any SQL
that gives a number a meaning (``dbt_project``).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from sources.connector import connectors
from sources.spec import IDENTITY_COLUMNS, Table

SCHEMAS = ("raw", "staging", "input", "core", "kpi", "benchmark", "pub", "ops", "reference")

LIVE = ("current", "orphan", "deleted")
"""Statuses of the rows that still take part in replacement: what a newer version is compared with."""

_LOAD_COLUMNS = (
    ("_delivery_id", "VARCHAR"),
    ("_file", "VARCHAR"),
    ("_row_number", "BIGINT"),
    ("_line", "BIGINT"),
    ("_row_hash", "VARCHAR"),
    ("_source_id", "VARCHAR"),
    ("_format_version", "VARCHAR"),
    ("_group", "VARCHAR"),
    ("_status", "VARCHAR"),
    ("_end_reason", "VARCHAR"),
    ("_ended_by", "VARCHAR"),
    ("_loaded_seq", "BIGINT"),
    ("_changed_seq", "BIGINT"),
)

_OPS_TABLES = {
    "region": "region_id VARCHAR, region_name VARCHAR, time_zone VARCHAR, financial_year_start_month INTEGER",
    "organisation": "organisation_id VARCHAR, organisation_name VARCHAR, financial_year_start_month INTEGER",
    "source_config": (
        "source_id VARCHAR, kind VARCHAR, domain VARCHAR, organisation_id VARCHAR, cadence VARCHAR, "
        "mapping_json VARCHAR"
    ),
    "run_context": ("as_of DATE, last_built_seq BIGINT, load_seq BIGINT, built_code VARCHAR, static_code VARCHAR"),
    "built_input": "input_name VARCHAR, fingerprint VARCHAR",
    "delivery": (
        "delivery_id VARCHAR, source_id VARCHAR, kind VARCHAR, organisation_id VARCHAR, connector_version VARCHAR, "
        "format_version VARCHAR, stated_at TIMESTAMP, received_order BIGINT, regime VARCHAR, scope_from DATE, "
        "scope_to DATE, status VARCHAR, reason VARCHAR, is_latest BOOLEAN, is_changes_only BOOLEAN"
    ),
    "applied": (
        "source_id VARCHAR, kind VARCHAR, delivery_id VARCHAR, connector_version VARCHAR, position BIGINT, "
        "load_seq BIGINT"
    ),
    "aged": "source_id VARCHAR, load_seq BIGINT",
    "delivery_scope": "delivery_id VARCHAR, source_id VARCHAR, scope_value VARCHAR",
    "row_account": (
        "delivery_id VARCHAR, source_id VARCHAR, table_name VARCHAR, landed_count BIGINT, rejected_count BIGINT, "
        "quarantined_count BIGINT, unchanged_count BIGINT, loaded_count BIGINT"
    ),
    "survey_form": (
        "source_id VARCHAR, form_code VARCHAR, instrument_code VARCHAR, assessed_on_field VARCHAR, "
        "person_field VARCHAR, person_scheme VARCHAR, timepoint_field VARCHAR, stratum_field VARCHAR, "
        "stratum_of_person VARCHAR"
    ),
    "survey_item": (
        "source_id VARCHAR, form_code VARCHAR, instrument_code VARCHAR, question_code VARCHAR, item_number INTEGER, "
        "role VARCHAR"
    ),
    "indicator_measure": (
        "source_id VARCHAR, measure_id VARCHAR, measure_name VARCHAR, publication_code VARCHAR, "
        "method_version VARCHAR, direction INTEGER, unit_code VARCHAR, multiplier DOUBLE, statistic_code VARCHAR, "
        "comparability_code VARCHAR, kpi_id VARCHAR, scale DECIMAL(18, 6), publication_name VARCHAR, "
        "publication_source VARCHAR, licence VARCHAR"
    ),
    "indicator_part": (
        "source_id VARCHAR, measure_id VARCHAR, role_code VARCHAR, cell_code VARCHAR, sign INTEGER, "
        "part_count INTEGER, is_main BOOLEAN"
    ),
    "organisation_attribute": (
        "organisation_id VARCHAR, attribute_code VARCHAR, text_value VARCHAR, number_value DOUBLE"
    ),
    "peer_group": (
        "peer_group_code VARCHAR, peer_group_name VARCHAR, kind_code VARCHAR, attribute_code VARCHAR, "
        "text_value VARCHAR, at_least DOUBLE, at_most DOUBLE, member_code VARCHAR, nearest_count INTEGER"
    ),
    "spc_rebase": ("measure_id VARCHAR, entity_code VARCHAR, rebased_on DATE, reason VARCHAR, approved_by VARCHAR"),
    "outcome_programme": "programme_code VARCHAR",
    "value_set": "value_set_code VARCHAR, instrument_code VARCHAR, state INTEGER, index_value DECIMAL(9, 4)",
    "kpi_target": (
        "kpi_id VARCHAR, measure_id VARCHAR, entity_code VARCHAR, organisation_id VARCHAR, award_code VARCHAR, "
        "period_type VARCHAR, period_start DATE, target DECIMAL(18, 6), set_on DATE, tolerance_pct DECIMAL(9, 4), "
        "file_name VARCHAR, line_number BIGINT"
    ),
}


FEW_ROWS = 1_000_000
"""Up to so many rows a statement takes longer to hand out work to several threads than to do it with one."""


_PATIENCE = 10.0
"""Seconds to wait for whoever holds the build database."""


class HeldError(Exception):
    """Another program keeps the build database open; the message says what to do."""


def raw_name(kind: str, table: str) -> str:
    """Name of the raw table of a landing table, within schema ``raw``."""
    return f"{kind}__{table}"


def quoted(identifier: str) -> str:
    """An SQL identifier: names may come from outside and never reach SQL unquoted."""
    return '"' + identifier.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """An SQL text, for statements that take no parameters; a folder may have a quote in its name."""
    return "'" + text.replace("'", "''") + "'"


def parsed_date(column: str) -> str:
    """SQL: a landed text as DATE, as the macro ``try_date`` reads it: ISO or m/d/yyyy, with or without a time."""
    day = f"split_part(split_part(trim({column}, ' \t'), ' ', 1), 'T', 1)"
    return f"coalesce(try_cast({day} AS DATE), CAST({_american(day, day, '%m/%d/%Y')} AS DATE))"


def parsed_timestamp(column: str) -> str:
    """SQL: a landed text as TIMESTAMP: ISO or m/d/yyyy, with or without a time."""
    text = f"trim({column}, ' \t')"
    forms = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y")
    return f"coalesce(try_cast({text} AS TIMESTAMP), {_american(text, text, *forms)})"


def _american(text: str, day: str, *forms: str) -> str:
    listed = ", ".join(f"'{form}'" for form in forms)
    return (
        f"CASE WHEN regexp_matches({day}, '^\\d{{1,2}}/\\d{{1,2}}/\\d{{4}}') THEN try_strptime({text}, [{listed}]) END"
    )


def memory_limit() -> str:
    """DuckDB's memory limit for every connection, from ``TRIGPOINT_MEMORY_LIMIT`` (default 4GB)."""
    return os.environ.get("TRIGPOINT_MEMORY_LIMIT", "4GB")


def configure(connection: duckdb.DuckDBPyConnection, temp_directory: Path) -> None:
    """Apply the settings that every connection shares; they are set, not passed to ``connect``, because two
    connections of one process to one file must be opened alike."""
    connection.execute(f"SET memory_limit = '{memory_limit()}'")
    connection.execute("SET preserve_insertion_order = false")
    # A load is hundreds of small commits: writing the log out after every 16 MB of it would take a third of its time.
    connection.execute("SET checkpoint_threshold = '1GB'")
    connection.execute(f"SET temp_directory = {text_literal(temp_directory.as_posix())}")
    connection.execute("SET enable_progress_bar = false")


def _open(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    # The helpers of a run that was killed take a moment to notice.
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
            if time.monotonic() > until:
                raise HeldError(
                    f"another program has {path.parent.name}/{path.name} open; close it and run again "
                    "(reports and notebooks read releases/latest/served.duckdb, which is never held)"
                ) from error
            time.sleep(0.1)


@contextmanager
def connect(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the build database for this process; closes it, so that dbt or Great Expectations can open it next.

    Raises :class:`HeldError` if another program keeps it open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = _open(path, read_only=read_only)
    try:
        configure(connection, path.parent / "duckdb_tmp")
        yield connection
    finally:
        connection.close()


def ensure_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every schema, raw and ops table that is not there yet. A spec that gained columns adds them to its raw table
    (as NULL); one that lost columns keeps them."""
    for schema in SCHEMAS:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    _ensure_ops(connection)
    if connection.execute("SELECT count(*) FROM ops.run_context").fetchone() == (0,):
        connection.execute("INSERT INTO ops.run_context (last_built_seq, load_seq) VALUES (0, 0)")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS raw.person_age (source_id VARCHAR, person_code VARCHAR, on_date DATE, "
        "age_years INTEGER, birth_relation VARCHAR)"
    )
    existing = set(
        connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'raw'"
        ).fetchall()
    )
    for kind, connector in connectors().items():
        for table in connector.tables.values():
            _ensure_raw(connection, raw_name(kind, table.name), raw_columns(table), existing)


_KEPT = frozenset({"run_context", "built_input", "applied", "aged", "row_account"})
"""Ops tables that remember; the others are written anew before every build, from the region file and the deliveries."""


def _ensure_ops(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the ops tables, and those anew that an earlier version made with other columns."""
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'ops' "
        "ORDER BY table_name, ordinal_position"
    ).fetchall():
        found.setdefault(table, []).append(column)
    for name, columns in _OPS_TABLES.items():
        if name in found and name not in _KEPT and found[name] != re.findall(r"(\w+) [A-Z]+", columns):
            connection.execute(f"DROP TABLE ops.{name}")
        connection.execute(f"CREATE TABLE IF NOT EXISTS ops.{name} ({columns})")


def _ensure_raw(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: list[tuple[str, str]],
    existing: set[tuple[str, str]],
) -> None:
    if (name, "_delivery_id") not in existing:
        listed = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns)
        connection.execute(f"CREATE TABLE raw.{quoted(name)} ({listed})")
        return
    for column, kind in columns:
        if (name, column) not in existing:
            connection.execute(f"ALTER TABLE raw.{quoted(name)} ADD COLUMN {quoted(column)} {kind}")


def raw_columns(table: Table) -> list[tuple[str, str]]:
    """(column, DuckDB type) of a raw table, in order."""
    identity = IDENTITY_COLUMNS if table.identity else ()
    return [
        *((name, "VARCHAR") for name in table.column_names),
        ("_extra", "MAP(VARCHAR, VARCHAR)"),
        *((name, "VARCHAR") for name in identity),
        *_LOAD_COLUMNS,
    ]


def create_empty(path: Path) -> None:
    """A warehouse with the tables of the deliveries and no rows."""
    with connect(path) as connection:
        ensure_tables(connection)
