"""Published figures as the catalogue shows them: measures of publications, each with its levels and their series.

What belongs here: the query on ``pub.pub_benchmark_external`` and what its rows are to pictures that know KPIs. What
does not: how anything looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import duckdb

from orchestration.catalogue.figures import EVERYBODY, Compared, Figure, Kpi, Row

NATIONAL = "national"
Key = tuple[str, str, str, str, str, str]
"""Publication, measure, version of the method, kind of breakdown, group and kind of period: what has one page."""
_KEY = ("publication_code", "measure_id", "method_version", "slice_type_code", "slice_code", "period_type_code")
_STATUSES = {"published": "shown", "suppressed": "suppressed", "not_published": "not_published"}

# Of a figure that two sources bring, the one that counts in charts and funnels. Groups of people have pages of their
# own only where the publication gives no whole.
_FIGURES = f"""
    WITH counted AS (
        SELECT *
        FROM pub.pub_benchmark_external
        QUALIFY row_number() OVER (
            PARTITION BY {", ".join(_KEY)}, level_code, organisation_code, period_start_on, period_end_on
            ORDER BY source_id DESC
        ) = 1
    )
    SELECT *
    FROM counted
    QUALIFY slice_type_code = 'all' OR NOT bool_or(slice_type_code = 'all') OVER (
        PARTITION BY publication_code, measure_id, method_version, period_type_code
    )
    ORDER BY {", ".join(_KEY)}, level_code, organisation_name, organisation_code, period_start_on, period_end_on
"""


@dataclass(frozen=True)
class Level:
    """The organisations of one level of a publication."""

    code: str
    series: Sequence[Sequence[Figure]]
    compared: Sequence[Compared]
    """In the latest period with five that can be compared, else the latest; empty for a nation."""
    bounds: Mapping[str, Row]
    """Organisation → row of the table, of the period compared."""


@dataclass(frozen=True)
class Publication:
    """Everything that the page of a published measure shows."""

    key: Key
    about: Row
    """The newest row: what the publication and the measure are."""
    measure: Kpi
    """The measure in the shape of a KPI, for what draws and words KPIs."""
    levels: Sequence[Level]
    """The nation first, then by number of organisations."""

    @property
    def targets(self) -> Sequence[Figure]:
        """Of everyone with a target of the region's own, the latest figure that has one."""
        found = []
        for series in (series for level in self.levels for series in level.series):
            found += [figure for figure in series if figure.target is not None][-1:]
        return found

    @property
    def national(self) -> Sequence[Sequence[Figure]]:
        """The series to put first: those of the nation, else of a level that has one organisation alone."""
        whole = [level for level in self.levels if level.code == NATIONAL or len(level.series) == 1]
        return whole[0].series if whole else []


def key_of(row: Row) -> Key:
    """The page of a published figure that stands for everybody."""
    code, measure, method = row["publication_code"], row["measure_id"], row["method_version"]
    return (code, measure, method, "all", EVERYBODY, row["period_type_code"])


def read_publications(connection: duckdb.DuckDBPyConnection) -> Iterator[Publication]:
    """Every published measure, one after another."""
    for key, rows in groupby(_rows(connection.cursor().execute(_FIGURES)), lambda row: tuple(row[n] for n in _KEY)):
        yield _publication(key, list(rows))


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    names = [name for name, *_ in cursor.description or ()]
    while batch := cursor.fetchmany(4096):
        for row in batch:
            yield dict(zip(names, row, strict=True))


def _publication(key: Key, rows: Sequence[Row]) -> Publication:
    about = max(rows, key=lambda row: (row["period_end_on"], row["source_id"], row["organisation_code"]))
    measure = Kpi(
        {
            "kpi_id": about["measure_id"],
            "version": 1,
            "kpi_name": about["measure_name"],
            "unit_code": about["unit_code"],
            "direction": about["direction"],
            "statistic_code": about["statistic_code"],
            "denominator": any(row["denominator"] is not None for row in rows),
        }
    )
    levels = [_level(code, list(listed)) for code, listed in groupby(rows, lambda row: str(row["level_code"]))]
    levels.sort(key=lambda level: (level.code != NATIONAL, len(level.series), level.code))
    return Publication(key, about, measure, levels)


def _level(code: str, rows: Sequence[Row]) -> Level:
    series = [[_figure(row) for row in listed] for _, listed in groupby(rows, lambda row: row["organisation_code"])]
    compared, bounds = _compared(rows) if code != NATIONAL else ([], {})
    return Level(code, series, compared, bounds)


def _compared(rows: Sequence[Row]) -> tuple[list[Compared], dict[str, Row]]:
    counts: dict[Any, int] = {}
    for row in rows:
        period = (row["period_end_on"], row["period_start_on"])
        counts[period] = counts.get(period, 0) + (row["peer_count"] is not None)
    chosen = max(counts, key=lambda period: (counts[period] >= 5, counts[period] > 0, period))
    found = [row for row in rows if (row["period_end_on"], row["period_start_on"]) == chosen]
    compared = [
        Compared(_figure(row), {EVERYBODY: _place(row)} if row["peer_count"] is not None else {}) for row in found
    ]
    return compared, {row["organisation_code"]: row for row in found}


def _place(row: Row) -> Row:
    return dict(row) | {"peer_status": "rounded"}


def _figure(row: Row) -> Figure:
    """A published figure in the shape of an own one. What its publisher hid stays hidden."""
    status = _STATUSES[row["value_status"]]
    is_shown = status == "shown"
    return Figure(
        kpi_id=row["measure_id"],
        version=1,
        level_code=row["level_code"],
        level_key=row["organisation_code"],
        level_name=row["organisation_name"],
        slice_code=EVERYBODY,  # of whom a page is, its title says
        slice_value=EVERYBODY,
        period_type_code=row["period_type_code"],
        period_start_on=row["period_start_on"],
        period_end_on=row["period_end_on"],
        numerator=row["numerator"],
        numerator_status=_part_status(row["numerator"], status),
        denominator=row["denominator"],
        denominator_status=_part_status(row["denominator"], status),
        value=row["value"] if is_shown else None,
        value_status=status,
        ci95_lower=row["ci95_lower"] if is_shown else None,
        ci95_upper=row["ci95_upper"] if is_shown else None,
        spc_rule_code=row["spc_rule_code"],
        variation_code=row["variation_code"],
        spc_mean=row["spc_mean"],
        spc_lower_limit=row["spc_lower_limit"],
        spc_upper_limit=row["spc_upper_limit"],
        spc_is_trial=row["spc_is_trial"],
        target=row["target"],
        gap=row["gap"] if is_shown else None,
        rag_code=row["rag_code"],
        assurance_code=None,
        is_problem=None,
        is_period_complete=True,
        is_provisional=False,
        is_stale=False,
    )


def _part_status(number: Any, status: str) -> str:
    """A count that is missing beside a published value is not told: it may be hidden, or the mapping names none."""
    return "shown" if number is not None else "not_computed" if status == "shown" else status
