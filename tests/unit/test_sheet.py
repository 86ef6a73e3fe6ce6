"""Sheets: what a mapping may say, which table feeds what, and values in one form.

What belongs here: the connector alone, and the loader's regime for it. What does not: rules of the suite (the flow test
compares them with what the sample plants) and models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
import yaml

from expectations.suites import load_suite
from orchestration.project import DBT_PROJECT, ROOT
from orchestration.scaffold import sheet_codes
from sources.connector import Batch, Reject, connectors
from sources.delivery import open_delivery
from sources.errors import RefusedError
from sources.identifiers import nhs_number_status
from sources.management._entities import Kind, entities
from sources.management._mapping import TableMapping, entity_called
from sources.management._values import code_text, day_text, looks_like_a_name, month_text, normaliser, number_text
from sources.management.template import write_template
from sources.spec import MASK, Regime, Role
from sources.xlsx_reader import open_workbook

SHEET = connectors()["sheet"]
SUITES, SEEDS = ROOT / "expectations" / "suites", DBT_PROJECT / "seeds"
STAFFING = "team_code,role_code,month_end_on,fte_in_post"


def read(path: Path, mapping: dict[str, Any] | None = None) -> tuple[dict[str, list[dict[str, Any]]], list[Reject]]:
    """Rows by entity, without what is empty, and rejects."""
    assert SHEET.check_mapping(mapping or {}) == []
    rows: dict[str, list[dict[str, Any]]] = {}
    rejects: list[Reject] = []
    with open_delivery(path) as delivery:
        facts = SHEET.inspect(delivery, mapping or {})
        for item in SHEET.read(delivery, facts, mapping or {}):
            if isinstance(item, Batch):
                listed = item.rows.to_pylist()
                rows.setdefault(item.table, []).extend({k: v for k, v in r.items() if v or v == 0} for r in listed)
            else:
                rejects.append(item)
    return rows, rejects


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_book(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    book = xlsxwriter.Workbook(path)
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)
    book.close()
    return path


# --- what feeds what -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("staffing.csv", "staffing"),
        ("Goal review", "goal_review"),
        ("improvement-cycle_2025-10-01.xlsx", "improvement_cycle"),
        ("Staffing (draft)", None),
        ("budget", None),
    ],
)
def test_a_table_is_known_by_the_name_of_its_entity(name: str, entity: str | None) -> None:
    assert entity_called(name) == entity


def test_a_file_that_follows_the_template_needs_no_mapping(tmp_path: Path) -> None:
    rows, rejects = read(write(tmp_path / "staffing.csv", f"{STAFFING}\nNorth,worker,2025-03-31,4.5\n"))
    assert rejects == []
    assert rows == {
        "staffing": [
            {"team_code": "North", "role_code": "worker", "month_end_on": "2025-03-31", "fte_in_post": "4.5",
             "_file": "staffing.csv", "_row_number": 1, "_line": 2},
        ],
    }  # fmt: skip


def test_a_mapping_names_the_entity_headers_codes_and_forms(tmp_path: Path) -> None:
    path = write(tmp_path / "report.csv", "Team;Post;Month;FTE;Remark\nNorth;Case worker;09/2025;1.234,5;ok\n")
    mapping = {
        "entity": "staffing",
        "columns": {"Team": "team_code", "Post": "role_code", "Month": "month_end_on", "FTE": "fte_in_post"},
        "codes": {"role_code": {"Case worker": "case_worker"}},
        "constants": {"scheme_code": "harbour_hmis"},
        "delimiter": ";",
        "decimal": ",",
    }
    (row,) = read(path, mapping)[0]["staffing"]
    assert (row["role_code"], row["month_end_on"], row["fte_in_post"], row["scheme_code"]) == (
        "case_worker", "2025-09-30", "1234.5", "harbour_hmis",
    )  # fmt: skip
    assert row["_extra"] == [("Remark", "ok")]


def test_sheets_of_a_workbook_feed_several_entities_and_titles_may_stand_above(tmp_path: Path) -> None:
    path = write_book(
        tmp_path / "book.xlsx",
        {
            "Staffing": [["Harbour"], [], STAFFING.split(","), ["North", "worker", "2025-03", 2]],
            "Money": [["Centre", "Month", "Spent"], ["CC1", "Mar 2025", 100.25]],
            "Notes": [["nothing to read"]],
        },
    )
    money = {"Centre": "cost_centre_code", "Month": "month_start_on", "Spent": "actual_amount"}
    mapping = {
        "tables": {
            "money": {"entity": "finance", "columns": money, "constants": {"currency_code": "GBP"}},
            "staff*": {"entity": "staffing"},
        }
    }
    rows, _ = read(path, mapping)
    (staff,) = rows["staffing"]
    assert (staff["_file"], staff["_line"], staff["month_end_on"]) == ("book.xlsx#Staffing", 4, "2025-03-31")
    (spent,) = rows["finance"]
    assert (spent["month_start_on"], spent["actual_amount"], spent["currency_code"]) == ("2025-03-01", "100.25", "GBP")
    with open_delivery(path) as delivery:
        assert SHEET.inspect(delivery, mapping).details["not_read"] == "book.xlsx#Notes"


def test_empty_rows_are_left_out_and_lines_stay_true(tmp_path: Path) -> None:
    rows, _ = read(write(tmp_path / "staffing.csv", f"{STAFFING}\n,,,\nNorth,worker,2025-03-31,4\n"))
    assert [(r["_row_number"], r["_line"]) for r in rows["staffing"]] == [(2, 3)]


@pytest.mark.parametrize(
    ("text", "mapping", "rule"),
    [
        ("a,b\n1,2\n", {}, "missing_sheet"),
        ("team_code,role_code,month_end_on\nN,w,2025-03-31\n", {"entity": "staffing"}, "missing_column"),
        ("Team,role_code,month_end_on,fte_in_post\n", {"entity": "staffing", "columns": {"Crew": "team_code"}},
         "missing_column"),
        ("team_code,Team_Code,role_code,month_end_on,fte_in_post\n", {"entity": "staffing"}, "duplicate_column"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_refused(tmp_path: Path, text: str, mapping: dict[str, Any], rule: str) -> None:
    path = write(tmp_path / "report.csv", text)
    with pytest.raises(RefusedError) as refused:
        read(path, mapping)
    assert refused.value.rule == rule
    assert refused.value.fix


def test_a_delivery_replaces_everything_only_where_the_mapping_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "staffing_2025-10-01.csv", f"{STAFFING}\nN,w,2025-03-31,1\n")
    with open_delivery(path) as delivery:
        usual, complete = SHEET.inspect(delivery, {}), SHEET.inspect(delivery, {"complete": True})
    assert (usual.regime, usual.stated_at) == (Regime.DELTA, "2025-10-01 00:00:00")
    assert complete.regime is Regime.FULL
    assert set(complete.absent_tables) == set(entities()) - {"staffing"}


def test_a_month_is_replaced_as_a_whole_and_a_goal_by_its_code() -> None:
    tables = SHEET.tables
    assert tables["staffing"].group == ("organisation_code", "month_end_on")
    assert not tables["staffing"].key_is_unique
    assert tables["goal"].group == tables["goal"].key == ("goal_code",)
    assert tables["goal_review"].parents == ((("goal_code",), "goal"),)


# --- what people are called never gets past the vault ----------------------------------------------------------------


def test_free_text_is_for_the_vault() -> None:
    """Pitfall 25: wishes, notes, hypotheses and what is to be done are free text in every entity."""
    free = {(e.name, c.name) for e in entities().values() for c in e.table.columns if c.role is Role.FREE_TEXT}
    assert free == {
        ("supervision", "note"), ("culture", "comment"), ("review", "note"), ("appointment", "note"),
        ("goal", "statement"), ("goal_review", "note"), ("objective", "private_label"), ("action", "title"),
        ("improvement_cycle", "hypothesis"),
    }  # fmt: skip


def test_a_row_that_names_somebody_where_a_code_should_be_is_rejected(tmp_path: Path) -> None:
    text = "staff_code,team_code,month_end_on,session_count\nS1,North,2025-03,1\nAnna Berg,North,2025-03,1\n"
    rows, (reject,) = read(write(tmp_path / "supervision.csv", text))
    assert [r["staff_code"] for r in rows["supervision"]] == ["S1"]
    assert (reject.rule, reject.column, reject.line, reject.row_number) == ("identifying_code", "staff_code", 3, 2)
    assert b"Anna Berg" in reject.raw and "Anna" not in reject.message


@pytest.mark.parametrize("given", ["943 476 5919", "401-023-2137", "123-45-6788"])
def test_a_row_that_gives_a_national_id_where_a_code_should_be_is_rejected(tmp_path: Path, given: str) -> None:
    header = "appointment_code,person_code,appointed_on,attendance_code"
    text = f"{header}\nB1,P1,2025-03-01,attended\nB2,{given},2025-03-01,attended\nB3,943-476-5918,2025-03-01,booked\n"
    rows, (reject,) = read(write(tmp_path / "appointment.csv", text))
    assert [r["person_code"] for r in rows["appointment"]] == ["P1", "943-476-5918"], "a wrong check digit is no id"
    assert (reject.rule, reject.column, reject.line) == ("identifying_code", "person_code", 3)
    assert "national id" in reject.message and given not in reject.message


def test_a_column_of_nhs_numbers_is_rejected_however_they_are_written(tmp_path: Path) -> None:
    """Ten digits may be anybody's code; when all of them pass the check digit, they are not."""
    made = [n for n in (f"{k:010d}" for k in range(4_000_000_000, 4_000_000_400)) if nhs_number_status(n)[1] == "valid"]
    header = "appointment_code,person_code,appointed_on,attendance_code\n"
    ids = "".join(f"B{n},{number},2025-03-01,attended\n" for n, number in enumerate(made[:6]))
    rows, rejects = read(write(tmp_path / "appointment.csv", header + ids))
    assert rows == {} and len(rejects) == 6
    rows, rejects = read(write(tmp_path / "appointment.csv", f"{header}{ids}B9,4000000001,2025-03-01,attended\n"))
    assert nhs_number_status("4000000001")[1] != "valid"
    assert rejects == [] and len(rows["appointment"]) == 7


def test_columns_beyond_the_entity_are_masked_where_they_may_name_somebody(tmp_path: Path) -> None:
    text = "staff_code,team_code,month_end_on,session_count,Name,Mood,Room,Left\nS1,N,2025-03,1,Anna,happy,12,yes\n"
    (row,) = read(write(tmp_path / "supervision.csv", text))[0]["supervision"]
    assert dict(row["_extra"]) == {"Name": MASK, "Mood": MASK, "Room": "12", "Left": "yes"}
    text = f"{STAFFING},Contact phone,Site\nN,w,2025-03,1,0123,East\n"
    (row,) = read(write(tmp_path / "staffing.csv", text))[0]["staffing"]
    assert dict(row["_extra"]) == {"Contact phone": MASK, "Site": "East"}


def test_the_objective_of_a_single_person_has_no_readable_name(tmp_path: Path) -> None:
    text = (
        "objective_code,parent_objective_code,objective_type_code,label\nM,,mission,Homes\nI,M,Individual,Be on time\n"
    )
    mission, own = read(write(tmp_path / "objective.csv", text))[0]["objective"]
    assert mission["label"] == "Homes" and "private_label" not in mission
    assert own["private_label"] == "Be on time" and "label" not in own


@pytest.mark.parametrize("text", ["Anna Berg", "Berg, Anna", "anna@example.org", "Anna Maria Berg"])
def test_names_and_addresses_look_like_names(text: str) -> None:
    assert looks_like_a_name(text)


@pytest.mark.parametrize("text", ["S1", "HB100001", "2025-spring-01", "A 12", "panel", "P 17 b"])
def test_codes_do_not_look_like_names(text: str) -> None:
    assert not looks_like_a_name(text)


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("2025-3-4", None, "2025-03-04"),
        ("2025-03-04 00:00:00", None, "2025-03-04"),
        ("03/04/2025", "day_first", "2025-04-03"),
        ("03/04/2025", "month_first", "2025-03-04"),
        ("03/04/2025", None, "03/04/2025"),
        ("4 March 2025", None, "2025-03-04"),
        ("31/02/2025", "day_first", "31/02/2025"),
        ("soon", None, "soon"),
    ],
)
def test_days_are_never_guessed(text: str, order: str | None, day: str) -> None:
    assert day_text(text, order) == day


@pytest.mark.parametrize("text", ["2024-02", "02/2024", "Feb 2024", "February 2024", "2024-02-11", "29 Feb 2024"])
def test_a_month_is_its_first_or_its_last_day(text: str) -> None:
    assert month_text(text, None, is_end=True) == "2024-02-29"
    assert month_text(text, None, is_end=False) == "2024-02-01"


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1,250.50", ".", "1250.50"),
        ("1.250,50", ",", "1250.50"),
        ("-3", ".", "-3"),
        ("12 000", ".", "12000"),
        ("1,25", ".", "1,25"),
        ("£12", ".", "£12"),
    ],
)
def test_numbers_lose_their_grouping_and_nothing_else(text: str, decimal: str, number: str) -> None:
    assert number_text(text, decimal) == number


def test_codes_are_mapped_whatever_their_case_and_else_brought_into_form() -> None:
    normalise = normaliser(Kind.CODE, TableMapping(codes={"status_code": {"given up": "withdrawn"}}), "status_code")
    assert [normalise(text) for text in ("Given Up", "Partly met", " ")] == ["withdrawn", "partly_met", None]
    assert code_text("Not-met") == "not_met"


# --- mappings that are wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"entity": "stafing"}, "did you mean 'staffing'"),
        ({"entity": "staffing", "columns": {"Team": "team"}}, "did you mean 'team_code'"),
        ({"entity": "staffing", "columns": {"A": "team_code", "B": "team_code"}}, "a column has one source"),
        ({"entity": "staffing", "dates": "european"}, "'dates' must be one of"),
        ({"tables": {"a": {"columns": {}}}}, "say which of these it feeds"),
        ({"tables": {"a": {"entity": "goal", "colums": {}}}}, "unknown key 'colums'"),
        ({"entity": "goal", "constants": {"person_code": "P1"}}, "tells records apart"),
        ({"complete": "yes"}, "'complete' must be true or false"),
        ({"entity": "goal", "codes": {"status_code": "met"}}, "block of values as written"),
    ],
)
def test_a_wrong_mapping_is_told_with_its_mend(mapping: dict[str, Any], said: str) -> None:
    problems = SHEET.check_mapping(mapping)
    assert len(problems) == 1
    assert said in problems[0]


# --- the template ----------------------------------------------------------------------------------------------------


def test_the_template_is_read_without_a_mapping_once_it_is_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "sheets.xlsx"
    write_template(path, sheet_codes())
    book = open_workbook(path.read_bytes(), "sheets.xlsx")
    headers = {entity_called(name): next(book.rows(name))[1] for name in book.sheet_names if name != "#codes"}
    assert headers == {name: list(entity.kinds) for name, entity in entities().items()}
    assert read(path) == ({}, [])
    filled = {"Staffing": [headers["staffing"], [None, None, "HB1", "North", "worker", "2025-03-31", 4, 3.5]]}
    (row,) = read(write_book(tmp_path / "filled.xlsx", filled))[0]["staffing"]
    assert (row["service_code"], row["fte_established"], row["fte_in_post"]) == ("HB1", "4", "3.5")
    with pytest.raises(FileExistsError):
        write_template(path, {})


def test_every_code_column_has_its_list_in_the_suite() -> None:
    """A column of codes without a check would take any word for a code."""
    suite = load_suite("sheet", SHEET.tables, SUITES, SEEDS)
    checked = {(check.table, check.column) for check in suite.checks if check.rule.rule == "invalid_code"}
    assert checked == {(e.name, c) for e in entities().values() for c, kind in e.kinds.items() if kind is Kind.CODE}


# --- what is published of it -----------------------------------------------------------------------------------------


def test_pitfall_28_nobody_of_the_staff_is_published_or_ranked() -> None:
    """Members of staff are told apart in the facts; no published table and no level of a KPI knows them."""
    published = yaml.safe_load((DBT_PROJECT / "models/publish/_publish.yml").read_text(encoding="utf-8"))["models"]
    columns = {column["name"] for model in published for column in model["columns"]}
    assert not {name for name in columns if "staff" in name or "respondent" in name}
    files = [
        yaml.safe_load(p.read_text(encoding="utf-8")) for p in (DBT_PROJECT / "models/kpi/catalogue").glob("*.yml")
    ]
    facts = [fact for file in files for fact in file.get("semantic_models", ())]
    assert any(fact["model"] == "ref('fct_supervision')" for fact in facts)
    levels = {e.get("expr", e["name"]) for fact in facts for e in fact.get("entities", ())}
    slices = {d.get("expr", d["name"]) for fact in facts for d in fact.get("dimensions", ())}
    assert not {"staff_key", "respondent_key"} & (levels | slices)
