"""The KPI catalogue: it is complete, models read what they declare, and wrong definitions are refused with the mend."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from rich.console import Console

from orchestration import definition_ledger, transform
from orchestration.kpi import UnknownKpiError, show_list, show_one
from orchestration.kpi_definitions import (
    LEDGER,
    LEDGER_COLUMNS,
    RECORD_WITH,
    broken_sentence,
    digests,
    problems,
    with_places,
)
from orchestration.kpi_member import LEVEL_COLUMNS, person_column
from orchestration.project import DBT_PROJECT

Graph = dict[str, Any]
Defect = Callable[[Graph], Any]
Catalogue = Callable[[Defect], list[dict[str, Any]]]

REQUIRED = {
    *("AC-01", "AC-02", "AC-03.median", "AC-03.42", "AC-03.126", "AC-04", "AC-04.126", "AC-05"),
    *("AC-06.mean", "AC-06.median", "AC-06.p90", "AV-01", "AV-02", "AV-03", "AV-04", "AV-05"),
    *(
        "OC-01",
        "OC-02",
        "OC-02.up",
        "OC-02.down",
        "OC-03",
        "OC-04",
        "OC-05",
        "OC-06",
        "OC-07",
        "OC-07.d",
        "OC-08",
        "OC-09",
        "OC-10",
        "OC-11",
    ),
    *(
        "OC-12",
        "OC-13.180",
        "OC-13.365",
        "OC-13.366-730",
        "OC-13.730",
        "OC-14.mean",
        "OC-14.median",
        "OC-15",
        "OC-16",
        "OC-17",
        "OC-19",
        "OC-23",
    ),
    *("EF-01", "EF-02.housed", "EF-03", "EF-04", "EX-01", "EX-02", "EX-03", "EX-03.response"),
    *("EX-03.weighted", "EX-03.invited"),
    *("WF-01", "WF-01.vacancy", "WF-02", "WF-03", "WF-04", "CU-01", "CU-02", "PI-01", "PI-02"),
    *(
        "EQ-01",
        "EQ-02",
        "FN-01",
        "FN-02",
        "FN-03",
        "FN-04",
        "FN-05",
        "FN-06",
        "DQ-01",
        "DQ-02",
        "DQ-03",
        "DQ-04",
        "DQ-05",
        "DQ-06",
        "DQ-07",
        "DQ-08",
        "DQ-09",
    ),
}
CATALOGUE_READERS = {
    "kpi_key": "is_any",
    "kpi_atom": "is_row_based",
    "kpi_rollup": "is_rolled",
    "kpi_person_count": "is_distinct",
    "kpi_quantile": "is_quantile",
    "kpi_stratified": "is_stratified",
    "fct_kpi_member": "is_any",
    "fct_kpi_second_member": "is_second_order",
}
"""Models whose facts follow from the catalogue → which of its measures they read."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The parsed project, with an adapter that can run its macros."""
    from dbt.adapters.factory import reset_adapters
    from dbt.cli.main import dbtRunner

    region = transform.no_region(tmp_path_factory.mktemp("catalogue"))
    transform.prepare(region)
    target = str(transform.target_dir(region))
    places = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT), "--target-path", target]
    outcome = dbtRunner().invoke(["parse", *places, "--log-path", target, "--log-level", "none"])
    assert outcome.success, outcome.exception
    parsed: Any = outcome.result
    parsed.build_flat_graph()
    yield parsed
    reset_adapters()


@pytest.fixture
def catalogue(manifest: Any) -> Iterator[Catalogue]:
    """Gives the catalogue of a graph with a defect. Raises what dbt raises when the catalogue is wrong."""
    from dbt.adapters.factory import get_adapter_by_type

    whole = manifest.flat_graph

    def make(defect: Defect) -> list[dict[str, Any]]:
        broken = dict(whole) | {name: deepcopy(whole[name]) for name in ("metrics", "semantic_models")}
        defect(broken)
        manifest.flat_graph = broken
        found: list[dict[str, Any]] = get_adapter_by_type("duckdb").execute_macro(
            "kpi_definitions", macro_resolver=manifest
        )
        return found

    yield make
    manifest.flat_graph = whole


def kpis(manifest: Any) -> dict[str, Any]:
    """KPI metrics by id."""
    return {m.config.meta["kpi_id"]: m for m in manifest.metrics.values() if "kpi_id" in m.config.meta}


def measures_of(manifest: Any, metric: Any) -> list[tuple[Any, Any]]:
    """(semantic model, measure) of a KPI, numerator first; none of one that is computed from other KPIs."""
    if metric.type.value == "derived":
        return []
    by_measure = {m.name: (s, m) for s in manifest.semantic_models.values() for m in s.measures}
    by_metric = {m.name: m for m in manifest.metrics.values()}
    parts = metric.type_params.numerator, metric.type_params.denominator
    names = [by_metric[p.name].type_params.measure.name for p in parts if p] or [metric.type_params.measure.name]
    return [by_measure[name] for name in names]


def test_members_are_found_at_the_levels_that_the_catalogue_has(manifest: Any) -> None:
    from dbt.adapters.factory import get_adapter_by_type

    run = get_adapter_by_type("duckdb").execute_macro
    levels = run("kpi_levels", macro_resolver=manifest)
    assert list(LEVEL_COLUMNS) == list(levels)
    for level, facts in levels.items():
        assert person_column(level) == f"{facts['person']}_key"
        if level != "region":
            column = run("kpi_member_level", macro_resolver=manifest, kwargs={"level": level})
            assert LEVEL_COLUMNS[level] == column


def test_the_required_kpis_are_there(manifest: Any) -> None:
    assert set(kpis(manifest)) >= REQUIRED


def test_the_catalogue_is_sorted_and_whole(catalogue: Catalogue, manifest: Any) -> None:
    found = [(kpi["kpi_id"], kpi["version"]) for kpi in catalogue(lambda _: None)]
    assert found == sorted(found)
    assert {kpi_id for kpi_id, _ in found} == set(kpis(manifest))


def test_metric_filters_are_not_used(manifest: Any) -> None:
    assert not [m.name for m in manifest.metrics.values() if m.filter is not None]


def _reads(kind: str, semantic_model: Any, measure: Any) -> bool:
    additive = measure.agg.value in ("sum", "sum_boolean", "count")
    rolled = semantic_model.config.meta.get("grain") == "rolled"
    second = semantic_model.config.meta.get("order") == "second"
    if second or kind == "is_second_order":
        return bool(second and kind == "is_second_order")
    return {
        "is_row_based": additive and not rolled,
        "is_rolled": additive and rolled,
        "is_distinct": measure.agg.value == "count_distinct",
        "is_quantile": measure.agg.value in ("median", "percentile"),
        "is_stratified": any(dimension.name == "stratum" for dimension in semantic_model.dimensions),
        "is_any": True,
    }[kind]


@pytest.mark.parametrize(("model", "kind"), CATALOGUE_READERS.items())
def test_models_declare_the_facts_that_their_kpis_use(manifest: Any, model: str, kind: str) -> None:
    node = next(n for n in manifest.nodes.values() if n.name == model and n.resource_type == "model")
    facts = {s.depends_on.nodes[0] for s in manifest.semantic_models.values()}
    declared = {manifest.nodes[d].name for d in node.depends_on.nodes if d in facts}
    used = {
        manifest.nodes[s.depends_on.nodes[0]].name
        for metric in kpis(manifest).values()
        for s, measure in measures_of(manifest, metric)
        if _reads(kind, s, measure)
    }
    assert declared == used, f"compare the -- depends_on lines of {model} with the catalogue"


def test_a_board_sees_every_area_and_reads_no_kpi_alone(manifest: Any) -> None:
    """R44: a headline KPI in each area that the catalogue has KPIs of; R18: each with one to read beside it."""
    metas = [metric.config.meta for metric in kpis(manifest).values()]
    headline = [meta for meta in metas if meta["headline"]]
    assert {meta["category"] for meta in headline} == {meta["category"] for meta in metas}
    assert all(meta["balancing_kpi"] and meta["balancing_kpi"] != meta["kpi_id"] for meta in headline)


def test_slices_are_of_organisations_and_above_and_of_quarters_and_longer(manifest: Any) -> None:
    for kpi_id, metric in kpis(manifest).items():
        assert set(metric.config.meta.get("slice_periods", [])) <= {"quarter", "financial_year"}, kpi_id


def test_every_kpi_says_what_it_asks_and_who_answers(manifest: Any) -> None:
    for kpi_id, metric in kpis(manifest).items():
        meta = metric.config.meta
        assert metric.description and meta["question"].endswith("?") and meta["decision"] and meta["owner"], kpi_id


def test_every_column_of_the_published_layer_is_described(manifest: Any) -> None:
    published = [n for n in manifest.nodes.values() if n.resource_type == "model" and n.schema == "pub"]
    assert len(published) >= 7
    for node in published:
        assert node.contract.enforced and node.description and node.config.meta.get("grain"), node.name
        assert not [c.name for c in node.columns.values() if not c.description], node.name


def test_descriptions_of_one_column_agree_in_name_and_type(manifest: Any) -> None:
    types: dict[str, set[str]] = {}
    for node in manifest.nodes.values():
        if node.resource_type == "model" and node.schema in ("kpi", "benchmark"):
            for column in node.columns.values():
                if column.data_type:
                    types.setdefault(column.name, set()).add(column.data_type)
    allowed = {"numerator", "denominator"}  # in kpi_definition they are texts
    assert not {name: found for name, found in types.items() if len(found) > 1 and name not in allowed}


def _metric(graph: Graph, kpi_id: str) -> Any:
    return next(m for m in graph["metrics"].values() if m["config"]["meta"].get("kpi_id") == kpi_id)


def _meta(kpi_id: str, **changes: Any) -> Defect:
    return lambda graph: _metric(graph, kpi_id)["config"]["meta"].update(changes)


def _without(kpi_id: str, field: str) -> Defect:
    return lambda graph: _metric(graph, kpi_id)["config"]["meta"].pop(field)


def _measure(name: str, **changes: Any) -> Defect:
    def defect(graph: Graph) -> None:
        for semantic_model in graph["semantic_models"].values():
            for measure in semantic_model["measures"]:
                if measure["name"] == name:
                    measure.update(changes)

    return defect


def _without_dimension(name: str) -> Defect:
    def defect(graph: Graph) -> None:
        for semantic_model in graph["semantic_models"].values():
            semantic_model["dimensions"] = [d for d in semantic_model["dimensions"] if d["name"] != name]

    return defect


def _second_version(**changes: Any) -> Defect:
    def defect(graph: Graph) -> None:
        second = deepcopy(_metric(graph, "OC-05"))
        second["name"] = "oc_05_v2"
        second["config"]["meta"].update(changes)
        graph["metrics"]["metric.trigpoint.oc_05_v2"] = second

    return defect


DEFECTS = {
    "missing_direction": (_without("OC-05", "direction"), r"oc_05'.*outcomes\.yml.*direction is missing.*1, -1, 0"),
    "wrong_direction": (_meta("OC-05", direction=2), r"oc_05'.*direction is '2'. Use one of 1, -1, 0"),
    "unknown_column": (
        _measure("recovered_courses", expr="is_recoverd"),
        r"oc_05'.*recovered_courses' reads column 'is_recoverd', which mart_episode_course does not have. Correct",
    ),
    "unknown_level": (_meta("OC-05", levels=["ward"]), r"oc_05'.*levels names 'ward'. Use region"),
    "level_of_another_fact": (_meta("OC-05", levels=["funder"]), r"oc_05'.*level 'funder' is neither an entity"),
    "unknown_period": (_meta("OC-05", periods=["week"]), r"oc_05'.*periods names 'week'. Use month"),
    "unknown_slice": (_meta("OC-05", slices=["shoe_size"]), r"oc_05'.*slice 'shoe_size' is not a dimension"),
    "unknown_field": (_meta("OC-05", dirction=1), r"oc_05'.*meta.dirction is not a field"),
    "interval_of_another_statistic": (_meta("OC-05", interval_method="t"), r"oc_05'.*'t' does not go with.*wilson"),
    "chart_of_another_statistic": (
        _meta("OC-05", chart="u"),
        r"oc_05'.*chart 'u' is for a rate or ratio, not for a proportion",
    ),
    "second_order_with_a_chart": (
        _meta("PI-01", chart="p"),
        r"pi_01'.*counted from mart_signal_action, which is made of KPIs.*without slices and chart",
    ),
    "chart_of_amounts": (_meta("EF-01", chart="u_prime"), r"ef_01'.*'u_prime' is for counts over.*'cost' is no count"),
    "ratio_without_denominator": (_meta("AV-05", statistic="ratio"), r"av_05'.*needs a metric of type ratio"),
    "unknown_exclusion_column": (
        _meta("OC-05", exclusions=[{"code": "x", "column": "is_x", "when": True, "text": "x"}]),
        r"oc_05'.*exclusion 'x' reads column 'is_x'",
    ),
    "exclusion_without_code": (
        _meta("OC-05", exclusions=[{"column": "is_finished", "when": False, "text": "x"}]),
        r"oc_05'.*exclusion '' has no 'code'",
    ),
    "missing_owner": (_without("OC-05", "owner"), r"oc_05'.*owner is missing"),
    "unknown_category": (_meta("OC-05", category="wellbeing"), r"oc_05'.*category is 'wellbeing'. Use one of access"),
    "headline_read_alone": (_meta("OC-05", balancing_kpi=None), r"oc_05'.*balancing_kpi is empty.*never read alone"),
    "stock_added_up": (_meta("AC-04", additivity="place_and_time"), r"ac_04'.*counts a stock.*Use place"),
    "effect_without_spread": (_without("OC-07.d", "spread_measure"), r"oc_07_d'.*spread_measure must name a measure"),
    "estimate_without_people": (
        _without("EX-03.weighted", "population_measure"),
        r"ex_03_weighted'.*experience\.yml.*population_measure must name a measure of the same fact",
    ),
    "people_of_a_statistic_without_strata": (
        _meta("EX-03", population_measure="stratum_population"),
        r"ex_03'.*population_measure must name .* and stay away for others",
    ),
    "people_of_another_fact": (
        _meta("EX-03.weighted", population_measure="rated_responses"),
        r"ex_03_weighted'.*'rated_responses' is no measure of agg max of mart_weighted_response",
    ),
    "estimate_that_is_broken_down": (
        _meta("EX-03.weighted", additivity="place"),
        r"ex_03_weighted'.*never added up. Use additivity none",
    ),
    "estimate_with_an_interval_of_counts": (
        _meta("EX-03.weighted", interval_method="wilson"),
        r"ex_03_weighted'.*'wilson' does not go with statistic 'stratified'. Use stratified",
    ),
    "estimate_of_a_fact_without_strata": (
        _without_dimension("stratum"),
        r"ex_03_weighted'.*'weighted_response' has no dimension 'stratum'.*Add it there",
    ),
    "unknown_balancing_kpi": (_meta("OC-05", balancing_kpi="OC-99"), r"oc_05'.*'OC-99' is not in the catalogue"),
    "version_twice": (_second_version(), r"oc_05_v2'.*OC-05 version 1 is already metric 'oc_05'.*a new version"),
    "versions_that_overlap": (_second_version(version=2), r"oc_05_v2'.*validity overlaps that of 'oc_05'.*valid_to"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_wrong_definition_is_refused_with_the_mend(catalogue: Catalogue, name: str) -> None:
    defect, expected = DEFECTS[name]
    with pytest.raises(Exception, match="The KPI catalogue is wrong") as refusal:
        catalogue(defect)
    assert re.search(expected, str(refusal.value)), refusal.value


def test_a_version_that_follows_another_is_accepted(catalogue: Catalogue) -> None:
    def follow(graph: Graph) -> None:
        _meta("OC-05", valid_to="2025-03-31")(graph)
        _second_version(version=2, valid_from="2025-04-01", valid_to=None)(graph)

    found = [(kpi["version"], kpi["metric"]) for kpi in catalogue(follow) if kpi["kpi_id"] == "OC-05"]
    assert found == [(1, "oc_05"), (2, "oc_05_v2")]


def test_no_model_per_kpi() -> None:
    """A KPI id never names a file."""
    names = [path.stem for path in (DBT_PROJECT / "models").rglob("*.sql")]
    assert not [name for name in names if re.search(r"(^|_)(ac|av|oc|ex|fn|dq)_\d\d", name)]


def test_problems_are_told_with_file_and_line(catalogue: Catalogue) -> None:
    with pytest.raises(Exception, match="The KPI catalogue is wrong") as refusal:
        catalogue(_meta("OC-01", direction=2))
    (problem,) = problems(str(refusal.value))
    place, text = problem.split(": ", 1)
    file, line = place.split(":")
    named = (DBT_PROJECT.parent / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert named.strip().startswith("direction:")
    assert text == "KPI metric 'oc_01': meta.direction is '2'. Use one of 1, -1, 0."


def test_a_wrong_measure_is_told_where_it_is_defined(catalogue: Catalogue) -> None:
    with pytest.raises(Exception, match="The KPI catalogue is wrong") as refusal:
        catalogue(_measure("recovered_courses", expr="is_recoverd"))
    (problem,) = problems(str(refusal.value))
    file, line = problem.split(": ", 1)[0].split(":")
    assert file.endswith("facts.yml")
    assert "recovered_courses" in (DBT_PROJECT.parent / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]


REFUSED = {
    "measure_of_a_ratio": (
        "Parsing Error in metric oc_01 (models/kpi/catalogue/outcomes.yml)\n"
        "  The metric `eligible_coursez` does not exist but was referenced by metric `oc_01`.",
        "type_params",
        r"KPI metric 'oc_01': there is no measure 'eligible_coursez'\. .*create_metric.*such as 'eligible_courses'",
    ),
    "measure_alone": (
        "Parsing Error in metric av_05 (models/kpi/catalogue/access_and_activity.yml)\n"
        "  A semantic model having a measure `people_servedz` does not exist but was referenced.",
        "type_params",
        r"KPI metric 'av_05': there is no measure 'people_servedz'\. .*such as 'people_served'",
    ),
    "fact": (
        "Compilation Error\n  Semantic_Model 'semantic_model.trigpoint.episode' (models/kpi/catalogue/facts.yml) "
        "depends on a node named 'fct_episodez' which was not found",
        "model: ref('fct_episode')",
        r"semantic model 'episode': there is no fact 'fct_episodez'\. .*such as 'fct_episode'",
    ),
    "label": (
        "Parsing Error\n  Semantic Manifest validation failed.\n"
        "Can't use label `Recovery rate` for  metric `oc_05` as it's already used for metric `oc_99`",
        "label: Recovery rate",
        r"KPI metric 'oc_05': label 'Recovery rate' is that of 'oc_99' already\. .*'Recovery rate \(version \d\)'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_dbt_refuses_by_itself_is_told_with_file_line_and_mend(name: str) -> None:
    message, named, expected = REFUSED[name]
    head, problem = with_places(message).split("\n")
    assert head == "The KPI catalogue is wrong:"
    place, text = problem.split(": ", 1)
    file, line = place.split(":")
    assert named in (DBT_PROJECT.parent / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert re.search(expected, text), text


def test_messages_about_anything_else_stay_as_they_are() -> None:
    text = "Runtime Error in model fct_x\n  > in macro y"
    assert with_places(text) == text


def test_a_later_version_keeps_the_name(catalogue: Catalogue) -> None:
    def follow(graph: Graph) -> None:
        _meta("OC-05", valid_to="2025-03-31")(graph)
        _second_version(version=2, valid_from="2025-04-01", valid_to=None)(graph)
        second = graph["metrics"]["metric.trigpoint.oc_05_v2"]
        second["label"] = "Recovery rate (version 2)"

    assert {kpi["name"] for kpi in catalogue(follow) if kpi["kpi_id"] == "OC-05"} == {"Recovery rate"}


def test_definitions_are_those_of_the_ledger(catalogue: Catalogue) -> None:
    """A changed definition needs a new version: released ones stay, and what is new is in the ledger."""
    released, now = definition_ledger.read(LEDGER), digests(catalogue(lambda _: None))
    assert [broken_sentence(found) for found in definition_ledger.broken(released, now)] == []
    assert definition_ledger.as_text(LEDGER_COLUMNS, now) == definition_ledger.as_text(LEDGER_COLUMNS, released), (
        f"run `{RECORD_WITH}` and commit what it adds"
    )


def test_a_withdrawn_version_covers_no_time_and_stays_in_the_ledger(catalogue: Catalogue) -> None:
    def withdraw(graph: Graph) -> None:
        _meta("OC-05", withdrawn_because="It was wrong.")(graph)
        _second_version(version=2, withdrawn_because=None)(graph)

    found = catalogue(withdraw)
    assert [bool(kpi["withdrawn_because"]) for kpi in found if kpi["kpi_id"] == "OC-05"] == [True, False]
    assert digests(found)["OC-05", "1"] == digests(catalogue(lambda _: None))["OC-05", "1"]
    assert "version 1, withdrawn" in _shown(show_one(found, "OC-05", None))
    assert "It was wrong." in _shown(show_one(found, "OC-05", None))
    listed = [line.split() for line in _shown(show_list(found, "outcomes")).splitlines()]
    assert [line[-1] == "withdrawn" for line in listed if line[:1] == ["OC-05"]] == [True, False]


def test_no_balancing_kpi_is_withdrawn(catalogue: Catalogue) -> None:
    with pytest.raises(Exception, match=r"balancing_kpi 'OC-05' is not in the catalogue"):
        catalogue(_meta("OC-05", withdrawn_because="It was wrong."))


@pytest.mark.parametrize(
    ("defect", "is_promise_broken"),
    [
        (_meta("OC-05", direction=-1), True),
        (_meta("OC-05", min_denominator=5), True),
        (_meta("OC-05", exclusions=[]), True),
        (_measure("recovered_courses", expr="is_reliably_recovered"), True),
        (_meta("OC-05", question="Is it better now?", owner="head of care", slices=[]), False),
    ],
)
def test_what_a_number_follows_from_never_changes_within_a_version(
    catalogue: Catalogue, defect: Defect, is_promise_broken: bool
) -> None:
    released, now = digests(catalogue(lambda _: None)), digests(catalogue(defect))
    assert {found.key for found in definition_ledger.broken(released, now)} == (
        {("OC-05", "1")} if is_promise_broken else set()
    )


def test_a_definition_that_is_gone_is_missed(catalogue: Catalogue) -> None:
    now = dict(digests(catalogue(lambda _: None)))
    released = now | {("OC-99", "1"): "0"}
    (found,) = definition_ledger.broken(released, now)
    assert "OC-99 version 1 is gone from the catalogue" in broken_sentence(found)


def _shown(renderable: Any) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_the_list_names_every_kpi_of_a_category_and_no_other(catalogue: Catalogue) -> None:
    found = catalogue(lambda _: None)
    text = _shown(show_list(found, "workforce"))
    assert {kpi["kpi_id"] for kpi in found if kpi["kpi_id"] in text.split()} == {
        *(kpi["kpi_id"] for kpi in found if kpi["category"] == "workforce"),
        *(kpi["balancing_kpi"] for kpi in found if kpi["category"] == "workforce"),
    }
    with pytest.raises(UnknownKpiError, match="no KPI of category 'wellbeing'; there are: access, "):
        show_list(found, "wellbeing")


def test_one_kpi_is_shown_whole_down_to_columns_of_facts(catalogue: Catalogue) -> None:
    found = catalogue(lambda _: None)
    text = _shown(show_one(found, "OC-05", None))
    for part in ("mart_episode_course", "is_recovered", "not_case:", "higher is better", "wilson", "outcomes.yml:"):
        assert part in text
    assert "pub_equity_gap" in _shown(show_one(found, "EQ-01", None))
    with pytest.raises(UnknownKpiError, match="no KPI 'OC-99'; there are: OC-01, "):
        show_one(found, "OC-99", None)
