"""What the catalogue pages show, read from the protected tables of a release and nothing else.

What belongs here: the queries on schema ``pub`` and the rows that they give. What does not: how anything looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from itertools import groupby
from typing import Any, Generic, TypeVar

import duckdb

Row = Mapping[str, Any]
T = TypeVar("T")
SHOWN = ("shown", "rounded")
EVERYBODY = "all"
"""The peer group of all organisations, and the slice that is the whole."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of ``pub_kpi_timeseries``: a KPI of an entity in a period. Names are those of its columns."""

    kpi_id: str
    version: int
    level_code: str
    level_key: str
    level_name: str
    slice_code: str
    slice_value: str
    period_type_code: str
    period_start_on: date
    period_end_on: date
    numerator: Any
    numerator_status: str
    denominator: Any
    denominator_status: str
    value: float | None
    value_status: str
    ci95_lower: float | None
    ci95_upper: float | None
    spc_rule_code: str | None
    variation_code: str | None
    spc_mean: float | None
    spc_lower_limit: float | None
    spc_upper_limit: float | None
    spc_is_trial: bool | None
    target: float | None
    gap: float | None
    rag_code: str | None
    assurance_code: str | None
    is_problem: bool | None
    is_period_complete: bool
    is_provisional: bool
    is_stale: bool

    @property
    def is_shown(self) -> bool:
        """There is a value to show; where not, ``value_status`` says why."""
        return self.value is not None and self.value_status in SHOWN

    @property
    def is_firm(self) -> bool:
        """The period is over, delivered and mature. A late delivery may still correct it, as it may any period."""
        return self.is_period_complete and not self.is_provisional


SERIES_TABLE = "pub_kpi_timeseries"


@dataclass(frozen=True)
class Kpi:
    """A definition, as a row of ``pub_kpi_catalogue``."""

    definition: Row

    @property
    def key(self) -> tuple[str, int]:
        return (self.id, self.definition["version"])

    @property
    def id(self) -> str:
        return str(self.definition["kpi_id"])

    @property
    def name(self) -> str:
        return str(self.definition["kpi_name"])

    @property
    def unit(self) -> str:
        return str(self.definition["unit_code"])

    @property
    def direction(self) -> int:
        return int(self.definition["direction"] or 0)

    @property
    def category(self) -> str:
        return str(self.definition["category_code"])

    @property
    def own_table(self) -> str | None:
        """The table of its figures if they are none of ``pub_kpi_timeseries``, but comparisons of groups."""
        table = str(self.definition.get("figures_table") or SERIES_TABLE)
        return None if table == SERIES_TABLE else table


@dataclass(frozen=True)
class Compared:
    """An organisation in the period of comparison: its figure, and its place among the others where it has one."""

    figure: Figure
    places: Mapping[str, Row]
    """Peer group → row of ``pub_benchmark``."""

    @property
    def place(self) -> Row:
        """Among all organisations; empty where it was not compared."""
        return self.places.get(EVERYBODY, {})


@dataclass(frozen=True)
class Quality:
    """Quality of the data behind a KPI of an organisation."""

    parts: Sequence[Row]
    """Rows of ``pub_kpi_quality``, the weakest first."""

    @property
    def grade(self) -> str:
        return str(self.parts[0]["grade_code"])

    @property
    def weakest(self) -> Row:
        """The part that decides on the grade."""
        return self.parts[0]


@dataclass(frozen=True)
class KpiFigures:
    """Everything that the page of a KPI shows."""

    kpi: Kpi
    region: Sequence[Sequence[Figure]]
    """Series of the region, one a slice value (one in all, but for KPIs that exist by currency or the like)."""
    entities: Sequence[Sequence[Figure]]
    """Series of the organisations, or of funders where the KPI has no organisations."""
    compared: Sequence[Compared]
    targets: Sequence[Figure]
    """Latest figure of region and organisations that has a target."""
    groups: Sequence[Figure]
    """Latest figures of the region by breakdown."""
    published: Sequence[Row]
    """Latest figures of region and organisations beside what others published: rows of ``pub_external_comparison``."""
    quality: Mapping[str, Quality]
    """Organisation → quality of the data behind this KPI."""


@dataclass(frozen=True)
class Grade:
    """Quality of an organisation's data in its latest whole quarter."""

    organisation_id: str
    organisation_name: str
    period_start_on: date
    period_end_on: date
    completeness_pct: float | None
    completeness_status: str
    grade_code: str | None


_COLUMNS = ", ".join(f"t.{field.name}" for field in fields(Figure))

# A trend is of the finest kind of period of which at least half can be shown for the region, else of the one with most;
# and it has a level whose entities stand beside each other.
_SHAPE = """
    WITH periods AS (
        SELECT c.kpi_id, c.version, c.base_slice_code, t.period_type_code,
               array_position(['month', 'quarter', 'financial_year', 'rolling12'], t.period_type_code) AS fineness,
               coalesce(avg((t.value IS NOT NULL)::INT)
                   FILTER (t.level_code = 'region' AND t.is_period_complete), 0) AS shown_share,
               arg_min(t.level_code, array_position(['organisation', 'funder', 'programme', 'service_type', 'source'],
                   t.level_code)) FILTER (t.level_code <> 'region') AS entity_level_code
        FROM pub.pub_kpi_catalogue AS c
        JOIN pub.pub_kpi_timeseries AS t
            ON c.kpi_id = t.kpi_id AND c.version = t.version AND c.base_slice_code = t.slice_code
        GROUP BY ALL
    )
    SELECT * FROM periods
    QUALIFY row_number() OVER (
        PARTITION BY kpi_id, version
        ORDER BY CASE WHEN shown_share >= 0.5 THEN fineness ELSE 10 - 5 * shown_share END, fineness
    ) = 1
"""
_SERIES = f"""
    WITH shape AS ({_SHAPE}),
    newest AS (SELECT max(period_start_on) AS newest_on FROM pub.pub_kpi_timeseries WHERE is_period_complete)
    SELECT {_COLUMNS}
    FROM pub.pub_kpi_timeseries AS t
    JOIN shape AS s ON t.kpi_id = s.kpi_id AND t.version = s.version AND t.slice_code = s.base_slice_code
        AND t.period_type_code = s.period_type_code
    CROSS JOIN newest
    WHERE (t.level_code = $level OR ($level = 'entity' AND t.level_code = s.entity_level_code))
        AND (t.period_type_code = 'financial_year' OR t.period_start_on > newest_on - to_months($months))
    ORDER BY t.kpi_id, t.version, t.level_name, t.level_key, t.slice_value, t.period_start_on
"""

# Organisations are compared over the longest kind of period that they have; the latest with five of them.
_PERIOD_OF_COMPARISON = """
    SELECT kpi_id, version, period_type_code, period_start_on
    FROM pub.pub_benchmark
    WHERE peer_group_code = 'all'
    GROUP BY kpi_id, version, period_type_code, period_start_on
    QUALIFY row_number() OVER (
        PARTITION BY kpi_id, version
        ORDER BY max(peer_count) >= 5 DESC,
            array_position(['rolling12', 'financial_year', 'quarter', 'month'], period_type_code),
            period_start_on DESC
    ) = 1
"""
_COMPARED = f"""
    SELECT {_COLUMNS}
    FROM pub.pub_kpi_timeseries AS t
    JOIN ({_PERIOD_OF_COMPARISON}) AS p USING (kpi_id, version, period_type_code, period_start_on)
    WHERE t.level_code = 'organisation' AND t.slice_code = 'all'
    ORDER BY t.kpi_id, t.version, t.level_name, t.level_key
"""
_PLACES = f"""
    SELECT b.*
    FROM pub.pub_benchmark AS b
    JOIN ({_PERIOD_OF_COMPARISON}) AS p USING (kpi_id, version, period_type_code, period_start_on)
    ORDER BY b.kpi_id, b.version, b.peer_group_code, b.organisation_id
"""
_TARGETS = f"""
    SELECT {_COLUMNS}
    FROM pub.pub_kpi_timeseries AS t
    WHERE t.target IS NOT NULL AND (t.gap IS NOT NULL OR t.period_type_code <> 'month') AND t.slice_code = 'all'
    QUALIFY row_number() OVER (
        PARTITION BY t.kpi_id, t.version, t.level_code, t.level_key
        ORDER BY t.is_period_complete DESC, t.period_end_on DESC, t.period_type_code
    ) = 1
    ORDER BY t.kpi_id, t.version, t.level_code DESC, t.level_name, t.level_key
"""
_GROUPS = f"""
    WITH latest AS (
        SELECT t.kpi_id, t.version, t.slice_code, t.period_type_code, t.period_start_on
        FROM pub.pub_kpi_timeseries AS t
        JOIN pub.pub_kpi_catalogue AS c USING (kpi_id, version)
        WHERE t.level_code = 'region' AND t.slice_code NOT IN ('all', c.base_slice_code)
        GROUP BY t.kpi_id, t.version, t.slice_code, t.period_type_code, t.period_start_on
        QUALIFY row_number() OVER (
            PARTITION BY t.kpi_id, t.version, t.slice_code
            ORDER BY bool_and(t.is_period_complete AND NOT t.is_provisional) DESC,
                array_position(['rolling12', 'financial_year', 'quarter', 'month'], t.period_type_code),
                t.period_start_on DESC
        ) = 1
    )
    SELECT {_COLUMNS}
    FROM pub.pub_kpi_timeseries AS t
    JOIN latest USING (kpi_id, version, slice_code, period_type_code, period_start_on)
    WHERE t.level_code = 'region'
    ORDER BY t.kpi_id, t.version, t.slice_code, t.slice_value = 'unknown', t.slice_value
"""
_PUBLISHED = """
    SELECT *
    FROM pub.pub_external_comparison
    QUALIFY row_number() OVER (
        PARTITION BY kpi_id, version, level_code, level_key, source_id, measure_id, published_level_code,
            published_organisation_code
        ORDER BY is_same_period DESC, period_end_on DESC, period_type_code, period_start_on
    ) = 1
    ORDER BY kpi_id, version, measure_id, source_id, published_level_code, published_organisation_code,
        level_code DESC, level_name, level_key
"""
_QUALITY = """
    SELECT kpi_id, version, organisation_id, organisation_name, part_code, subject_code, subject_name, reason,
        share_pct, part_grade_code, grade_code
    FROM pub.pub_kpi_quality
    ORDER BY kpi_id, version, organisation_id, is_weakest DESC, share_pct, part_code, subject_code
"""
_GRADES = f"""
    SELECT {", ".join(field.name for field in fields(Grade))}
    FROM pub.pub_data_quality
    WHERE element_code = 'all' AND period_type_code = 'quarter'
    QUALIFY row_number() OVER (
        PARTITION BY organisation_id ORDER BY is_period_complete DESC, period_end_on DESC, period_start_on
    ) = 1
    ORDER BY organisation_name, organisation_id
"""

MONTHS_OF_REGION = 60
MONTHS_OF_ENTITY = 36


def read_kpis(connection: duckdb.DuckDBPyConnection) -> list[Kpi]:
    """Every definition, in order of id and version."""
    return [Kpi(row) for row in _rows(connection, "SELECT * FROM pub.pub_kpi_catalogue ORDER BY kpi_id, version")]


def read_grades(connection: duckdb.DuckDBPyConnection) -> list[Grade]:
    """Quality of data by organisation."""
    grades = [Grade(*row) for row in connection.execute(_GRADES).fetchall()]
    return [g if g.completeness_status in SHOWN else replace(g, completeness_pct=None, grade_code=None) for g in grades]


def read_figures(connection: duckdb.DuckDBPyConnection, kpis: Sequence[Kpi]) -> Iterator[KpiFigures]:
    """What there is to show of each KPI, one after another: only one KPI's rows are held as objects at a time."""
    region = _stream(connection, _SERIES, level="region", months=MONTHS_OF_REGION)
    entities = _stream(connection, _SERIES, level="entity", months=MONTHS_OF_ENTITY)
    compared, targets, groups = (_stream(connection, query) for query in (_COMPARED, _TARGETS, _GROUPS))
    quality = connection.cursor().execute(_QUALITY)
    quality_names = [name for name, *_ in quality.description or ()]
    parts = _ByKpi(quality, lambda row: dict(zip(quality_names, row, strict=True)))
    places: dict[tuple[str, int], dict[str, dict[str, Row]]] = {}
    for row in _rows(connection, _PLACES):
        of_kpi = places.setdefault((row["kpi_id"], row["version"]), {})
        of_kpi.setdefault(row["organisation_id"], {})[row["peer_group_code"]] = _place(row)
    published: dict[tuple[str, int], list[Row]] = {}
    for row in _rows(connection, _PUBLISHED):
        published.setdefault((row["kpi_id"], row["version"]), []).append(_beside(row))
    for kpi in kpis:
        of_kpi = places.get(kpi.key, {})
        yield KpiFigures(
            kpi,
            region=_series(region.take(kpi)),
            entities=_series(entities.take(kpi)),
            compared=[Compared(figure, of_kpi.get(figure.level_key, {})) for figure in compared.take(kpi)],
            targets=targets.take(kpi),
            groups=groups.take(kpi),
            published=published.get(kpi.key, []),
            quality={
                organisation: Quality(list(listed))
                for organisation, listed in groupby(parts.take(kpi), lambda part: str(part["organisation_id"]))
            },
        )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    result = connection.execute(query)
    names = [name for name, *_ in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _series(figures: Sequence[Figure]) -> list[list[Figure]]:
    return [list(group) for _, group in groupby(figures, lambda f: (f.level_key, f.slice_value))]


_PLACE_OF = {field.name: index for index, field in enumerate(fields(Figure))}
_FOLLOWS = {
    "value_status": (
        *("value", "ci95_lower", "ci95_upper", "spc_rule_code", "variation_code", "spc_mean", "spc_lower_limit"),
        *("spc_upper_limit", "spc_is_trial", "gap", "rag_code", "assurance_code", "is_problem"),
    ),
    "numerator_status": ("numerator",),
    "denominator_status": ("denominator",),
}
"""Status → what it speaks for. The tables hold nothing there that is hidden; should one ever, no page shows it."""
_HIDES = [(_PLACE_OF[status], [_PLACE_OF[name] for name in names]) for status, names in _FOLLOWS.items()]
_SAID_OF_HIDDEN = (
    "kpi_id",
    "version",
    "peer_group_code",
    "organisation_id",
    "value_status",
    "peer_status",
    "peer_count",
)


def _figure(row: tuple[Any, ...]) -> Figure:
    hidden = [index for status, indexes in _HIDES if row[status] not in SHOWN for index in indexes]
    if not hidden:
        return Figure(*row)
    kept = list(row)
    for index in hidden:
        kept[index] = None
    return Figure(*kept)


def _place(row: Row) -> Row:
    if row["value_status"] in SHOWN and row["peer_status"] != "suppressed":
        return row
    return {name: row[name] for name in _SAID_OF_HIDDEN}


def _beside(row: Row) -> Row:
    if row["value_status"] in SHOWN:
        return row
    return dict(row) | dict.fromkeys(("value", "ci95_lower", "ci95_upper", "difference", "difference_code"))


class _ByKpi(Generic[T]):
    """Rows in order of KPI (their first two columns), handed out one KPI at a time, in the same order."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, make: Callable[[tuple[Any, ...]], T]):
        self._cursor = cursor
        self._make = make
        self._ahead: list[tuple[Any, ...]] = []

    def take(self, kpi: Kpi) -> list[T]:
        """The rows of this KPI; those of KPIs before it, if any are left, are passed over."""
        found: list[T] = []
        while True:
            if not self._ahead:
                self._ahead = self._cursor.fetchmany(4096)[::-1]
                if not self._ahead:
                    return found
            while self._ahead:
                key = self._ahead[-1][:2]
                if key > kpi.key:
                    return found
                row = self._ahead.pop()
                if key == kpi.key:
                    found.append(self._make(row))


def _stream(connection: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> _ByKpi[Figure]:
    return _ByKpi(connection.cursor().execute(query, parameters or None), _figure)
