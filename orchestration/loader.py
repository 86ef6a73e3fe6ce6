"""From landing to ``raw``: which rows of which delivery are current.

What belongs here: applying deliveries, in the ledger's order, to the raw tables by their regime, and accounting for
every landed row. It is a fold: the state after deliveries 1…n is that after 1…n−1 with n applied, so applying one more
delivery and rebuilding from nothing agree. What does not: judging rows (``expectations``), and what a row means
(``dbt_project``). The SQL here follows from the connectors' specs and knows no format.

Row statuses: ``current``; ``orphan`` (held back until its parent is current); ``deleted`` (the sender's tombstone);
``superseded`` with a reason. An unchanged row of a later delivery is counted and not stored again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.landing import Landed
from orchestration.warehouse import FEW_ROWS, LIVE, parsed_date, parsed_timestamp, quoted, raw_columns, raw_name
from sources.connector import connectors
from sources.spec import Regime, Table

_CONTEXT = threading.Lock()
"""Whoever writes ``ops.run_context``, a single row, holds this: two transactions that change it would conflict."""

_LIVE = "(" + ", ".join(f"'{status}'" for status in LIVE) + ")"


@dataclass(frozen=True)
class Accepted:
    """A delivery that passed its gate, where it landed, and the rows that were held back."""

    landed: Landed
    folder: Path
    held: pa.Table
    """Columns table, file, row_number: rows in quarantine, which are not loaded."""


@dataclass(frozen=True)
class Applied:
    """What applying a source's deliveries came to."""

    deliveries: tuple[str, ...]
    """Deliveries applied now, in order."""
    replayed: bool
    """The source was rebuilt from its first delivery, because an earlier place in the order changed."""


def apply_sources(
    connection: duckdb.DuckDBPyConnection, kind: str, ordered: Mapping[str, Sequence[Accepted]]
) -> Iterator[tuple[str, Applied]]:
    """Bring the raw tables of several sources up to date, some at a time. Yields each source as it is done, in order.

    Sources touch only rows of their own, so their transactions never conflict; one statement on few rows keeps a single
    thread busy, so that statements of several sources side by side are what uses the machine.
    """

    def apply(source_id: str) -> Applied:
        with connection.cursor() as own:
            return apply_source(own, source_id, kind, ordered[source_id])

    waiting = sum(sum(accepted.landed.rows.values()) for listed in ordered.values() for accepted in listed)
    if waiting < FEW_ROWS:
        connection.execute("SET threads = 1")
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        yield from zip(ordered, pool.map(apply, ordered), strict=True)


def apply_source(
    connection: duckdb.DuckDBPyConnection, source_id: str, kind: str, ordered: Sequence[Accepted]
) -> Applied:
    """Bring the raw tables of one source to the state after ``ordered``, each delivery in a transaction of its own."""
    wanted = [(a.landed.delivery_id, a.landed.connector_version) for a in ordered]
    done = connection.execute(
        "SELECT delivery_id, connector_version FROM ops.applied WHERE source_id = ? ORDER BY position", [source_id]
    ).fetchall()
    replayed = wanted[: len(done)] != done
    if replayed:
        _forget(connection, source_id, kind)
        done = []
    if len(done) < len(ordered):
        fold = _Fold(connection, source_id, kind)
        for position, accepted in enumerate(ordered[len(done) :], start=len(done) + 1):
            fold.apply(accepted, position, is_last=position == len(ordered))
    return Applied(tuple(delivery for delivery, _ in wanted[len(done) :]), replayed)


def _forget(connection: duckdb.DuckDBPyConnection, source_id: str, kind: str) -> None:
    """Drop a source's rows, to apply its deliveries again. What was built from them is rebuilt in full."""
    _change_context(connection, "built_code = NULL")
    connection.execute("BEGIN")
    for name in connectors()[kind].tables:
        connection.execute(f"DELETE FROM raw.{quoted(raw_name(kind, name))} WHERE _source_id = ?", [source_id])
    for table in ("applied", "row_account"):
        connection.execute(f"DELETE FROM ops.{table} WHERE source_id = ?", [source_id])
    connection.execute("COMMIT")


def _change_context(connection: duckdb.DuckDBPyConnection, change: str) -> int:
    """Change ``ops.run_context`` at once, outside a transaction. Returns the load sequence."""
    with _CONTEXT:
        connection.execute(f"UPDATE ops.run_context SET {change}")
        return _one(connection, "SELECT load_seq FROM ops.run_context")


class _Fold:
    """Applies the deliveries of one source, one after the other."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, source_id: str, kind: str):
        self.connection, self.source_id, self.kind = connection, source_id, kind
        self.tables = connectors()[kind].tables
        self.order = in_order(self.tables.values())
        self.filled = {name for name in self.order if self._has_rows(name)}
        """Tables in which the source has rows: what comes first needs no comparing."""

    def _has_rows(self, name: str) -> bool:
        raw = f"raw.{quoted(raw_name(self.kind, name))}"
        return bool(_one(self.connection, f"SELECT count(*) FROM {raw} WHERE _source_id = ?", self.source_id))

    def apply(self, accepted: Accepted, position: int, *, is_last: bool) -> None:
        landed = accepted.landed
        # Ahead of the rows: if they do not come, the next build looks for changes and finds none.
        sequence = _change_context(self.connection, "load_seq = load_seq + 1")
        self.connection.execute("BEGIN")
        self.connection.register("held_rows", accepted.held)
        accounts = []
        for name in self.order:
            speaks = landed.regime == Regime.FULL and self.tables[name].absence_deletes and name in self.filled
            if landed.rows.get(name, 0) or landed.rejected.get(name, 0) or speaks:
                step = _TableStep(self.connection, self.kind, self.tables[name], accepted, sequence)
                accounts.append(step.run(is_first=name not in self.filled))
                if landed.rows.get(name, 0):
                    self.filled.add(name)
        self.connection.unregister("held_rows")
        if accounts:
            self.connection.executemany("INSERT INTO ops.row_account VALUES (?, ?, ?, ?, ?, ?, ?, ?)", accounts)
        if is_last:
            # Orphans take part in replacement like current rows, so who is one matters at the end only.
            self._mark_orphans(sequence)
        self.connection.execute(
            "INSERT INTO ops.applied VALUES (?, ?, ?, ?, ?, ?)",
            [self.source_id, self.kind, landed.delivery_id, landed.connector_version, position, sequence],
        )
        self.connection.execute("COMMIT")

    def _mark_orphans(self, sequence: int) -> None:
        """Hold back current rows whose parent is not current; take back those whose parent has come."""
        for name in self.order:
            table = self.tables[name]
            if not table.parents or name not in self.filled:
                continue
            lacking = " OR ".join(
                _lacks_parent(self.kind, columns, self.tables[parent], self.source_id)
                for columns, parent in table.parents
            )
            for status, new, condition in (("current", "orphan", lacking), ("orphan", "current", f"NOT ({lacking})")):
                self.connection.execute(
                    f"UPDATE raw.{quoted(raw_name(self.kind, name))} AS r "
                    "SET _status = ?, _end_reason = ?, _changed_seq = ? "
                    f"WHERE _source_id = ? AND _status = ? AND ({condition})",
                    [new, "parent_not_current" if new == "orphan" else None, sequence, self.source_id, status],
                )


def in_order(tables: Iterable[Table]) -> list[str]:
    """Table names, parents before children, otherwise as given."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for table in tables:
        sorter.add(table.name, *(parent for _, parent in table.parents if parent != table.name))
    return list(sorter.static_order())


class _TableStep:
    """Applies one delivery to one raw table."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        kind: str,
        table: Table,
        accepted: Accepted,
        sequence: int,
    ):
        self.connection, self.kind, self.table = connection, kind, table
        self.landed, self.sequence = accepted.landed, sequence
        self.raw = f"raw.{quoted(raw_name(kind, table.name))}"
        self.file = (accepted.folder / f"{table.name}.parquet").as_posix()

    def run(self, *, is_first: bool) -> tuple[Any, ...]:
        """Apply the rows and what their absence means. Returns the table's row account."""
        landed = self.landed
        self._place(is_first=is_first)
        counts = self.connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE _is_held), count(*) FILTER (WHERE _outcome = 'unchanged'), "
            "count(*) FILTER (WHERE _outcome = 'newer') FROM placed"
        ).fetchone()
        total, held, unchanged, newer = counts or (0, 0, 0, 0)
        if newer:
            self._end_replaced()
        if not is_first:
            self._end_absent()
        loaded = total - held - unchanged
        if loaded:
            self._insert()
        rejected = landed.rejected.get(self.table.name, 0)
        return (
            *(landed.delivery_id, landed.source_id, self.table.name),
            *(total, rejected, held, unchanged, loaded),
        )

    def _place(self, *, is_first: bool) -> None:
        """``placed``: for each landed row its group, whether it is held back, and what comes of it.

        Outcomes: ``new``, ``newer`` or ``older`` than what is live, ``unchanged``, or ``duplicate`` of a better row of
        the same delivery. The same text in another format may mean something else, so it is not unchanged. Only what
        decides about a row is looked at; its values go from Parquet to the raw table in one step.
        """
        table, landed = self.table, self.landed
        order = "_version DESC NULLS LAST, _row_number DESC, _file DESC"
        rank = f"row_number() OVER (PARTITION BY _group, _is_held ORDER BY {order})" if table.key_is_unique else "1"
        # A unique key has one row a group, so its hash is the group's.
        digest = "max(_row_hash)" if table.key_is_unique else "md5(string_agg(_row_hash, ',' ORDER BY _row_hash))"
        rows = f"""
            WITH landed AS (
                SELECT l._file, l._row_number, l._row_hash, {_group(table, "l")} AS _group,
                       {_version(table, "l")} AS _version, {_deleted(table, "l")} AS _is_deleted,
                       h.row_number IS NOT NULL AS _is_held
                FROM read_parquet($file) AS l
                LEFT JOIN (SELECT DISTINCT file, row_number FROM held_rows WHERE "table" = $table) AS h
                  ON h.file = l._file AND h.row_number = l._row_number
            ), ranked AS (SELECT *, {rank} AS _rank FROM landed)
        """
        parameters = {"file": self.file, "table": table.name}
        if is_first:
            select = """SELECT _file, _row_number, _group, _is_deleted, _is_held, CASE WHEN _is_held THEN 'held'
                WHEN _rank > 1 THEN 'duplicate' ELSE 'new' END AS _outcome FROM ranked"""
        else:
            parameters |= {"source": landed.source_id, "format": landed.format_version}
            select = f"""
                , coming AS (
                    SELECT _group, max(_version) AS version, {digest} AS digest
                    FROM ranked WHERE NOT _is_held AND _rank = 1 GROUP BY _group
                ), live AS (
                    SELECT _group, max({_version(table, "r")}) AS version, {digest} AS digest,
                           bool_and(_format_version = $format) AS is_same_format
                    FROM {self.raw} AS r WHERE _source_id = $source AND _status IN {_LIVE} GROUP BY _group
                )
                SELECT _file, _row_number, _group, _is_deleted, _is_held, CASE
                    WHEN _is_held THEN 'held'
                    WHEN _rank > 1 THEN 'duplicate'
                    WHEN live._group IS NULL THEN 'new'
                    WHEN coming.version < live.version OR (coming.version IS NULL AND live.version IS NOT NULL)
                        THEN 'older'
                    WHEN coming.digest = live.digest AND live.is_same_format THEN 'unchanged'
                    ELSE 'newer' END AS _outcome
                FROM ranked LEFT JOIN coming USING (_group) LEFT JOIN live USING (_group)"""
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE placed AS {rows} {select}", parameters)

    def _end_replaced(self) -> None:
        replaced = "SELECT _group FROM placed WHERE _outcome = 'newer'"
        self._end("newer_version", f"_status IN {_LIVE} AND _group IN ({replaced})")

    def _end_absent(self) -> None:
        """A full delivery speaks for its scope: live rows of the scope that it does not carry are gone.

        Rows held back are carried, so an earlier good version stays. Where records could not be read, nobody can tell
        which ones they were, and absence is not taken for deletion.
        """
        landed, table = self.landed, self.table
        if landed.regime != Regime.FULL or not table.absence_deletes or landed.rejected.get(table.name):
            return
        if table.name in landed.absent_tables:
            return
        conditions = ["_status IN ('current', 'orphan')", "_group NOT IN (SELECT _group FROM placed)"]
        self._end("absent_from_full_export", " AND ".join(conditions + self._scope()))

    def _scope(self) -> list[str]:
        landed, table, scope = self.landed, self.table, []
        if landed.scope_values is not None and (table.scope_column or table.scope_via):
            values = pa.table({"value": pa.array(list(landed.scope_values), pa.string())})
            self.connection.register("scope_values", values)
            inside = "IN (SELECT value FROM scope_values)"
            if table.scope_column:
                scope.append(f"{quoted(table.scope_column)} {inside}")
            elif table.scope_via:
                own, parent = table.scope_via
                parent_table = connectors()[self.kind].tables[parent]
                scope.append(
                    f"{quoted(own)} IN (SELECT p.{quoted(parent_table.key[0])} "
                    f"FROM raw.{quoted(raw_name(self.kind, parent))} AS p WHERE p._source_id = '{landed.source_id}' "
                    f"AND p.{quoted(str(parent_table.scope_column))} {inside})"
                )
        first, last = landed.scope_from, landed.scope_to
        if table.scope_span is not None:
            start, end = parsed_date(quoted(table.scope_span.start)), self._span_end()
            scope += [f"coalesce({start} <= DATE '{last}', true)"] if last else []
            scope += [f"coalesce({end} >= DATE '{first}', true)"] if first else []
        elif table.scope_date_columns:
            on = "coalesce(" + ", ".join(parsed_date(quoted(name)) for name in table.scope_date_columns) + ")"
            scope += [f"{on} <= DATE '{last}'"] if last else []
            scope += [f"{on} >= DATE '{first}'"] if first else []
        return scope

    def _span_end(self) -> str:
        span = self.table.scope_span
        assert span is not None  # noqa: S101  asked by the only caller
        if span.end_table is None:
            return parsed_date(quoted(span.end))
        key = quoted(str(span.end_key))
        ends = f"raw.{quoted(raw_name(self.kind, span.end_table))}"
        return (
            f"(SELECT max({parsed_date('e.' + quoted(span.end))}) FROM {ends} AS e "
            f"WHERE e._status = 'current' AND e._source_id = '{self.landed.source_id}' AND e.{key} = r.{key})"
        )

    def _end(self, reason: str, condition: str) -> None:
        self.connection.execute(
            f"UPDATE {self.raw} AS r SET _status = 'superseded', _end_reason = ?, _ended_by = ?, _changed_seq = ? "
            f"WHERE _source_id = ? AND {condition}",
            [reason, self.landed.delivery_id, self.sequence, self.landed.source_id],
        )

    def _insert(self) -> None:
        status = """CASE WHEN _outcome IN ('duplicate', 'older') THEN 'superseded'
            WHEN _is_deleted THEN 'deleted' ELSE 'current' END"""
        reason = """CASE _outcome WHEN 'duplicate' THEN 'duplicate_in_delivery' WHEN 'older' THEN 'older_version'
            ELSE CASE WHEN _is_deleted THEN 'deleted_by_sender' END END"""
        computed = {
            "_source_id": "$source",
            "_format_version": "$format",
            "_group": "placed._group",
            "_status": status,
            "_end_reason": reason,
            "_ended_by": "CAST(NULL AS VARCHAR)",
            "_loaded_seq": "$sequence",
            "_changed_seq": "$sequence",
        }
        names = [name for name, _ in raw_columns(self.table)]
        selected = ", ".join(computed.get(name, "l." + quoted(name)) for name in names)
        self.connection.execute(
            f"INSERT INTO {self.raw} ({', '.join(quoted(n) for n in names)}) SELECT {selected} "
            "FROM read_parquet($file) AS l JOIN placed USING (_file, _row_number) "
            "WHERE _outcome NOT IN ('held', 'unchanged')",
            {
                "file": self.file,
                "source": self.landed.source_id,
                "format": self.landed.format_version,
                "sequence": self.sequence,
            },
        )


def _lacks_parent(kind: str, columns: tuple[str, ...], parent: Table, source_id: str) -> str:
    """SQL: the row names a parent, and no current row of the parent table has that key."""
    own = " AND ".join(f"r.{quoted(column)} IS NOT NULL" for column in columns)
    mine = ", ".join(f"r.{quoted(column)}" for column in columns)
    theirs = ", ".join(f"p.{quoted(column)}" for column in parent.key[: len(columns)])
    return (
        f"({own} AND ({mine}) NOT IN (SELECT ({theirs}) FROM raw.{quoted(raw_name(kind, parent.name))} AS p "
        f"WHERE p._source_id = '{source_id}' AND p._status = 'current'))"
        if len(columns) > 1
        else f"({own} AND {mine} NOT IN (SELECT {theirs} FROM raw.{quoted(raw_name(kind, parent.name))} AS p "
        f"WHERE p._source_id = '{source_id}' AND p._status = 'current' AND {theirs} IS NOT NULL))"
    )


def _group(table: Table, alias: str) -> str:
    """SQL: what versions of a record have in common. A record without any key value stands for itself."""
    columns = [f"{alias}.{quoted(name)}" for name in (table.group or table.key)]
    joined = " || '|' || ".join(f"coalesce({column}, '')" for column in columns)
    blank = " AND ".join(f"{column} IS NULL" for column in columns)
    return f"CASE WHEN {blank} THEN 'blank:' || {alias}._row_hash ELSE {joined} END"


def _deleted(table: Table, alias: str) -> str:
    if table.deleted_column is None:
        return "false"
    return f"coalesce(trim({alias}.{quoted(table.deleted_column)}), '') <> ''"


def _version(table: Table, alias: str) -> str:
    if table.version_column is None:
        return "CAST(NULL AS TIMESTAMP)"
    column = f"{alias}.{quoted(table.version_column)}"
    return column if table.version_is_text else parsed_timestamp(column)


def _one(connection: duckdb.DuckDBPyConnection, query: str, *parameters: object) -> int:
    row = connection.execute(query, list(parameters)).fetchone()
    return int(row[0]) if row else 0
