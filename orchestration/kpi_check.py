"""`trigpoint kpi test`: the checks that every KPI carries.

What belongs here: a definition against the ledger, the unit tests of its facts, and its figures in the warehouse
against the members that they count. What does not: any formula (``dbt_project``), and showing definitions (``kpi``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestration import definition_ledger, transform
from orchestration.kpi import CatalogueError, Kpi, catalogue
from orchestration.kpi_definitions import LEDGER, LEDGER_COLUMNS, RECORD_WITH, broken_sentence, digests
from orchestration.region import Region
from orchestration.warehouse import connect

LEVELS = {
    "region": ("$region", "person_key"),
    "organisation": ("organisation_id", "source_person_key"),
    "service": ("service_key", "source_person_key"),
}
"""Level → what of a member is its key there, and who is one person."""


@dataclass
class Verdict:
    """What the checks of one KPI version came to."""

    kpi: Kpi
    figures: int = 0
    """Figures made again from members."""
    formulas: int = 0
    """Unit tests of the facts that it counts."""
    problems: list[str] = field(default_factory=list)


def record() -> list[str]:
    """Add new definitions to the ledger; what is there stays. Returns their ids and versions.

    Raises :class:`CatalogueError`, also if definitions of the ledger were changed.
    """
    released, now = definition_ledger.read(LEDGER), digests(catalogue())
    if broken := definition_ledger.broken(released, now):
        raise CatalogueError([broken_sentence(found) for found in broken])
    LEDGER.write_text(definition_ledger.as_text(LEDGER_COLUMNS, now), encoding="utf-8")
    return [f"{kpi_id} version {version}" for kpi_id, version in sorted(now.keys() - released.keys())]


def check(region: Region, *, formulas: bool, tell: Callable[[str], None]) -> list[Verdict]:
    """Run every KPI's own checks on the region's warehouse as it is. Raises :class:`CatalogueError`."""
    tell("reading the catalogue")
    verdicts = [Verdict(kpi) for kpi in catalogue()]
    if gone := _check_ledger(verdicts):
        raise CatalogueError(gone)
    if formulas:
        tell("testing the formulas of the facts")
        _check_formulas(region, verdicts)
    with connect(region.warehouse_path, read_only=True) as connection:
        built = set(connection.execute("SELECT kpi_id, version FROM kpi.kpi_definition").fetchall())
        for verdict in verdicts:
            kpi = verdict.kpi
            tell(f"making {kpi['kpi_id']} again from its members")
            if (kpi["kpi_id"], kpi["version"]) in built:
                if kpi["numerator"]:  # what is computed from other KPIs has no members of its own
                    check_figures(connection, region.id, verdict)
            else:
                verdict.problems.append("the warehouse was built without it; run `trigpoint run`")
    return verdicts


def _check_ledger(verdicts: Sequence[Verdict]) -> list[str]:
    """Mark definitions that the ledger does not hold as they stand. Returns what is gone from the catalogue."""
    by_key = {(v.kpi["kpi_id"], str(v.kpi["version"])): v for v in verdicts}
    released, now = definition_ledger.read(LEDGER), digests([v.kpi for v in verdicts])
    gone: list[str] = []
    for found in definition_ledger.broken(released, now):
        (gone if found.is_gone else by_key[found.key[0], found.key[1]].problems).append(broken_sentence(found))
    for kpi_id, version in now.keys() - released.keys():
        by_key[kpi_id, version].problems.append(
            f"is not in the ledger yet; run `{RECORD_WITH}` and commit what it adds"
        )
    return gone


def _facts(kpi: Kpi) -> set[str]:
    return {kpi[part]["fact"] for part in ("numerator", "denominator", "spread") if kpi[part]}


def _check_formulas(region: Region, verdicts: Sequence[Verdict]) -> None:
    facts = sorted({fact for verdict in verdicts for fact in _facts(verdict.kpi)})
    by_fact: dict[str, list[Any]] = defaultdict(list)
    for result in transform.unit_test(region, facts):
        by_fact[result.unique_id.split(".")[2]].append(result)  # unit_test.<project>.<model>.<test>
    for verdict in verdicts:
        for fact in sorted(_facts(verdict.kpi)):
            verdict.formulas += len(by_fact[fact])
            for result in by_fact[fact]:
                if result.status != "pass":
                    name = result.unique_id.rsplit(".", 1)[-1]
                    verdict.problems.append(f"formula of {fact}: {name} {result.status}")


def check_figures(connection: duckdb.DuckDBPyConnection, region_id: str, verdict: Verdict) -> None:
    """Compare every unsliced figure of region, organisations and services with what its members come to."""
    kpi = verdict.kpi
    for level in (level for level in LEVELS if level in kpi["levels"]):
        query = _comparison(kpi, level)
        parameters: dict[str, Any] = {"kpi": kpi["kpi_id"], "version": kpi["version"], "level": level}
        parameters["base"] = kpi["base_slice"] or "all"
        if "$region" in query:
            parameters["region"] = region_id
        rows = connection.execute(query, parameters).fetchall()
        verdict.figures += len(rows)
        wrong = [row for row in rows if not row[-1]]
        if wrong:
            key, period_type, start, built, again, _ = wrong[0]
            verdict.problems.append(
                f"{len(wrong)} of {len(rows)} figures of level {level} differ from their members, such as {key}, "
                f"{period_type} from {start}: {built} built, {again} from members"
            )


def _comparison(kpi: Kpi, level: str) -> str:
    """A query of (entity, period type, start, built, from members, whether they agree)."""
    key, person = LEVELS[level]
    is_rolled = (kpi["denominator"] or kpi["numerator"])["is_rolled"]
    return f"""
        WITH f AS (
            SELECT level_key, period_type_code, period_start_on, period_end_on, sum(numerator) AS numerator,
                sum(denominator) AS denominator, max(value) AS value
            FROM {"benchmark.fct_kpi_second" if kpi["is_second_order"] else "kpi.fct_kpi"}
            WHERE kpi_id = $kpi AND version = $version AND level_code = $level AND slice_code = $base
                AND status_code <> 'no_data'
            GROUP BY ALL
        ),
        m AS (
            SELECT {"level_key" if is_rolled else key} AS level_key, * EXCLUDE (level_key)
            FROM {"benchmark.fct_kpi_second_member" if kpi["is_second_order"] else "kpi.fct_kpi_member"}
            WHERE kpi_id = $kpi AND version = $version {"AND level_code = $level" if is_rolled else ""}
        ),
        c AS (
            SELECT f.level_key, f.period_type_code, f.period_start_on, {_pair(kpi, person)}
            FROM f
            LEFT JOIN m ON m.level_key = f.level_key AND {_in_period(kpi, is_rolled=is_rolled)}
            GROUP BY f.level_key, f.period_type_code, f.period_start_on, f.numerator, f.denominator, f.value
        )
        SELECT *, built IS NOT DISTINCT FROM again FROM c ORDER BY ALL
    """


def _pair(kpi: Kpi, person: str) -> str:
    """The figure as built, and from members."""
    if kpi["statistic"] == "distinct_count":
        return f"f.numerator::BIGINT AS built, count(DISTINCT m.{person}) AS again"
    if kpi["statistic"] in ("median", "quantile"):
        share = kpi["numerator"]["percentile"]
        of_members = f"quantile_cont(m.numerator_value::DOUBLE, {share}) FILTER (m.denominator_value = 1)"
        return f"f.value AS built, {of_members} AS again"
    if kpi["denominator"] is None:
        return "f.numerator AS built, coalesce(sum(m.numerator_value), 0)::DECIMAL(28, 4) AS again"
    return (
        "f.numerator::DECIMAL(28, 4) || ' of ' || f.denominator::DECIMAL(28, 4) AS built, "
        "coalesce(sum(m.numerator_value), 0)::DECIMAL(28, 4) || ' of ' || "
        "coalesce(sum(m.denominator_value), 0)::DECIMAL(28, 4) AS again"
    )


def _in_period(kpi: Kpi, *, is_rolled: bool) -> str:
    """Whether a member belongs to the period of a figure."""
    if is_rolled:
        return "m.period_type_code = f.period_type_code AND m.period_start_on = f.period_start_on"
    if kpi["statistic"] == "distinct_count":
        return (
            "m.anchor_on <= least(f.period_end_on, (SELECT as_of FROM ops.run_context)) "
            "AND coalesce(m.anchor_end_on, DATE '9999-12-31') >= f.period_start_on"
        )
    if kpi["is_stock"]:
        return (
            "date_trunc('month', m.anchor_on) = least(date_trunc('month', f.period_end_on), "
            "(SELECT date_trunc('month', as_of) FROM ops.run_context))"
        )
    return "m.anchor_on BETWEEN f.period_start_on AND f.period_end_on"


def show_verdicts(verdicts: Sequence[Verdict]) -> RenderableType:
    """Pass or fail, one KPI a line, and what is wrong."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "KPI", "v", "name", "figures", "formulas"):
        table.add_column(name, justify="right" if name in ("figures", "formulas") else "left", no_wrap=name == "KPI")
    parts: list[RenderableType] = [table, Text()]
    for verdict in verdicts:
        mark = Text("fail", style="red") if verdict.problems else Text("pass", style="green")
        kpi, formulas = verdict.kpi, str(verdict.formulas) if verdict.formulas else ""
        table.add_row(mark, kpi["kpi_id"], str(kpi["version"]), kpi["name"], f"{verdict.figures:,}", formulas)
        parts += [Text(f"{kpi['kpi_id']}: {problem}") for problem in verdict.problems]
    failed = sum(1 for verdict in verdicts if verdict.problems)
    total = sum(verdict.figures for verdict in verdicts)
    parts.append(Text(f"{len(verdicts)} KPIs, {failed} failed; {total:,} figures made again from their members"))
    return Group(*parts)
