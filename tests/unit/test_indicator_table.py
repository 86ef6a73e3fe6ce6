"""Published figures as landing rows: layouts, marks, periods, levels, groups, and what is said of what can't be read.

What belongs here: the connector and its mapping. What does not: figures and intervals, which are the models'
(``_benchmark_unit_tests.yml``), and real publications (``tests/reference``).
"""

from __future__ import annotations

import copy
import gzip
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
import yaml

from orchestration.region import RegionFileError, load_region
from sources.benchmark.indicator_table import CONNECTOR
from sources.benchmark.mapping import indicator_rows
from sources.benchmark.periods import day_of, span_of
from sources.connector import Batch, Reject
from sources.delivery import open_delivery
from sources.errors import RefusedError
from sources.spec import DeliveryFacts, Regime

WIDE = """\
publication: {code: yearbook, method_version: "1", comparability: similar}
layout: {type: wide}
organisation: {code: org, name: name, level: provider}
period: {type: month, start: month}
measures:
  uptake: {name: Uptake, direction: 1, unit: percent, statistic: proportion, numerator: seen, denominator: referred}
"""
BY_STATISTIC = """\
publication: {code: yearbook, method_version: "1", comparability: similar}
layout: {type: tidy_by_statistic, measure: measure, statistic: statistic, value: figure}
organisation: {code: org, level: {column: level, codes: {England: national, Trust: provider}}}
period: {type: financial_year, label: year, year_starts_in: 4}
slices:
  - {type: {column: split, codes: {Gender: sex}, total: [Total]}, column: group, codes: {F: female}}
marks: {"*": {status: suppressed, from: 0, to: 4}, "-1": suppressed, "NULL": not_published}
rounding: {counts: {default: 5, national: 1}, values: {default: 1, national: 0.1}}
ignore: [referrals, recovery | rank]
measures:
  recovery:
    name: Recovery
    direction: 1
    unit: percent
    statistic: proportion
    value: Recovery | percentage
    numerator: Recovery | count
    denominator: {plus: [finished | count], minus: [below | count]}
"""
TIDY = """\
publication: {code: profile, method_version: "7", comparability: indicative}
layout: {type: tidy, measure: Indicator, value: Value, lower: Lower CI, upper: Upper CI, numerator: Count}
organisation:
  code: Area
  level: {rules: [{matches: "^E92", level: national}, {matches: "^E0", level: local_authority}]}
period: {type: calendar_year, label: Year}
measures:
  smoking: {rows: "Smoking prevalence", name: Smoking, direction: -1, unit: percent, statistic: proportion}
"""


@dataclass(frozen=True)
class Landed:
    facts: DeliveryFacts
    rows: list[dict[str, Any]]
    rejects: list[Reject]

    def numbers(self) -> dict[tuple[str, str], str | None]:
        """(Organisation, cell) → number."""
        return {(row["organisation_code"], row["cell_code"]): row["number"] for row in self.rows}


def land(folder: Path, text: str | bytes, block: str, name: str = "figures.csv", **changes: Any) -> Landed:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return land_path(path, {**yaml.safe_load(block), **changes})


def land_path(path: Path, mapping: dict[str, Any]) -> Landed:
    assert CONNECTOR.check_mapping(mapping) == []
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    with open_delivery(path) as delivery:
        facts = CONNECTOR.inspect(delivery, mapping)
        for item in CONNECTOR.read(delivery, facts, mapping):
            if isinstance(item, Batch):
                rows += item.rows.to_pylist()
            else:
                rejects.append(item)
    return Landed(facts, rows, rejects)


# Layouts ------------------------------------------------------------------------------------------------------------


def test_a_wide_record_has_a_cell_for_each_column_that_a_measure_names(tmp_path: Path) -> None:
    landed = land(tmp_path, "org,name,month,seen,referred,note\nA1,Alder,2024-02-01,3,9,late\n", WIDE)
    seen, referred = landed.rows
    assert landed.numbers() == {("A1", "seen"): "3", ("A1", "referred"): "9"}
    assert (seen["organisation_name"], seen["level_code"]) == ("Alder", "provider")
    assert (seen["value_column"], seen["measure_column"]) == ("seen", "seen")
    assert (seen["period_start_on"], seen["period_end_on"]) == ("2024-02-01", "2024-02-29")
    assert (seen["slice_type_code"], seen["slice_code"], seen["status_code"]) == ("all", "all", "published")
    assert (seen["_row_number"], seen["_line"], seen["_extra"]) == (1, 2, [("note", "late")])
    assert (referred["_row_number"], referred["_line"], referred["_extra"]) == (2, 2, [])


def test_a_tidy_record_has_a_cell_for_each_column_of_the_layout(tmp_path: Path) -> None:
    text = "Indicator,Area,Year,Value,Lower CI,Upper CI,Count\nSmoking prevalence,E92000001,2021,13.0,12.8,13.3,\n"
    landed = land(tmp_path, text, TIDY)
    assert landed.numbers() == {
        ("E92000001", "smoking prevalence | value"): "13.0",
        ("E92000001", "smoking prevalence | lower ci"): "12.8",
        ("E92000001", "smoking prevalence | upper ci"): "13.3",
        ("E92000001", "smoking prevalence | count"): None,
    }
    assert {row["level_code"] for row in landed.rows} == {"national"}
    stated = yaml.safe_load(TIDY)
    stated["publication"] |= {"name": "Yearbook", "source": "Office", "licence": "OGL 3.0"}
    assert {row[-3:] for row in indicator_rows("s", stated)[0]} == {("Yearbook", "Office", "OGL 3.0")}
    roles = {role: cell for _, _, role, cell, *_ in indicator_rows("s", yaml.safe_load(TIDY))[1]}
    assert roles == {
        "value": "smoking prevalence | value", "lower": "smoking prevalence | lower ci",
        "upper": "smoking prevalence | upper ci", "numerator": "smoking prevalence | count",
    }  # fmt: skip


HEAD = "org,level,year,split,group,measure,statistic,figure\n"


def test_a_record_of_one_statistic_is_one_cell(tmp_path: Path) -> None:
    text = HEAD + (
        "A1,Trust,2021-22,Total,,Recovery,percentage,47\n"
        "A1,Trust,2021-22,Gender,F,recovery ,COUNT,120\n"
        "A1,Trust,2021-22,Total,,referrals,count,900\n"
        "A1,Trust,2021-22,Total,,Recovery,rank,3\n"
        "A1,Trust,2021-22,Total,,waits,count,12\n"
    )
    landed = land(tmp_path, text, BY_STATISTIC)
    shown = [
        (r["cell_code"], r["slice_type_code"], r["slice_code"], r["quantity_code"], r["rounding_base"], r["is_mapped"])
        for r in landed.rows
    ]
    assert shown == [
        ("recovery | percentage", "all", "all", "value", "1", "1"),
        ("recovery | count", "sex", "female", "count", "5", "1"),
        ("waits | count", "all", "all", None, None, "0"),  # not mapped and not ignored: the suite warns of it
    ]
    assert {(r["value_column"], r["measure_column"]) for r in landed.rows} == {("figure", "measure")}
    parts = indicator_rows("s", yaml.safe_load(BY_STATISTIC))[1]
    assert [part[2:] for part in parts] == [
        ("denominator", "below | count", -1, 2, False),
        ("denominator", "finished | count", 1, 2, False),
        ("numerator", "recovery | count", 1, 1, False),
        ("value", "recovery | percentage", 1, 1, True),
    ]


def test_the_same_table_as_csv_gzip_and_workbook_lands_alike(tmp_path: Path) -> None:
    text = "org,name,month,seen,referred\nA1,Alder,2024-02-01,3,9\nB2,,2024-03-01,,1200\n"
    book = xlsxwriter.Workbook(tmp_path / "figures.xlsx")
    sheet = book.add_worksheet("Table 1")
    book.add_worksheet("Notes").write(0, 0, "Nothing to see")
    sheet.write(0, 0, "Uptake by provider")
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.write_row(2, 0, ["org", "name", "month", "seen", "referred"])
    for at, (org, name, month, seen, referred) in enumerate(
        [("A1", "Alder", date(2024, 2, 1), 3, 9), ("B2", None, date(2024, 3, 1), None, 1200)], start=3
    ):
        sheet.write_row(at, 0, [org, name])
        sheet.write_datetime(at, 2, month, day)
        sheet.write_row(at, 3, [seen, referred])
    book.close()
    plain = land(tmp_path, text, WIDE)
    packed = land(tmp_path, gzip.compress(text.encode()), WIDE, "figures.csv.gz")
    sheets = land_path(
        tmp_path / "figures.xlsx", {**yaml.safe_load(WIDE), "file": {"sheet": "Table 1", "skip_lines": 2}}
    )
    assert packed == plain
    without_place = [{k: v for k, v in row.items() if k not in ("_file", "_line")} for row in plain.rows]
    assert [{k: v for k, v in row.items() if k not in ("_file", "_line")} for row in sheets.rows] == without_place
    assert [row["_line"] for row in sheets.rows] == [4, 4, 5, 5]


def test_the_dialect_is_the_mappings_and_never_guessed(tmp_path: Path) -> None:
    text = "Title of the table\n\norg;name;month;seen;referred\nA1;Alder;01/02/2024;1.203,5;2.000\n"
    landed = land(
        tmp_path,
        text,
        WIDE,
        file={"delimiter": ";", "skip_lines": 2},
        numbers={"decimal": ",", "thousands": "."},
        period={"type": "month", "start": "month", "dates": "day_first"},
    )
    assert landed.numbers() == {("A1", "seen"): "1203.5", ("A1", "referred"): "2000"}
    assert landed.rows[0]["_line"] == 4
    assert landed.rows[0]["period_start_on"] == "2024-02-01"
    with pytest.raises(RefusedError, match="lacks 'org', 'name'"):
        land(tmp_path, text, WIDE, file={"skip_lines": 2})


@pytest.mark.parametrize("text", ["1,203", "12 %", "<5", "n/a", "1.", "nan", "Infinity", "--3", "1e"])
def test_text_that_is_no_number_by_the_mapping_is_none(tmp_path: Path, text: str) -> None:
    landed = land(tmp_path, f'org,name,month,seen,referred\nA1,,2024-02-01,"{text}",9\n', WIDE)
    seen = landed.rows[0]
    assert (seen["value"], seen["number"], seen["status_code"]) == (text, None, "published")


# Pitfalls -----------------------------------------------------------------------------------------------------------


def test_pitfall_19_a_mark_has_a_status_and_an_interval_and_never_a_number(tmp_path: Path) -> None:
    text = HEAD + "".join(
        f"A1,Trust,2021-22,Total,,{measure},{mark}\n"
        for measure, mark in (
            ("Recovery,count", "*"),
            ("Recovery,percentage", "*"),
            ("finished,count", "-1"),
            ("below,count", "NULL"),
        )
    )
    landed = land(tmp_path, text, BY_STATISTIC)
    shown = [(r["value"], r["number"], r["status_code"], r["mark_from"], r["mark_to"]) for r in landed.rows]
    assert shown == [
        ("*", None, "suppressed", "0", "4"),
        ("*", None, "suppressed", None, None),  # 0 to 4 people, not per cent
        ("-1", None, "suppressed", None, None),
        ("NULL", None, "not_published", None, None),
    ]


def test_pitfall_23_nothing_published_is_not_zero(tmp_path: Path) -> None:
    landed = land(tmp_path, "org,name,month,seen,referred\nA1,,2024-02-01,0,\n", WIDE)
    assert [(r["number"], r["status_code"]) for r in landed.rows] == [("0", "published"), (None, "not_published")]


def test_pitfall_15_one_code_at_two_levels_is_two_organisations(tmp_path: Path) -> None:
    text = HEAD + "X,England,2021-22,Total,,Recovery,count,7\nX,Trust,2021-22,Total,,Recovery,count,7\n"
    landed = land(tmp_path, text, BY_STATISTIC)
    key = CONNECTOR.tables["cell"].key
    assert len({tuple(row[name] for name in key) for row in landed.rows}) == 2
    assert [row["rounding_base"] for row in landed.rows] == ["1", "5"]


def test_pitfall_26_financial_years_begin_where_the_mapping_says_and_ends_are_inclusive(tmp_path: Path) -> None:
    assert span_of("2021-22", "financial_year", 4, None) == (date(2021, 4, 1), date(2022, 3, 31))
    assert span_of("FY 2022", "financial_year", 10, "last") == (date(2021, 10, 1), date(2022, 9, 30))
    assert span_of("2022", "financial_year", 10, "first") == (date(2022, 10, 1), date(2023, 9, 30))
    assert span_of("2022", "financial_year", 10, None) is None
    assert span_of("2021-23", "financial_year", 4, None) is None
    assert span_of("1999-00", "financial_year", 7, None) == (date(1999, 7, 1), date(2000, 6, 30))
    text = "org,name,month,until,seen,referred\nA1,,2024-02-01,2024-03-01,1,2\n"
    period = {"type": "month", "start": "month", "end": "until", "end_is_exclusive": True}
    assert land(tmp_path, text, WIDE, period=period).rows[0]["period_end_on"] == "2024-02-29"
    inclusive = {"type": "other", "start": "month", "end": "until"}
    assert land(tmp_path, text, WIDE, period=inclusive).rows[0]["period_end_on"] == "2024-03-01"


def test_pitfall_24_what_can_not_be_placed_is_held_alone_with_line_column_rule_and_mend(tmp_path: Path) -> None:
    text = HEAD + (
        ",Trust,2021-22,Total,,Recovery,count,1\n"
        "A1,Ward,2021-22,Total,,Recovery,count,2\n"
        "A1,Trust,2021,Total,,Recovery,count,3\n"
        "A1,Trust,2021-22,Gender,,Recovery,count,4\n"
        "A1,Trust,2021-22,Total,,,count,5\n"
        "A1,Trust,2021-22,Total\n"
        "A1,Trust,2021-22,Total,,Recovery,count,6\n"
    )
    landed = land(tmp_path, text, BY_STATISTIC)
    assert [(r.line, r.row_number, r.column, r.rule) for r in landed.rejects] == [
        (7, 6, None, "wrong_field_count"),
        (2, 1, "org", "missing_organisation"),
        (3, 2, "level", "unknown_level"),
        (4, 3, "year", "unreadable_period"),
        (5, 4, "group", "missing_group"),
        (6, 5, "measure", "missing_measure"),
    ]
    assert all(r.table == "cell" and r.message and r.fix and r.raw for r in landed.rejects)
    assert [(row["number"], row["_line"], row["_row_number"]) for row in landed.rows] == [("6", 8, 7)]


# Periods ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "kind", "starts", "first", "last"),
    [
        ("2024-02", "month", None, "2024-02-01", "2024-02-29"),
        ("Apr-21", "month", None, "2021-04-01", "2021-04-30"),
        ("september 2023", "month", None, "2023-09-01", "2023-09-30"),
        ("2021-22 Q4", "quarter", 4, "2022-01-01", "2022-03-31"),
        ("Q2 2022", "quarter", None, "2022-04-01", "2022-06-30"),
        ("2019", "calendar_year", None, "2019-01-01", "2019-12-31"),
    ],
)
def test_labels_are_periods(label: str, kind: str, starts: int | None, first: str, last: str) -> None:
    assert span_of(label, kind, starts, None) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("label", "kind"), [("ma 2021", "month"), ("2021-13", "month"), ("Q5 2021", "quarter"), ("21", "calendar_year")]
)
def test_labels_that_could_be_anything_are_none(label: str, kind: str) -> None:
    assert span_of(label, kind, 4, None) is None


def test_days_are_read_as_the_mapping_says_they_are_meant() -> None:
    assert day_of("03/04/2024", "day_first") == date(2024, 4, 3)
    assert day_of("03/04/2024", "month_first") == date(2024, 3, 4)
    assert day_of("03/04/2024", "iso") is None
    assert day_of("2024-04-03 00:00:00", "day_first") == date(2024, 4, 3)
    assert day_of("31/02/2024", "day_first") is None


# Replacement --------------------------------------------------------------------------------------------------------


def test_a_delivery_speaks_for_its_figures_its_periods_or_everything(tmp_path: Path) -> None:
    text = "org,name,month,seen,referred\nA1,,2024-02-01,3,9\nA1,,2023-11-01,3,9\n"
    figures = land(tmp_path, text, WIDE).facts
    periods = land(tmp_path, text, WIDE, replaces="periods").facts
    everything = land(tmp_path, text, WIDE, replaces="everything").facts
    assert (figures.regime, figures.stated_at, figures.format_version) == (Regime.DELTA, None, "1")
    assert (periods.regime, periods.scope_from, periods.scope_to) == (Regime.FULL, "2023-11-01", "2024-02-01")
    assert (everything.regime, everything.scope_from, everything.scope_to) == (Regime.FULL, None, None)


def test_files_of_other_kinds_are_left_alone_and_a_delivery_without_any_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / "readme.pdf").write_bytes(b"%PDF")
    with pytest.raises(RefusedError) as caught:
        land_path(folder, yaml.safe_load(WIDE))
    assert caught.value.rule == "no_data_file"
    (folder / "figures_2024.csv").write_text("org,name,month,seen,referred\nA1,,2024-02-01,3,9\n")
    (folder / "lookup.csv").write_text("code,meaning\n1,yes\n")
    landed = land_path(folder, {**yaml.safe_load(WIDE), "file": {"members": "figures_*.csv"}})
    assert {row["_file"] for row in landed.rows} == {"figures_2024.csv"}


def test_a_workbook_of_which_no_sheet_is_named_is_refused(tmp_path: Path) -> None:
    book = xlsxwriter.Workbook(tmp_path / "two.xlsx")
    for name in ("A", "B"):
        book.add_worksheet(name).write(0, 0, "org")
    book.close()
    with pytest.raises(RefusedError, match="does not say which"):
        land_path(tmp_path / "two.xlsx", yaml.safe_load(WIDE))


# The mapping --------------------------------------------------------------------------------------------------------


def _changed(block: str, *path: str | int, value: Any) -> dict[str, Any]:
    mapping = copy.deepcopy(yaml.safe_load(block))
    at = mapping
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return mapping


@pytest.mark.parametrize(
    ("block", "path", "value", "place", "sentence"),
    [
        (WIDE, ("publication", "comparability"), "same", ("publication", "comparability"), "'same' is not allowed"),
        (WIDE, ("layout", "type"), "long", ("layout",), "'long' is no known type"),
        (WIDE, ("measures", "uptake", "unit"), "percentage", ("measures", "uptake", "unit"), "no known unit"),
        (WIDE, ("measures", "uptake", "unit"), "days", ("measures", "uptake", "unit"), "a proportion is given in"),
        (WIDE, ("measures", "uptake", "direction"), None, ("measures", "uptake", "direction"), "is required"),
        (WIDE, ("measures", "uptake", "numerator"), None, ("measures", "uptake"), "has no figure"),
        (WIDE, ("measures", "uptake", "rows"), "x", ("measures", "uptake", "rows"), "is for layout type tidy"),
        (WIDE, ("marks",), {"*": "hidden"}, ("marks", "*"), "'hidden' is not allowed"),
        (WIDE, ("marks",), {"*": {"status": "suppressed", "from": 5, "to": 1}}, ("marks", "*"), "from is greater"),
        (WIDE, ("period",), {"type": "month"}, ("period",), "say when: start"),
        (WIDE, ("period",), {"type": "financial_year", "label": "y"}, ("period",), "needs year_starts_in"),
        (WIDE, ("slices",), [{"type": "sex", "column": "s"}], ("slices", 0), "needs total"),
        (WIDE, ("organisation", "level"), {"column": "l", "codes": {"A": "Top"}},
         ("organisation", "level", "codes", "A"), "'Top' must be lower-case"),
        (WIDE, ("organisation", "levle"), "x", ("organisation", "levle"), "is not a known key"),
        (WIDE, ("numbers",), {"decimal": ",", "thousands": ","}, ("numbers",), "can't be the same"),
        (WIDE, ("ignore",), ["x"], ("ignore",), "is for tidy files"),
        (TIDY, ("measures", "smoking", "value"), "Value", ("measures", "smoking", "value"), "belongs under layout"),
        (BY_STATISTIC, ("measures", "recovery", "value"), "Recovery", ("measures", "recovery", "value"),
         "does not name a number; write measure | statistic"),
        (BY_STATISTIC, ("marks",), {None: "not_published"}, ("marks",), "put it in quotes"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_told_with_its_place(
    block: str, path: tuple[str | int, ...], value: Any, place: tuple[str | int, ...], sentence: str
) -> None:
    (problem,) = CONNECTOR.check_mapping(_changed(block, *path, value=value))
    assert sentence in problem
    assert problem.at == place  # type: ignore[attr-defined]


def test_the_region_file_names_file_line_and_key_of_a_wrong_mapping(tmp_path: Path) -> None:
    block = BY_STATISTIC.replace("unit: percent", "unit: pints")
    text = (
        "region: {id: demo, name: Demo}\norganisations: [{id: office, name: Office}]\nsources:\n"
        "  - id: yearbook\n    kind: indicator_table\n    organisation: office\n    location: '*.csv'\n    mapping:\n"
        + "".join(f"      {line}\n" for line in block.splitlines())
    )
    path = tmp_path / "region.yml"
    path.write_text(text)
    line = 1 + next(at for at, row in enumerate(text.splitlines()) if "pints" in row)
    with pytest.raises(RegionFileError) as caught:
        load_region(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"region.yml:{line}: sources[0].mapping.measures.recovery.unit: 'pints' is no known unit")


def test_a_count_that_is_also_a_value_can_not_be_rounded_as_both() -> None:
    mapping = _changed(WIDE, "rounding", value={"counts": {"default": 5}})
    mapping["measures"]["seen"] = {
        "name": "Seen", "direction": 0, "unit": "score", "statistic": "mean", "value": "seen",
    }  # fmt: skip
    (problem,) = CONNECTOR.check_mapping(mapping)
    assert problem.startswith("'seen' is a value here and a count in 'uptake'")


def test_a_file_about_one_organisation_and_one_period_needs_no_columns_for_them(tmp_path: Path) -> None:
    landed = land(
        tmp_path,
        "seen,referred,age,sex\n12 %,\u00a01 000,65+,F\n3%,7,All,\n",
        WIDE,
        organisation={"fixed": {"code": "E1", "name": "Wellland"}, "level": "national"},
        period={"type": "other", "fixed": {"start": "2023-04-01", "end": "2023-12-31", "label": "Nine months"}},
        numbers={"percent_sign": True, "thousands": " "},
        slices=[
            {"type": "age_band", "column": "age", "total": ["All"]},
            {"type": "sex", "column": "sex", "codes": {"F": "female"}, "total": [""]},
        ],
    )
    shown = [(row["number"], row["slice_type_code"], row["slice_code"]) for row in landed.rows]
    assert shown == [
        ("12", "age_band|sex", "65+|female"),
        ("1000", "age_band|sex", "65+|female"),
        ("3", "all", "all"),
        ("7", "all", "all"),
    ]
    about = {(r["organisation_code"], r["period_start_on"], r["period_end_on"], r["period_label"]) for r in landed.rows}
    assert about == {("E1", "2023-04-01", "2023-12-31", "Nine months")}
