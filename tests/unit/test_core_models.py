"""What the core models state twice, held against each other: lists in macros, seeds, specifications, restrictions."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path

import jinja2
import yaml

from orchestration.project import DBT_PROJECT
from sources.connector import connectors

MODELS = DBT_PROJECT / "models"
MACROS = DBT_PROJECT / "macros"


def _given(macro: str, *files: Path) -> str:
    """What a macro of these files renders to, or what it hands back."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    environment = jinja2.Environment(autoescape=False)  # noqa: S701  no HTML
    environment.globals["return"] = repr
    return environment.from_string(text + "{{ " + macro + "() }}").render().strip()


def _read(pattern: str) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(MODELS.glob(pattern))}


def test_every_raw_table_about_a_person_that_staging_reads_can_make_a_person_dirty() -> None:
    declared = yaml.safe_load((MODELS / "staging" / "hmis_csv" / "_hmis_csv.yml").read_text(encoding="utf-8"))
    read = {
        table["name"].removeprefix("hmis_csv__")
        for source in declared["sources"]
        for table in source["tables"]
        if table["name"].startswith("hmis_csv__")
    }
    tables = connectors()["hmis_csv"].tables
    about_persons = {name for name in read if name in tables and "PersonalID" in tables[name].column_names}
    assert about_persons == set(_given("hmis_person_tables", MACROS / "core" / "changed_persons.sql").split())


def test_data_quality_elements_are_those_of_the_seed() -> None:
    with (DBT_PROJECT / "seeds" / "ref_dq_element.csv").open(encoding="utf-8") as file:
        seed = {row["element_code"]: row["kind_code"] for row in csv.DictReader(file)}
    kinds = {"value": "completeness", "recorded": "timeliness", "resolves": "identity", "passes": "consistency"}
    elements = ast.literal_eval(_given("dq_elements", MACROS / "core" / "data_quality.sql"))
    made = {e["code"]: next(kind for key, kind in kinds.items() if key in e) for e in elements}
    assert made == seed


def test_what_a_measure_turns_on_names_measures_and_elements_that_there_are() -> None:
    seeds = DBT_PROJECT / "seeds"
    with (seeds / "ref_dq_element.csv").open(encoding="utf-8") as file:
        elements = {row["element_code"] for row in csv.DictReader(file)}
    facts = yaml.safe_load((MODELS / "kpi" / "catalogue" / "facts.yml").read_text(encoding="utf-8"))
    measures = {measure["name"] for model in facts["semantic_models"] for measure in model["measures"]}
    with (seeds / "ref_dq_element_use.csv").open(encoding="utf-8") as file:
        uses = list(csv.DictReader(file))
    assert {use["element_code"] for use in uses} <= elements
    assert {use["measure_name"] for use in uses} <= measures
    assert len({(use["measure_name"], use["element_code"]) for use in uses}) == len(uses)


def test_single_answers_never_leave_core() -> None:
    """Safeguarding items are among them: what is published, benchmarked or counted reads scores, not answers."""
    for layer in ("kpi", "benchmark", "publish"):
        for name, sql in _read(f"{layer}/**/*.sql").items():
            assert "fct_assessment_item" not in sql, f"{name} reads single answers"


def test_facts_of_persons_are_made_again_for_dirty_persons_only() -> None:
    """An incremental model deletes and selects by dirty persons; one without the other would lose or double rows."""
    incremental = {name: sql for name, sql in _read("core/**/*.sql").items() if "materialized='incremental'" in sql}
    assert incremental
    for name, sql in incremental.items():
        if name == "dirty_person":
            continue
        assert "delete_dirty(this)" in sql, f"{name} keeps what it makes again"
        assert re.search(r"dirty_only\(", sql), f"{name} makes everything again"


def test_core_depends_neither_on_the_as_of_date_nor_on_the_clock() -> None:
    for name, sql in _read("core/**/*.sql").items():
        assert "as_of" not in sql, name
        assert not re.search(r"\bnow\(|current_date|current_timestamp", sql, re.IGNORECASE), name
