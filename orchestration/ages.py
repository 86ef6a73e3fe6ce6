"""Exact ages without birth dates: the vault works out completed years on the dates that a spec asks for.

What belongs here: filling ``raw.person_age``. What does not: age bands and who counts as an adult (``dbt_project``).
"""

from __future__ import annotations

import duckdb

from orchestration.vault import BIRTH_DATE, Vault
from orchestration.warehouse import parsed_date, quoted, raw_name
from sources.connector import connectors
from sources.spec import Table


def refresh_ages(connection: duckdb.DuckDBPyConnection, vault: Vault, kind: str) -> list[str]:
    """Work out again the ages of the people of those sources of a kind to which deliveries were applied since.

    Returns these sources. An age is in completed years: a birthday counts from that day on, one on 29 February from
    1 March in other years. ``birth_relation`` says whether the birth date lies ``before`` the date, on the
    ``same_day``, or ``after`` it.
    """
    tables = [table for table in connectors()[kind].tables.values() if table.identity and table.identity.ages_on]
    due = _due(connection, kind) if tables else {}
    if not due:
        return []
    vault.attach(connection, read_only=True)
    try:
        for source_id, sequence in due.items():
            connection.execute("BEGIN")
            connection.execute("DELETE FROM raw.person_age WHERE source_id = ?", [source_id])
            for table in tables:
                _insert(connection, source_id, kind, table)
            connection.execute("DELETE FROM ops.aged WHERE source_id = ?", [source_id])
            connection.execute("INSERT INTO ops.aged VALUES (?, ?)", [source_id, sequence])
            connection.execute("COMMIT")
    finally:
        connection.execute("DETACH vault")
    return list(due)


def _due(connection: duckdb.DuckDBPyConnection, kind: str) -> dict[str, int]:
    """Source → load sequence of its last delivery, where the ages are of an earlier one.

    Asked of the warehouse, not of what was applied just now: a run may have been killed in between.
    """
    rows = connection.execute(
        "SELECT source_id, max(a.load_seq) AS load_seq FROM ops.applied AS a "
        "LEFT JOIN ops.aged AS g USING (source_id) WHERE a.kind = ? "
        "GROUP BY source_id, g.load_seq HAVING max(a.load_seq) IS DISTINCT FROM g.load_seq ORDER BY source_id",
        [kind],
    ).fetchall()
    return dict(rows)


def _insert(connection: duckdb.DuckDBPyConnection, source_id: str, kind: str, table: Table) -> None:
    identity = table.identity
    if identity is None:
        return
    wanted = " UNION ".join(
        f"SELECT DISTINCT {quoted(person)} AS person_code, {parsed_date(quoted(on))} AS on_date "
        f"FROM raw.{quoted(raw_name(kind, name))} WHERE _source_id = $source AND _status IN ('current', 'orphan')"
        for name, person, on in identity.ages_on
    )
    connection.execute(
        f"""
        INSERT INTO raw.person_age
        WITH birth AS (
            SELECT r.{quoted(identity.person_column)} AS person_code, CAST(i.value AS DATE) AS born_on
            FROM raw.{quoted(raw_name(kind, table.name))} AS r
            JOIN vault.identifier AS i ON i.delivery_id = r._delivery_id AND i.file = r._file
             AND i.row_number = r._row_number AND i.table_name = $table AND i.column_name = $birth
            WHERE r._source_id = $source AND r._status = 'current'
        ), wanted AS ({wanted})
        SELECT $source, person_code, on_date,
               date_diff('year', born_on, on_date)
               - CASE WHEN (month(on_date), day(on_date)) < (month(born_on), day(born_on)) THEN 1 ELSE 0 END,
               CASE WHEN born_on < on_date THEN 'before' WHEN born_on = on_date THEN 'same_day' ELSE 'after' END
        FROM wanted JOIN birth USING (person_code) WHERE on_date IS NOT NULL
        """,
        {"source": source_id, "table": table.name, "birth": BIRTH_DATE},
    )
