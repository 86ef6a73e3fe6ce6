"""HUD's reports of a project of the sample, as the command line writes them."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest

from orchestration.report import ReportError, _text, performance_report, system_measures
from orchestration.warehouse import connect
from tests.flow.conftest import Run

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("sample")]

START, END = date(2023, 10, 1), date(2024, 9, 30)


@pytest.fixture(scope="module")
def project(undisturbed: Run) -> tuple[str, str, int]:
    """Source, ProjectID and number of people of the project that served most in the period."""
    with connect(undisturbed.region.warehouse_path, read_only=True) as connection:
        found = connection.execute(
            "SELECT s.source_id, s.service_code, count(DISTINCT e.source_person_key) AS n FROM core.dim_service AS s "
            "JOIN core.fct_episode AS e USING (service_key) WHERE e.start_on <= ? AND coalesce(e.end_on >= ?, true) "
            "GROUP BY ALL ORDER BY n DESC, s.source_id, s.service_code LIMIT 1",
            [END, START],
        ).fetchone()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def tables(
    undisturbed: Run, project: tuple[str, str, int], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, list[str]]]:
    """Table → name of a row → its cells."""
    source, code, _people = project
    written = performance_report(undisturbed.region, code, START, END, tmp_path_factory.mktemp("report"), source)
    return {path.stem: _rows(path) for path in written}


def test_a_report_has_every_table_and_counts_who_was_served(
    project: tuple[str, str, int], tables: dict[str, dict[str, list[str]]]
) -> None:
    assert len(tables) == 17
    assert tables["Q5a"]["1. Persons served"] == [str(project[2])]
    assert project[2] > 20


def test_the_tables_of_a_report_agree_with_each_other(tables: dict[str, dict[str, list[str]]]) -> None:
    persons = {name: int(cells[0]) for name, cells in tables["Q5a"].items()}
    everyone, leavers = persons["1. Persons served"], persons["5. Leavers"]
    assert leavers + persons["8. Stayers"] == everyone
    for table in ("Q7a", "Q11", "Q10d", "Q22a1"):
        parts, total = _split(tables[table])
        assert sum(parts) == total == everyone, table
    destinations = tables["Q23c"]
    totals = [int(destinations[f"{part}z. Total"][0]) for part in "abcd"]
    assert sum(totals) == int(destinations["e. Total"][0]) == leavers
    assert sum(map(bool, totals)) >= 3, "people of the sample go to several kinds of destinations"


def test_what_cannot_be_reported_is_said(undisturbed: Run, project: tuple[str, str, int], tmp_path: Path) -> None:
    source, code, _people = project
    with pytest.raises(ReportError, match="no project 0815"):
        performance_report(undisturbed.region, "0815", START, END, tmp_path, None)
    with pytest.raises(ReportError, match="first of a month"):
        performance_report(undisturbed.region, code, date(2023, 10, 2), END, tmp_path, source)
    with pytest.raises(ReportError, match="before"):
        system_measures(undisturbed.region, END, START, tmp_path)
    assert not list(tmp_path.iterdir())


def test_system_measures_are_of_every_homelessness_system(undisturbed: Run, tmp_path: Path) -> None:
    path = system_measures(undisturbed.region, START, END, tmp_path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = {(row["source_id"], row["question"], row["cell"]): float(row["value"] or 0) for row in rows}
    sources = {row["source_id"] for row in rows}
    assert len(rows) == len(cells) == 16 * len(sources) > 16
    for source in sources:
        sheltered = [cells[source, "3.2", cell] for cell in ("C2", "C3", "C4", "C5")]
        assert max(sheltered[1:]) <= sheltered[0] <= sum(sheltered[1:])
        for cell in ("C2", "C3"):
            assert cells[source, "1a", cell] <= cells[source, "1b", cell]
        assert cells[source, "1a", "C2"] <= cells[source, "1a", "C3"] <= sheltered[0]
    assert any(cells[source, "1a", "E2"] for source in sources)


@pytest.mark.parametrize("year", [2022, 2023, 2024])
def test_time_homeless_is_the_same_as_a_kpi_and_in_the_report(undisturbed: Run, tmp_path: Path, year: int) -> None:
    """OC-14 and measure 1a, line 1: the same people, mean and median, to the last digit, for every sender."""
    path = system_measures(undisturbed.region, date(year, 10, 1), date(year + 1, 9, 30), tmp_path)
    with path.open(encoding="utf-8", newline="") as file:
        report = {(r["source_id"], r["cell"]): r["value"] for r in csv.DictReader(file) if r["question"] == "1a"}
    with connect(undisturbed.region.warehouse_path, read_only=True) as connection:
        members = connection.execute(
            "SELECT level_key || '_hmis', count(*), CAST(avg(homeless_days) AS DECIMAL(18, 4)), "
            "CAST(median(homeless_days) AS DECIMAL(18, 4)) FROM kpi.fct_homeless_time "
            "WHERE level_code = 'organisation' AND period_start_on = ? GROUP BY ALL",
            [date(year, 10, 1)],
        ).fetchall()
        figures = dict(
            connection.execute(
                "SELECT level_key || '_hmis ' || kpi_id, CAST(value AS DECIMAL(18, 4)) FROM kpi.fct_kpi "
                "WHERE kpi_id IN ('OC-14.mean', 'OC-14.median') AND level_code = 'organisation' "
                "AND slice_code = 'all' AND period_start_on = ? AND status_code = 'computed'",
                [date(year, 10, 1)],
            ).fetchall()
        )
    written = {source: (cells["C2"], cells["E2"], cells["H2"]) for source, cells in _by_source(report).items()}
    assert {source for source, cells in written.items() if cells[0] != "0"} == {source for source, *_ in members}
    assert len(members) >= 3
    for source, count, mean, median in members:
        assert written[source] == (str(count), _text(mean), _text(median))
        assert figures.get(f"{source} OC-14.mean", mean) == mean
        assert figures.get(f"{source} OC-14.median", median) == median
    assert year == START.year - 1 or len(figures) >= 6, "a first year, before which nobody delivered, has no figures"


def _by_source(report: dict[tuple[str, str], str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for (source, cell), value in report.items():
        found.setdefault(source, {})[cell] = value
    return found


def _rows(path: Path) -> dict[str, list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row[0]: row[1:] for row in list(csv.reader(file))[1:]}


def _split(table: dict[str, list[str]]) -> tuple[list[int], int]:
    """The parts of a table and its total, in its first column; what comes after the total is another count."""
    names = list(table)
    end = next(number for number, name in enumerate(names) if name.endswith("Total"))
    return [int(table[name][0]) for name in names[:end]], int(table[names[end]][0])
