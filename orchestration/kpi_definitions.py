"""KPI definitions as text and as identity: where a problem stands in the YAML, and what of a definition counts.

What belongs here: file and line for what ``macros/kpi/catalogue.sql`` finds wrong, and the hash of a definition. What
does not: reading or judging definitions (that macro does), and showing them (``kpi``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestration import definition_ledger
from orchestration.definition_ledger import Broken, Ledger
from orchestration.project import DBT_PROJECT
from orchestration.yaml_lines import Loc, key_lines

CATALOGUE = DBT_PROJECT / "models" / "kpi" / "catalogue"
LEDGER = CATALOGUE / "released.csv"
LEDGER_COLUMNS = ("kpi_id", "version")
RECORD_WITH = "trigpoint kpi record"

_PROBLEM = re.compile(r"^\s*(?P<kind>KPI metric|semantic model) '(?P<name>[^']+)' \((?P<file>[^)]+)\): (?P<text>.*)$")
_NO_METRIC = re.compile(r"metric (\w+) \(([^)]+)\)\s+The metric `(\w+)` does not exist")
_NO_MEASURE = re.compile(r"metric (\w+) \(([^)]+)\)\s+A semantic model having a measure `(\w+)` does not exist")
_NO_FACT = re.compile(
    r"Semantic_Model 'semantic_model\.\w+\.(\w+)' \(([^)]+)\) depends on a node named '(\w+)' which was not found"
)
_LABEL_TWICE = re.compile(r"Can't use label `(.+?)` for\s+metric `(\w+)` as it's already used for metric `(\w+)`")
_FIELD = re.compile(r"meta\.(\w+)")
_MEASURE = re.compile(r"measure '(\w+)' reads column .* Correct `expr` in (\S+\.yml)")
_MEASURE_FIELDS = ("agg", "percentile", "fact", "column", "anchor_column", "interval", "is_stock", "is_rolled")
_FIELDS = (
    *("unit", "multiplier", "statistic", "direction", "calendar", "base_slice", "cohort_shift_days"),
    *("maturity_lag_days", "min_denominator", "interval_method"),
)


def with_places(message: str) -> str:
    """The problems in a message of the catalogue macro, or of dbt about the catalogue, each with file, line and mend;
    other messages stay as they are."""
    if found := [*problems(message), *_refused_by_dbt(message)]:
        return "\n".join(["The KPI catalogue is wrong:", *found])
    return message


def _refused_by_dbt(message: str) -> Iterator[str]:
    """What dbt refuses before the catalogue is read: it names neither the line nor the mend."""
    for metric, file, measure in _NO_METRIC.findall(message) + _NO_MEASURE.findall(message):
        at = _named(file, "metrics", metric)
        keys = [key for key, value in _at(file, at).get("type_params", {}).items() if value == measure]
        yield (
            f"{_place(file, (*at, 'type_params', *keys))}: KPI metric '{metric}': there is no measure '{measure}'. "
            f"{_measure_mend(measure, is_ratio='measure' not in keys)}"
        )
    for model, file, fact in _NO_FACT.findall(message):
        known = [path.stem for path in (DBT_PROJECT / "models").rglob("*.sql")]
        place = _place(file, (*_named(file, "semantic_models", model), "model"))
        mend = f"Name a model of the project{_alike(fact, known)}"
        yield f"{place}: semantic model '{model}': there is no fact '{fact}'. {mend}."
    for label, metric, other in _LABEL_TWICE.findall(message):
        for file in sorted(path.relative_to(DBT_PROJECT).as_posix() for path in CATALOGUE.glob("*.yml")):
            if at := _named(file, "metrics", metric):
                version = _at(file, at).get("config", {}).get("meta", {}).get("version", 2)
                place = f"{_place(file, (*at, 'label'))}: KPI metric '{metric}'"
                mend = (
                    f"Write another; of a new version '{label} (version {version})', which is shown without its ending"
                )
                yield f"{place}: label '{label}' is that of '{other}' already. {mend}."


def _measure_mend(measure: str, is_ratio: bool) -> str:
    """Parts of a ratio are metrics of their own to dbt, which `create_metric` makes of a measure."""
    models = [model for path in CATALOGUE.glob("*.yml") for model in _document(path).get("semantic_models", ())]
    measures = {m["name"]: m for model in models for m in model.get("measures", ())}
    if measure in measures:
        return f"It is a measure of the facts that lacks `create_metric: true`. Add that to '{measure}'."
    having = " that has `create_metric: true`" if is_ratio else ""
    return f"Name a measure of facts.yml{having}{_alike(measure, sorted(measures))}."


def _alike(name: str, known: Sequence[str]) -> str:
    found = get_close_matches(name, known, 1)
    return f", such as '{found[0]}'" if found else ""


def _named(file: str, section: str, name: str) -> Loc:
    """Key path of a named block; empty where there is none."""
    blocks = _document(DBT_PROJECT / file).get(section, [])
    return next(((section, index) for index, block in enumerate(blocks) if block.get("name") == name), ())


def _at(file: str, at: Loc) -> dict[str, Any]:
    found: Any = _document(DBT_PROJECT / file)
    for key in at:
        found = found[key]
    return found if isinstance(found, dict) and at else {}


def _place(file: str, at: Loc) -> str:
    """File and line of a key, else of the nearest above it that has a line."""
    lines = _lines(DBT_PROJECT / file)
    known = [at[:length] for length in range(len(at), 0, -1) if at[:length] in lines]
    return f"dbt_project/{file}:{lines[known[0]] if known else 1}"


def problems(message: str) -> list[str]:
    """The problems in a message of the catalogue macro, each with its place and once."""
    found = [_placed(line) for line in message.splitlines() if _PROBLEM.match(line)]
    return list(dict.fromkeys(found))


def _placed(line: str) -> str:
    problem = _PROBLEM.match(line)
    if problem is None:
        return line
    file, at = problem["file"], _location(problem["kind"], problem["name"], problem["file"], problem["text"])
    if measure := _MEASURE.search(problem["text"]):
        file, at = measure[2], _measure_location(measure[2], measure[1])
    number = _lines(DBT_PROJECT / file).get(at, 1)
    return f"dbt_project/{file}:{number}: {problem['kind']} '{problem['name']}': {problem['text']}"


def _location(kind: str, name: str, file: str, text: str) -> Loc:
    """Key path of the field that a problem is about, of the definition where it has none of that name."""
    section = "metrics" if kind == "KPI metric" else "semantic_models"
    for index, block in enumerate(_document(DBT_PROJECT / file).get(section, [])):
        if block.get("name") == name:
            field = _FIELD.search(text)
            inner: Loc = (section, index, "config", "meta", field[1]) if field else (section, index)
            return inner if inner in _lines(DBT_PROJECT / file) else (section, index)
    return ()


def _measure_location(file: str, name: str) -> Loc:
    for at, model in enumerate(_document(DBT_PROJECT / file).get("semantic_models", [])):
        for index, measure in enumerate(model.get("measures", [])):
            if measure.get("name") == name:
                return ("semantic_models", at, "measures", index)
    return ()


def line_of(file: str, section: str, name: str) -> int:
    """1-based line of a named block of a catalogue file (``models/…`` below the dbt project)."""
    for index, block in enumerate(_document(DBT_PROJECT / file).get(section, [])):
        if block.get("name") == name:
            return _lines(DBT_PROJECT / file).get((section, index), 1)
    return 1


@cache
def kpi_ids() -> frozenset[str]:
    """Ids of the KPIs that the catalogue defines, whatever their versions."""
    metrics = (metric for path in CATALOGUE.glob("*.yml") for metric in _document(path).get("metrics", ()))
    return frozenset(
        str(meta["kpi_id"]) for metric in metrics if (meta := metric.get("config", {}).get("meta", {})).get("kpi_id")
    )


@cache
def _document(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    return found if isinstance(found, dict) else {}


@cache
def _lines(path: Path) -> dict[Loc, int]:
    return key_lines(yaml.compose(path.read_text(encoding="utf-8"))) if path.exists() else {}


def digest(kpi: Mapping[str, Any]) -> str:
    """Hash of what a KPI's number follows from. Texts, owners, levels and slices may change without a new version."""
    parts = {name: _measure(kpi.get(name)) for name in ("numerator", "denominator", "spread")}
    exclusions = [{name: e[name] for name in ("code", "column", "when")} for e in kpi["exclusions"]]
    computed: dict[str, Any] = {"computed_by": kpi["computed_by"]} if kpi["computed_by"] else {}
    if kpi.get("difference_of"):
        computed["difference_of"] = kpi["difference_of"]
    if kpi.get("population"):
        computed |= {"population": _measure(kpi["population"]), "stratum": kpi["numerator"]["columns"]["stratum"]}
    fields = {name: kpi[name] for name in _FIELDS}
    return definition_ledger.digest(parts | {"exclusions": exclusions} | fields | computed)


def _measure(measure: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {name: measure[name] for name in _MEASURE_FIELDS} if measure else None


def digests(kpis: Sequence[Mapping[str, Any]]) -> Ledger:
    """Hashes of a catalogue by id and version."""
    return {(kpi["kpi_id"], str(kpi["version"])): digest(kpi) for kpi in kpis}


def broken_sentence(found: Broken) -> str:
    """What is wrong with a definition that the ledger knows otherwise, and the mend."""
    kpi_id, version = found.key
    what = "is gone from the catalogue" if found.is_gone else "no longer means what it meant when it was first used"
    return (
        f"{kpi_id} version {version} {what}. Put it back as it was; write the new definition as a metric of its own "
        f"with the next version and its valid_from, and end the old one with valid_to the day before, or with "
        f"withdrawn_because if no figure may be made by it any more"
    )
