"""HUD's own answers: the annual performance report of its test kit (APR, CAPER), cell by cell, and the examples of its
system performance measures.

What belongs here: comparing the project's analyses with what HUD's kits expect. What does not: the rules (dbt macros
``hmis/``) and their edge cases (``test_hmis_reports`` in the unit tests).
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestration.region import Region
from orchestration.transform import compiled
from orchestration.warehouse import connect
from tests.reference.agreement import Agreement

pytestmark = [pytest.mark.reference, pytest.mark.xdist_group("reference")]

KIT = "HUD Data Lab test kit 1.0"
PERIOD = {"apr_start": "2020-10-01", "apr_end": "2021-09-30"}

ANSWERS = {
    "APR PSH": ("apr_psh", "expected/apr/psh"),
    "CAPER ES": ("apr_es_nbn", "expected/caper/es_nbn"),
}
"""Report → the source that holds its one project, and the folder of its answers."""

_BOTH = ("Q5a", "Q6a", "Q6b", "Q6c", "Q6d", "Q7a", "Q8a", "Q10a", "Q10b", "Q10c", "Q11", "Q23c")
TABLES = {
    "APR PSH": (*_BOTH, "Q22a1", "Q22b"),
    "CAPER ES": (*_BOTH, "Q10d", "Q22a2", "Q22d"),
}

_NIGHTS = (
    "the kit adds the nights of a household to its head and gives the other members their days from entry to exit, "
    "where its own definition counts each person's nights"
)
_ANNUAL = (
    "the kit expects no annual assessment in a night shelter, though its own Q5a row 16 has two people who stayed for "
    "365 days"
)
KNOWN: Mapping[tuple[str, str], tuple[str, set[int], set[int] | None]] = {
    ("CAPER ES", "Q6c"): (_ANNUAL, {1, 2}, {3}),
    ("CAPER ES", "Q22a2"): (_NIGHTS, {1, 2}, None),
    ("CAPER ES", "Q22d"): (_NIGHTS, {1, 3, 5}, None),
}
"""Where the kit disagrees with its own definitions: why, and in which columns and rows (None: any). Stayers and
households without children are persons alone: there the nights must agree."""

Cells = dict[tuple[int, int], float | None]


@pytest.fixture(scope="module")
def reports(reference_region: Region) -> dict[tuple[str, str], tuple[Cells, dict[int, str]]]:
    """(source, table) → its cells by row and column, and the names of its rows; the kit's exports have one project."""
    query = compiled(reference_region, "apr", PERIOD)
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        rows = connection.execute(query).fetchall()
    found: dict[tuple[str, str], tuple[Cells, dict[int, str]]] = {}
    for source, _service, table, row, row_name, column, _column_name, value in rows:
        if source.startswith("apr_"):
            cells, names = found.setdefault((source, table), ({}, {}))
            assert (row, column) not in cells
            cells[row, column] = None if value is None else float(value)
            names[row] = row_name
    return found


@pytest.mark.parametrize(("report", "table"), [(report, table) for report in TABLES for table in TABLES[report]])
def test_report_is_the_official_table(
    reference_data: Path,
    reports: dict[tuple[str, str], tuple[Cells, dict[int, str]]],
    agreement: Agreement,
    report: str,
    table: str,
) -> None:
    source, folder = ANSWERS[report]
    official, names = _official(reference_data / "case/hud-apr-testkit-1" / folder / f"{table}.csv")
    cells, our_names = reports[source, table]
    assert {row: _row_code(name) for row, name in our_names.items()} == {
        row: _row_code(name) for row, name in names.items()
    }
    reason, columns, rows = KNOWN.get((report, table), ("", set(), set()))
    known = {key: reason for key in official if key[1] in columns and (rows is None or key[0] in rows)}
    agreement.compare(KIT, f"{report} {table}", cells, official, known=known)


@pytest.mark.parametrize("table", ["Q22a2", "Q22d"])
def test_the_kit_credits_nights_of_a_household_to_its_head(
    reference_data: Path, reference_region: Region, table: str
) -> None:
    """The reason of the known disagreements is the right one: by that rule every figure comes out as the kit has it."""
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        people = connection.execute(
            """
            SELECT
                CASE
                    WHEN relationship_to_head_code = 'head' THEN sum(nights) OVER (PARTITION BY household_key)
                    ELSE date_diff('day', start_on, end_on)
                END
            FROM core.fct_episode
            JOIN (
                SELECT episode_key, count(night_on) AS nights
                FROM core.fct_episode LEFT JOIN core.fct_bed_night USING (episode_key) GROUP BY ALL
            ) USING (episode_key)
            WHERE source_id = 'apr_es_nbn'
            """
        ).fetchall()
    official, _names = _official(reference_data / f"case/hud-apr-testkit-1/expected/caper/es_nbn/{table}.csv")
    limits = (7, 14, 21, 30, 60, 90, 180, 365, 730, 1095, 1460, 1825)
    bands = Counter(bisect_left(limits, days) + 1 for (days,) in people)
    assert {row: bands[row] for row in range(1, 14)} == {row: official[row, 1] for row in range(1, 14)}


@pytest.mark.parametrize("table", ["Q5a", "Q6a", "Q10d", "Q11"])
def test_who_is_served_does_not_depend_on_the_project_type(
    reports: dict[tuple[str, str], tuple[Cells, dict[int, str]]], table: str
) -> None:
    assert reports["apr_rrh", table] == reports["apr_th", table] == reports["apr_psh", table]


@pytest.mark.parametrize(
    ("fixture", "source", "period"),
    [
        ("measure_one", "spm_one", {"spm_start": "2016-01-01", "spm_end": "2019-10-01"}),
        ("measure_three", "spm_three", {"spm_start": "2015-01-01", "spm_end": "2015-12-31"}),
    ],
)
def test_system_performance_measures_are_the_expected_cells(
    reference_data: Path,
    reference_region: Region,
    agreement: Agreement,
    fixture: str,
    source: str,
    period: dict[str, str],
) -> None:
    with (reference_data / "case/hud-spm-examples/expected_cells.csv").open(encoding="utf-8", newline="") as file:
        expected = {
            (row["question"], row["cell"]): float(row["expected"])
            for row in csv.DictReader(file)
            if row["fixture"] == fixture and row["status"] == "active"
        }
    query = compiled(reference_region, "spm", period)
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        rows = connection.execute(query).fetchall()
    found = {
        (question, cell): None if value is None else float(value)
        for of_source, question, cell, value in rows
        if of_source == source
    }
    agreement.compare(
        "HUD system performance measures, examples",
        " and ".join(sorted({question for question, _cell in expected})),
        {key: found[key] for key in expected},
        expected,
    )


@pytest.mark.parametrize("year", [2017, 2018, 2020, 2021])
def test_time_homeless_is_the_same_as_a_kpi_and_in_the_report(reference_region: Region, year: int) -> None:
    """Real exports, whose stays overlap, are open, and are counted by nights: to the last digit, for every sender."""
    period = {"spm_start": f"{year}-10-01", "spm_end": f"{year + 1}-09-30"}
    query = compiled(reference_region, "spm", period)
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        report = {
            (source, cell): value
            for source, question, cell, value in connection.execute(query).fetchall()
            if question == "1a"
        }
        figures = connection.execute(
            "SELECT level_key, kpi_id, denominator, CAST(value AS DECIMAL(18, 4)) FROM kpi.fct_kpi "
            "WHERE kpi_id IN ('OC-14.mean', 'OC-14.median') AND level_code = 'organisation' AND slice_code = 'all' "
            "AND period_start_on = ? AND status_code <> 'no_data'",
            [period["spm_start"]],
        ).fetchall()
    assert sum(count for _source, _kpi, count, _value in figures) > 0
    for source, kpi_id, count, value in figures:
        cell = {"OC-14.mean": "E2", "OC-14.median": "H2"}[kpi_id]
        assert (count, value) == (report[source, "C2"], report[source, cell]), (source, kpi_id)


def _official(path: Path) -> tuple[Cells, dict[int, str]]:
    """Cells by row and column, counted from 1, and the names of the rows; Q5a alone has no header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    rows = rows if rows[0][0].startswith("1.") else rows[1:]
    cells = {
        (number, column): float(text) if text else None
        for number, row in enumerate(rows, 1)
        for column, text in enumerate(row[1:], 1)
    }
    return cells, {number: row[0] for number, row in enumerate(rows, 1)}


def _row_code(name: str) -> str:
    """The number or letter of a row; rows without one are known by their whole name."""
    code = re.match(r"[a-z0-9]+\.", name)
    if code:
        return code[0]
    return "moved in" if "moved into housing" in name else name
