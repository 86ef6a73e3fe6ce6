"""Facts of any size, made in DuckDB from the contracts of the core models: no files, no connectors.

What belongs here: filling the tables that KPIs count, so that every KPI has figures. What does not: plausible data;
only what costs time is like the real thing: how many rows, organisations, services, months, persons, values of slices.

Everything follows from hashes of row numbers: the same sizes give the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

Kpis = Sequence[Mapping[str, Any]]
AS_OF = date(2025, 12, 31)


@dataclass(frozen=True)
class Size:
    """How much there is."""

    organisations: int = 200
    services: int = 3
    """Per organisation."""
    months: int = 60
    episodes: int = 10
    """Per service and month."""

    @property
    def episode_count(self) -> int:
        return self.organisations * self.services * self.months * self.episodes


TRAITS = {
    "age_band_code": ["0_17", "18_24", "25_34", "35_44", "45_54", "55_64", "65_plus", "unknown"],
    "sex_code": ["female", "male", "other", "unknown"],
    "ethnicity_code": ["a", "b", "c", "d", "e", "unknown"],
    "disability_code": ["yes", "no", "unknown"],
    "currency_code": ["GBP"],
    "instrument_code": ["outcomes_star_homelessness"],
    "baseline_code": ["minus_2", "minus_1"],
    "measure_code": ["phq9", "gad7", "swemwbs"],
    "factor_code": ["f1", "f2", "f3", "f4", "f5"],
    "indicator_code": [f"POM{n:02}" for n in range(1, 22)],
    "statement_slice_code": [f"culture.s{n}" for n in range(10)],
    "element_code": [f"element_{n}" for n in range(19)],
}
"""Columns that figures are sliced by, with their values."""

ROLLED = ("fct_system_entry", "fct_system_exit", "fct_return", "fct_income_change")
MONTHLY = {
    "fct_occupancy": 1, "fct_staffing": 2, "fct_finance": 1, "fct_supervision": 5, "fct_training": 5,
    "fct_culture_response": 2, "bridge_award_objective": 1, "fct_action": 1, "fct_award_month": 1,
    "fct_funder_report": 1,
}  # fmt: skip
"""Facts by service and month → rows of each."""

OF_EPISODES = {
    "mart_episode_course": 1, "mart_episode_outcome": 2, "mart_episode_scale_change": 1, "mart_closed_episode": 1,
    "fct_contact": 3, "fct_referral": 1,
    "fct_survey_response": 1, "fct_review": 1, "fct_personal_outcome": 1, "fct_goal_attainment": 1,
    "fct_personal_outcome_measure": 2, "fct_award_transaction": 1, "fct_service_event": 1,
}  # fmt: skip
"""Facts that hang on episodes → rows of each."""


def fill(connection: duckdb.DuckDBPyConnection, nodes: Mapping[str, Any], kpis: Kpis, size: Size) -> int:
    """Create and fill every core table of the project. Returns how many rows there are."""
    _fill_ops(connection, size)
    models = {n["name"]: n for n in nodes.values() if n["resource_type"] == "model"}
    _episodes(connection, models["fct_episode"], size)
    _months(connection, size)
    for name, node in models.items():
        if (node["fqn"][1] == "core" and name not in ("dim_period", "dim_organisation", "fct_episode")) or (
            name == "in_benchmark__figure"
        ):
            _fill(connection, node, kpis, size)
    connection.execute("DROP TABLE base_episode; DROP TABLE base_month")
    total = connection.execute(
        "SELECT sum(estimated_size)::BIGINT FROM duckdb_tables() WHERE schema_name = 'core'"
    ).fetchone()
    rows: int = total[0] if total else 0
    # As many as came of the facts: threads are fitted to them.
    connection.execute(
        "INSERT INTO ops.row_account (source_id, delivery_id, table_name, landed_count, loaded_count) "
        "SELECT 'made', 'made', 'made', $1, $1",
        [rows],
    )
    return rows


def _fill_ops(connection: duckdb.DuckDBPyConnection, size: Size) -> None:
    for table in ("region", "organisation", "source_config", "row_account"):
        connection.execute(f"DELETE FROM ops.{table}")
    connection.execute("UPDATE ops.run_context SET as_of = ?", [AS_OF])
    connection.execute("INSERT INTO ops.region VALUES ('here', 'Here', 'Europe/London', 4)")
    connection.execute(
        "INSERT INTO ops.organisation SELECT 'o' || i, 'Organisation ' || i, 4 FROM range(?) AS t(i)",
        [size.organisations],
    )
    for domain in ("case_management", "survey", "management", "funder"):
        connection.execute(
            "INSERT INTO ops.source_config SELECT 'o' || i || ?, 'made', ?, 'o' || i, 'monthly', '{}' "
            "FROM range(?) AS t(i)",
            [domain, domain, size.organisations],
        )
    connection.execute(
        "INSERT INTO ops.delivery (delivery_id, source_id, organisation_id, stated_at, received_order, scope_from, "
        "scope_to, status) SELECT source_id, source_id, organisation_id, ?, row_number() OVER (ORDER BY source_id), "
        "?::DATE - to_months(?), ?, 'loaded' FROM ops.source_config",
        [AS_OF, AS_OF, size.months, AS_OF],
    )


def _episodes(connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any], size: Size) -> None:
    """Episodes that start all over the time, of persons who have three each."""
    services = size.organisations * size.services
    connection.execute(
        f"""
        CREATE TEMP TABLE base_episode AS
        SELECT i, 'e' || i AS episode_key, 's' || (i % {services}) AS service_key, i % {services} AS service_number,
            'o' || (i % {services} // {size.services}) AS organisation_id,
            'p' || (i % {services} // {size.services}) || '_' || (hash(i) % {max(size.episode_count // 3, 1)})
                AS source_person_key,
            ('{AS_OF}'::DATE - (hash(i * 7) % {size.months * 30})::INTEGER) AS start_on
        FROM range({size.episode_count}) AS t(i)
        """
    )
    columns = {
        "end_on": "CASE WHEN hash(i * 11) % 10 < 9 THEN least(start_on + (hash(i * 13) % 200)::INTEGER, "
        f"'{AS_OF}'::DATE) END",
        "is_date_order_valid": "true",
        "los_days": "CASE WHEN hash(i * 11) % 10 < 9 THEN (hash(i * 13) % 200)::INTEGER END",
        "is_closed": "hash(i * 11) % 10 < 9",
        "person_key": "source_person_key",
    }
    _create(connection, node, "base_episode", columns, {})
    connection.execute("ALTER TABLE base_episode ADD COLUMN end_on DATE")
    connection.execute(
        "UPDATE base_episode AS b SET end_on = e.end_on FROM core.fct_episode AS e WHERE e.episode_key = b.episode_key"
    )


def _months(connection: duckdb.DuckDBPyConnection, size: Size) -> None:
    connection.execute(
        f"""
        CREATE TEMP TABLE base_month AS
        SELECT s * {size.months} + m AS i, 's' || s AS service_key, 'o' || (s // {size.services}) AS organisation_id,
            date_trunc('month', '{AS_OF}'::DATE - to_months(m::INTEGER))::DATE AS start_on,
            last_day('{AS_OF}'::DATE - to_months(m::INTEGER)) AS end_on, 'o' || (s // {size.services}) AS source_id
        FROM range({size.organisations * size.services}) AS a(s) CROSS JOIN range({size.months}) AS b(m)
        """
    )


def _fill(connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any], kpis: Kpis, size: Size) -> None:
    name = node["name"]
    parts = _parts_of(name, kpis)
    if name in OF_EPISODES:
        per = OF_EPISODES[name]
        source = f"(SELECT e.*, e.i * {per} + n AS k FROM base_episode AS e, range({per}) AS r(n))"
        _create(connection, node, source, {"result_on": "start_on + 5", "first_seen_on": "start_on + 30"}, parts)
    elif name in MONTHLY or name == "fct_data_quality" or name == "fct_staff_turnover":
        per = MONTHLY.get(name, 19 if name == "fct_data_quality" else 1)
        rows = "base_month"
        if name in ("fct_data_quality", "fct_staff_turnover"):
            rows = "(SELECT DISTINCT ON (organisation_id, start_on) * FROM base_month ORDER BY i)"
        source = f"(SELECT m.*, m.i * {per} + n AS k FROM {rows} AS m, range({per}) AS r(n))"
        _create(connection, node, source, {}, parts)
    elif name in ROLLED:
        _create(connection, node, _rolled(size), {}, parts)
    elif name == "dim_service":
        services = size.organisations * size.services
        keys = f"i, 's' || i AS service_key, 'o' || (i // {size.services}) AS organisation_id"
        source = f"(SELECT {keys} FROM range({services}) AS t(i))"
        _create(connection, node, source, {"operating_start_on": "NULL", "operating_end_on": "NULL"}, {})
    else:
        _create(connection, node, "(SELECT 0 AS i WHERE false)", {}, {})


def _rolled(size: Size) -> str:
    """Persons by level and HUD's quarters and years: forty of an organisation, all of them of the region."""
    years = size.months // 12
    return f"""(
        SELECT row_number() OVER (ORDER BY l.level_key, t.period_type_code, t.start_on, n) AS i,
            l.level_code, l.level_key, 'fy10' AS calendar_code, t.period_type_code,
            t.start_on AS period_start_on, (t.start_on + to_months(t.width) - INTERVAL 1 DAY)::DATE AS period_end_on,
            l.level_key AS organisation_id, t.start_on
        FROM (
            SELECT 'organisation' AS level_code, 'o' || o AS level_key, 40 AS persons
            FROM range({size.organisations}) AS a(o)
            UNION ALL SELECT 'region', 'here', {40 * size.organisations}
        ) AS l
        CROSS JOIN (
            SELECT 'financial_year' AS period_type_code, 12 AS width,
                ('{AS_OF.year - years}-10-01'::DATE + to_months((12 * n)::INTEGER))::DATE AS start_on
            FROM range({years}) AS y(n)
            UNION ALL
            SELECT 'quarter', 3, ('{AS_OF.year - years}-10-01'::DATE + to_months((3 * n)::INTEGER))::DATE
            FROM range({years * 4}) AS q(n)
        ) AS t
        CROSS JOIN LATERAL range(l.persons) AS p(n)
    )"""


def _parts_of(fact: str, kpis: Kpis) -> dict[str, str]:
    """Numerator → denominator of the proportions of a fact: a part is never more than its whole."""
    found = {}
    for kpi in kpis:
        numerator, denominator = kpi["numerator"], kpi["denominator"]
        if denominator and numerator["fact"] == denominator["fact"] == fact and kpi["statistic"] == "proportion":
            found[numerator["column"]] = denominator["column"]
    return found


def _create(
    connection: duckdb.DuckDBPyConnection,
    node: Mapping[str, Any],
    source: str,
    given: Mapping[str, str],
    parts: Mapping[str, str],
) -> None:
    known = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    columns = node["columns"]
    key = next(iter(columns))
    selected = []
    for name, column in columns.items():
        kind = column["data_type"]
        if name in given and (name not in known or name == "end_on"):
            value = given[name]
        elif name in known:
            value = name
        else:
            value = _value(name, kind, columns, known, parts, is_key=name == key)
        selected.append(f"CAST({value} AS {kind}) AS {name}")
    schema = "input" if node["fqn"][1] == "input" else "core"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; DROP VIEW IF EXISTS {schema}.{node['name']}")
    connection.execute(f"CREATE OR REPLACE TABLE {schema}.{node['name']} AS SELECT {', '.join(selected)} FROM {source}")


def _value(
    name: str, kind: str, columns: Mapping[str, Any], known: set[str], parts: Mapping[str, str], *, is_key: bool
) -> str:
    """A value that follows from the row's number and the column's name."""
    row = "k" if "k" in known else "i"
    chance = f"hash({row} * 31 + {sum(map(ord, name))})"
    if is_key:
        return f"md5('{name}' || {row})"
    if name == "service_type_code" and "service_key" in known:
        return "list_extract(['shelter', 'housing', 'outreach', 'support'], 1 + (hash(service_key) % 4)::INTEGER)"
    if name in TRAITS:
        values = TRAITS[name]
        return f"list_extract([{', '.join(map(repr, values))}], 1 + ({chance} % {len(values)})::INTEGER)"
    if kind == "boolean":
        whole = parts.get(name)
        return f"({chance} % 10 < 6)" + (
            f" AND ({_value(whole, kind, columns, known, {}, is_key=False)})" if whole else ""
        )
    if kind == "date":
        if name.endswith(("end_on", "wave_on")) and "end_on" in known:
            return "end_on"
        return "start_on" if "start_on" in known else "NULL"
    if kind in ("integer", "bigint"):
        whole = parts.get(name)
        if whole and columns[whole]["data_type"] in ("integer", "bigint"):
            return f"({_value(whole, kind, columns, known, {}, is_key=False)}) // 2"
        return f"10 + ({chance} % 90)"
    if kind.startswith("decimal"):
        return f"1 + ({chance} % 50)"
    if kind == "double":
        return f"({chance} % 100) / 100.0"
    if name == "person_key":
        return "source_person_key" if "source_person_key" in known else f"'p' || ({row} % 1000)"
    if name in ("award_key", "funder_key", "programme_key"):
        return f"'{name}' || ({row} % 50)"
    return f"'{name}'" if name in ("source_id", "delivery_id", "file_name", "service_type_code") else "NULL"
