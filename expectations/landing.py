"""The landing gate: every expected check on every new delivery of a kind, and what becomes of each delivery.

What belongs here: the relations that landing rules read (in an in-memory DuckDB that spills to a scratch folder, so the
warehouse is not locked), the verdict per delivery, and the rows to hold back. What does not: rules (``suites/*.yml``),
Great Expectations (``adapter``), and keeping results (``orchestration.quality``).

One validation covers a relation of all deliveries; failing rows are counted by delivery. Rules see:

* each table of the connector, with ``_source_id``, ``_format_version`` and ``_stated_on`` (DATE) of its delivery;
* ``_keyed``: the rows of any table (``_table``) whose key occurs more than once in the delivery, with ``_key_count``
  and ``_key_place`` (1: the newest version, which counts);
* ``_reject``: records that could not be read (``table, file, row_number, line, column, rule, message, fix``);
* ``_delivery``: one row a delivery, see :data:`_DELIVERY_COLUMNS`;
* ``_survey_item``: the mapped questions of survey sources; ``ref_…``: the models' seeds, all text;
* ``try_date()``, ``try_timestamp()``, ``try_int()``, ``try_decimal()``, taken from the models' own macros.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import duckdb
import jinja2
import pyarrow as pa
import pyarrow.parquet as pq

from expectations.adapter import Answer, Session, failing, session, without_values
from expectations.results import (
    FINDING_SCHEMA,
    TYPING_MACROS,
    CheckContext,
    CheckResult,
    LandedDelivery,
    LandingVerdict,
    Outcome,
    Status,
    SurveyItem,
)
from expectations.suites import DELIVERY, KEYED, REJECT, Check, Severity, Suite, literal, load_suite, quoted
from sources.connector import connectors
from sources.spec import IDENTITY_COLUMNS, Table

_REJECT_COLUMNS = (
    '_delivery_id VARCHAR, "table" VARCHAR, file VARCHAR, row_number BIGINT, line BIGINT, "column" VARCHAR, '
    "rule VARCHAR, message VARCHAR, fix VARCHAR"
)
_KEYED_COLUMNS = (
    "_table VARCHAR, _delivery_id VARCHAR, _file VARCHAR, _row_number BIGINT, _line BIGINT, record_key VARCHAR, "
    "_key_count BIGINT, _key_place BIGINT"
)
_DELIVERY_COLUMNS = (
    "_delivery_id VARCHAR, source_id VARCHAR, organisation_id VARCHAR, stated_on DATE, format_version VARCHAR, "
    "regime VARCHAR, refused_rule VARCHAR, row_count BIGINT, error_count BIGINT, error_share DOUBLE, "
    "max_error_share DOUBLE, previous_row_count BIGINT, row_change DOUBLE, max_row_change DOUBLE, "
    "emptied_tables VARCHAR, survey_item_count BIGINT"
)
_FEW_ROWS = 1_000_000
"""Up to so many rows one thread is faster than handing work to several."""
_EMPTIED_FROM = 50
"""A table that had at least so many rows in the last full delivery and now has none was most likely left out."""


def check_landing(
    kind: str, deliveries: Sequence[LandedDelivery], context: CheckContext | None = None
) -> LandingVerdict:
    """Judge new deliveries of one kind. Every expected check has a result for every delivery."""
    context = context or CheckContext()
    if not deliveries:
        return LandingVerdict(kind, [], FINDING_SCHEMA.empty_table(), FINDING_SCHEMA.empty_table(), {})
    tables = connectors()[kind].tables
    suite = load_suite(kind, tables, context.suites_dir, context.reference_dir)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=context.scratch_dir, prefix="gate-")))
        connection = stack.enter_context(duckdb.connect())
        connection.execute(f"SET memory_limit = {literal(context.memory_limit)}")
        connection.execute(f"SET temp_directory = {literal(scratch.as_posix())}")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET enable_progress_bar = false")
        return _Gate(connection, suite, tables, sorted(deliveries, key=lambda d: d.delivery_id), context).judge()


@dataclass(frozen=True)
class _Verdict:
    """Outcome of one check for one delivery."""

    outcome: Outcome
    failed_count: int = 0
    failed_records: int = 0
    note: str = ""


class _Gate:
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        suite: Suite,
        tables: Mapping[str, Table],
        deliveries: Sequence[LandedDelivery],
        context: CheckContext,
    ):
        self.connection, self.suite, self.tables, self.context = connection, suite, tables, context
        self.deliveries = {delivery.delivery_id: delivery for delivery in deliveries}
        self.numbers = {check.check_id: number for number, check in enumerate(suite.checks)}
        self.rows: dict[str, dict[str, int]] = {d: {} for d in self.deliveries}
        self.rejected: dict[str, int] = dict.fromkeys(self.deliveries, 0)
        self.verdicts: dict[tuple[str, str], _Verdict] = {}
        self._relation_rows: dict[str, dict[str, int]] = {}
        self._files: dict[str, dict[Path, tuple[str, ...]]] = {}
        """Table → landing files with rows → their columns."""
        self._listed: dict[int, dict[str, tuple[int, int]]] = {}
        """Check number → delivery → failing rows, distinct records."""
        self._broken: dict[str, str] = {}
        """Relations that could not be made, and why."""
        self._unreadable = f"{suite.kind}.{REJECT}.unreadable_record"
        sql = [*(check.holds or check.column or "" for check in suite.checks), *suite.relations.values()]
        sql += [check.rule.shown_as or "" for check in suite.checks]
        self._words = frozenset(re.findall(r"\w+", " ".join(sql)))

    def judge(self) -> LandingVerdict:
        self._prepare()
        with session(self.connection) as gx:
            self._run(gx, [check for check in self.suite.checks if check.table != DELIVERY])
            held = self._held_back()
            self._describe_deliveries(held)
            self._run(gx, [check for check in self.suite.checks if check.table == DELIVERY])
        status, reasons = self._decide()
        return LandingVerdict(
            kind=self.suite.kind,
            results=self._results(),
            quarantine=self._findings(Severity.RECORD, status),
            warnings=self._findings(Severity.WARNING, status),
            status=status,
            reasons=reasons,
            row_counts=self.rows,
            held_back=held,
        )

    # What rules read ----------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        for table in self.tables.values():
            self._count_rows(table)
        if sum(sum(counts.values()) for counts in self.rows.values()) < _FEW_ROWS:
            self.connection.execute("SET threads = 1")
        for name, sql in typing_macros().items():
            self.connection.execute(f"CREATE MACRO {name}(value) AS {sql}")
        self.connection.execute(
            "CREATE TABLE _failing (check_no INTEGER, _delivery_id VARCHAR, _file VARCHAR, _row_number BIGINT, "
            "_line BIGINT, record_key VARCHAR, shown_as VARCHAR)"
        )
        self._create_rejects()
        self._create_survey_items()
        self._describe_deliveries(dict.fromkeys(self.deliveries, 0))
        for table in self.tables.values():
            self._read(table)
        for name in sorted(word for word in self._words if word.startswith("ref_")):
            seed = literal((self.context.reference_dir / f"{name}.csv").as_posix())
            self.connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv({seed}, all_varchar = true)")
        for name, select in self.suite.relations.items():
            # Read several times, so worth keeping, unless it is about deliveries, whose counts come in later.
            made = "VIEW" if DELIVERY in re.findall(r"\w+", select) else "TABLE"
            try:
                self.connection.execute(f"CREATE {made} {quoted(name)} AS {select}")
            except duckdb.Error as error:
                self._broken[name] = f"relation {name}: {without_values(str(error))}"
        self.connection.execute(f"CREATE TABLE {KEYED} ({_KEYED_COLUMNS})")
        for name in sorted({check.table for check in self.suite.checks if check.relation == KEYED}):
            if any(counts[name] for counts in self.rows.values()):
                self._note_keyed(self.tables[name])

    def _read(self, table: Table) -> None:
        """Read a table of all deliveries once, as far as the rules need it."""
        files = self._files[table.name]
        columns = self._columns_read(table)
        if files:
            source = _parquet(list(files), union_by_name=len(set(files.values())) > 1)
        else:
            typed = {**dict.fromkeys(columns, "VARCHAR"), "_row_number": "BIGINT", "_line": "BIGINT"}
            empty = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in typed.items())
            source = f"(SELECT {empty} WHERE false)"
        listed = ", ".join(f"t.{quoted(name)}" for name in columns)
        self.connection.execute(
            f"CREATE TABLE {quoted(table.name)} AS SELECT {listed}, d.source_id AS _source_id, "
            f"d.format_version AS _format_version, d.stated_on AS _stated_on "
            f"FROM {source} AS t JOIN {DELIVERY} AS d USING (_delivery_id)"
        )

    def _count_rows(self, table: Table) -> None:
        """Note the table's rows of each delivery, and where its schema and files lie."""
        self._files[table.name] = {}
        for delivery in self.deliveries.values():
            path = delivery.path / f"{table.name}.parquet" if delivery.path and not delivery.refusal else None
            found = pq.read_metadata(path) if path and path.exists() else None
            self.rows[delivery.delivery_id][table.name] = found.num_rows if found else 0
            if path and found and found.num_rows:
                self._files[table.name][path] = tuple(found.schema.names)

    def _columns_read(self, table: Table) -> list[str]:
        """Columns that a rule of the suite names, beside key, version and place."""
        needed = {*table.key, table.version_column}
        names = [*table.column_names, *(IDENTITY_COLUMNS if table.identity else ())]
        return [*(n for n in names if n in needed or n in self._words), "_delivery_id", "_file", "_row_number", "_line"]

    def _note_keyed(self, table: Table) -> None:
        """Repeated keys are found by hashing; only their rows are ranked, and only they can fail."""
        names = [quoted(name) for name in ("_delivery_id", *table.key)]
        keys = ", ".join(names)
        # Parts of a key may be empty (a post that belongs to no service); without any part it is no key.
        given = " OR ".join(f"{quoted(name)} IS NOT NULL" for name in table.key)
        same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM repeated.{name}" for name in names)
        version = "NULL"
        if table.version_column:
            version = f"try_cast(trim({quoted(table.version_column)}, ' \t') AS TIMESTAMP)"
        self.connection.execute(
            f"""
            INSERT INTO {KEYED}
            SELECT {literal(table.name)}, _delivery_id, _file, _row_number, _line, {_record_key(table)},
                   count(*) OVER (PARTITION BY {keys}),
                   row_number() OVER (
                       PARTITION BY {keys} ORDER BY {version} DESC NULLS LAST, _row_number DESC, _file DESC)
            FROM {quoted(table.name)} AS t SEMI JOIN (
                SELECT {keys} FROM {quoted(table.name)} WHERE {given} GROUP BY {keys} HAVING count(*) > 1
            ) AS repeated ON {same}
            """
        )

    def _create_rejects(self) -> None:
        self.connection.execute(f"CREATE TABLE {REJECT} ({_REJECT_COLUMNS})")
        for delivery in self.deliveries.values():
            path = delivery.path / "_rejects.parquet" if delivery.path and not delivery.refusal else None
            if path is None or not path.exists() or not pq.read_metadata(path).num_rows:
                continue
            self.connection.execute(
                f"""INSERT INTO {REJECT} SELECT ?, "table", file, row_number, line, "column", rule, message, fix
                FROM read_parquet(?, hive_partitioning = false)""",
                [delivery.delivery_id, path.as_posix()],
            )
        self.rejected.update(self._counts(f"SELECT _delivery_id, count(*) FROM {REJECT} GROUP BY 1"))

    def _create_survey_items(self) -> None:
        items = self.context.survey_items
        names = [f.name for f in fields(SurveyItem)]
        columns = {name: pa.array([getattr(item, name) for item in items], _ITEM_TYPES[name]) for name in names}
        self._create_table("_survey_item", pa.table(columns))

    def _describe_deliveries(self, held: Mapping[str, int]) -> None:
        """(Re)write ``_delivery``; the counts of failing rows are known after the other rules have run."""
        self.connection.execute(f"CREATE OR REPLACE TABLE {DELIVERY} ({_DELIVERY_COLUMNS})")
        mapped = {item.source_id for item in self.context.survey_items}
        for delivery in self.deliveries.values():
            rows = sum(self.rows[delivery.delivery_id].values())
            read = rows + self.rejected[delivery.delivery_id]
            errors = held[delivery.delivery_id]
            before = delivery.previous_row_counts if delivery.regime == "full" else None
            previous = sum(before.values()) if before else None
            self.connection.execute(
                f"INSERT INTO {DELIVERY} VALUES (?, ?, ?, try_cast(? AS DATE), {', '.join('?' * 12)})",
                [
                    delivery.delivery_id,
                    delivery.source_id,
                    delivery.organisation_id,
                    delivery.stated_at,
                    delivery.format_version,
                    delivery.regime,
                    delivery.refusal.rule if delivery.refusal else None,
                    read,
                    errors,
                    errors / read if read else 0.0,
                    delivery.limits.max_error_share,
                    previous,
                    (read - previous) / previous if previous else None,
                    delivery.limits.max_row_change,
                    ", ".join(self._emptied(delivery, before)),
                    sum(item.source_id == delivery.source_id for item in self.context.survey_items) if mapped else 0,
                ],
            )

    def _emptied(self, delivery: LandedDelivery, before: Mapping[str, int] | None) -> list[str]:
        now = self.rows[delivery.delivery_id]
        return sorted(t for t, n in (before or {}).items() if n >= _EMPTIED_FROM and not now.get(t, 0))

    def _create_table(self, name: str, rows: pa.Table) -> None:
        self.connection.register("_incoming", rows)
        self.connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT * FROM _incoming")
        self.connection.unregister("_incoming")

    # Running checks -----------------------------------------------------------------------------------------------

    def _run(self, gx: Session, checks: Sequence[Check]) -> None:
        batches: dict[tuple[str, frozenset[str]], list[Check]] = {}
        for check in checks:
            excluded = self._not_applicable(check)
            if len(excluded) == len(self.deliveries):
                continue
            if check.relation in self._broken:
                self._note(check, Answer(False, self._broken[check.relation]))
            elif check.holds is None:
                self._run_one_by_one(gx, check, excluded)
            else:
                present = frozenset(d for d in excluded if self._rows_of(check).get(d, 0))
                batches.setdefault((check.relation, present), []).append(check)
        for (relation, present), batch in sorted(batches.items(), key=lambda item: (item[0][0], sorted(item[0][1]))):
            select = f"SELECT * FROM {quoted(relation)}{_without(present)}"
            answers = gx.validate(select, batch, group="_delivery_id")
            self._list_failing([c for c in batch if _has_failed(answers[c.check_id])], select)
            for check in batch:
                self._note(check, answers[check.check_id])

    def _not_applicable(self, check: Check) -> set[str]:
        """Deliveries to which the check does not apply; each gets its reason."""
        reasons: dict[str, str] = {}
        if check.table not in (DELIVERY, REJECT):
            rows = self._rows_of(check)
            reasons = {delivery_id: "no rows" for delivery_id in self.deliveries if not rows.get(delivery_id, 0)}
        applies = check.rule.applies
        if applies is not None:
            elsewhere = f"SELECT _delivery_id, 1 FROM {DELIVERY} WHERE NOT coalesce(({applies.when}), false)"
            reasons.update(dict.fromkeys(self._counts(elsewhere), applies.otherwise))
        if check.table != DELIVERY:
            refused = {d: delivery.refusal.rule for d, delivery in self.deliveries.items() if delivery.refusal}
            reasons.update({d: f"the delivery could not be read ({rule})" for d, rule in refused.items()})
        for delivery_id, reason in reasons.items():
            self.verdicts[check.check_id, delivery_id] = _Verdict(Outcome.NOT_APPLICABLE, note=reason)
        return set(reasons)

    def _rows_of(self, check: Check) -> dict[str, int]:
        """Rows that the check reads, by delivery."""
        relation = check.table if check.relation == KEYED else check.relation
        if relation not in self._relation_rows:
            if check.table == DELIVERY:
                found = dict.fromkeys(self.deliveries, 1)
            elif check.table == REJECT:
                found = {d: sum(self.rows[d].values()) + self.rejected[d] for d in self.deliveries}
            elif check.relation in (check.table, KEYED):
                found = {d: counts[check.table] for d, counts in self.rows.items()}
            elif relation in self._broken:
                found = dict.fromkeys(self.deliveries, 1)
            else:
                found = self._counts(f"SELECT _delivery_id, count(*) FROM {quoted(relation)} GROUP BY 1")
            self._relation_rows[relation] = found
        return self._relation_rows[relation]

    def _run_one_by_one(self, gx: Session, check: Check, excluded: set[str]) -> None:
        """An expectation of Great Expectations' own knows no groups: each delivery is a batch."""
        for delivery_id in self.deliveries:
            if delivery_id not in excluded:
                select = f"SELECT * FROM {quoted(check.relation)} WHERE _delivery_id = {literal(delivery_id)}"
                answer = gx.validate(select, [check])[check.check_id]
                failed = sum(answer.failed.values())
                outcome = Outcome.ERROR if answer.error else Outcome.PASS if answer.success else Outcome.FAIL
                self.verdicts[check.check_id, delivery_id] = _Verdict(outcome, failed, 0, answer.error or "")

    def _note(self, check: Check, answer: Answer) -> None:
        """Turn Great Expectations' answer into a verdict for each delivery."""
        listed = self._listed.get(self.numbers[check.check_id], {})
        error = answer.error
        if error is None and answer.is_complete and {d: rows for d, (rows, _) in listed.items()} != answer.failed:
            error = "the rows that fail are not those that Great Expectations counted"
        for delivery_id in self.deliveries:
            if (check.check_id, delivery_id) in self.verdicts:
                continue
            if error is not None:
                verdict = _Verdict(Outcome.ERROR, note=error)
            elif delivery_id in listed:
                verdict = _Verdict(Outcome.FAIL, *listed[delivery_id])
            else:
                verdict = _Verdict(Outcome.PASS)
            self.verdicts[check.check_id, delivery_id] = verdict

    def _list_failing(self, checks: Sequence[Check], select: str) -> None:
        """Note the rows that fail, by the predicates that Great Expectations judged them by."""
        if not checks:
            return
        listed = " UNION ALL ".join(
            f"SELECT {self.numbers[check.check_id]} AS check_no, _delivery_id, {self._place(check)} "
            f"FROM ({select}) AS batch_rows WHERE {failing(check)}"
            for check in checks
        )
        numbers = ", ".join(str(self.numbers[check.check_id]) for check in checks)
        self.connection.execute(f"INSERT INTO _failing {listed}")
        found = self.connection.execute(
            "SELECT check_no, _delivery_id, count(*), count(DISTINCT record_key) FROM _failing "
            f"WHERE check_no IN ({numbers}) GROUP BY ALL"
        ).fetchall()
        for number, delivery_id, rows, records in found:
            self._listed.setdefault(number, {})[delivery_id] = (rows, records)

    def _place(self, check: Check) -> str:
        """SQL: file, row, line and record key of a row that the check reads."""
        if check.table == DELIVERY:
            return "CAST(NULL AS VARCHAR), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), _delivery_id, NULL"
        if check.table == REJECT:
            return "file, row_number, line, file || ':' || CAST(row_number AS VARCHAR), NULL"
        key = "record_key" if check.relation == KEYED else _record_key(self.tables[check.table])
        return f"_file, _row_number, _line, {key}, {quoted(check.rule.shown_as) if check.rule.shown_as else 'NULL'}"

    # What comes out -----------------------------------------------------------------------------------------------

    def _held_back(self) -> dict[str, int]:
        """Distinct rows of each delivery that record checks hold back, rejected ones counted."""
        self._create_check_table()
        held = self._counts(
            f"""
            SELECT _delivery_id, count(*) FROM (
                SELECT DISTINCT _delivery_id, table_name, _file, _row_number FROM _failing JOIN _check USING (check_no)
                WHERE severity = '{Severity.RECORD}' AND table_name <> '{REJECT}'
            ) AS held GROUP BY 1
            """
        )
        return {d: held.get(d, 0) + self.rejected[d] for d in self.deliveries}

    def _create_check_table(self) -> None:
        checks = self.suite.checks
        self._create_table(
            "_check",
            pa.table(
                {
                    "check_no": pa.array(range(len(checks)), pa.int32()),
                    "check_id": [c.check_id for c in checks],
                    "table_name": [c.table for c in checks],
                    "column_name": pa.array([c.column for c in checks], pa.string()),
                    "rule": [c.rule.rule for c in checks],
                    "severity": [str(c.rule.severity) for c in checks],
                    "message": [c.sentence(c.rule.message) for c in checks],
                    "fix": [c.sentence(c.rule.fix) for c in checks],
                }
            ),
        )

    def _decide(self) -> tuple[dict[str, Status], dict[str, list[str]]]:
        status: dict[str, Status] = {}
        reasons: dict[str, list[str]] = {}
        for delivery_id, delivery in self.deliveries.items():
            refused, paused = self._objections(delivery)
            released = delivery_id in self.context.released
            status[delivery_id] = (
                Status.REFUSED if refused else Status.PAUSED if paused and not released else Status.ACCEPTED
            )
            noted = [f"released by a person: {reason}" for reason in paused] if released else paused
            reasons[delivery_id] = refused + noted
        return status, reasons

    def _objections(self, delivery: LandedDelivery) -> tuple[list[str], list[str]]:
        """Reasons to refuse, reasons to pause."""
        refused = [f"{delivery.refusal.message.rstrip('.')}. {delivery.refusal.fix}"] if delivery.refusal else []
        paused = []
        for check in self.suite.checks:
            verdict = self.verdicts[check.check_id, delivery.delivery_id]
            if verdict.outcome is Outcome.ERROR and check.rule.severity is not Severity.WARNING:
                paused.append(f"{check.check_id} could not be run: {verdict.note}")
            elif verdict.outcome is Outcome.FAIL and check.rule.then == "pause":
                paused.append(self._sentence(check, delivery, verdict))
            elif verdict.outcome is Outcome.FAIL and check.rule.then == "refuse" and not delivery.refusal:
                refused.append(self._sentence(check, delivery, verdict))
        return refused, paused

    def _results(self) -> list[CheckResult]:
        results = []
        for delivery in self.deliveries.values():
            for check in sorted(self.suite.checks, key=lambda c: c.check_id):
                verdict = self.verdicts[check.check_id, delivery.delivery_id]
                checked = self._rows_of(check).get(delivery.delivery_id, 0)
                applicable = verdict.outcome is not Outcome.NOT_APPLICABLE
                is_refusal = verdict.outcome is Outcome.FAIL and check.rule.then == "refuse"
                results.append(
                    CheckResult(
                        check_id=check.check_id,
                        kind=check.kind,
                        delivery_id=delivery.delivery_id,
                        source_id=delivery.source_id,
                        organisation_id=delivery.organisation_id,
                        table=check.table,
                        column=check.column,
                        rule=check.rule.rule,
                        severity=str(check.rule.severity),
                        dimension=str(check.rule.dimension),
                        outcome=verdict.outcome,
                        checked_count=checked if applicable else 0,
                        failed_count=verdict.failed_count,
                        failed_records=verdict.failed_records,
                        message=self._sentence(check, delivery, verdict),
                        why=check.sentence(check.rule.why),
                        fix=delivery.refusal.fix if delivery.refusal and is_refusal else check.sentence(check.rule.fix),
                    )
                )
        return results

    def _sentence(self, check: Check, delivery: LandedDelivery, verdict: _Verdict) -> str:
        """What a result says: the reason, the error, or what is wrong with how many rows."""
        if verdict.outcome is not Outcome.FAIL:
            return verdict.note
        text = check.sentence(check.rule.message)
        if check.table == DELIVERY:
            if delivery.refusal and check.rule.then == "refuse":
                return delivery.refusal.message
            return _filled(text, self._facts(delivery.delivery_id))
        return f"{text} ({verdict.failed_count} of {self._rows_of(check).get(delivery.delivery_id, 0)} rows)"

    def _facts(self, delivery_id: str) -> dict[str, str]:
        """``_delivery`` of one delivery, as its rules' messages show it."""
        found = self.connection.execute(f"SELECT * FROM {DELIVERY} WHERE _delivery_id = ?", [delivery_id])
        names = [column[0] for column in found.description or ()]
        values = found.fetchone() or ()
        shown = {}
        for name, value in zip(names, values, strict=True):
            shown[name] = f"{value:.1%}" if isinstance(value, float) else "" if value is None else str(value)
        return shown

    def _findings(self, severity: Severity, status: Mapping[str, Status]) -> pa.Table:
        """Failing rows of checks of a severity, records that could not be read among those to hold back."""
        limits = {
            d: None
            if severity is Severity.RECORD and status[d] is Status.ACCEPTED
            else self.context.refused_cap
            if severity is Severity.RECORD
            else self.context.warning_cap
            for d in self.deliveries
        }
        self._create_table(
            "_listed",
            pa.table(
                {
                    "_delivery_id": list(self.deliveries),
                    "source_id": [d.source_id for d in self.deliveries.values()],
                    "organisation_id": [d.organisation_id for d in self.deliveries.values()],
                    "most": pa.array([limits[d] for d in self.deliveries], pa.int64()),
                }
            ),
        )
        rejects = f"""
            UNION ALL
            SELECT r._delivery_id, d.source_id, d.organisation_id, r."table", r.file, r.row_number, r.line,
                   CAST(NULL AS VARCHAR), r."column", r."column", r.rule,
                   coalesce(c.check_id, {literal(self._unreadable)}), r.message, r.fix
            FROM {REJECT} AS r JOIN _listed AS d USING (_delivery_id)
            LEFT JOIN _check AS c ON c.table_name = '{REJECT}' AND c.rule = r.rule
        """
        self.connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE _found AS
            SELECT f._delivery_id AS delivery_id, d.source_id, d.organisation_id, c.table_name, f._file AS file,
                   f._row_number AS row_number, f._line AS line, f.record_key,
                   coalesce(f.shown_as, c.column_name) AS column_name, c.column_name AS landed_column, c.rule,
                   c.check_id, c.message, c.fix
            FROM _failing AS f JOIN _check AS c USING (check_no) JOIN _listed AS d USING (_delivery_id)
            WHERE c.severity = '{severity}' AND c.table_name NOT IN ('{REJECT}', '{DELIVERY}')
            QUALIFY d.most IS NULL OR row_number() OVER (
                PARTITION BY f._delivery_id, f.check_no ORDER BY f._file, f._row_number) <= d.most
            {rejects if severity is Severity.RECORD else ""}
            """
        )
        found = self.connection.execute(
            f"""
            SELECT delivery_id, source_id, organisation_id, {literal(self.suite.kind)} AS kind, table_name AS "table",
                   file, row_number, line, record_key, column_name AS "column", landed_column, rule,
                   '{severity}' AS severity, check_id, message, fix
            FROM _found ORDER BY delivery_id, table_name, file, row_number, check_id, line
            """
        )
        return found.to_arrow_table().cast(FINDING_SCHEMA)

    def _counts(self, query: str) -> dict[str, int]:
        return {str(name): int(count) for name, count in self.connection.execute(query).fetchall()}


_ITEM_TYPES = {
    **dict.fromkeys((f.name for f in fields(SurveyItem)), pa.string()),
    "item_number": pa.int32(),
}


@cache
def typing_macros() -> dict[str, str]:
    """SQL of the models' typing macros over an argument ``value``: the gate finds a value bad exactly when staging
    cannot type it."""
    module = jinja2.Environment(autoescape=False).from_string(TYPING_MACROS.read_text(encoding="utf-8")).module  # noqa: S701  it is SQL
    return {name: getattr(module, name)("value") for name in ("try_date", "try_timestamp", "try_int", "try_decimal")}


def _parquet(files: Sequence[Path], *, union_by_name: bool) -> str:
    listed = ", ".join(literal(file.as_posix()) for file in files)
    return f"read_parquet([{listed}], hive_partitioning = false, union_by_name = {str(union_by_name).lower()})"


def _record_key(table: Table) -> str:
    """SQL: the key's values joined; NULL where they are all empty."""
    joined = " || '|' || ".join(f"coalesce({quoted(name)}, '')" for name in table.key)
    return f"nullif({joined}, {literal('|' * (len(table.key) - 1))})" if joined else "CAST(NULL AS VARCHAR)"


def _has_failed(answer: Answer) -> bool:
    return answer.error is None and not answer.success


def _without(deliveries: frozenset[str]) -> str:
    if not deliveries:
        return ""
    return f" WHERE _delivery_id NOT IN ({', '.join(literal(d) for d in sorted(deliveries))})"


def _filled(text: str, facts: Mapping[str, str]) -> str:
    for name, value in facts.items():
        text = text.replace("{" + name + "}", value)
    return text
