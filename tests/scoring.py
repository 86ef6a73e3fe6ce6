"""The scoring path of the models in a bare DuckDB, over answers or over the vectors of definitions.

What belongs here: seeds as tables, and the macros that the models call, rendered over them. What does not: any
expectation about a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import yaml

from orchestration.instruments import COLUMNS, Instrument, Programme, Vector, seed_rows
from orchestration.instruments.seeds import text_of
from orchestration.project import DBT_PROJECT
from tests.dbt_macros import render
from tests.models import model_sql
from tests.tables import create_table

Answer = tuple[Any, ...]
"""Assessment, instrument, item, value and, where they differ from None, None, False: reason, weight, prereversed."""

_ANSWER = {
    "assessment_key": "varchar",
    "instrument_code": "varchar",
    "item_number": "integer",
    "answer_value": "varchar",
    "missing_reason_code": "varchar",
    "answer_weight": "decimal(12,6)",
    "is_prereversed": "boolean",
    "instrument_version": "varchar",
}
_ADMINISTRATION = {
    "assessment_key": "varchar",
    "instrument_code": "varchar",
    "instrument_version": "varchar",
    "supplied_total": "decimal(18,6)",
    "supplied_score": "decimal(9,4)",
    "item_answer_count": "integer",
}
_ITEM = render("{{ scored_items('answer', 'ref_instrument_item') }}", "assessment")
_SCORE = model_sql("core/assessment/fct_assessment_score.sql")
_VALUE_SET = {
    "value_set_code": "varchar",
    "instrument_code": "varchar",
    "state": "integer",
    "index_value": "decimal(9,4)",
}
_HEADLINE = render(
    "{{ headline_scores('administration', 'ref_instrument', 'ref_instrument_scale', 'ref_score_lookup', 'score') }}",
    "assessment",
)
_CASE = render("{{ is_case('s.score', 'r.caseness_operator', 'r.caseness_value') }}", "assessment")


@dataclass(frozen=True)
class Scored:
    """Tables ``item``, ``score`` and, where totals were supplied, ``headline``; and the seeds they were scored by."""

    connection: duckdb.DuckDBPyConnection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()

    def of_vector(self, instrument: Instrument, index: int) -> dict[str, Any]:
        """What a vector came to, by the names that its expectation uses."""
        key = _vector_key(instrument, index)
        vector = instrument.vectors[index]
        scale = vector.scale or instrument.headline
        names = ("score", "raw", "basis", "answered", "origin", "mismatch", "invalid", "band", "case")
        found = self.query(
            "SELECT * EXCLUDE (assessment_key, scale_code) FROM vector WHERE assessment_key = ? AND scale_code = ?",
            [key, scale],
        )
        assert len(found) == 1, f"{key}: {len(found)} scores of {scale}"
        return dict(zip(names, found[0], strict=True))


def score_answers(
    instruments: Sequence[Instrument], answers: Sequence[Answer], value_sets: Sequence[Sequence[Any]] = ()
) -> Scored:
    """Score answers by the latest version of each instrument. ``value_sets``: value set, instrument, state, index."""
    versions = {i.code: i.version for i in instruments}
    connection = duckdb.connect()
    create_seeds(connection, instruments)
    _create(connection, "ops_value_set", _VALUE_SET, value_sets)
    _score(connection, [(*_padded(answer), versions[answer[1]]) for answer in answers])
    return Scored(connection)


def score_supplied(instruments: Sequence[Instrument], supplied: Sequence[tuple[str, str, Any]]) -> Scored:
    """Score what came as scores without answers: assessment, instrument, score."""
    versions = {i.code: i.version for i in instruments}
    connection = duckdb.connect()
    create_seeds(connection, instruments)
    _create(connection, "ops_value_set", _VALUE_SET, [])
    _score(connection, [])
    given = [(key, code, versions[code], None, value, 0) for key, code, value in supplied]
    _headline(connection, given)
    return Scored(connection)


def score_vectors(instruments: Sequence[Instrument]) -> Scored:
    """Score every vector of every definition in one go."""
    connection = duckdb.connect()
    create_seeds(connection, instruments)
    _create(connection, "ops_value_set", _VALUE_SET, [])
    numbered = [(i, index, vector) for i in instruments for index, vector in enumerate(i.vectors)]
    _score(connection, [row for i, index, vector in numbered for row in _vector_rows(i, index, vector)])
    given = [
        (
            *(_vector_key(i, index), i.code, i.version, vector.total, vector.supplied),
            sum(value is not None for value in vector.items),
        )
        for i, index, vector in numbered
    ]
    _headline(connection, given)
    connection.execute(f"CREATE TABLE vector AS {_VECTOR}")
    return Scored(connection)


_VECTOR = f"""
    WITH scale_score AS (
        SELECT assessment_key, instrument_code, instrument_version, headline_scale_code AS scale_code, score, raw_total,
            score_basis_code AS basis_code, answered_count, score_origin_code, is_total_mismatch
        FROM headline WHERE headline_scale_code IS NOT NULL
        UNION ALL
        SELECT s.assessment_key, s.instrument_code, s.instrument_version, s.scale_code, s.score, s.raw_total,
            s.score_basis_code, s.answered_count, NULL, NULL
        FROM score AS s JOIN headline AS h ON h.assessment_key = s.assessment_key
        WHERE h.headline_scale_code IS DISTINCT FROM s.scale_code
    )
    SELECT s.assessment_key, s.scale_code, s.score, s.raw_total, s.basis_code, s.answered_count, s.score_origin_code,
        s.is_total_mismatch,
        (SELECT count(*) FROM item AS i WHERE i.assessment_key = s.assessment_key AND i.is_invalid),
        (
            SELECT max_by(b.band_code, b.score_from) FROM ref_instrument_band AS b
            WHERE b.instrument_code = s.instrument_code AND b.instrument_version = s.instrument_version
                AND b.scale_code = s.scale_code AND b.score_from <= s.score
        ),
        {_CASE}
    FROM scale_score AS s
    LEFT JOIN ref_instrument_rule AS r ON r.instrument_code = s.instrument_code
        AND r.instrument_version = s.instrument_version AND r.scale_code = s.scale_code AND r.is_default
"""


def _score(connection: duckdb.DuckDBPyConnection, answers: Sequence[Answer]) -> None:
    _create(connection, "answer", _ANSWER, answers)
    connection.execute(f"CREATE TABLE item AS SELECT * REPLACE (reason_code AS missing_reason_code) FROM ({_ITEM})")
    connection.execute("CREATE VIEW fct_assessment_item AS SELECT *, 'p' AS source_person_key FROM item")
    connection.execute(f"CREATE TABLE score AS {_SCORE}")


def _headline(connection: duckdb.DuckDBPyConnection, given: Sequence[Sequence[Any]]) -> None:
    _create(connection, "administration", _ADMINISTRATION, given)
    connection.execute(f"CREATE TABLE headline AS {_HEADLINE}")


def _padded(answer: Answer) -> Answer:
    defaults = (None, None, False)
    return (*answer, *defaults[len(answer) - 4 :])


def _vector_key(instrument: Instrument, index: int) -> str:
    return f"{instrument.code} {instrument.version} {index}"


def _vector_rows(instrument: Instrument, index: int, vector: Vector) -> list[Answer]:
    weights = vector.item_weights or (None,) * len(vector.items)
    return [
        (
            *(_vector_key(instrument, index), instrument.code, number, value),
            *(vector.missing.get(number), weight, vector.prereversed, instrument.version),
        )
        for number, value, weight in zip(instrument.item_numbers, vector.items, weights, strict=False)
    ]


def create_seeds(
    connection: duckdb.DuckDBPyConnection, instruments: Sequence[Instrument], programmes: Sequence[Programme] = ()
) -> None:
    """The seeds of definitions as tables, typed as the project declares them."""
    declared = yaml.safe_load((DBT_PROJECT / "seeds" / "_ref_instrument.yml").read_text(encoding="utf-8"))
    types = {seed["name"]: seed["config"].get("column_types", {}) for seed in declared["seeds"]}
    for name, rows in seed_rows(instruments, programmes).items():
        columns = {
            c: types[name].get(c, "boolean" if c.startswith(("is_", "has_")) else "varchar") for c in COLUMNS[name]
        }
        texts = [{column: text_of(row.get(column)) or None for column in columns} for row in rows]
        create_table(connection, name, columns, texts)


def _create(
    connection: duckdb.DuckDBPyConnection, name: str, columns: dict[str, str], rows: Sequence[Sequence[Any]]
) -> None:
    create_table(connection, name, columns, [dict(zip(columns, row, strict=True)) for row in rows])


def _guessed(column: str) -> str:
    return "boolean" if column.startswith(("is_", "has_", "may_")) else "varchar"
