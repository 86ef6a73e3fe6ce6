"""Suites as data: what is wrong with a suite file is said with file, rule and key; the shipped ones are sound."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from expectations.results import REFERENCE_DIR, SUITES_DIR
from expectations.suites import DELIVERY, Check, SuiteError, code_lists_of, load_suite
from sources.connector import connectors
from sources.spec import Column, Table

TABLES = {"thing": Table("thing", (Column("id"), Column("kind"), Column("on")), key=("id",))}
RULE: dict[str, Any] = {
    "rule": "missing_required_value",
    "targets": {"thing": ["kind"]},
    "holds": "{column} IS NOT NULL",
    "severity": "record",
    "dimension": "completeness",
    "message": "{column} is empty.",
    "why": "It is needed for counting.",
    "fix": "Fill in {column} and send again.",
}


def load(folder: Path, *rules: dict[str, Any], **more: Any) -> tuple[Check, ...]:
    (folder / "toy.yml").write_text(yaml.safe_dump({"kind": "toy", "rules": list(rules), **more}))
    return load_suite("toy", TABLES, folder, folder).checks


def test_a_rule_becomes_one_check_for_each_column(tmp_path: Path) -> None:
    checks = load(tmp_path, RULE | {"targets": {"thing": ["kind", "on"]}})
    assert [(c.check_id, c.holds) for c in checks] == [
        ("toy.thing.kind.missing_required_value", '"kind" IS NOT NULL'),
        ("toy.thing.on.missing_required_value", '"on" IS NOT NULL'),
    ]
    assert checks[0].sentence(checks[0].rule.message) == "kind is empty."


def test_star_and_key_follow_the_connectors_spec(tmp_path: Path) -> None:
    checks = load(tmp_path, RULE | {"targets": {"*": ["$key"]}})
    assert [c.check_id for c in checks] == ["toy.thing.id.missing_required_value"]


def test_a_rule_about_the_record_is_shown_by_its_key(tmp_path: Path) -> None:
    (check,) = load(tmp_path, RULE | {"targets": {"thing": ["$record"]}, "holds": "true"})
    assert (check.check_id, check.column) == ("toy.thing.missing_required_value", "id")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"severity": "fatal"}, r"toy\.yml: rule missing_required_value: severity: .*'submission', 'record'"),
        ({"holds": None}, r"toy\.yml: rule missing_required_value: a `rows` rule has either `holds` or `code_list`"),
        ({"colour": "red"}, r"toy\.yml: rule missing_required_value: colour: Extra inputs"),
        ({"message": None}, r"toy\.yml: rule missing_required_value: message: Input should be a valid string"),
        ({"then": "refuse"}, r"`then` belongs to severity `submission`"),
        ({"severity": "submission"}, r"`then` belongs to severity `submission`"),
        ({"targets": {"thong": []}}, r"targets: there is no table 'thong'; known: thing"),
        ({"targets": {"thing": ["size"]}}, r"targets: table 'thing' has no column 'size'"),
        ({"relation": "thing_with_more"}, r"relation: there is no relation 'thing_with_more'"),
        ({"holds": None, "code_list": {"seed": "ref_toy", "code": "code"}}, r"there is no seed ref_toy\.csv"),
        (
            {"expectation": "expect_table_row_count_to_be_between", "holds": None},
            r"severity `record` needs `holds`",
        ),
        ({"rule": "Missing Value"}, r"toy\.yml: rule Missing Value: rule: String should match pattern"),
    ],
)
def test_errors_name_file_rule_and_key(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    with pytest.raises(SuiteError) as error:
        load(tmp_path, RULE | change)
    assert re.search(expected, str(error.value)), str(error.value)


def test_two_rules_may_not_claim_one_check(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"toy\.thing\.kind\.missing_required_value is claimed twice"):
        load(tmp_path, RULE, RULE)


def test_every_problem_of_a_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as error:
        load(tmp_path, RULE | {"dimension": "beauty"}, RULE | {"fix": "x"})
    assert len(error.value.problems) == 2


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "toy.yml").write_text("kind: toy\nrules: [\n")
    with pytest.raises(SuiteError, match=r"toy\.yml:3: not valid YAML"):
        load_suite("toy", TABLES, tmp_path, tmp_path)


def test_codes_depend_on_the_format(tmp_path: Path) -> None:
    (tmp_path / "ref_toy.csv").write_text("format_version,code,list\nA,1,x\nB,2,x\nB,9,y\n")
    listed = {"seed": "ref_toy", "code": "code", "where": {"list": "x"}}
    (check,) = load(tmp_path, RULE | {"holds": None, "code_list": listed})
    assert check.holds is not None
    assert "WHEN 'A' THEN trim(\"kind\", ' \t') IN ('1')" in check.holds
    assert "WHEN 'B' THEN trim(\"kind\", ' \t') IN ('2')" in check.holds
    assert "ELSE trim(\"kind\", ' \t') IN ('1', '2')" in check.holds


# The suites that ship ------------------------------------------------------------------------------------------------

LANDING_RULES = {
    "hmis_csv": {
        "missing_required_value", "invalid_date", "exit_before_entry", "invalid_code", "duplicate_key",
        "wrong_field_count", "bad_quoting", "date_in_future", "invalid_national_id", "missing_file",
        "unreadable_archive", "row_count_change", "error_share",
    },
    "threesixtygiving": {"duplicate_key", "missing_required_value", "invalid_date", "negative_amount"},
    "odk": {"out_of_range_answer", "total_mismatch", "row_count_change"},
    "redcap": {"out_of_range_answer", "total_mismatch", "row_count_change"},
    "indicator_table": {"not_a_number", "conflicting_figures", "unmapped_measure"},
    "sheet": {
        "missing_required_value", "duplicate_key", "invalid_date", "invalid_number", "negative_amount", "out_of_range",
        "invalid_currency", "invalid_flag", "invalid_code", "absent_exceeds_post", "end_before_start",
        "retrospective_target", "invalid_weight",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(connectors()))
def test_every_kind_has_a_sound_suite(kind: str) -> None:
    checks = load_suite(kind, connectors()[kind].tables, SUITES_DIR, REFERENCE_DIR).checks
    assert LANDING_RULES[kind] <= {check.rule.rule for check in checks}
    for table in (DELIVERY, "_reject"):
        assert any(check.table == table for check in checks)


def test_the_warehouse_suite_finds_what_landing_cannot() -> None:
    checks = load_suite("warehouse", None, SUITES_DIR, REFERENCE_DIR).checks
    assert {check.rule.rule for check in checks} == {
        "orphan_record", "held_with_parent", "exit_before_entry", "unattached_response", "contradictory_figure",
        "supplied_score_mismatch", "unknown_organisation", "unknown_service", "unknown_person", "unknown_kpi",
        "unknown_entity", "objective_circle", "unknown_parent", "one_mission", "leaf_without_kpi", "unknown_objective",
        "share_sum", "weight_sum", "unknown_outcome", "link_direction", "unknown_form",
    }  # fmt: skip


def test_what_keeps_a_release_back_is_severe() -> None:
    checks = load_suite("publish", None, SUITES_DIR, REFERENCE_DIR).checks
    rules = {check.rule.rule: str(check.rule.severity) for check in checks}
    assert {"small_number", "rows_present", "unique_figure", "identifying_column", "complete_period"} <= set(rules)
    assert {rule for rule, severity in rules.items() if severity != "error"} == {
        "provider_without_episodes", "category_without_kpi", "programme_without_measure", "target_without_balance",
        "kpi_without_objective",
    }  # fmt: skip


def test_suites_and_staging_map_a_column_by_the_same_code_list() -> None:
    """`hmis_code_join('list', 'Column')` in staging and `code_list` in the suite must not drift apart."""
    staging = REFERENCE_DIR.parent / "models" / "staging" / "hmis_csv"
    joined = {
        (path.stem.removeprefix("stg_hmis_csv__"), column): name
        for path in staging.glob("stg_*.sql")
        for name, column in re.findall(r"hmis_code_join\('(\w+)', '(\w+)'\)", path.read_text())
    }
    assert len(joined) > 10
    listed = code_lists_of(load_suite("hmis_csv", connectors()["hmis_csv"].tables, SUITES_DIR, REFERENCE_DIR))
    for (table, column), code_list in listed.items():
        if code_list.seed == "ref_hmis_code" and (table, column) in joined:
            assert code_list.where == {"list_code": joined[table, column]}, (table, column)
    assert {place for place, code_list in listed.items() if code_list.seed == "ref_hmis_code"} >= {
        ("client", "VeteranStatus"),
        ("enrollment", "RelationshipToHoH"),
        ("services", "RecordType"),
    }
