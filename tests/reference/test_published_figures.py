"""Real publications through the connector and the models: nothing is lost, no mark becomes a number, and what is worked
out from published numbers is what their publishers worked out.

What belongs here: NHS Talking Therapies, A&E attendances and Oflog as sources of one region. What does not: statistics
alone (``test_statistics``), and the connector's own rules (tests/unit/test_indicator_table.py).
"""

from __future__ import annotations

import csv
import gzip
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.project import ROOT
from orchestration.region import Region, load_region
from orchestration.runner import run_main
from orchestration.warehouse import connect
from tests.reference.agreement import Agreement

pytestmark = [pytest.mark.reference, pytest.mark.xdist_group("publications")]

PUBLICATIONS = Path(__file__).parent / "publications.yml"
GUIDE = ROOT / "sources/benchmark/README.md"
TALKING_THERAPIES = "NHS Talking Therapies, annual"


@pytest.fixture(scope="module")
def region(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Region:
    """One region that has publications as its only sources, after one run of the main job."""
    sources = yaml.safe_load(PUBLICATIONS.read_text(encoding="utf-8"))
    for source in sources:
        source["location"] = str(reference_data / source["location"])
    path = tmp_path_factory.mktemp("publications") / "region.yml"
    example = yaml.safe_load(_of_guide("yaml"))
    sources += example["sources"]
    table = path.parent / "deliveries/uptake/uptake_2024.csv"
    table.parent.mkdir(parents=True)
    table.write_text(_of_guide("csv"), encoding="utf-8")
    content = {
        "region": {"id": "england", "name": "England", "time_zone": "Europe/London", "financial_year_start": 4},
        "organisations": [
            {"id": "nhs_england", "name": "NHS England"},
            {"id": "oflog", "name": "Oflog"},
            *example["organisations"],
        ],
        "sources": sources,
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    region = load_region(path)
    assert run_main(region, as_of=date(2023, 10, 1)).is_new
    return region


@pytest.fixture(scope="module")
def warehouse(region: Region) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(region.warehouse_path, read_only=True) as connection:
        yield connection


def _of_guide(language: str) -> str:
    """The first block of the guide in this language."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_the_guides_worked_example_gives_what_the_guide_says(warehouse: duckdb.DuckDBPyConnection) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    query = _of_guide("sql")
    lines = [line for line in text[text.index(query) :].splitlines() if line.startswith("|")][:6]
    head, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    source = "FROM (SELECT * FROM pub.pub_benchmark_external WHERE source_id = 'uptake') AS uptake"
    result = warehouse.execute(query.replace("FROM pub.pub_benchmark_external", source))
    assert [column[0] for column in result.description] == head
    assert [[_shown(value) for value in row] for row in result.fetchall()] == body


def _shown(value: Any) -> str:
    """As the guide's table has it."""
    if isinstance(value, Decimal):
        return str(int(value))
    return "" if value is None else str(round(value, 3)) if isinstance(value, float) else str(value)


# NHS Talking Therapies ----------------------------------------------------------------------------------------------

MEASURES = ("recovery", "reliable_recovery", "improvement", "deterioration", "no_reliable_change")
Place = tuple[str, int]
"""File and physical line."""


@dataclass(frozen=True)
class Published:
    """A percentage as the file has it, and the texts of the counts that it is made of."""

    percentage: str
    numerator: str
    finished: str
    below: str
    """Of those, not at caseness; 0 for measures whose denominator is everyone who finished."""
    is_national: bool

    @property
    def is_hidden(self) -> bool:
        return self.percentage in ("*", "NULL")

    @property
    def rounding(self) -> float:
        """How far the percentage can lie from the true one: one decimal for England, none below."""
        return 0.05 if self.is_national else 0.5

    @property
    def quotient(self) -> tuple[float, float] | None:
        """Numerator and denominator; None where a count is hidden."""
        texts = (self.numerator, self.finished, self.below)
        if not all(text.isdigit() for text in texts):
            return None
        return float(self.numerator), float(self.finished) - float(self.below)

    @property
    def bound(self) -> float:
        """How far a percentage can lie from the quotient of counts that were rounded to five (a count is within 2)."""
        assert self.quotient is not None
        c, d = self.quotient
        k = 2 if self.below == "0" else 4
        return 0.5 + 100 * (2 + k * c / d) / (d - k) if d > k else 100.0


@pytest.fixture(scope="module")
def published(reference_data: Path) -> dict[Place, Published]:
    """Every percentage of both years by its place, read with nothing but the csv module."""
    found: dict[Place, Published] = {}
    for year in ("2021-22", "2022-23"):
        name = f"measures_annual_{year}.csv"
        counts: dict[tuple[str, ...], str] = {}
        percentages: list[tuple[int, tuple[str, ...], str, str]] = []
        path = reference_data / "benchmark/nhs-talking-therapies" / f"{name}.gz"
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                about = (row["org_type"], row["org_code"], row["variable_type"], row["variable_a"])
                if row["measure_statistic"] == "count":
                    counts[*about, row["measure_name"]] = row["value"]
                else:
                    percentages.append((reader.line_num, about, row["measure_name"], row["value"]))
        for line, about, measure, value in percentages:
            finished = counts[*about, "finished_course_treatment"]
            below = counts[*about, "not_at_caseness"] if measure.endswith("recovery") else "0"
            found[name, line] = Published(value, counts[*about, measure], finished, below, about[0] == "England")
    return found


@pytest.fixture(scope="module")
def figures(warehouse: duckdb.DuckDBPyConnection) -> dict[Place, dict[str, Any]]:
    """The same in the warehouse, by the place that they lead back to."""
    result = warehouse.execute(
        "SELECT * FROM benchmark.fct_benchmark_external WHERE source_id = 'nhs_talking_therapies' ORDER BY ALL"
    )
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return {(row["file_name"], row["line_number"]): row for row in rows}


def test_every_percentage_is_held_and_leads_back_to_its_line(
    published: dict[Place, Published], figures: dict[Place, dict[str, Any]], agreement: Agreement
) -> None:
    assert len(published) == 35_090 + 23_430
    assert set(figures) == set(published)
    shown = {place: float(p.percentage) for place, p in published.items() if not p.is_hidden}
    agreement.compare(
        TALKING_THERAPIES,
        "percentages as published, 2021-22 and 2022-23",
        {place: figures[place]["value"] for place in shown},
        shown,
    )
    assert len(shown) == 46_083
    assert {row["measure_id"] for row in figures.values()} == set(MEASURES)
    assert {row["level_code"] for row in figures.values()} == {"national", "region", "system", "place", "provider"}
    assert {row["slice_type_code"] for row in figures.values()} == {"all", "gender", "age_band", "deprivation_decile"}


def test_no_mark_ever_becomes_a_number(
    published: dict[Place, Published], figures: dict[Place, dict[str, Any]], agreement: Agreement
) -> None:
    """Pitfalls 19 and 23: what is hidden has a status, bounds where they are known, and no number."""
    wrong = []
    for place, p in published.items():
        row = figures[place]
        expected = {
            "status_code": "suppressed" if p.percentage == "*" else "published",
            "value": None if p.is_hidden else float(p.percentage),
            "numerator": float(p.numerator) if p.numerator.isdigit() else None,
            "denominator": None if p.quotient is None and not _is_denominator_known(p) else _denominator(p),
        }
        found = {
            name: float(row[name]) if name != "status_code" and row[name] is not None else row[name]
            for name in expected
        }
        if found != expected:
            wrong.append((place, found, expected))
    marks = sum(text == "*" for p in published.values() for text in (p.percentage, p.numerator, p.finished, p.below))
    assert marks == 40_745
    agreement.record(
        TALKING_THERAPIES,
        "percentages with the counts that make them, marks without a number",
        compared=len(published),
        agreed=len(published) - len(wrong),
        tolerance="exact",
    )
    assert wrong == []


def _is_denominator_known(p: Published) -> bool:
    return p.finished.isdigit() and p.below.isdigit()


def _denominator(p: Published) -> float:
    return float(p.finished) - float(p.below)


def test_percentages_of_england_are_those_of_its_counts(
    published: dict[Place, Published], figures: dict[Place, dict[str, Any]], agreement: Agreement
) -> None:
    of_england = {place: float(p.percentage) for place, p in published.items() if p.is_national}
    assert len(of_england) == 220
    agreement.compare(
        TALKING_THERAPIES,
        "percentages of England from its counts",
        {place: _quotient(figures[place]) for place in of_england},
        of_england,
        absolute=0.05 + 1e-9,
    )


def test_percentages_below_england_are_within_the_bound_of_rounded_counts(
    published: dict[Place, Published], figures: dict[Place, dict[str, Any]], agreement: Agreement
) -> None:
    below = {
        place: p for place, p in published.items() if not p.is_national and not p.is_hidden and p.quotient is not None
    }
    assert len(below) == 41_565
    apart = {place: abs(_quotient(figures[place]) - float(p.percentage)) for place, p in below.items()}
    agreement.record(
        TALKING_THERAPIES,
        "percentages below England from counts rounded to 5",
        compared=len(below),
        agreed=sum(apart[place] <= p.bound + 1e-9 for place, p in below.items()),
        tolerance="0.5 + 100 (2 + k c/d) / (d - k), k = 2 or 4",
        largest_difference=max(apart.values()),
    )
    assert [place for place, p in below.items() if not _holds(figures[place], p)] == []


def test_where_a_count_is_hidden_the_interval_holds_the_percentage(
    published: dict[Place, Published], figures: dict[Place, dict[str, Any]], agreement: Agreement
) -> None:
    hidden = {place: p for place, p in published.items() if not p.is_hidden and p.quotient is None}
    assert len(hidden) == 4_298
    assert {p.below for p in hidden.values()} == {"*"}
    for place, p in hidden.items():
        row = figures[place]
        finished = float(p.finished)
        # Finished is within 2 of what is published, and between 0 and 4 of them were not at caseness.
        bounds = (max(finished - 6, 0), finished + 2)
        assert (float(row["denominator_lower"]), float(row["denominator_upper"])) == bounds
    agreement.record(
        TALKING_THERAPIES,
        "percentages below England within the interval of hidden counts",
        compared=len(hidden),
        agreed=sum(_holds(figures[place], p) for place, p in hidden.items()),
        tolerance="interval of 0 to 4 for a mark",
    )


def test_no_published_percentage_contradicts_its_counts(figures: dict[Place, dict[str, Any]]) -> None:
    assert not any(row["is_contradictory"] for row in figures.values())
    assert all(row["value_lower"] <= row["value_upper"] for row in figures.values() if row["value_lower"] is not None)


def test_intervals_of_chance_are_wilsons(figures: dict[Place, dict[str, Any]]) -> None:
    z = 1.959963984540054
    counted = [row for row in figures.values() if row["value"] is not None and row["denominator"] is not None]
    assert len(counted) == 220 + 41_565
    for row in counted:
        x, n = float(row["numerator"]), float(row["denominator"])
        spread = z * math.sqrt(z * z + 4 * x * (1 - x / n))
        ends = [100 * (2 * x + z * z + sign * spread) / (2 * (n + z * z)) for sign in (-1, 1)]
        assert [row["ci95_lower"], row["ci95_upper"]] == pytest.approx(ends, rel=1e-9, abs=1e-9)


def _quotient(row: dict[str, Any]) -> float:
    return 100 * float(row["numerator"]) / float(row["denominator"])


def _holds(row: dict[str, Any], p: Published) -> bool:
    """Whether the interval that the counts leave holds the percentage, as far as that is rounded itself."""
    lower = 100 * float(row["numerator_lower"]) / float(row["denominator_upper"])
    least = float(row["denominator_lower"])
    upper = min(100.0, 100 * float(row["numerator_upper"]) / least) if least > 0 else 100.0
    return lower - p.rounding - 1e-9 <= float(p.percentage) <= upper + p.rounding + 1e-9


# A&E attendances ----------------------------------------------------------------------------------------------------

RULES = {
    "Common Cause": None, "Above UCL": "A", "Below LCL": "A", "7 Points Above CL": "S", "7 Points Below CL": "S",
    "2 in 3 Above CL": "2", "2 in 3 Below CL": "2",
}  # fmt: skip
AE = "NHS A&E attendances (NHSRplotthedots)"


def test_control_charts_of_ae_attendances_are_those_of_the_nhs_package(
    reference_data: Path, warehouse: duckdb.DuckDBPyConnection, agreement: Agreement
) -> None:
    path = reference_data / "benchmark/nhs-ae-attendances-spc/expected/spc_breaches_type1_10orgs.csv"
    with path.open(encoding="utf-8", newline="") as file:
        official = {(row["f"], row["x"]): row for row in csv.DictReader(file)}
    assert len(official) == 360
    rows = warehouse.execute(
        """SELECT level_key, CAST(period_start_on AS VARCHAR), value, mean, lower_limit, upper_limit,
                  coalesce(rule_code, ''), is_near_limit, variation_code
           FROM benchmark.fct_spc_point
           WHERE publication_code = 'nhs_ae_attendances' AND measure_id = 'breaches' AND slice_code = 'department_type'
             AND slice_value = '1'"""
    ).fetchall()
    found = {(org, month): rest for org, month, *rest in rows if (org, month) in official}
    assert set(found) == set(official)
    for at, (name, column, relative) in enumerate(
        [
            ("values", "y", 0.0),
            ("means", "mean_col", 1e-9),
            ("lower limits", "lpl", 1e-9),
            ("upper limits", "upl", 1e-9),
        ]
    ):
        agreement.compare(
            AE,
            f"{name}, through indicator_table",
            {key: row[at] for key, row in found.items()},
            {key: float(row[column]) for key, row in official.items()},
            relative=relative,
        )
    agreement.compare(
        AE,
        "special causes, through indicator_table",
        {key: row[4] for key, row in found.items()},
        {key: RULES[row["special_cause_type"]] or "" for key, row in official.items()},
    )
    agreement.compare(
        AE,
        "marks near a limit, through indicator_table",
        {key: str(row[5]) for key, row in found.items()},
        {key: row["close_to_limits"] for key, row in official.items()},
    )
    agreement.compare(
        AE,
        "improvement or concern, through indicator_table",
        {key: row[6] for key, row in found.items()},
        {key: row["point_type"].removeprefix("special_cause_") for key, row in official.items()},
    )


# Oflog --------------------------------------------------------------------------------------------------------------

OFLOG = "Oflog, adult social care"


def test_medians_and_scores_of_oflog_are_the_published_ones(
    reference_data: Path, warehouse: duckdb.DuckDBPyConnection, agreement: Agreement
) -> None:
    with (reference_data / "benchmark/oflog-adult-social-care/ASC_data.csv").open(encoding="utf-8", newline="") as file:
        official = {
            (row["Financial year"], row["Local authority code"], row["Code"]): row for row in csv.DictReader(file)
        }
    codes = {
        str(measure): block["rows"]
        for source in yaml.safe_load(PUBLICATIONS.read_text(encoding="utf-8"))
        if source["id"] == "oflog_adult_social_care"
        for measure, block in source["mapping"]["measures"].items()
    }
    rows = warehouse.execute(
        """SELECT e.period_label, e.organisation_code, e.measure_id, e.value, b.median, m.mad_score, e.status_code
           FROM benchmark.fct_benchmark_external AS e
           LEFT JOIN benchmark.fct_benchmark_member AS m
             ON m.publication_code = e.publication_code AND m.measure_id = e.measure_id
             AND m.level_key = e.organisation_code AND m.period_start_on = e.period_start_on
             AND m.peer_group_code = 'all'
           LEFT JOIN benchmark.fct_benchmark AS b ON b.benchmark_key = m.benchmark_key
           WHERE e.source_id = 'oflog_adult_social_care'"""
    ).fetchall()
    found = {(year, code, codes[measure]): rest for year, code, measure, *rest in rows}
    assert set(found) == set(official)
    assert len({code for _, code, _ in found}) == 155
    blank = {key for key, row in official.items() if not row["Value"]}
    assert len(blank) == 228
    assert {(found[key][0], found[key][3]) for key in blank} == {(None, "not_published")}
    scored = {key: float(row["MADs_from_median"]) for key, row in official.items() if key not in blank}
    assert len(scored) == 4_324
    for at, (name, column) in {1: ("medians", "MEDIAN"), 2: ("scores", "MADs_from_median")}.items():
        agreement.compare(
            OFLOG,
            f"{name}, through indicator_table",
            {key: found[key][at] for key in scored},
            {key: float(official[key][column]) for key in scored},
            absolute=1e-6,
        )
