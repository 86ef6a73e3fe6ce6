"""The gates that read the warehouse: what can only be judged once everything is loaded, and the publish edge.

What belongs here: running ``suites/warehouse.yml`` (the complete state: orphans, answers that attach to nobody) and
``suites/publish.yml`` (what may not be published) on the warehouse itself, not on what a run says of itself. What
does not: rules, and keeping or showing results.

A relation of ``warehouse.yml`` gives rows with ``kind, table_name, column_name`` (what the sender calls it),
``landed_column, source_id, organisation_id, delivery_id, file_name, row_number, line_number, record_key`` beside what
the predicate needs; its checks have one outcome per table and source. ``_child`` is such a relation: the raw rows of
every table that has a parent, with ``is_orphan`` and ``is_parent_held``. At the publish edge a target is a table with
its schema, and a check has one outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from expectations.adapter import Answer, Session, failing, session, without_values
from expectations.results import FINDING_SCHEMA, CheckContext, CheckResult, Outcome, WarehouseVerdict
from expectations.suites import Check, Severity, Suite, literal, load_suite, quoted
from sources.connector import connectors
from sources.spec import Table

CHILD = "_child"
_MOST_NAMED = 12
_GROUP = "kind || '|' || table_name || '|' || coalesce(column_name, '') || '|' || source_id"


def check_warehouse(connection: duckdb.DuckDBPyConnection, context: CheckContext | None = None) -> WarehouseVerdict:
    """Judge the loaded and built warehouse as it stands, whichever run loaded a row."""
    context = context or CheckContext()
    suite = load_suite("warehouse", None, context.suites_dir, context.reference_dir)
    results: list[CheckResult] = []
    findings: dict[Severity, list[pa.Table]] = {Severity.RECORD: [], Severity.WARNING: []}
    with session(connection) as gx:
        for check in suite.checks:
            select = _relation(suite, check)
            answer = gx.validate(select, [check], group=_GROUP)[check.check_id]
            groups = _groups(connection, select, check) if answer.error is None else {}
            results += _grouped_results(check, answer, groups)
            if answer.error is None and not answer.success:
                cap = None if check.rule.severity is Severity.RECORD else context.warning_cap
                findings[check.rule.severity].append(_failing_rows(connection, select, check, cap))
    return WarehouseVerdict(
        sorted(results, key=lambda r: (r.check_id, r.source_id)),
        quarantine=_together(findings[Severity.RECORD]),
        warnings=_together(findings[Severity.WARNING]),
    )


def check_publish(
    warehouse: duckdb.DuckDBPyConnection | Path, context: CheckContext | None = None
) -> list[CheckResult]:
    """The final gate. A result that :func:`blocks` keeps the release from being published."""
    context = context or CheckContext()
    suite = load_suite("publish", None, context.suites_dir, context.reference_dir)
    batches: dict[str, list[Check]] = {}
    for check in suite.checks:
        batches.setdefault(_relation(suite, check), []).append(check)
    with _opened(warehouse) as connection, session(connection) as gx:
        results = [r for select, batch in batches.items() for r in _publish_results(connection, gx, select, batch)]
    return sorted(results, key=lambda r: r.check_id)


def blocks(result: CheckResult) -> bool:
    """Does this result of the publish gate keep a release back? A check that could not be run does, too."""
    return result.severity == Severity.ERROR and result.outcome in (Outcome.FAIL, Outcome.ERROR)


@contextmanager
def _opened(warehouse: duckdb.DuckDBPyConnection | Path) -> Iterator[duckdb.DuckDBPyConnection]:
    if isinstance(warehouse, Path):
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            yield connection
    else:
        yield warehouse


def _relation(suite: Suite, check: Check) -> str:
    """SQL of what a check reads, in one statement: a session does not see temporary views."""
    if check.relation == CHILD:
        return _children()
    if check.relation in suite.relations:
        return suite.relations[check.relation].strip()
    return f"SELECT * FROM {'.'.join(quoted(part) for part in check.relation.split('.'))}"


def _children() -> str:
    """SQL: raw rows of every table with a parent, once for each parent, that are current or lack it.

    ``is_parent_held``: the parent was sent, but is held back itself, so there is nothing wrong with the row.
    """
    selects: list[str] = []
    for kind, connector in sorted(connectors().items()):
        for table in connector.tables.values():
            for columns, parent in table.parents:
                selects += _children_of(kind, table, columns, connector.tables[parent])
    if not selects:
        raise ValueError("no connector has a table with a parent")
    union = " UNION ALL ".join(selects)
    return f"SELECT c.*, s.organisation_id FROM ({union}) AS c JOIN ops.source_config AS s USING (source_id)"


def _children_of(kind: str, table: Table, columns: Sequence[str], parent: Table) -> Iterator[str]:
    raw, theirs = (f"raw.{quoted(f'{kind}__{name}')}" for name in (table.name, parent.name))
    key = " || '|' || ".join(f"coalesce(r.{quoted(name)}, '')" for name in table.key)
    shown = (
        f"SELECT {literal(kind)} AS kind, {literal(table.name)} AS table_name, {literal(columns[0])} AS column_name, "
        f"{literal(columns[0])} AS landed_column, r._source_id AS source_id, r._delivery_id AS delivery_id, "
        f"r._file AS file_name, r._row_number AS row_number, r._line AS line_number, {key} AS record_key"
    )
    yield f"{shown}, false AS is_orphan, false AS is_parent_held FROM {raw} AS r WHERE r._status = 'current'"
    pairs = zip(columns, parent.key, strict=False)
    same = " AND ".join(["p._source_id = r._source_id", *(f"p.{quoted(t)} = r.{quoted(o)}" for o, t in pairs)])
    own_key = " || '|' || ".join(f"r.{quoted(name)}" for name in columns)
    is_held = (
        f"EXISTS (SELECT 1 FROM {theirs} AS p WHERE {same} AND p._status = 'orphan') OR EXISTS ("
        "SELECT 1 FROM ops.dq_finding AS f WHERE f.stage = 'landing' AND f.severity = 'record' AND f.status = 'open' "
        f"AND f.source_id = r._source_id AND f.kind = {literal(kind)} AND f.table_name = {literal(parent.name)} "
        f"AND f.record_key = {own_key})"
    )
    lacks = f"NOT EXISTS (SELECT 1 FROM {theirs} AS p WHERE {same} AND p._status = 'current')"
    yield f"{shown}, true, {is_held} FROM {raw} AS r WHERE r._status = 'orphan' AND {lacks}"


Group = tuple[str, str, str, str]
"""kind, table, column (``''`` for none), source."""


def _groups(connection: duckdb.DuckDBPyConnection, select: str, check: Check) -> dict[Group, tuple[str, int, int, int]]:
    """Organisation, rows, failing rows and failing records of each table and source that the check looked at."""
    rows = connection.execute(
        f"""SELECT kind, table_name, coalesce(column_name, ''), source_id, min(organisation_id), count(*),
                   count(*) FILTER (WHERE {failing(check)}),
                   count(DISTINCT record_key) FILTER (WHERE {failing(check)})
            FROM ({select}) AS batch_rows GROUP BY ALL"""
    ).fetchall()
    return {(k, t, c, s): (organisation, n, failed, records) for k, t, c, s, organisation, n, failed, records in rows}


def _grouped_results(check: Check, answer: Answer, groups: dict[Group, tuple[str, int, int, int]]) -> list[CheckResult]:
    failed = {"|".join(group): row[2] for group, row in groups.items() if row[2]}
    if answer.error is not None:
        return [_result(check, Outcome.ERROR, answer.error)]
    if answer.is_complete and failed != answer.failed:
        return [_result(check, Outcome.ERROR, "the rows that fail are not those that Great Expectations counted")]
    if not groups:
        return [_result(check, Outcome.NOT_APPLICABLE, "no rows")]
    results = []
    for (kind, table, column, source), (organisation, rows, count, records) in groups.items():
        message = check.sentence(check.rule.message).replace("{found_table}", table)
        results.append(
            CheckResult(
                check_id=".".join(part for part in (kind, table, column, check.rule.rule) if part),
                kind=kind,
                delivery_id="",
                source_id=source,
                organisation_id=organisation or "",
                table=table,
                column=column or None,
                rule=check.rule.rule,
                severity=str(check.rule.severity),
                dimension=str(check.rule.dimension),
                outcome=Outcome.FAIL if count else Outcome.PASS,
                checked_count=rows,
                failed_count=count,
                failed_records=records,
                message=f"{message} ({count} of {rows} rows)" if count else "",
                why=check.rule.why,
                fix=check.rule.fix,
            )
        )
    return results


def _failing_rows(connection: duckdb.DuckDBPyConnection, select: str, check: Check, most: int | None) -> pa.Table:
    place = "file_name, row_number, table_name, column_name, record_key"
    cap = (
        f"QUALIFY row_number() OVER (PARTITION BY kind, table_name, delivery_id ORDER BY {place}) <= {most}"
        if most is not None
        else ""
    )
    rows = connection.execute(
        f"""
        SELECT delivery_id, source_id, organisation_id, kind, table_name AS "table", file_name AS file, row_number,
               line_number AS line, record_key, column_name AS "column", landed_column,
               {literal(check.rule.rule)} AS rule,
               {literal(check.rule.severity)} AS severity,
               kind || '.' || table_name || coalesce('.' || column_name, '') || {literal("." + check.rule.rule)}
               AS check_id,
               {literal(check.sentence(check.rule.message))} AS message,
               {literal(check.sentence(check.rule.fix))} AS fix
        FROM ({select}) AS batch_rows WHERE {failing(check)} {cap}
        ORDER BY delivery_id, table_name, {place}
        """
    )
    return rows.to_arrow_table().cast(FINDING_SCHEMA)


def _publish_results(
    connection: duckdb.DuckDBPyConnection, gx: Session, select: str, checks: Sequence[Check]
) -> Iterator[CheckResult]:
    """Results of the checks that read one relation."""
    run: list[Check] = []
    try:
        rows = _one(connection, f"SELECT count(*) FROM ({select}) AS batch_rows")
        for check in checks:
            applies = check.rule.applies
            if applies is not None and not _one(connection, f"SELECT coalesce(({applies.when}), false)"):
                yield _result(check, Outcome.NOT_APPLICABLE, applies.otherwise)
            else:
                run.append(check)
    except duckdb.Error as error:
        yield from (_result(check, Outcome.ERROR, without_values(str(error))) for check in checks)
        return
    answers = gx.validate(select, run) if run else {}
    for check in run:
        answer = answers[check.check_id]
        failed = sum(answer.failed.values())
        if answer.error is not None:
            yield _result(check, Outcome.ERROR, answer.error, rows)
        elif answer.success:
            yield _result(check, Outcome.PASS, "", rows)
        else:
            named = _named(connection, select, check)
            message = f"{check.sentence(check.rule.message)} ({failed} of {rows} rows{named})"
            yield _result(check, Outcome.FAIL, message, rows, failed)


def _named(connection: duckdb.DuckDBPyConnection, select: str, check: Check) -> str:
    """What fails, by name, where the rule says which column holds one."""
    if check.rule.shown_as is None:
        return ""
    shown = quoted(check.rule.shown_as)
    found = connection.execute(
        f"SELECT DISTINCT CAST({shown} AS VARCHAR) AS name FROM ({select}) AS batch_rows WHERE {failing(check)} "
        f"AND {shown} IS NOT NULL ORDER BY name LIMIT {_MOST_NAMED + 1}"
    ).fetchall()
    names = ", ".join(name for (name,) in found[:_MOST_NAMED])
    return f": {names}{', …' if len(found) > _MOST_NAMED else ''}" if names else ""


def _result(check: Check, outcome: Outcome, message: str, rows: int = 0, failed: int = 0) -> CheckResult:
    return CheckResult(
        check_id=check.check_id,
        kind=check.kind,
        delivery_id="",
        source_id="",
        organisation_id="",
        table=check.table,
        column=check.column,
        rule=check.rule.rule,
        severity=str(check.rule.severity),
        dimension=str(check.rule.dimension),
        outcome=outcome,
        checked_count=rows,
        failed_count=failed,
        failed_records=failed,
        message=message,
        why=check.sentence(check.rule.why),
        fix=check.sentence(check.rule.fix),
    )


def _together(found: list[pa.Table]) -> pa.Table:
    if not found:
        return FINDING_SCHEMA.empty_table()
    return pa.concat_tables(found).sort_by(
        [(name, "ascending") for name in ("delivery_id", "table", "file", "row_number", "check_id")]
    )


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
