"""Episodes and their measures in a bare DuckDB, through the models that judge them.

What belongs here: the tables that ``mart_episode_outcome`` and ``mart_episode_course`` read, and running the two. What
does not: any expectation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from orchestration.instruments import read_instruments, read_programmes
from tests.models import model_sql
from tests.scoring import create_seeds
from tests.tables import Row, create_table

_PROVENANCE = dict.fromkeys(("source_id", "organisation_id", "delivery_id", "file_name"), "varchar") | dict.fromkeys(
    ("row_number", "line_number"), "bigint"
)
_SLICES = dict.fromkeys(("age_band_code", "sex_code", "ethnicity_code", "disability_code"), "varchar")
_EPISODE = {
    **dict.fromkeys(("episode_key", "source_person_key", "person_key", "service_key", "service_type_code"), "varchar"),
    **dict.fromkeys(("start_on", "end_on", "move_in_on"), "date"),
    **dict.fromkeys(("is_closed", "is_date_order_valid"), "boolean"),
    "los_days": "integer",
    **_SLICES,
    **_PROVENANCE,
}
_ASSESSMENT = {
    **dict.fromkeys(
        ("assessment_key", "response_key", "source_person_key", "episode_key", "instrument_code"), "varchar"
    ),
    **dict.fromkeys(("instrument_version", "use_code", "timepoint_code", "score_basis_code"), "varchar"),
    "assessed_on": "date",
    "assessed_at": "timestamp",
    "raw_total": "decimal(18,6)",
    "score": "decimal(9,4)",
}
_SCORE = {
    **dict.fromkeys(("assessment_key", "scale_code", "score_basis_code"), "varchar"),
    "raw_total": "decimal(18,6)",
    "score": "decimal(9,4)",
}
_OUTCOME = {
    **dict.fromkeys(("episode_key", "service_key", "instrument_code", "instrument_version", "scale_code"), "varchar"),
    "first_assessed_on": "date",
    "is_paired": "boolean",
    **dict.fromkeys(("first_score", "last_score", "gain_score"), "decimal(9,4)"),
}
_FIRST_DAY, _LAST_DAY = "2024-01-01", "2024-06-30"


def outcomes(
    assessments: Sequence[Row], scores: Sequence[Row] = (), versions: Sequence[Row] = ()
) -> list[dict[str, Any]]:
    """``mart_episode_outcome`` of episode e, 2024-01-01 to 2024-06-30, from its assessments (by the shipped
    definitions) and the scores of their scales. ``versions`` adds rows to ``ref_instrument``."""
    connection = _connection()
    for row in versions:
        copied = ", ".join(f"'{value}' AS {column}" for column, value in row.items())
        for table in ("ref_instrument", "ref_instrument_scale", "ref_instrument_rule"):
            connection.execute(
                f"INSERT INTO {table} SELECT * REPLACE ({copied}) FROM {table} WHERE instrument_code = ?",
                [row["instrument_code"]],
            )
    defaults = {"episode_key": "e", "source_person_key": "p", "instrument_version": "1", "use_code": "outcome"}
    filled = [
        {
            **defaults,
            "assessment_key": str(number),
            "timepoint_code": "mid",
            "score_basis_code": None if row.get("score") is None else "complete",
            **row,
        }
        for number, row in enumerate(assessments)
    ]
    create_table(connection, "fct_assessment", _ASSESSMENT, filled)
    create_table(connection, "fct_assessment_score", _SCORE, [{"score_basis_code": "complete", **s} for s in scores])
    create_table(connection, "fct_episode", _EPISODE, [_episode("e")])
    return _rows(connection, "core/outcome/mart_episode_outcome.sql")


def courses(
    measures: Sequence[Row],
    *,
    programme: str = "talking_therapies",
    rule: str = "tt",
    problems: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """``mart_episode_course`` by episode: each a finished course with these measures, judged by a programme whose rule
    for several measures is ``rule``. ``problems`` says what an episode is about."""
    connection = _connection()
    connection.execute("UPDATE ref_outcome_programme SET multi_measure_rule_code = ?", [rule])
    create_table(connection, "ops_outcome_programme", {"programme_code": "varchar"}, [{"programme_code": programme}])
    defaults = {"service_key": "s", "instrument_version": "1", "scale_code": "total", "first_assessed_on": _FIRST_DAY}
    create_table(connection, "mart_episode_outcome", _OUTCOME, [{**defaults, **row} for row in measures])
    keys = sorted({row["episode_key"] for row in measures})
    create_table(connection, "fct_episode", _EPISODE, [_episode(key) for key in keys])
    seen = {"episode_key": "varchar", "answered_on": "date"}
    create_table(
        connection, "bridge_response_episode", seen, [{"episode_key": k, "answered_on": _LAST_DAY} for k in keys]
    )
    create_table(connection, "fct_service_event", {"episode_key": "varchar", "provided_on": "date"})
    contact = dict.fromkeys(("contact_key", "episode_key", "attended_status_code", "problem_code"), "varchar")
    said = [{"contact_key": k, "episode_key": k, "problem_code": problem} for k, problem in (problems or {}).items()]
    create_table(connection, "fct_contact", contact | {"contact_on": "date"}, said)
    create_table(connection, "dim_service", {"service_key": "varchar", "is_night_by_night": "boolean"})
    return {row["episode_key"]: row for row in _rows(connection, "core/outcome/mart_episode_course.sql")}


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    instruments = read_instruments()
    create_seeds(connection, instruments, read_programmes())
    return connection


def _episode(key: str) -> Row:
    return {
        **{"episode_key": key, "source_person_key": "p", "service_key": "s", "service_type_code": "services_only"},
        **{"start_on": _FIRST_DAY, "end_on": _LAST_DAY, "los_days": 181},
        **{"is_closed": True, "is_date_order_valid": True},
    }


def _rows(connection: duckdb.DuckDBPyConnection, model: str) -> list[dict[str, Any]]:
    found = connection.execute(f"SELECT * FROM ({model_sql(model)}) ORDER BY ALL")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
