"""`trigpoint explain` on a region that ran once: who was counted, for figures of every KPI, level and breakdown."""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.explain import Question, find_figure, numerator_and_denominator
from orchestration.explain_release import ExplainError, Figure
from orchestration.region import Region, load_region
from orchestration.release import SERVED
from orchestration.warehouse import connect
from tests.flow.conftest import Run, ask

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("sample")]

BUILT = """
    (SELECT * FROM kpi.fct_kpi UNION ALL SELECT * FROM benchmark.fct_kpi_second)
    WHERE status_code <> 'no_data' AND statistic_code <> 'difference' AND is_current_definition
"""


@pytest.fixture(scope="module")
def changed(undisturbed: Run, tmp_path_factory: pytest.TempPathFactory) -> Region:
    """A copy of the region after its run, whose members the tests may take away."""
    folder = tmp_path_factory.mktemp("explained") / "region"
    shutil.copytree(undisturbed.region.root, folder, symlinks=True)
    return load_region(folder / "region.yml")


def rows(path: Path, query: str, **parameters: Any) -> list[dict[str, Any]]:
    with connect(path, read_only=True) as connection:
        found = connection.execute(query, parameters)
        names = [d[0] for d in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def figures(region: Region, partition: str) -> list[dict[str, Any]]:
    """The largest figure of every partition, with its terms as they were computed."""
    return rows(
        region.warehouse_path,
        f"""SELECT * FROM {BUILT} QUALIFY row_number() OVER (
                PARTITION BY kpi_id, {partition}
                ORDER BY denominator DESC NULLS LAST, numerator DESC NULLS LAST, level_key, period_start_on, slice_value
            ) = 1 ORDER BY ALL""",
    )


def named(period_type: str, start: date, end: date) -> str:
    return {
        "month": f"{start:%Y-%m}",
        "quarter": f"{start.year}-Q{(start.month + 2) // 3}",
        "financial_year": f"FY{start.year}",
        "rolling12": f"R12-{end:%Y-%m}",
    }[period_type]


def question(row: dict[str, Any], kpi: str | None = None, **more: Any) -> Question:
    """What to ask for to be told of a row."""
    sliced = {} if row["slice_code"] == "all" else {"by": row["slice_code"], "of": row["slice_value"]}
    return Question(
        kpi or row["kpi_id"],
        named(row.get("period_type_code", "financial_year"), row["period_start_on"], row["period_end_on"]),
        **{"at": f"{row['level_code']}:{row['level_key']}", **sliced, **more},
    )


def built_terms(region: Region, figure: Figure) -> tuple[Decimal | None, Decimal | None]:
    """Numerator and denominator of a figure as the warehouse has them."""
    place = ("level_code", "level_key", "slice_code", "slice_value", "period_type_code", "period_start_on")
    values = {"kpi_id": figure.definition["kpi_id"], **{name: figure.value[name] for name in place}}
    where = " AND ".join(f"{name} = ${name}" for name in values)
    (row,) = rows(region.warehouse_path, f"SELECT numerator, denominator FROM {BUILT} AND {where}", **values)
    return row["numerator"], row["denominator"]


def agrees(figure: Figure, terms: tuple[Decimal | None, Decimal | None]) -> bool:
    """Whether the members of a figure come to the terms of the warehouse; its kind may have none."""
    above, below = numerator_and_denominator(figure)
    return (above, below) == (None if above is None else terms[0], None if below is None else terms[1])


@pytest.mark.parametrize("partition", ["level_code, slice_code", "period_type_code"])
def test_the_members_of_a_figure_add_up_to_its_terms(undisturbed: Run, partition: str) -> None:
    """Of every KPI at every level, breakdown and kind of period: counts, sums, means, nights, people counted once."""
    region = undisturbed.region
    asked = figures(region, partition)
    wrong = []
    for row in asked:
        _, figure = find_figure(region, question(row))
        found = tuple(figure.value[name] for name in ("level_key", "slice_code", "slice_value", "period_start_on"))
        if found != tuple(row[name] for name in ("level_key", "slice_code", "slice_value", "period_start_on")):
            wrong.append(("another figure", question(row), found))
        elif not agrees(figure, (row["numerator"], row["denominator"])):
            wrong.append(("other terms", question(row), numerator_and_denominator(figure)))
    assert wrong == []
    counted = "SELECT kpi_id FROM pub.pub_kpi_catalogue WHERE statistic_code <> 'difference' AND kpi_id NOT LIKE 'EQ-%'"
    served = undisturbed.outcome.release / SERVED
    assert {row["kpi_id"] for row in asked} == {row["kpi_id"] for row in rows(served, counted)}


def test_there_is_a_figure_of_every_level_and_breakdown(undisturbed: Run) -> None:
    asked = figures(undisturbed.region, "level_code, slice_code")
    assert {row["level_code"] for row in asked} == {
        *("region", "organisation", "service_type", "service", "source", "funder", "programme", "award")
    }
    assert {row["slice_code"] for row in asked} == {
        *("all", "age_band", "sex", "ethnicity", "disability", "element", "factor", "indicator"),
        *("baseline", "currency", "instrument", "kpi", "statement"),
    }


def test_a_gap_is_shown_with_both_of_its_groups(undisturbed: Run) -> None:
    region = undisturbed.region
    served = undisturbed.outcome.release / SERVED
    gaps = rows(
        served,
        "FROM pub.pub_equity_gap QUALIFY row_number() OVER (PARTITION BY kpi_id, level_code ORDER BY "
        "denominator DESC, level_key, slice_code, slice_value, period_type_code, period_start_on) = 1",
    )
    assert gaps
    for row in gaps:
        _, figure = find_figure(region, question(row, "EQ-01", compared=row["kpi_id"]))
        assert figure.value == row and figure.definition["kpi_id"] == "EQ-01"
        assert [part.figure.value["slice_value"] for part in figure.parts] == [
            row["slice_value"],
            row["reference_slice_value"],
        ]
        assert [part.figure.value["value"] for part in figure.parts] == [
            row["group_value"],
            row["reference_group_value"],
        ]
        assert all(agrees(part.figure, built_terms(region, part.figure)) for part in figure.parts)


def test_a_reach_is_shown_with_its_group_everyone_and_the_population(undisturbed: Run) -> None:
    region = undisturbed.region
    (row,) = rows(
        undisturbed.outcome.release / SERVED,
        "FROM pub.pub_equity_reach WHERE reach_ratio IS NOT NULL AND slice_code = 'sex' AND level_code = 'region' "
        "ORDER BY served_count DESC, slice_value, period_start_on LIMIT 1",
    )
    _, figure = find_figure(region, question(row, "EQ-02"))
    assert figure.value == row
    parts = {part.role: part.figure for part in figure.parts}
    assert parts.keys() == {"group", "group not known", "everyone"}
    assert parts["everyone"].value["slice_code"] == "all"
    assert all(agrees(part, built_terms(region, part)) for part in parts.values())
    period = named("financial_year", row["period_start_on"], row["period_end_on"])
    said = ask(region, "explain", "EQ-02", "--period", period, "--by", "sex", "--of", row["slice_value"])
    assert said.exit_code == 0 and row["origin"] in said.output and str(row["population_count"]) in said.output


def test_of_a_group_that_nobody_is_of_there_are_no_members(undisturbed: Run) -> None:
    (row,) = rows(
        undisturbed.outcome.release / SERVED,
        "FROM pub.pub_equity_reach AS r WHERE NOT EXISTS (FROM pub.pub_kpi_timeseries AS k WHERE k.kpi_id = 'AV-05' "
        "AND k.level_key = r.level_key AND k.slice_code = r.slice_code AND k.slice_value = r.slice_value "
        "AND k.period_start_on = r.period_start_on) ORDER BY ALL LIMIT 1",
    )
    _, figure = find_figure(undisturbed.region, question(row, "EQ-02"))
    group = figure.parts[0].figure
    assert (row["served_count"], group.is_published, group.members) == (0, False, [])
    assert numerator_and_denominator(group) == (0, None)


def test_a_difference_is_shown_with_both_of_its_parts(undisturbed: Run) -> None:
    region = undisturbed.region
    lifts = rows(
        undisturbed.outcome.release / SERVED,
        "FROM pub.pub_kpi_timeseries WHERE kpi_id = 'OC-09.lift' AND value IS NOT NULL "
        "QUALIFY row_number() OVER (PARTITION BY level_code ORDER BY level_key, period_start_on) = 1",
    )
    assert lifts
    for row in lifts:
        _, figure = find_figure(region, question(row))
        assert [part.figure.definition["kpi_id"] for part in figure.parts] == ["OC-09.with", "OC-09.without"]
        assert all(
            part.figure.members and agrees(part.figure, built_terms(region, part.figure)) for part in figure.parts
        )


def test_a_name_will_do_unless_several_have_it(undisturbed: Run) -> None:
    region = undisturbed.region
    entities = rows(
        undisturbed.outcome.release / SERVED,
        "SELECT level_name, count(DISTINCT level_key) AS keys, min(period_start_on) AS start "
        "FROM pub.pub_kpi_timeseries WHERE kpi_id = 'FN-03' AND level_code = 'award' "
        "AND period_type_code = 'financial_year' GROUP BY level_name ORDER BY ALL",
    )
    alone, shared = (next(e for e in entities if (e["keys"] > 1) == several) for several in (False, True))
    _, figure = find_figure(region, Question("FN-03", f"FY{alone['start'].year}", at=f"award:{alone['level_name']}"))
    assert figure.value["level_name"] == alone["level_name"]
    with pytest.raises(ExplainError, match=f"there are {shared['keys']} of level award with the name .* use a key: "):
        find_figure(region, Question("FN-03", f"FY{shared['start'].year}", at=f"award:{shared['level_name']}"))


def test_mistakes_are_told_with_what_would_work(undisturbed: Run) -> None:
    year, sex = ("--period", "FY2024"), ("--by", "sex")
    for arguments, words in (
        (("OC-99", "--period", "2025-01"), "published: "),
        (("OC-05", "--period", "2025-13"), "write 2025-01, 2025-Q1, FY2024 or R12-2025-01"),
        (("OC-05", "--period", "1999-01"), "the levels region, organisation"),
        (("FN-06", *year), "add --of with one of"),
        (("OC-05", "--period", "2025-01", "--release", "../x"), "no release"),
        (("OC-05", *year, "--at", "borough:x"), "not published at level 'borough'; there are: organisation, region"),
        (("OC-05", *year, "--at", "service_type"), "write LEVEL:KEY, such as organisation:"),
        (("OC-05", *year, "--at", "service_type:x"), "there are: emergency_shelter"),
        (("OC-05", *year, "--at", "region:demo", "--organisation", "harbour"), "leave one of them out"),
        (("OC-05", *year, "--organisation", "nobody"), "known: "),
        (("OC-05", *year, *sex), "add --of with one of female"),
        (("OC-05", *year, *sex, "--of", "x"), "--of can be one of female"),
        (("OC-05", *year, "--of", "female"), "--of goes with --by; OC-05 can be broken down by: age_band"),
        (("OC-05", *year, "--by", "height", "--of", "x"), "not broken down by 'height'; there are: age_band"),
        (("OC-05", "--period", "2025-01", *sex, "--of", "female"), "the periods financial_year, quarter"),
        (("OC-05", *year, "--compared", "AV-05"), "leave --compared out"),
        (("EQ-01", *year), "add --compared with one of "),
        (("EQ-01", *year, "--compared", "OC-99"), "--compared can be one of "),
        (("EQ-02", *year), "add --by with one of age_band"),
        (("EQ-02", *year, *sex), "add --of with one of female"),
        (("EQ-02", *year, *sex, "--of", "female", "--compared", "OC-05"), "compares AV-05 with a population"),
    ):
        said = ask(undisturbed.region, "explain", *arguments)
        assert (said.exit_code, words in said.output) == (5, True), said.output


def of_an_organisation(region: Region, kpi: str) -> dict[str, Any]:
    return next(
        r
        for r in figures(region, "level_code, slice_code")
        if (r["kpi_id"], r["level_code"], r["slice_code"]) == (kpi, "organisation", "all")
    )


def test_explain_leads_to_file_and_line(undisturbed: Run) -> None:
    row = of_an_organisation(undisturbed.region, "OC-05")
    said = ask(
        undisturbed.region, *("explain", "OC-05", "--organisation", row["level_key"]),
        *("--period", named(row["period_type_code"], row["period_start_on"], row["period_end_on"]), "--members", "1"),
    )  # fmt: skip
    assert said.exit_code == 0
    assert "Enrollment.csv" in said.output and "numerator" in said.output


def test_where_members_may_not_be_read_the_figure_is_shown_and_the_rest_refused(changed: Region) -> None:
    row = of_an_organisation(changed, "OC-05")
    asked = question(row)
    away = changed.members_dir.rename(changed.root / "away")
    try:
        _, figure = find_figure(changed, asked)
        said = ask(changed, "explain", asked.kpi, "--at", str(asked.at), "--period", asked.period)
    finally:
        away.rename(changed.members_dir)
    assert figure.members is None and figure.value["kpi_id"] == "OC-05"
    assert "Members are not shown: " in said.output and "Published value" in said.output
    assert "From its members" not in said.output


def test_members_that_do_not_say_a_level_or_breakdown_are_refused(changed: Region) -> None:
    """As those that were frozen before members said it."""
    row = next(
        r for r in figures(changed, "level_code, slice_code") if (r["kpi_id"], r["slice_code"]) == ("OC-05", "sex")
    )
    (path,) = changed.members_dir.glob("*/OC-05.parquet")
    whole = path.read_bytes()
    try:
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE m AS SELECT * EXCLUDE (slice_sex) FROM read_parquet('{path}')")
            connection.execute(f"COPY m TO '{path}' (FORMAT parquet)")
        _, figure = find_figure(changed, question(row))
    finally:
        path.write_bytes(whole)
    assert figure.members is None and "do not say" in str(figure.refusal)


def test_before_the_first_release_there_is_nothing_to_explain(tmp_path: Path, undisturbed: Run) -> None:
    shutil.copy(undisturbed.region.path, tmp_path / "region.yml")
    with pytest.raises(ExplainError, match="trigpoint run"):
        find_figure(load_region(tmp_path / "region.yml"), Question("OC-05", "2025-01"))
