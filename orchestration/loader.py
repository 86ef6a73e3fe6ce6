"""From landing to ``raw``: which rows of which delivery are current.

What belongs here: applying deliveries, in the ledger's order, to the raw tables by their regime, and accounting for
every landed row. For each source it is a fold: the state after deliveries 1…n is that after 1…n−1 with n applied, so
applying one more delivery and rebuilding from nothing agree. What does not: judging rows (``expectations``), and what a
row means (``dbt_project``). The SQL here follows from the connectors' specs and knows no format.

Row statuses: ``current``; ``orphan`` (held back until its parent is current); ``deleted`` (the sender's tombstone);
``superseded`` with a reason. An unchanged row of a later delivery is counted and not stored again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import zip_longest
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


_BATCH_ROWS = 250_000
"""Deliveries of different sources are applied together up to so many rows: by one statement on them all instead of one
each, whose cost for so few rows is that of the statement."""


@dataclass(frozen=True)
class _Pending:
    """A delivery that is still to be applied, and its place among those of its source."""

    accepted: Accepted
    position: int
    is_last: bool

    @property
    def landed(self) -> Landed:
        return self.accepted.landed


def apply_sources(
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    ordered: Mapping[str, Sequence[Accepted]],
    on_delivery: Callable[[Landed], None] = lambda _: None,
) -> Iterator[tuple[str, Applied]]:
    """Bring the raw tables of several sources to the state after their deliveries. Yields each source as it is done.

    Sources touch only rows of their own, so that those with few rows are applied together, and such batches side by
    side; the transactions never conflict. ``on_delivery`` hears of every delivery when its rows are in place and not
    yet committed.
    """
    pending, outcomes = {}, {}
    for source_id, accepted in ordered.items():
        outcomes[source_id], pending[source_id] = _pending(connection, source_id, kind, accepted)
    if sum(map(_rows, pending.values())) < FEW_ROWS:
        connection.execute("SET threads = 1")

    def apply(batch: Mapping[str, Sequence[_Pending]]) -> list[str]:
        with connection.cursor() as own:
            fold = _Fold(own, kind, batch)
            for together in zip_longest(*batch.values()):
                fold.apply([delivery for delivery in together if delivery is not None], on_delivery)
        return list(batch)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done in pool.map(apply, _batches(pending)):
            yield from ((source_id, outcomes[source_id]) for source_id in done)


def _pending(
    connection: duckdb.DuckDBPyConnection, source_id: str, kind: str, ordered: Sequence[Accepted]
) -> tuple[Applied, list[_Pending]]:
    """What is to be applied of a source's deliveries, and what that will have come to."""
    wanted = [(a.landed.delivery_id, a.landed.connector_version) for a in ordered]
    done = connection.execute(
        "SELECT delivery_id, connector_version FROM ops.applied WHERE source_id = ? ORDER BY position", [source_id]
    ).fetchall()
    replayed = wanted[: len(done)] != done
    if replayed:
        _forget(connection, source_id, kind)
        done = []
    waiting = [
        _Pending(accepted, position, position == len(ordered))
        for position, accepted in enumerate(ordered[len(done) :], start=len(done) + 1)
    ]
    return Applied(tuple(p.landed.delivery_id for p in waiting), replayed), waiting


def _batches(pending: Mapping[str, Sequence[_Pending]]) -> list[dict[str, Sequence[_Pending]]]:
    """The sources, in order, in batches of few rows; a source with many is a batch of its own."""
    batches: list[dict[str, Sequence[_Pending]]] = [{}]
    room = _BATCH_ROWS
    for source_id, deliveries in pending.items():
        rows = _rows(deliveries)
        if batches[-1] and rows > room:
            batches.append({})
            room = _BATCH_ROWS
        batches[-1][source_id] = deliveries
        room -= rows
    return batches


def _rows(deliveries: Sequence[_Pending]) -> int:
    return sum(sum(delivery.landed.rows.values()) for delivery in deliveries)


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
    """Applies the deliveries of some sources in rounds: in each, the next one of every source, in one transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, kind: str, sources: Iterable[str]):
        self.connection, self.kind = connection, kind
        self.tables = connectors()[kind].tables
        self.order = in_order(self.tables.values())
        self.filled = set(self._filled(list(sources)))
        """(table, source) with rows: what comes first needs no comparing."""

    def _filled(self, sources: list[str]) -> Iterator[tuple[str, str]]:
        for name in self.order:
            raw = f"raw.{quoted(raw_name(self.kind, name))}"
            rows = f"SELECT DISTINCT _source_id FROM {raw} WHERE list_contains(?, _source_id)"
            yield from ((name, source_id) for (source_id,) in self.connection.execute(rows, [sources]).fetchall())

    def apply(self, together: Sequence[_Pending], on_delivery: Callable[[Landed], None]) -> None:
        """Apply one delivery each of some of the sources."""
        # Ahead of the rows: if they do not come, the next build looks for changes and finds none.
        sequence = _change_context(self.connection, "load_seq = load_seq + 1")
        self.connection.execute("BEGIN")
        self.connection.register("held_rows", _held([delivery.accepted for delivery in together]))
        self.connection.register("coming", _coming([delivery.landed for delivery in together]))
        accounts: list[tuple[Any, ...]] = []
        for name in self.order:
            speaking = [delivery.accepted for delivery in together if self._speaks_of(delivery.landed, name)]
            if not speaking:
                continue
            is_first = not any((name, a.landed.source_id) in self.filled for a in speaking)
            accounts += _TableStep(self.connection, self.kind, self.tables[name], speaking, sequence).run(
                is_first=is_first
            )
            self.filled |= {(name, a.landed.source_id) for a in speaking if a.landed.rows.get(name, 0)}
        if accounts:
            self.connection.executemany("INSERT INTO ops.row_account VALUES (?, ?, ?, ?, ?, ?, ?, ?)", accounts)
        # Orphans take part in replacement like current rows, so who is one matters at the end only.
        self._mark_orphans([delivery.landed.source_id for delivery in together if delivery.is_last], sequence)
        self.connection.executemany(
            "INSERT INTO ops.applied VALUES (?, ?, ?, ?, ?, ?)",
            [
                (d.landed.source_id, self.kind, d.landed.delivery_id, d.landed.connector_version, d.position, sequence)
                for d in together
            ],
        )
        self.connection.unregister("held_rows")
        self.connection.unregister("coming")
        for delivery in together:
            on_delivery(delivery.landed)
        self.connection.execute("COMMIT")

    def _speaks_of(self, landed: Landed, name: str) -> bool:
        """A delivery has rows of a table, or says by their absence that there are none any more."""
        speaks = landed.regime == Regime.FULL and self.tables[name].absence_deletes
        has_some = landed.rows.get(name, 0) or landed.rejected.get(name, 0)
        return bool(has_some) or (speaks and (name, landed.source_id) in self.filled)

    def _mark_orphans(self, sources: list[str], sequence: int) -> None:
        """Hold back current rows whose parent is not current; take back those whose parent has come."""
        for name in self.order:
            table = self.tables[name]
            if not table.parents or not any((name, source_id) in self.filled for source_id in sources):
                continue
            lacking = " OR ".join(
                _lacks_parent(self.kind, columns, self.tables[parent]) for columns, parent in table.parents
            )
            for status, new, condition in (("current", "orphan", lacking), ("orphan", "current", f"NOT ({lacking})")):
                self.connection.execute(
                    f"UPDATE raw.{quoted(raw_name(self.kind, name))} AS r "
                    "SET _status = ?, _end_reason = ?, _changed_seq = ? "
                    f"WHERE list_contains(?, _source_id) AND _status = ? AND ({condition})",
                    [new, "parent_not_current" if new == "orphan" else None, sequence, sources, status],
                )


def _held(together: Sequence[Accepted]) -> pa.Table:
    """Rows held back of several deliveries."""
    return pa.concat_tables(
        a.held.append_column("delivery_id", pa.array([a.landed.delivery_id] * len(a.held), pa.string()))
        for a in together
    )


def _coming(together: Sequence[Landed]) -> pa.Table:
    """What the rows of several deliveries have in common with those of their delivery."""
    return pa.table(
        {
            "delivery_id": pa.array([landed.delivery_id for landed in together], pa.string()),
            "source_id": pa.array([landed.source_id for landed in together], pa.string()),
            "format_version": pa.array([landed.format_version for landed in together], pa.string()),
        }
    )


def in_order(tables: Iterable[Table]) -> list[str]:
    """Table names, parents before children, otherwise as given."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for table in tables:
        sorter.add(table.name, *(parent for _, parent in table.parents if parent != table.name))
    return list(sorter.static_order())


class _TableStep:
    """Applies deliveries of different sources to one raw table."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        kind: str,
        table: Table,
        together: Sequence[Accepted],
        sequence: int,
    ):
        self.connection, self.kind, self.table, self.sequence = connection, kind, table, sequence
        self.together = [accepted.landed for accepted in together]
        self.raw = f"raw.{quoted(raw_name(kind, table.name))}"
        self.files = [(accepted.folder / f"{table.name}.parquet").as_posix() for accepted in together]

    def run(self, *, is_first: bool) -> list[tuple[Any, ...]]:
        """Apply the rows and what their absence means. Returns the table's row account of each delivery."""
        self._place(is_first=is_first)
        counted = self.connection.execute(
            "SELECT _delivery_id, count(*), count(*) FILTER (WHERE _is_held), "
            "count(*) FILTER (WHERE _outcome = 'unchanged'), count(*) FILTER (WHERE _outcome = 'newer') "
            "FROM placed GROUP BY ALL"
        ).fetchall()
        counts = {delivery: numbers for delivery, *numbers in counted}
        if any(newer for *_, newer in counts.values()):
            self._end_replaced()
        if not is_first:
            for landed in self.together:
                self._end_absent(landed)
        accounts = []
        for landed in self.together:
            total, held, unchanged, _ = counts.get(landed.delivery_id, (0, 0, 0, 0))
            rejected = landed.rejected.get(self.table.name, 0)
            loaded = total - held - unchanged
            numbers = (total, rejected, held, unchanged, loaded)
            accounts.append((landed.delivery_id, landed.source_id, self.table.name, *numbers))
        if any(account[-1] for account in accounts):
            self._insert()
        return accounts

    def _place(self, *, is_first: bool) -> None:
        """``placed``: for each landed row its group, whether it is held back, and what comes of it.

        Outcomes: ``new``, ``newer`` or ``older`` than what is live, ``unchanged``, or ``duplicate`` of a better row of
        the same delivery. The same text in another format may mean something else, so it is not unchanged. Only what
        decides about a row is looked at; its values go from Parquet to the raw table in one step.
        """
        table = self.table
        order = "_version DESC NULLS LAST, _row_number DESC, _file DESC"
        rank = (
            f"row_number() OVER (PARTITION BY _delivery_id, _group, _is_held ORDER BY {order})"
            if table.key_is_unique
            else "1"
        )
        # A unique key has one row a group, so its hash is the group's.
        digest = "max(_row_hash)" if table.key_is_unique else "md5(string_agg(_row_hash, ',' ORDER BY _row_hash))"
        rows = f"""
            WITH landed AS (
                SELECT l._delivery_id, l._file, l._row_number, l._row_hash, {_group(table, "l")} AS _group,
                       {_version(table, "l")} AS _version, {_deleted(table, "l")} AS _is_deleted,
                       h.row_number IS NOT NULL AS _is_held
                FROM read_parquet($files) AS l
                LEFT JOIN (SELECT DISTINCT delivery_id, file, row_number FROM held_rows WHERE "table" = $table) AS h
                  ON h.delivery_id = l._delivery_id AND h.file = l._file AND h.row_number = l._row_number
            ), ranked AS (SELECT *, {rank} AS _rank FROM landed)
        """
        kept = "_delivery_id, _file, _row_number, _group, _is_deleted, _is_held"
        if is_first:
            select = f"""SELECT {kept}, CASE WHEN _is_held THEN 'held'
                WHEN _rank > 1 THEN 'duplicate' ELSE 'new' END AS _outcome FROM ranked"""
        else:
            select = f"""
                , arriving AS (
                    SELECT _delivery_id, _group, max(_version) AS version, {digest} AS digest
                    FROM ranked WHERE NOT _is_held AND _rank = 1 GROUP BY ALL
                ), live AS (
                    SELECT c.delivery_id AS _delivery_id, _group, max({_version(table, "r")}) AS version,
                           {digest} AS digest, bool_and(r._format_version = c.format_version) AS is_same_format
                    FROM {self.raw} AS r JOIN coming AS c ON r._source_id = c.source_id
                    WHERE _status IN {_LIVE} GROUP BY ALL
                )
                SELECT {kept}, CASE
                    WHEN _is_held THEN 'held'
                    WHEN _rank > 1 THEN 'duplicate'
                    WHEN live._group IS NULL THEN 'new'
                    WHEN arriving.version < live.version OR (arriving.version IS NULL AND live.version IS NOT NULL)
                        THEN 'older'
                    WHEN arriving.digest = live.digest AND live.is_same_format THEN 'unchanged'
                    ELSE 'newer' END AS _outcome
                FROM ranked LEFT JOIN arriving USING (_delivery_id, _group) LEFT JOIN live USING (_delivery_id, _group)
            """
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE placed AS {rows} {select}", {"files": self.files, "table": table.name}
        )

    def _end_replaced(self) -> None:
        self.connection.execute(
            f"""
            UPDATE {self.raw} AS r
            SET _status = 'superseded', _end_reason = 'newer_version', _ended_by = n.delivery_id, _changed_seq = ?
            FROM (
                SELECT DISTINCT c.source_id, c.delivery_id, p._group
                FROM placed AS p JOIN coming AS c ON c.delivery_id = p._delivery_id WHERE p._outcome = 'newer'
            ) AS n
            WHERE r._source_id = n.source_id AND r._group = n._group AND r._status IN {_LIVE}
            """,
            [self.sequence],
        )

    def _end_absent(self, landed: Landed) -> None:
        """A full delivery speaks for its scope: live rows of the scope that it does not carry are gone.

        Rows held back are carried, so an earlier good version stays. Where records could not be read, nobody can tell
        which ones they were, and absence is not taken for deletion.
        """
        table = self.table
        if landed.regime != Regime.FULL or not table.absence_deletes or landed.rejected.get(table.name):
            return
        if table.name in landed.absent_tables:
            return
        gone = [
            "_status IN ('current', 'orphan')",
            "_group NOT IN (SELECT _group FROM placed WHERE _delivery_id = $delivery)",
            *self._scope(landed),
        ]
        self.connection.execute(
            f"UPDATE {self.raw} AS r SET _status = 'superseded', _end_reason = 'absent_from_full_export', "
            f"_ended_by = $delivery, _changed_seq = $sequence WHERE _source_id = $source AND {' AND '.join(gone)}",
            {"delivery": landed.delivery_id, "sequence": self.sequence, "source": landed.source_id},
        )

    def _scope(self, landed: Landed) -> list[str]:
        table, scope = self.table, []
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
            start, end = parsed_date(quoted(table.scope_span.start)), self._span_end(landed)
            scope += [f"coalesce({start} <= DATE '{last}', true)"] if last else []
            scope += [f"coalesce({end} >= DATE '{first}', true)"] if first else []
        elif table.scope_date_columns:
            on = "coalesce(" + ", ".join(parsed_date(quoted(name)) for name in table.scope_date_columns) + ")"
            scope += [f"{on} <= DATE '{last}'"] if last else []
            scope += [f"{on} >= DATE '{first}'"] if first else []
        return scope

    def _span_end(self, landed: Landed) -> str:
        span = self.table.scope_span
        assert span is not None  # noqa: S101  asked by the only caller
        if span.end_table is None:
            return parsed_date(quoted(span.end))
        key = quoted(str(span.end_key))
        ends = f"raw.{quoted(raw_name(self.kind, span.end_table))}"
        return (
            f"(SELECT max({parsed_date('e.' + quoted(span.end))}) FROM {ends} AS e "
            f"WHERE e._status = 'current' AND e._source_id = '{landed.source_id}' AND e.{key} = r.{key})"
        )

    def _insert(self) -> None:
        status = """CASE WHEN _outcome IN ('duplicate', 'older') THEN 'superseded'
            WHEN _is_deleted THEN 'deleted' ELSE 'current' END"""
        reason = """CASE _outcome WHEN 'duplicate' THEN 'duplicate_in_delivery' WHEN 'older' THEN 'older_version'
            ELSE CASE WHEN _is_deleted THEN 'deleted_by_sender' END END"""
        computed = {
            "_source_id": "coming.source_id",
            "_format_version": "coming.format_version",
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
            "FROM read_parquet($files) AS l JOIN placed USING (_delivery_id, _file, _row_number) "
            "JOIN coming ON coming.delivery_id = l._delivery_id WHERE _outcome NOT IN ('held', 'unchanged')",
            {"files": self.files, "sequence": self.sequence},
        )


def _lacks_parent(kind: str, columns: tuple[str, ...], parent: Table) -> str:
    """SQL: the row names a parent, and no current row of the parent table of its source has that key."""
    named = " AND ".join(f"r.{quoted(column)} IS NOT NULL" for column in columns)
    same = " AND ".join(
        f"p.{quoted(key)} = r.{quoted(column)}" for column, key in zip(columns, parent.key[: len(columns)], strict=True)
    )
    return (
        f"({named} AND NOT EXISTS (SELECT 1 FROM raw.{quoted(raw_name(kind, parent.name))} AS p "
        f"WHERE p._source_id = r._source_id AND p._status = 'current' AND {same}))"
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
