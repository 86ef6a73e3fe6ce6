"""Several deliveries of one survey source: which responses and answers are in force."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.landing import Landed, landing_schema
from orchestration.loader import Accepted
from orchestration.warehouse import connect, ensure_tables
from sources.connector import Connector
from sources.spec import MASK
from sources.survey import odk, redcap
from tests.landing_files import apply_source
from tests.survey_landing import FIXTURES, PHQ9_MAPPING, land

ODK_MAPPING = {"forms": {"wellbeing_check": {**PHQ9_MAPPING, "select_multiple": ["needs"]}}}
A, B, C = "uuid:0000000a", "uuid:0000000b", "uuid:0000000c"
NOTHING_HELD = pa.schema([("table", pa.string()), ("file", pa.string()), ("row_number", pa.int64())]).empty_table()


def accepted(
    folder: Path, connector: Connector, name: str, path: Path, mapping: Mapping[str, Any] | None = None
) -> Accepted:
    """A delivery as it lands, masked as in landing."""
    read = land(connector, path, mapping)
    place = folder / name
    place.mkdir(parents=True)
    for table, spec in connector.tables.items():
        rows = [dict(row) for row in read.table(table)]
        for row in rows:
            content = repr([row[column.name] for column in spec.columns if not column.volatile])
            row |= {column.name: MASK for column in spec.masked if row[column.name] is not None}
            row["_row_hash"] = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
            row["_delivery_id"] = name
        pq.write_table(pa.Table.from_pylist(rows, landing_schema(spec)), place / f"{table}.parquet")
    landed = Landed(
        delivery_id=name,
        content_id=name,
        source_id="survey",
        organisation_id="harbour",
        kind=connector.kind,
        connector_version=connector.version,
        name=path.name,
        rows={table: len(read.table(table)) for table in connector.tables},
        format_version=read.facts.format_version,
        regime=read.facts.regime,
        scope_values=read.facts.scope_values,
    )
    return Accepted(landed, place, NOTHING_HELD)


@pytest.fixture(scope="module")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with no rows, to be copied: making its many tables takes longer than a test."""
    path = tmp_path_factory.mktemp("empty") / "build.duckdb"
    with connect(path) as opened:
        ensure_tables(opened)
    return path


@pytest.fixture
def warehouse(tmp_path: Path, empty_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(Path(shutil.copy(empty_warehouse, tmp_path / "build.duckdb"))) as opened:
        yield opened


def responses(warehouse: duckdb.DuckDBPyConnection, kind: str, *columns: str) -> list[tuple[Any, ...]]:
    listed = ", ".join(("response_code", *columns))
    query = f"SELECT {listed} FROM raw.{kind}__response WHERE _status = 'current' ORDER BY ALL"
    return warehouse.execute(query).fetchall()


def answers(warehouse: duckdb.DuckDBPyConnection, kind: str, response_code: str) -> dict[str, str]:
    place = "CASE WHEN repeat_path = '/' THEN '' ELSE repeat_path || ' ' END" if kind == "odk" else "''"
    rows = warehouse.execute(
        f"SELECT {place} || question_path, coalesce(value, free_text) FROM raw.{kind}__answer "
        "WHERE _status = 'current' AND response_code = ?",
        [response_code],
    ).fetchall()
    found = dict(rows)
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def odk_deliveries(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Accepted]:
    folder = tmp_path_factory.mktemp("odk")
    fixtures = ("odk_json_repeats", "odk_json_edited")
    return [accepted(folder, odk.CONNECTOR, name, FIXTURES / name, ODK_MAPPING) for name in fixtures]


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_the_latest_edit_is_in_force_whatever_came_first(
    warehouse: duckdb.DuckDBPyConnection, odk_deliveries: Sequence[Accepted], order: tuple[int, int]
) -> None:
    apply_source(warehouse, "survey", "odk", [odk_deliveries[place] for place in order])
    assert responses(warehouse, "odk", "edits", "review_state") == [
        (A, "1", None),
        (B, "0", "rejected"),
        ("uuid:0000000s", "0", None),
    ]
    edited = answers(warehouse, "odk", A)
    assert (edited["phq/phq9_1"], "comment" in edited) == ("0", False)
    assert {path for path in edited if path.startswith("members")} == {
        "members[1] members/age",
        "members[1] members/relation",
    }
    assert answers(warehouse, "odk", C) == {}
    assert len(answers(warehouse, "odk", B)) == 14


def test_what_an_edit_replaced_is_kept_as_history(
    warehouse: duckdb.DuckDBPyConnection, odk_deliveries: Sequence[Accepted]
) -> None:
    apply_source(warehouse, "survey", "odk", odk_deliveries)
    history = warehouse.execute(
        "SELECT value, free_text, _end_reason FROM raw.odk__answer "
        "WHERE response_code = ? AND question_code IN ('phq9_1', 'comment') AND _status = 'superseded' ORDER BY ALL",
        [A],
    ).fetchall()
    assert history == [("1", None, "newer_version"), (None, MASK, "newer_version")]


def test_a_new_review_state_is_no_change_of_the_answers(
    warehouse: duckdb.DuckDBPyConnection, odk_deliveries: Sequence[Accepted]
) -> None:
    apply_source(warehouse, "survey", "odk", odk_deliveries)
    deliveries = warehouse.execute(
        "SELECT DISTINCT _delivery_id FROM raw.odk__answer WHERE response_code = ?", [B]
    ).fetchall()
    assert deliveries == [("odk_json_repeats",)]


def _project(folder: Path, rows: str) -> Path:
    folder.mkdir()
    dictionary = "field_name,form_name,field_type\nrecord_id,f,text\nq1,f,radio\nq2,f,radio\n"
    (folder / "dictionary.csv").write_text(dictionary)
    (folder / "data.csv").write_text("record_id,q1,q2,f_complete\n" + rows)
    return folder


def test_a_cleared_field_of_redcap_is_gone(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    first = accepted(tmp_path, redcap.CONNECTOR, "d1", _project(tmp_path / "p1", "1,1,2,2\n2,3,,2\n"))
    second = accepted(tmp_path, redcap.CONNECTOR, "d2", _project(tmp_path / "p2", "1,,2,2\n2,,,2\n"))
    apply_source(warehouse, "survey", "redcap", [first, second])
    assert answers(warehouse, "redcap", "1||f|") == {"q2": "2"}
    assert responses(warehouse, "redcap", "answer_count") == [("1||f|", "1"), ("2||f|", "0")]


@pytest.mark.parametrize(("complete", "left"), [(False, ["1||f|", "2||f|"]), (True, ["1||f|"])])
def test_a_record_is_gone_when_a_complete_export_lacks_it(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, complete: bool, left: list[str]
) -> None:
    mapping = {"complete": complete}
    first = accepted(tmp_path, redcap.CONNECTOR, "d1", _project(tmp_path / "p1", "1,1,2,2\n2,3,,2\n"), mapping)
    second = accepted(tmp_path, redcap.CONNECTOR, "d2", _project(tmp_path / "p2", "1,1,2,2\n"), mapping)
    apply_source(warehouse, "survey", "redcap", [first, second])
    assert [code for (code,) in responses(warehouse, "redcap")] == left
    assert bool(answers(warehouse, "redcap", "2||f|")) is not complete
