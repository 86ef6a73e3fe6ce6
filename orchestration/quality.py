"""What becomes of check results: the tables that keep them, quarantine, and when a defect is mended.

What belongs here: writing verdicts of the gates to the warehouse (idempotently, so a run that was killed is run again),
following a defect from its first to its last delivery, and aggregates of results. What does not: judging
(``expectations``), and loading rows (``loader``).

Tables: ``ops.dq_result`` (one row per expected check and delivery), ``ops.dq_finding`` (one per failing row and check);
views: ``ops.quarantine`` (the findings that hold a loaded delivery's rows back) and ``ops.dq_event`` (a defect over all
deliveries in which it was seen). Statuses of a finding:

* ``open``: nothing later has been seen of the record;
* ``repeated``: a later delivery has the same defect, which is followed there;
* ``fixed_at_source``: a later delivery brought an accepted version; the row came back by itself;
* ``expired``: a later full delivery no longer has the record;
* ``not_loaded``: its delivery is paused or refused, so it is not the row that is held back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import duckdb
import pyarrow as pa

from expectations.results import (
    FINDING_SCHEMA,
    CheckResult,
    LandingVerdict,
    Outcome,
    Status,
    WarehouseVerdict,
)
from orchestration.warehouse import quoted, raw_name
from sources.connector import connectors

LANDING, WAREHOUSE, PUBLISH = "landing", "warehouse", "publish"

_DDL = """
CREATE SCHEMA IF NOT EXISTS ops;
CREATE TABLE IF NOT EXISTS ops.dq_result (
    stage VARCHAR, check_id VARCHAR, kind VARCHAR, delivery_id VARCHAR, source_id VARCHAR, organisation_id VARCHAR,
    table_name VARCHAR, column_name VARCHAR, rule VARCHAR, severity VARCHAR, dimension VARCHAR, outcome VARCHAR,
    checked_count BIGINT, failed_count BIGINT, failed_record_count BIGINT, message VARCHAR, why VARCHAR, fix VARCHAR,
    run_id VARCHAR
);
CREATE TABLE IF NOT EXISTS ops.dq_finding (
    stage VARCHAR, event_id VARCHAR, delivery_id VARCHAR, source_id VARCHAR, organisation_id VARCHAR, kind VARCHAR,
    table_name VARCHAR, file_name VARCHAR, row_number BIGINT, line_number BIGINT, record_key VARCHAR,
    column_name VARCHAR, landed_column VARCHAR, rule VARCHAR, severity VARCHAR, check_id VARCHAR, message VARCHAR,
    fix VARCHAR, status VARCHAR, resolved_by VARCHAR
);
CREATE OR REPLACE VIEW ops.quarantine AS
SELECT * EXCLUDE (severity) FROM ops.dq_finding WHERE severity = 'record' AND status <> 'not_loaded';
CREATE OR REPLACE VIEW ops.dq_event AS
SELECT f.event_id, f.source_id, f.organisation_id, f.kind, f.table_name, f.record_key, f.column_name, f.rule,
       f.severity, min(f.message) AS message, min(f.fix) AS fix,
       arg_min(f.delivery_id, coalesce(d.received_order, 0)) AS first_delivery_id,
       arg_max(f.delivery_id, coalesce(d.received_order, 0)) AS last_delivery_id,
       count(DISTINCT f.delivery_id) AS delivery_count,
       bool_or(f.status IN ('open', 'not_loaded')) AS is_open,
       arg_max(f.status, coalesce(d.received_order, 0)) AS status,
       arg_max(f.resolved_by, coalesce(d.received_order, 0)) AS resolved_by
FROM ops.dq_finding AS f LEFT JOIN ops.delivery AS d USING (delivery_id)
GROUP BY ALL;
"""

WAITING_RULES = ("orphan_record", "held_with_parent")
"""Rules of the loaded warehouse by which a row waits for the one that it belongs to."""

_EVENT_ID = """md5(concat_ws('|', source_id, kind, "table", coalesce(record_key, file || ':' || row_number),
    coalesce("column", ''), rule))"""
"""A defect is the same one as long as the record has it: by the record's key, or by its place where it has none."""


@dataclass(frozen=True)
class OpenDefects:
    """A line of ``trigpoint quarantine list``: rows that one check holds back."""

    source_id: str
    delivery_id: str
    table_name: str
    rule: str
    row_count: int
    message: str
    fix: str


@dataclass(frozen=True)
class LoneDelta:
    """A loaded delivery that holds changes only, without the full one that they belong to."""

    source_id: str
    delivery_id: str
    waiting_count: int

    @property
    def sentence(self) -> str:
        waiting = (
            "1 row waits for its parent"
            if self.waiting_count == 1
            else f"{self.waiting_count:,} rows wait for their parent"
        )
        return (
            f"This is a delta (changes only), and no full export came before it: {waiting}. Send a full export; "
            "they come in by themselves then."
        )


def ensure_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables and views of check results; ``ops.delivery`` must be there."""
    connection.execute(_DDL)


def store(connection: duckdb.DuckDBPyConnection, verdict: LandingVerdict, *, run_id: str = "") -> None:
    """Keep a landing verdict. What was kept of the same deliveries is replaced."""
    deliveries = sorted(verdict.status)
    findings = pa.concat_tables([verdict.quarantine, verdict.warnings])
    loaded = pa.array([d for d in deliveries if verdict.status[d] is Status.ACCEPTED], pa.string())
    with _transaction(connection):
        for table in ("dq_result", "dq_finding"):
            connection.execute(
                f"DELETE FROM ops.{table} WHERE stage = '{LANDING}' AND delivery_id IN (SELECT unnest(?))", [deliveries]
            )
        _insert_results(connection, LANDING, verdict.results, run_id)
        connection.register("_loaded", pa.table({"delivery_id": loaded}))
        _insert_findings(
            connection,
            LANDING,
            findings,
            "CASE WHEN delivery_id IN (SELECT delivery_id FROM _loaded) THEN 'open' ELSE 'not_loaded' END",
        )
        connection.unregister("_loaded")


def store_warehouse(connection: duckdb.DuckDBPyConnection, verdict: WarehouseVerdict, *, run_id: str = "") -> None:
    """Keep the verdict on the loaded warehouse, which is complete: what it no longer lists has been mended."""
    findings = pa.concat_tables([verdict.quarantine, verdict.warnings])
    with _transaction(connection):
        connection.execute("DELETE FROM ops.dq_result WHERE stage = ?", [WAREHOUSE])
        _insert_results(connection, WAREHOUSE, verdict.results, run_id)
        connection.register("_found", findings)
        now = f"SELECT {_EVENT_ID} AS event_id, delivery_id, file, row_number FROM _found"
        same = (
            "n.event_id = f.event_id AND n.delivery_id = f.delivery_id AND n.file = f.file_name "
            "AND n.row_number = f.row_number"
        )
        connection.execute(
            f"UPDATE ops.dq_finding AS f SET status = CASE WHEN EXISTS (SELECT 1 FROM ({now}) AS n WHERE {same}) "
            f"THEN 'open' ELSE 'fixed_at_source' END WHERE stage = '{WAREHOUSE}'"
        )
        connection.unregister("_found")
        known = f"SELECT 1 FROM ops.dq_finding AS f WHERE f.stage = '{WAREHOUSE}' AND {same}"
        _insert_findings(connection, WAREHOUSE, findings, "'open'", f"NOT EXISTS ({known})")


def store_publish(connection: duckdb.DuckDBPyConnection, results: Sequence[CheckResult], *, run_id: str = "") -> None:
    """Keep the results of the final gate in place of those before."""
    with _transaction(connection):
        connection.execute("DELETE FROM ops.dq_result WHERE stage = ?", [PUBLISH])
        _insert_results(connection, PUBLISH, results, run_id)


def held_rows(connection: duckdb.DuckDBPyConnection, delivery_id: str) -> pa.Table:
    """Rows of a delivery that are not to be loaded, each once: columns table, file, row_number."""
    return connection.execute(
        'SELECT DISTINCT table_name AS "table", file_name AS file, row_number FROM ops.dq_finding '
        "WHERE stage = ? AND severity = 'record' AND delivery_id = ? ORDER BY ALL",
        [LANDING, delivery_id],
    ).to_arrow_table()


def follow_findings(connection: duckdb.DuckDBPyConnection) -> None:
    """Follow open findings to later deliveries; call it when deliveries have been loaded and ``ops.delivery`` says so.

    A version that came later in a loaded delivery mends a finding. Where a later full delivery carries the record
    unchanged, the row was not stored again, but it is still current.
    """
    findings_by_table = connection.execute(
        "SELECT DISTINCT kind, table_name FROM ops.dq_finding WHERE stage = ? AND status = 'open' ORDER BY ALL",
        [LANDING],
    ).fetchall()
    with _transaction(connection):
        connection.execute(_REPEATED)
        for kind, name in findings_by_table:
            table = connectors()[kind].tables.get(name)
            if table is None:
                continue
            key = " || '|' || ".join(f"coalesce({quoted(column)}, '')" for column in table.key)
            connection.execute(
                _MENDED.format(raw=f"raw.{quoted(raw_name(kind, name))}", key=key), {"kind": kind, "name": name}
            )


_LATER = """
    SELECT f.event_id, f.delivery_id, l.delivery_id AS later_id, l.received_order, l.regime
    FROM ops.dq_finding AS f
    JOIN ops.delivery AS d ON d.delivery_id = f.delivery_id
    JOIN ops.delivery AS l ON l.source_id = d.source_id AND l.status = 'loaded'
      AND l.received_order > d.received_order
    WHERE f.stage = 'landing' AND f.status = 'open'
"""
"""Loaded deliveries of the same source after that of an open finding."""

_REPEATED = f"""
UPDATE ops.dq_finding AS f SET status = 'repeated', resolved_by = r.later_id FROM (
    SELECT later.event_id, later.delivery_id, arg_min(later.later_id, later.received_order) AS later_id
    FROM ({_LATER}) AS later
    JOIN ops.dq_finding AS again ON again.event_id = later.event_id AND again.delivery_id = later.later_id
    WHERE again.stage = 'landing' GROUP BY ALL
) AS r WHERE f.stage = 'landing' AND f.status = 'open' AND f.event_id = r.event_id AND f.delivery_id = r.delivery_id
"""

_MENDED = (
    """
WITH later AS ("""
    + _LATER
    + """ AND f.kind = $kind AND f.table_name = $name),
open_finding AS (
    SELECT DISTINCT source_id, event_id, delivery_id, record_key FROM ops.dq_finding
    WHERE stage = 'landing' AND status = 'open' AND kind = $kind AND table_name = $name
),
version AS (
    SELECT _source_id AS source_id, {key} AS record_key, _delivery_id AS delivery_id, _status AS status FROM {raw}
    WHERE {key} IN (SELECT record_key FROM open_finding WHERE record_key IS NOT NULL)
),
newer AS (
    SELECT o.event_id, o.delivery_id, arg_min(later.later_id, later.received_order) AS later_id
    FROM open_finding AS o
    JOIN later ON later.event_id = o.event_id AND later.delivery_id = o.delivery_id
    JOIN version ON version.source_id = o.source_id AND version.record_key = o.record_key
      AND version.delivery_id = later.later_id
    GROUP BY ALL
),
complete AS (
    SELECT o.event_id, o.delivery_id, arg_min(later.later_id, later.received_order) AS later_id,
           bool_or(version.status IN ('current', 'orphan')) AS is_there,
           o.record_key IS NULL AS has_no_key
    FROM open_finding AS o
    JOIN later ON later.event_id = o.event_id AND later.delivery_id = o.delivery_id AND later.regime = 'full'
    LEFT JOIN version ON version.source_id = o.source_id AND version.record_key = o.record_key
    GROUP BY ALL
)
UPDATE ops.dq_finding AS f SET status = r.status, resolved_by = r.later_id FROM (
    SELECT event_id, delivery_id, later_id, 'fixed_at_source' AS status FROM newer
    UNION ALL
    SELECT event_id, delivery_id, later_id,
           CASE WHEN is_there OR has_no_key THEN 'fixed_at_source' ELSE 'expired' END AS status
    FROM complete WHERE (event_id, delivery_id) NOT IN (SELECT (event_id, delivery_id) FROM newer)
) AS r
WHERE f.stage = 'landing' AND f.status = 'open' AND f.event_id = r.event_id AND f.delivery_id = r.delivery_id
"""
)


def open_defects(connection: duckdb.DuckDBPyConnection) -> list[OpenDefects]:
    """What is held back now and waits for its sender."""
    rows = connection.execute(
        """
        SELECT source_id, delivery_id, table_name, rule, count(*), min(message), min(fix)
        FROM ops.quarantine WHERE status = 'open' GROUP BY ALL ORDER BY source_id, delivery_id, table_name, rule
        """
    ).fetchall()
    return [OpenDefects(*row) for row in rows]


def lone_deltas(connection: duckdb.DuckDBPyConnection) -> list[LoneDelta]:
    """Deltas of which rows wait for a parent, and whose source had sent no full delivery before."""
    rows = connection.execute(
        """
        SELECT d.source_id, d.delivery_id, count(DISTINCT (q.table_name, q.file_name, q.row_number))
        FROM ops.delivery AS d
        JOIN ops.quarantine AS q ON q.delivery_id = d.delivery_id
        WHERE d.status = 'loaded' AND d.is_changes_only AND q.status = 'open' AND list_contains(?, q.rule)
          AND NOT EXISTS (
              SELECT 1 FROM ops.delivery AS f
              WHERE f.source_id = d.source_id AND f.status = 'loaded' AND f.regime = 'full'
                AND f.received_order < d.received_order
          )
        GROUP BY d.source_id, d.received_order, d.delivery_id
        HAVING bool_or(q.rule = 'orphan_record')
        ORDER BY d.source_id, d.received_order
        """,
        [list(WAITING_RULES)],
    ).fetchall()
    return [LoneDelta(*row) for row in rows]


def deliveries_found_wanting(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Deliveries in which the gate of the loaded warehouse found something, when it was last asked."""
    rows = connection.execute(
        "SELECT DISTINCT delivery_id FROM ops.dq_finding WHERE stage = ? AND status = 'open'", [WAREHOUSE]
    ).fetchall()
    return {row[0] for row in rows}


def outcome_counts(results: Iterable[CheckResult]) -> dict[Outcome, int]:
    """How many results came out how; every outcome is there."""
    counts = Counter(result.outcome for result in results)
    return {outcome: counts[outcome] for outcome in Outcome}


def _insert_results(
    connection: duckdb.DuckDBPyConnection, stage: str, results: Sequence[CheckResult], run_id: str
) -> None:
    if not results:
        return
    names = [field.name for field in fields(CheckResult)]
    counts = ("checked_count", "failed_count", "failed_records")
    rows = pa.table(
        {
            name: pa.array(
                [getattr(r, name) if name in counts else _text(getattr(r, name)) for r in results],
                pa.int64() if name in counts else pa.string(),
            )
            for name in names
        }
    )
    connection.register("_results", rows)
    connection.execute(
        """
        INSERT INTO ops.dq_result
        SELECT ?, check_id, kind, delivery_id, source_id, organisation_id, "table", "column", rule, severity,
               dimension, outcome, checked_count, failed_count, failed_records, message, why, fix, ?
        FROM _results
        """,
        [stage, run_id],
    )
    connection.unregister("_results")


def _insert_findings(
    connection: duckdb.DuckDBPyConnection, stage: str, findings: pa.Table, status: str, condition: str = "true"
) -> None:
    if findings.schema != FINDING_SCHEMA:
        raise ValueError("findings do not have the schema of the gates")
    connection.register("_new", findings)
    connection.execute(
        f"""
        INSERT INTO ops.dq_finding
        SELECT ?, n.event_id, delivery_id, source_id, organisation_id, kind, "table", file, row_number, line,
               record_key, "column", landed_column, rule, severity, check_id, message, fix, {status}, NULL
        FROM (SELECT *, {_EVENT_ID} AS event_id FROM _new) AS n
        WHERE {condition}
        """,
        [stage],
    )
    connection.unregister("_new")


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
