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
from orchestration.kpi_member import belongs, person_column
from orchestration.region import Region
from orchestration.warehouse import connect


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
            is_built = (kpi["kpi_id"], kpi["version"]) in built
            if kpi["withdrawn_because"]:
                if is_built:
                    verdict.problems.append("the warehouse was built before it was withdrawn; run `trigpoint run`")
                continue
            tell(f"making {kpi['kpi_id']} again from its members")
            if is_built:
                if kpi["numerator"]:  # what is computed from other KPIs has no members of its own
                    check_figures(connection, verdict)
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


def check_figures(connection: duckdb.DuckDBPyConnection, verdict: Verdict) -> None:
    """Compare every figure, at every level and slice, with what its members come to."""
    kpi = verdict.kpi
    _gather(connection, kpi)
    series = "SELECT DISTINCT level_code, slice_code FROM checked_figure ORDER BY ALL"
    for level, slice_code in connection.execute(series).fetchall():
        compare = _weighted_comparison if kpi["population"] else _comparison
        rows = connection.execute(compare(kpi, level, slice_code)).fetchall()
        verdict.figures += len(rows)
        wrong = [row for row in rows if not row[-1]]
        if wrong:
            key, value, period_type, start, built, again, _ = wrong[0]
            by = "" if slice_code == "all" else f" by {slice_code}"
            verdict.problems.append(
                f"{len(wrong)} of {len(rows)} figures of level {level}{by} differ from their members, such as {key}, "
                f"{value}, {period_type} from {start}: {built} built, {again} from members"
            )


def _gather(connection: duckdb.DuckDBPyConnection, kpi: Kpi) -> None:
    """The figures and the members of one KPI as tables of this connection, which many series are then read from."""
    figures = "benchmark.fct_kpi_second" if kpi["is_second_order"] else "kpi.fct_kpi"
    members = "benchmark.fct_kpi_second_member" if kpi["is_second_order"] else "kpi.fct_kpi_member"
    of_kpi = [kpi["kpi_id"], kpi["version"]]
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE checked_figure AS
            SELECT f.*, as_of.as_of FROM {figures} AS f CROSS JOIN ops.run_context AS as_of
            WHERE f.kpi_id = ? AND f.version = ? AND f.status_code <> 'no_data'""",
        of_kpi,
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE checked_member AS SELECT * FROM {members} WHERE kpi_id = ? AND version = ?",
        of_kpi,
    )
    if kpi["population"]:
        counted, fact = kpi["numerator"], kpi["numerator"]["fact"]
        found = "SELECT table_schema FROM information_schema.tables WHERE table_name = ?"
        (schema,) = connection.execute(found, [fact]).fetchall()[0]
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE checked_stratum AS
                SELECT {counted["member_key"]} AS member_key, {counted["columns"]["stratum"]} AS stratum,
                    {kpi["population"]["column"]} AS people
                FROM {schema}.{fact}"""
        )


def _comparison(kpi: Kpi, level: str, slice_code: str) -> str:
    """A query of (entity, slice value, period type, start, built, from members, whether they agree)."""
    condition = belongs(
        level,
        slice_code,
        kpi["base_slice"] or "all",
        kpi["statistic"],
        is_rolled=(kpi["denominator"] or kpi["numerator"])["is_rolled"],
        is_stock=kpi["is_stock"],
    )
    return f"""
        WITH c AS (
            SELECT f.level_key, f.slice_value, f.period_type_code, f.period_start_on, {_pair(kpi, person_column(level))}
            FROM checked_figure AS f
            LEFT JOIN checked_member AS m ON {condition}
            WHERE f.level_code = '{level}' AND f.slice_code = '{slice_code}'
            GROUP BY f.level_key, f.slice_value, f.period_type_code, f.period_start_on, f.numerator, f.denominator,
                f.value
        )
        SELECT *, built IS NOT DISTINCT FROM again FROM c ORDER BY ALL
    """


def _weighted_comparison(kpi: Kpi, level: str, slice_code: str) -> str:
    """The same of an estimate weighted by strata: which one a member is of, and its people, says the fact."""
    condition = belongs(
        level, slice_code, kpi["base_slice"] or "all", kpi["statistic"], is_rolled=False, is_stock=False
    )
    return f"""
        WITH s AS (
            SELECT f.level_key, f.slice_value, f.period_type_code, f.period_start_on, f.numerator, f.denominator,
                f.value, w.stratum, sum(m.numerator_value) AS x, sum(m.denominator_value) AS n, max(w.people) AS people
            FROM checked_figure AS f
            LEFT JOIN checked_member AS m ON {condition} AND m.in_denominator
            LEFT JOIN checked_stratum AS w ON w.member_key = m.member_key
            WHERE f.level_code = '{level}' AND f.slice_code = '{slice_code}'
            GROUP BY ALL
        ),
        c AS (
            SELECT level_key, slice_value, period_type_code, period_start_on,
                concat_ws(' ', numerator, 'of', denominator, 'weighted', round(value, 6)) AS built,
                concat_ws(
                    ' ', coalesce(sum(x), 0)::DECIMAL(28, 4), 'of', coalesce(sum(n), 0)::DECIMAL(28, 4), 'weighted',
                    round({kpi["multiplier"]} * sum(people * x::DOUBLE / n::DOUBLE) / sum(people), 6)
                ) AS again
            FROM s
            GROUP BY level_key, slice_value, period_type_code, period_start_on, numerator, denominator, value
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


def show_verdicts(verdicts: Sequence[Verdict]) -> RenderableType:
    """Pass or fail, one KPI a line, and what is wrong."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "KPI", "v", "name", "figures", "formulas"):
        table.add_column(name, justify="right" if name in ("figures", "formulas") else "left", no_wrap=name == "KPI")
    parts: list[RenderableType] = [table, Text()]
    for verdict in verdicts:
        mark = Text("fail", style="red") if verdict.problems else Text("pass", style="green")
        kpi, formulas = verdict.kpi, str(verdict.formulas) if verdict.formulas else ""
        name = f"{kpi['name']} (withdrawn)" if kpi["withdrawn_because"] else kpi["name"]
        table.add_row(mark, kpi["kpi_id"], str(kpi["version"]), name, f"{verdict.figures:,}", formulas)
        parts += [Text(f"{kpi['kpi_id']}: {problem}") for problem in verdict.problems]
    failed = sum(1 for verdict in verdicts if verdict.problems)
    total = sum(verdict.figures for verdict in verdicts)
    in_use = sum(1 for verdict in verdicts if not verdict.kpi["withdrawn_because"])
    parts.append(Text(f"{in_use} KPIs, {failed} failed; {total:,} figures made again from their members"))
    return Group(*parts)
