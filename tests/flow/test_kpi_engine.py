"""The KPI, benchmark and publish layers over a small made-up core, against figures counted by hand in Python.

What belongs here: that rolled-up, distinct, dense and protected figures agree with the rows they come from. What does
not: what the facts of the core mean (their own unit tests), and statistics (``unit/test_statistics.py``).
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from math import sqrt
from statistics import stdev
from typing import Any

import duckdb
import pytest

from orchestration import transform
from orchestration.kpi_check import Verdict, check_figures
from orchestration.project import DBT_PROJECT
from orchestration.warehouse import connect

pytestmark = pytest.mark.flow

AS_OF = date(2024, 12, 31)
ORGANISATIONS = {"alpha": 4, "beta": 4, "gamma": 10, "delta": 4}
"""Organisation → month in which its financial year starts. `delta` stopped delivering in June."""
SERVICES = {"a1": "alpha", "a2": "alpha", "b1": "beta", "c1": "gamma", "d1": "delta"}
SERVICE_TYPES = {"a1": "shelter", "a2": "housing", "b1": "shelter", "c1": "housing", "d1": "shelter"}
LAYERS = ("path:models/kpi", "path:models/benchmark", "path:models/publish")
BUILT_ALONG = ("dim_period", "dim_organisation", "resource_type:seed")


def episodes() -> list[dict[str, Any]]:
    """Three years of episodes, of people who come back, move between services and overlap with themselves."""
    chance = random.Random(11)
    rows = []
    for number in range(500):
        service = chance.choice(list(SERVICES))
        person = chance.randrange(90)
        start = date(2022, 1, 1) + timedelta(days=chance.randrange(1090))
        end: date | None = start + timedelta(days=chance.choice([0, 3, 20, 45, 100, 400]))
        limit = date(2024, 6, 30) if SERVICES[service] == "delta" else AS_OF
        if end is not None and end > limit:
            end = None
        if start <= limit:
            rows.append(episode(f"e{number:03}", f"p{person}", service, start, end, chance))
    return rows


def episode(
    key: str, person: str, service: str, start: date, end: date | None, chance: random.Random
) -> dict[str, Any]:
    organisation = SERVICES[service]
    traits = random.Random(person)
    return {
        "episode_key": key,
        "source_person_key": f"{organisation}|{person}",
        "person_key": person,
        "organisation_id": organisation,
        "source_id": f"{organisation}_hmis",
        "service_key": service,
        "service_type_code": SERVICE_TYPES[service],
        "start_on": start,
        "end_on": end,
        "is_closed": end is not None,
        "is_date_order_valid": True,
        "los_days": None if end is None else (end - start).days,
        "age_band_code": chance.choice(["18_24", "25_34", "unknown"]),
        "sex_code": traits.choice(["female", "male"]),
        "ethnicity_code": traits.choice(["a", "b", "unknown"]),
        "disability_code": chance.choice(["yes", "no", "unknown"]),
        "delivery_id": f"delivery of {organisation}",
        "file_name": "Enrollment.csv",
        "row_number": int(key[1:]),
        "line_number": int(key[1:]) + 1,
    }


def courses(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What outcome rules make of closed episodes; alpha and beta are made to measure for one month."""
    chance = random.Random(5)
    found = []
    for row in rows:
        if row["is_closed"]:
            finished, case = chance.random() < 0.8, chance.random() < 0.8
            recovered = finished and case and chance.random() < 0.5
            found.append(course(row, finished=finished, case=case, recovered=recovered))
    return found


def course(row: dict[str, Any], *, finished: bool, case: bool, recovered: bool) -> dict[str, Any]:
    columns = ("episode_key", "source_person_key", "person_key", "organisation_id", "service_key", "end_on")
    traits = ("service_type_code", "age_band_code", "sex_code", "ethnicity_code", "disability_code")
    traits = (*traits, "delivery_id", "row_number")
    return {name: row[name] for name in (*columns, *traits)} | {
        "is_eligible": finished,
        "is_paired": finished and case,
        "is_finished": finished,
        "is_not_case": finished and not case,
        "is_finished_case": finished and case,
        "is_recovered": recovered,
        "is_reliably_recovered": recovered,
        "is_reliably_improved": recovered,
        "is_reliably_deteriorated": False,
    }


def one_to_ninety_nine() -> list[dict[str, Any]]:
    """In January 2021 alpha has 1 recovered of 1 and beta 0 of 99."""
    chance = random.Random(1)
    day = date(2021, 1, 15)
    rows = [course(episode("e900", "q0", "a1", day, day, chance), finished=True, case=True, recovered=True)]
    for number in range(99):
        stay = episode(f"e{901 + number}", f"q{number}", "b1", day, day, chance)
        rows.append(course(stay, finished=True, case=True, recovered=False))
    return rows


AWARDS = [
    {
        "award_transaction_key": f"t{i}",
        "funder_key": "f",
        "programme_key": "p",
        "funder_code": "F",
        "programme_code": "P",
    }
    | {"programme_name": "Programme", "organisation_id": "alpha", "transacted_on": date(2024, 5, 1), "is_award": True}
    | {"currency_code": currency, "awarded_amount": amount}
    for i, (currency, amount) in enumerate([("GBP", "100.10"), ("GBP", "0.20"), ("EUR", "7.00")])
]


def target(organisation: str, set_on: date) -> dict[str, Any]:
    """40 per cent recovery for the financial year that begins in April 2023."""
    return {
        **{"target_key": organisation, "kpi_id": "OC-05", "target_level_code": "regional", "target_value": 40},
        **{"level_code": "organisation", "level_key": organisation, "period_type_code": "financial_year"},
        **{"period_start_on": date(2023, 4, 1), "set_on": set_on, "is_in_force": True},
        "is_retrospective": set_on > date(2023, 4, 1),
    }


def referral(key: str, service: str, referred: date, seen: date | None = None, **facts: Any) -> dict[str, Any]:
    return {
        **{"referral_key": key, "source_person_key": key, "person_key": key, "service_key": service},
        **{"organisation_id": SERVICES[service], "service_type_code": SERVICE_TYPES[service]},
        **{"referred_on": referred, "first_seen_on": seen, "is_duplicate": False, "is_turned_down": False},
    } | facts


REFERRALS = [
    referral("r1", "a1", date(2024, 1, 10), seen=date(2024, 3, 10)),
    referral("r2", "a1", date(2024, 1, 20)),
    referral("r3", "a2", date(2024, 2, 1), is_turned_down=True, result_on=date(2024, 2, 20)),
    referral("r4", "a1", date(2024, 1, 20), is_duplicate=True),
    referral("r5", "b1", date(2020, 11, 1)),
]
"""Waiting at the end of a month: r1 in January and February 2024, r2 from January on, r3 never (turned down in the
month it was made), r4 never (sent twice), r5 until October 2022."""


def spending(service: str | None, month: date, amount: int, currency: str = "GBP") -> dict[str, Any]:
    return {
        **{"finance_key": f"{service}{month}{currency}", "service_key": service, "organisation_id": "alpha"},
        **{"month_start_on": month, "actual_amount": amount, "currency_code": currency},
    }


MAY = date(2023, 5, 1)
SPENDING = [
    spending("a1", MAY, 3000),
    spending("a2", MAY, 1000),
    spending(None, MAY, 400),
    spending("a1", MAY, 50, "EUR"),
]
"""400 of no service go to a1 and a2 by three to one."""

STAFFING = [
    {
        **{"staffing_key": f"s{month}{service}", "service_key": service, "service_type_code": SERVICE_TYPES[service]},
        **{"organisation_id": "alpha", "month_end_on": date(2023, month, 28), "fte_case_holding": fte},
        **{"fte_established": fte + 1, "fte_vacant": 1, "fte_in_post": fte, "available_fte_days": 20 * fte},
    }
    for month, service, fte in [(4, "a1", 2), (5, "a1", 4), (6, "a1", 5), (6, "a2", 10)]
]

OUTCOMES = [
    {
        **{"episode_instrument_key": f"o{i}", "episode_key": f"o{i}", "organisation_id": "alpha", "service_key": "a1"},
        **{"source_person_key": f"o{i}", "person_key": f"o{i}", "end_on": date(2023, 6, 1), "is_paired": True},
        **{"measure_code": measure, "gain_score": gain, "compared_first_score": first, "is_improved": gain > 0},
    }
    for i, (measure, gain, first) in enumerate(
        [*(("phq9", gain, first) for gain, first in [(6, 20), (2, 10), (-3, 12), (7, 18)]), ("ons4.anxiety", 5, 9)]
    )
]
"""Gains, plus always better. SD of the first PHQ-9 scores 4.7610."""

GOALS = [
    {
        **{"goal_key": f"g{i}", "source_person_key": f"g{i}", "person_key": f"g{i}", "organisation_id": "alpha"},
        **{"service_key": "a1", "service_type_code": "shelter", "reviewed_on": date(2023, 6, 1)},
        **{"intent_code": intent, "status_code": status, "is_counted": counted, "is_met_as_intended": met},
    }
    for i, (intent, status, counted, met) in enumerate(
        [
            ("improve", "met", True, True),
            ("maintain", "maintained", True, True),
            ("improve", "not_met", True, False),
            ("improve", "withdrawn", False, False),
            ("improve", "changed", False, False),
        ]
    )
]

DISCHARGES = [
    {
        **{"episode_key": f"d{service}{age}{i}", "source_person_key": f"d{service}{age}{i}", "service_key": service},
        **{"organisation_id": SERVICES[service], "service_type_code": SERVICE_TYPES[service], "sex_code": "male"},
        **{"end_on": date(2023, 6, 1), "age_band_code": age, "is_death": i < deaths},
    }
    for service, age, number, deaths in [
        ("a1", "75_84", 60, 16),
        ("a1", "25_34", 40, 3),
        ("a1", "unknown", 10, 0),
        ("b1", "75_84", 40, 4),
        ("b1", "25_34", 160, 7),
    ]
    for i in range(number)
]
"""Of the region's old men 20 of 100 died, of its young men 10 of 200: 12 + 2 deaths to be expected of alpha, where 19
died, and 8 + 8 of beta, where 11 died."""

INDICATORS = [
    {
        **{"personal_outcome_measure_key": f"m{service}{supported}{i}", "organisation_id": SERVICES[service]},
        **{"service_key": service, "service_type_code": SERVICE_TYPES[service], "assessed_on": date(2023, 6, 1)},
        **{"is_decided_with_support": supported, "is_present_with_support": supported and i < present},
        **{"is_decided_without_support": not supported, "is_present_without_support": not supported and i < present},
    }
    for service, supported, number, present in [
        ("a1", True, 70, 56),
        ("a1", False, 80, 48),
        ("b1", True, 12, 12),
        ("b1", False, 9, 0),
        ("c1", True, 20, 10),
        ("c1", False, 20, 3),
    ]
    for i in range(number)
]

ASKED = [
    {
        **{"target_key": f"asked {quarter}", "kpi_id": kpi, "target_level_code": "funder", "target_value": value},
        **{"level_code": "organisation", "level_key": "alpha", "organisation_id": "alpha", "is_kpi_known": True},
        **{"award_code": "GB-1", "award_key": "gb1", "period_type_code": "quarter", "period_start_on": quarter},
        **{"set_on": date(2023, 1, 1), "is_in_force": True, "is_retrospective": quarter == date(2024, 1, 1)},
    }
    for kpi, quarter, value in [
        ("AV-01.episodes", date(2023, 4, 1), 120),
        ("AV-01.episodes", date(2023, 7, 1), 10),
        ("AV-01.episodes", date(2024, 1, 1), 500),
    ]
]
"""What an award asks of alpha: of DISCHARGES 110 fall into the first quarter and none into the second."""

VACANCIES = [
    {
        **{"staffing_key": f"v{at}", "service_key": "b1", "service_type_code": "shelter", "organisation_id": "beta"},
        **{"month_end_on": date(2023 + at // 12, at % 12 + 1, 28), "fte_established": 100, "fte_vacant": vacant},
        **{"fte_in_post": 100 - vacant, "available_fte_days": 0},
    }
    for at, vacant in enumerate([*(10, 12) * 6, 60, 60, 11, 60])
]
"""A year between 10 and 12 %, then 60 % in January, February and April 2024."""

ANSWERS = [
    {
        **{"action_key": f"answer {month}", "organisation_id": "beta", "signal_kpi_id": "WF-01.VACANCY"},
        **{"signal_month_on": month, "opened_on": opened, "status_code": "open"},
    }
    for month, opened in [(date(2024, 1, 1), date(2024, 2, 15)), (date(2024, 4, 1), date(2024, 7, 15))]
]


def _strata(
    organisation: str, year: int, *strata: tuple[str, int, int | None, int, int]
) -> dict[str, list[dict[str, Any]]]:
    """A frame of (stratum, people, invited, answers, positive ones) and its answers, one a month of the year."""
    start = date(year, 4, 1)
    owner = {"organisation_id": organisation, "form_code": "satisfaction"}
    frame = [
        {
            **{
                "sampling_stratum_key": f"{organisation} {year} {code}",
                "stratum_code": code,
                "period_start_on": start,
                **owner,
            },
            **{"year_start_on": start, "year_end_on": date(year + 1, 3, 31)},
            **{"population_count": people, "invited_count": invited},
        }
        for code, people, invited, _, _ in strata
    ]
    answers = [
        {
            **{"response_key": f"{organisation} {year} {code} {at}", "stratum_code": code, **owner},
            **{
                "answered_on": date(year, 4 + at % 9, 9),
                "has_rating": True,
                "is_rated": True,
                "is_positive": at < positive,
            },
        }
        for code, _, _, number, positive in strata
        for at in range(number)
    ]
    return {"frame": frame, "answers": answers}


SURVEYS = [
    _strata(
        "alpha",
        2023,
        ("flat", 40, 20, 12, 12),
        ("house", 160, 20, 4, 1),
        ("tent", 10, 4, 1, 0),
        ("boat", 5, None, 0, 0),
    ),
    _strata("beta", 2023, ("flat", 100, None, 6, 3), ("house", 100, 1, 2, 2)),
    _strata("beta", 2024, ("flat", 30, None, 10, 10)),
]
"""Alpha's flats answer more than its house, and its last two strata hardly; all of beta's answer alike in 2024."""


def financial_year(day: date, start_month: int) -> date:
    return date(day.year if day.month >= start_month else day.year - 1, start_month, 1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse after the build of the three layers."""
    region = transform.no_region(tmp_path_factory.mktemp("kpi"))
    transform.prepare(region)
    transform.ensure_warehouse(region)
    manifest = transform.manifest(region)
    with connect(region.warehouse_path) as connection:
        _fill_ops(connection)
        _create_core(connection, manifest)
        _fill_core(connection)
    transform._invoke(region, ["build", "--exclude-resource-type", "unit_test", "--select", *LAYERS, *BUILT_ALONG])
    with connect(region.warehouse_path, read_only=True) as connection:
        yield connection


def _fill_ops(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("DELETE FROM ops.region; DELETE FROM ops.organisation; DELETE FROM ops.source_config")
    connection.execute("UPDATE ops.run_context SET as_of = ?", [AS_OF])
    connection.execute("INSERT INTO ops.region VALUES ('here', 'Here', 'Europe/London', 4)")
    for order, (name, start) in enumerate(ORGANISATIONS.items(), start=1):
        source, until = f"{name}_hmis", date(2024, 6, 30) if name == "delta" else AS_OF
        connection.execute("INSERT INTO ops.organisation VALUES (?, ?, ?)", [name, name.title(), start])
        connection.execute(
            "INSERT INTO ops.source_config VALUES (?, 'hmis_csv', 'case_management', ?, 'monthly', '{}')",
            [source, name],
        )
        connection.execute(
            "INSERT INTO ops.delivery (delivery_id, source_id, organisation_id, stated_at, received_order, scope_from, "
            "scope_to, status) VALUES (?, ?, ?, ?, ?, DATE '2021-01-01', ?, 'loaded')",
            [f"delivery of {name}", source, name, until, order, until],
        )
    for order, name in enumerate(("alpha", "beta"), start=9):
        connection.execute(
            "INSERT INTO ops.source_config VALUES (?, 'sheet', 'management', ?, 'monthly', '{}')",
            [f"{name}_sheets", name],
        )
        connection.execute(
            "INSERT INTO ops.delivery (delivery_id, source_id, organisation_id, stated_at, received_order, status) "
            "VALUES (?, ?, ?, ?, ?, 'loaded')",
            [f"sheets of {name}", f"{name}_sheets", name, AS_OF, order],
        )


def _create_core(connection: duckdb.DuckDBPyConnection, manifest: Any) -> None:
    """Empty tables for every model below the three layers, with the columns of its contract."""
    for node in manifest["nodes"].values():
        is_core = node["fqn"][1] == "core" and node["name"] not in BUILT_ALONG
        if node["resource_type"] == "model" and (is_core or node["name"] == "in_benchmark__figure"):
            schema = "core" if is_core else "input"
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; DROP VIEW IF EXISTS {schema}.{node['name']}")
            columns = ", ".join(f"{c['name']} {c['data_type']}" for c in node["columns"].values())
            connection.execute(f"CREATE OR REPLACE TABLE {schema}.{node['name']} ({columns})")


def _fill_core(connection: duckdb.DuckDBPyConnection) -> None:
    stays = episodes()
    services = [
        {"service_key": k, "service_name": k, "organisation_id": o, "service_type_code": SERVICE_TYPES[k]}
        for k, o in SERVICES.items()
    ]
    _insert(connection, "core.dim_service", services)
    _insert(connection, "core.fct_episode", stays)
    _insert(connection, "core.mart_episode_course", [*courses(stays), *one_to_ninety_nine()])
    _insert(connection, "core.fct_award_transaction", AWARDS)
    _insert(connection, "core.fct_target", [target("alpha", date(2023, 1, 1)), target("beta", date(2024, 1, 1))])
    _insert(connection, "core.fct_referral", REFERRALS)
    _insert(connection, "core.fct_finance", SPENDING)
    _insert(connection, "core.fct_staffing", STAFFING)
    _insert(connection, "core.mart_episode_outcome", OUTCOMES)
    _insert(connection, "core.fct_personal_outcome", GOALS)
    _insert(connection, "core.mart_closed_episode", DISCHARGES)
    _insert(connection, "core.fct_personal_outcome_measure", INDICATORS)
    _insert(connection, "core.fct_target", ASKED)
    award = {"award_key": "gb1", "award_code": "GB-1", "title": "For moving on", "planned_end_on": date(2023, 12, 31)}
    _insert(connection, "core.dim_award", [award])
    _insert(connection, "core.fct_staffing", VACANCIES)
    _insert(connection, "core.fct_action", ANSWERS)
    for survey in SURVEYS:
        _insert(connection, "core.fct_sampling_frame", survey["frame"])
        _insert(connection, "core.fct_survey_response", survey["answers"])


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    names = list(rows[0])
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        [[row[name] for name in names] for row in rows],
    )


def figure(connection: duckdb.DuckDBPyConnection, table: str = "kpi.fct_kpi", **key: Any) -> dict[str, Any]:
    """The one row of a KPI with these values."""
    wanted = {"slice_code": "all"} | key
    found = connection.execute(
        f"SELECT * FROM {table} WHERE " + " AND ".join(f"{name} = ?" for name in wanted), list(wanted.values())
    )
    names = [d[0] for d in found.description or ()]
    rows = found.fetchall()
    assert len(rows) == 1, (wanted, len(rows))
    return dict(zip(names, rows[0], strict=True))


def test_pitfall_01_a_rate_is_made_of_sums_and_never_an_average_of_rates(built: duckdb.DuckDBPyConnection) -> None:
    month: dict[str, Any] = {"kpi_id": "OC-05", "period_type_code": "month", "period_start_on": date(2021, 1, 1)}
    assert figure(built, level_code="organisation", level_key="alpha", **month)["value"] == 100
    assert figure(built, level_code="organisation", level_key="beta", **month)["value"] == 0
    here = figure(built, level_code="region", level_key="here", **month)
    assert (here["numerator"], here["denominator"], here["value"]) == (1, 100, 1)
    assert here["ci95_lower"] == pytest.approx(0.1767, abs=1e-4)


def test_atoms_add_up_to_the_fact(built: duckdb.DuckDBPyConnection) -> None:
    direct = built.execute(
        "SELECT count(los_days), sum(los_days) FROM core.fct_episode WHERE end_on IS NOT NULL"
    ).fetchone()
    for slice_code in ("all", "age_band", "sex", "ethnicity", "disability"):
        summed = built.execute(
            "SELECT sum(a.whole_2), sum(a.whole_1) FROM kpi.kpi_atom AS a "
            "JOIN kpi.kpi_code AS g ON g.code_kind = 'atom_group' AND g.code_number = a.group_number "
            "JOIN kpi.kpi_code AS s ON s.code_kind = 'slice' AND s.code_number = a.slice_number "
            "WHERE g.code = 'episode.end_on' AND s.code = ?",
            [slice_code],
        ).fetchone()
        assert summed == direct, slice_code


def _months(day: date) -> int:
    return day.year * 12 + day.month - 1


def _active(row: dict[str, Any], start: date, end: date) -> bool:
    return row["start_on"] <= end and (row["end_on"] or AS_OF) >= start


@pytest.mark.parametrize(
    ("level", "column", "person"),
    [
        ("region", None, "person_key"),
        ("organisation", "organisation_id", "source_person_key"),
        ("service_type", "service_type_code", "person_key"),
        ("service", "service_key", "source_person_key"),
    ],
)
@pytest.mark.parametrize("slice_code", ["all", "age_band", "sex"])
def test_people_served_are_counted_once(
    built: duckdb.DuckDBPyConnection, level: str, column: str | None, person: str, slice_code: str
) -> None:
    found = built.execute(
        "SELECT level_key, slice_value, period_type_code, period_start_on, period_end_on, person_count "
        "FROM kpi.fct_kpi WHERE kpi_id = 'AV-05' AND level_code = ? AND slice_code = ? AND coverage_code <> 'none'",
        [level, slice_code],
    ).fetchall()
    assert bool(found) is not (level == "service" and slice_code != "all")
    stays = episodes()
    for key, value, period_type, start, end, count in found:
        people = {
            row[person]
            for row in stays
            if (column is None or row[column] == key)
            and (slice_code == "all" or row[f"{slice_code}_code"] == value)
            and _active(row, start, end)
        }
        assert count == len(people), (key, value, period_type, start)
    if found and slice_code == "all":
        assert {row[2] for row in found} == {"month", "quarter", "financial_year", "rolling12"}


def test_pitfall_02_a_person_in_two_services_is_one_person_of_the_organisation(
    built: duckdb.DuckDBPyConnection,
) -> None:
    period: dict[str, Any] = {"kpi_id": "AV-05", "period_type_code": "financial_year"}
    period["period_start_on"] = date(2023, 4, 1)
    whole = figure(built, level_code="organisation", level_key="alpha", **period)["person_count"]
    parts = [figure(built, level_code="service", level_key=s, **period)["person_count"] for s in ("a1", "a2")]
    assert whole < sum(parts)


def test_medians_come_from_the_rows(built: duckdb.DuckDBPyConnection) -> None:
    for level, column in (("organisation", "organisation_id"), ("service", "service_key")):
        differing = built.execute(
            f"""
            SELECT k.level_key, k.period_start_on, k.period_end_on, k.value, quantile_cont(e.los_days, 0.5)
            FROM kpi.fct_kpi AS k
            JOIN core.fct_episode AS e
                ON e.{column} = k.level_key AND e.end_on BETWEEN k.period_start_on AND k.period_end_on
            WHERE k.kpi_id = 'AC-06.median' AND k.level_code = ? AND k.slice_code = 'all'
            GROUP BY ALL
            HAVING k.value IS DISTINCT FROM quantile_cont(e.los_days, 0.5) OR k.denominator <> count(*)
            """,
            [level],
        ).fetchall()
        assert not differing


def test_financial_years_follow_the_organisation(built: duckdb.DuckDBPyConnection) -> None:
    by_year: dict[tuple[str, date], int] = defaultdict(int)
    for row in episodes():
        if row["end_on"]:
            organisation = row["organisation_id"]
            by_year[organisation, financial_year(row["end_on"], ORGANISATIONS[organisation])] += 1
    found = built.execute(
        "SELECT level_key, period_start_on, denominator FROM kpi.fct_kpi WHERE kpi_id = 'AC-06.mean' "
        "AND level_code = 'organisation' AND slice_code = 'all' AND period_type_code = 'financial_year' "
        "AND denominator > 0"
    ).fetchall()
    assert {(key, start): count for key, start, count in found} == dict(by_year)


def test_members_add_up_to_every_figure(built: duckdb.DuckDBPyConnection) -> None:
    """The members of an organisation and period, of every KPI with rows in this core."""
    additive = built.execute(
        """
        SELECT k.kpi_id, k.level_key, k.period_type_code, k.period_start_on, k.numerator, k.denominator,
            sum(m.numerator_value), sum(m.denominator_value)
        FROM kpi.fct_kpi AS k
        LEFT JOIN kpi.fct_kpi_member AS m
            ON m.kpi_id = k.kpi_id AND m.version = k.version AND m.organisation_id = k.level_key
            AND m.anchor_on BETWEEN k.period_start_on AND k.period_end_on
        WHERE k.level_code = 'organisation' AND k.slice_code = 'all' AND k.coverage_code <> 'none'
            AND k.statistic_code IN ('proportion', 'ratio', 'mean') AND k.period_type_code <> 'rolling12'
            AND k.kpi_id NOT IN (SELECT kpi_id FROM kpi.kpi_definition WHERE is_stock)
        GROUP BY ALL
        """
    ).fetchall()
    assert {row[0] for row in additive if row[5]} >= {"AC-06.mean", "OC-01", "OC-03", "OC-05", "OC-06"}
    for row in additive:
        assert (row[4], row[5]) == (row[6] or 0, row[7] or 0), row
    persons = built.execute(
        """
        SELECT k.level_key, k.period_start_on, k.person_count, count(DISTINCT m.source_person_key)
        FROM kpi.fct_kpi AS k
        LEFT JOIN kpi.fct_kpi_member AS m
            ON m.kpi_id = k.kpi_id AND m.organisation_id = k.level_key AND m.anchor_on <= k.period_end_on
            AND coalesce(m.anchor_end_on, DATE '9999-12-31') >= k.period_start_on
        WHERE k.kpi_id = 'AV-05' AND k.level_code = 'organisation' AND k.slice_code = 'all'
            AND k.coverage_code <> 'none'
        GROUP BY ALL
        """
    ).fetchall()
    assert persons and all(count == members for _, _, count, members in persons)


def test_who_does_not_count_has_a_reason(built: duckdb.DuckDBPyConnection) -> None:
    found = built.execute(
        "SELECT exclusion_code, in_denominator, count(*) FROM kpi.fct_kpi_member WHERE kpi_id = 'OC-05' GROUP BY ALL"
    ).fetchall()
    assert {(code, counted) for code, counted, _ in found} == {
        *((None, True), ("not_finished", False), ("not_case", False))
    }
    traced = built.execute(
        "SELECT count(*) FROM kpi.fct_kpi_member WHERE kpi_id = 'AC-06.mean' "
        "AND (delivery_id IS NULL OR file_name IS NULL OR line_number IS NULL)"
    ).fetchone()
    assert traced == (0,)


def test_pitfall_22_nothing_happened_and_nothing_was_delivered_differ(built: duckdb.DuckDBPyConnection) -> None:
    month = {"kpi_id": "OC-05", "level_code": "organisation", "period_type_code": "month"}
    quiet = figure(built, level_key="alpha", period_start_on=date(2021, 3, 1), **month)
    assert (quiet["numerator"], quiet["denominator"], quiet["value"]) == (0, 0, None)
    assert (quiet["status_code"], quiet["coverage_code"], quiet["is_stale"]) == ("no_denominator", "full", False)
    silent = figure(built, level_key="delta", period_start_on=date(2024, 9, 1), **month)
    assert (silent["numerator"], silent["denominator"], silent["value"]) == (None, None, None)
    assert (silent["status_code"], silent["coverage_code"], silent["is_stale"]) == ("no_data", "none", True)
    before = figure(built, level_key="delta", period_start_on=date(2024, 5, 1), **month)
    assert (before["coverage_code"], before["is_stale"]) == ("full", False)
    served = {"kpi_id": "AV-05", "level_code": "organisation", "level_key": "alpha", "period_type_code": "month"}
    assert figure(built, period_start_on=date(2021, 3, 1), **served)["value"] == 0


def test_a_region_is_complete_when_all_who_had_begun_cover_the_period(built: duckdb.DuckDBPyConnection) -> None:
    month = {"kpi_id": "AV-05", "level_code": "region", "level_key": "here", "period_type_code": "month"}
    assert figure(built, period_start_on=date(2024, 5, 1), **month)["coverage_code"] == "full"
    assert figure(built, period_start_on=date(2024, 9, 1), **month)["coverage_code"] == "partial"


def test_every_unsliced_series_is_dense(built: duckdb.DuckDBPyConnection) -> None:
    found = built.execute(
        "SELECT kpi_id, level_key, count(*) FROM kpi.fct_kpi WHERE level_code = 'service' AND slice_code = 'all' "
        "AND period_type_code = 'month' AND kpi_id IN ('AV-05', 'OC-05') GROUP BY ALL"
    ).fetchall()
    assert len(found) == 2 * len(SERVICES)
    first = {
        row["service_key"]: row["start_on"] for row in sorted(episodes(), key=lambda r: r["start_on"], reverse=True)
    }
    for _, service, months in found:
        assert months >= _months(AS_OF) - _months(first[service]) - 12, service


def test_a_cohort_before_the_first_delivery_is_no_data(built: duckdb.DuckDBPyConnection) -> None:
    year = {"kpi_id": "OC-13.730", "level_code": "organisation", "level_key": "alpha"}
    early = figure(built, period_type_code="financial_year", period_start_on=date(2021, 10, 1), **year)
    assert early["status_code"] == "no_data"


def test_money_is_never_added_across_currencies(built: duckdb.DuckDBPyConnection) -> None:
    found = built.execute(
        "SELECT level_code, slice_value, numerator FROM kpi.fct_kpi WHERE kpi_id = 'FN-06' "
        "AND period_type_code = 'financial_year' ORDER BY ALL"
    ).fetchall()
    assert [(level, currency, str(amount)) for level, currency, amount in found] == [
        (level, currency, amount)
        for level in ("funder", "programme", "region")
        for currency, amount in (("EUR", "7.0000"), ("GBP", "100.3000"))
    ]
    summary = built.execute("SELECT currency_code, award_count, awarded_amount FROM pub.pub_award_summary ORDER BY 1")
    assert [(c, n, str(a)) for c, n, a in summary.fetchall()] == [("EUR", 1, "7.00"), ("GBP", 2, "100.30")]


def test_what_depends_on_a_small_number_is_hidden_with_it(built: duckdb.DuckDBPyConnection) -> None:
    month = {"kpi_id": "OC-05", "level_code": "region", "level_key": "here", "period_type_code": "month"}
    shown = figure(built, "pub.pub_kpi_timeseries", period_start_on=date(2021, 1, 1), **month)
    assert (shown["numerator"], shown["numerator_status"]) == (None, "suppressed")
    assert (shown["denominator"], shown["denominator_status"]) == (100, "rounded")
    hidden = ("value", "ci95_lower", "ci95_upper", "spc_mean", "spc_rule_code", "variation_code", "is_problem")
    assert [shown[name] for name in hidden] == [None] * len(hidden)
    assert shown["value_status"] == "suppressed"


def test_published_numbers_follow_from_the_true_ones(built: duckdb.DuckDBPyConnection) -> None:
    """Over every row: small counts hidden, others multiples of five, rates whole percents of the shown numbers."""
    rows = built.execute(
        """
        SELECT k.statistic_code, k.numerator, k.denominator, p.numerator, p.numerator_status, p.denominator,
            p.denominator_status, p.value, p.value_status, p.unit_code, k.is_below_minimum
        FROM kpi.fct_kpi AS k
        JOIN pub.pub_kpi_timeseries AS p USING (
            kpi_id, version, level_code, level_key, slice_code, slice_value, period_type_code, period_start_on
        )
        WHERE k.kpi_id NOT IN (
            SELECT kpi_id FROM kpi.kpi_definition
            WHERE numerator_disclosure_code <> 'person' OR denominator_disclosure_code <> 'person'
        )
        """
    ).fetchall()
    statuses = set()
    for statistic, x, n, shown_x, x_status, shown_n, n_status, value, status, unit, is_below in rows:
        statuses.add(status)
        if statistic in ("proportion", "distinct_count"):
            assert (shown_x, x_status) == _protected(x)
        if n is not None:
            assert (shown_n, n_status) == _protected(n)
        assert (value is None) == (status not in ("shown", "rounded"))
        if "suppressed" in (x_status, n_status):
            assert status == "suppressed"
        if value is not None and statistic == "proportion":
            assert unit == "percent" and not is_below
            assert value == int(100 * shown_x / shown_n + type(shown_x)("0.5"))
    assert statuses == {"shown", "rounded", "suppressed", "no_data", "not_computed"}


def _protected(count: Any) -> tuple[Any, str]:
    if count is None:
        return None, "no_data"
    if count == 0:
        return 0, "shown"
    if count <= 7:
        return None, "suppressed"
    return (int(count) + 2) // 5 * 5, "rounded"


def test_only_targets_set_in_time_are_judged(built: duckdb.DuckDBPyConnection) -> None:
    found = built.execute(
        "SELECT level_key, is_retrospective, is_judged, is_problem, gap, value "
        "FROM benchmark.fct_performance_gap ORDER BY 1"
    ).fetchall()
    (alpha, beta) = found
    assert alpha[:3] == ("alpha", False, True)
    assert alpha[4] == pytest.approx(alpha[5] - 40)
    assert alpha[3] == (alpha[5] < 40)
    assert beta[:4] == ("beta", True, False, None)


def test_charts_leave_out_what_cannot_be_compared(built: duckdb.DuckDBPyConnection) -> None:
    wrong = built.execute(
        "SELECT count(*) FROM benchmark.fct_spc_point AS s JOIN kpi.fct_kpi AS k USING (kpi_id, version, level_code, "
        "level_key, period_start_on) WHERE k.period_type_code = 'month' AND k.slice_code = 'all' "
        "AND (NOT k.is_period_complete OR k.is_below_minimum OR k.is_provisional)"
    ).fetchone()
    points = built.execute("SELECT count(*), count(DISTINCT kpi_id) FROM benchmark.fct_spc_point").fetchone()
    assert wrong == (0,)
    assert points is not None and points[0] > 100 and points[1] >= 2


def test_four_organisations_are_too_few_for_a_median(built: duckdb.DuckDBPyConnection) -> None:
    found = built.execute("SELECT max(peer_count), count(median), count(q1) FROM benchmark.fct_benchmark").fetchone()
    assert found == (4, 0, 0)
    assert built.execute("SELECT count(median_of_others) FROM benchmark.fct_benchmark_member").fetchone() == (0,)


def test_the_centre_of_a_funnel_is_sum_over_sum(built: duckdb.DuckDBPyConnection) -> None:
    found = built.execute(
        "SELECT centre, 100.0 * sum(numerator) OVER w / sum(denominator) OVER w FROM benchmark.fct_benchmark_member "
        "WHERE kpi_id = 'OC-05' WINDOW w AS (PARTITION BY period_type_code, period_start_on)"
    ).fetchall()
    assert found
    for centre, expected in found:
        assert centre == pytest.approx(float(expected), rel=1e-12)


def test_no_person_is_published(built: duckdb.DuckDBPyConnection) -> None:
    columns = built.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'pub'"
    ).fetchall()
    forbidden = ("person_key", "source_person_key", "episode_key", "member_key", "person_code", "row_number")
    assert columns and not [c for c in columns if c[1] in forbidden]


def test_pitfall_02_a_stock_counts_at_the_end_and_is_never_added_up(built: duckdb.DuckDBPyConnection) -> None:
    waiting = {"kpi_id": "AC-04", "level_code": "organisation", "level_key": "alpha"}
    months = [
        figure(built, period_type_code="month", period_start_on=date(2024, m, 1), **waiting)["value"] for m in (1, 2, 3)
    ]
    assert months == [2, 2, 1]
    assert figure(built, period_type_code="quarter", period_start_on=date(2024, 1, 1), **waiting)["value"] == 1
    running = figure(built, period_type_code="financial_year", period_start_on=date(2024, 4, 1), **waiting)
    assert (running["value"], running["coverage_code"]) == (1, "partial")
    share = {"kpi_id": "AC-04.126", "level_code": "organisation", "level_key": "alpha"}
    late = figure(built, period_type_code="month", period_start_on=date(2024, 6, 1), **share)
    assert (late["numerator"], late["denominator"]) == (1, 1)
    beta = {"kpi_id": "AC-04", "level_code": "organisation", "level_key": "beta", "period_type_code": "month"}
    lapsed = [figure(built, period_start_on=date(2022, m, 1), **beta)["value"] for m in (10, 11)]
    assert lapsed == [1, 0], "two years without a word end the wait"


def test_caseload_is_open_cases_at_the_end_per_worker(built: duckdb.DuckDBPyConnection) -> None:
    def open_cases(service: str, day: date) -> int:
        return sum(
            1
            for row in episodes()
            if row["service_key"] == service
            and row["start_on"] <= day
            and (row["end_on"] is None or row["end_on"] > day)
        )

    quarter: dict[str, Any] = {"kpi_id": "EF-03", "period_type_code": "quarter", "period_start_on": date(2023, 4, 1)}
    found = figure(built, level_code="organisation", level_key="alpha", **quarter)
    expected = open_cases("a1", date(2023, 6, 28)) + open_cases("a2", date(2023, 6, 28))
    assert (found["numerator"], found["denominator"]) == (expected, 15)
    vacancy = figure(built, level_code="organisation", level_key="alpha", **(quarter | {"kpi_id": "WF-01.vacancy"}))
    assert (vacancy["numerator"], vacancy["denominator"]) == (2, 17)


def test_costs_of_no_service_are_shared_out_and_currencies_stay_apart(built: duckdb.DuckDBPyConnection) -> None:
    cost = {"kpi_id": "EF-01", "period_type_code": "quarter", "period_start_on": date(2023, 4, 1)}
    cost |= {"slice_code": "currency"}
    by_service = [
        figure(built, level_code="service", level_key=service, slice_value="GBP", **cost)["numerator"]
        for service in ("a1", "a2")
    ]
    assert by_service == [3300, 1100]
    whole = figure(built, level_code="organisation", level_key="alpha", slice_value="GBP", **cost)
    ended = [row for row in episodes() if row["organisation_id"] == "alpha" and row["end_on"]]
    in_may = sum(1 for row in ended if row["end_on"].replace(day=1) == MAY)
    assert (whole["numerator"], whole["denominator"]) == (4400, in_may)
    foreign = figure(built, level_code="organisation", level_key="alpha", slice_value="EUR", **cost)
    assert foreign["numerator"] == 50


def test_effect_size_is_mean_gain_in_deviations_of_the_first_scores(built: duckdb.DuckDBPyConnection) -> None:
    year = {"level_code": "organisation", "level_key": "alpha", "period_type_code": "financial_year"}
    year |= {"period_start_on": date(2023, 4, 1), "slice_code": "instrument", "slice_value": "phq9"}
    mean = figure(built, kpi_id="OC-07", **year)
    assert (mean["value"], mean["denominator"]) == (3, 4)
    assert figure(built, kpi_id="OC-07.d", **year)["value"] == pytest.approx(3 / stdev([20, 10, 12, 18]), rel=1e-12)


def test_a_weighted_share_is_that_of_each_stratum_times_its_people(built: duckdb.DuckDBPyConnection) -> None:
    """Tent and boat have one answer together, and join the flats, the smaller of the others: 12 of 13 of 55 people."""
    year: dict[str, Any] = {"kpi_id": "EX-03.weighted", "period_type_code": "financial_year"}
    year |= {"period_start_on": date(2023, 4, 1)}
    strata = {"alpha": [(12, 13, 55), (1, 4, 160)], "beta": [(3, 6, 100), (2, 2, 100)]}
    strata["here"] = strata["alpha"] + strata["beta"]
    for key, level in (("alpha", "organisation"), ("beta", "organisation"), ("here", "region")):
        people = sum(size for _, _, size in strata[key])
        share = sum(x / n * size for x, n, size in strata[key]) / people
        variance = (
            sum(x / n * (1 - x / n) * size**2 * (1 - n / size) / (n - 1) for x, n, size in strata[key]) / people**2
        )
        found = figure(built, level_code=level, level_key=key, **year)
        assert (found["numerator"], found["denominator"]) == tuple(map(sum, list(zip(*strata[key], strict=True))[:2]))
        assert found["value"] == pytest.approx(100 * share, rel=1e-12)
        half = 100 * 1.959963984540054 * sqrt(variance)
        limits = (max(100 * share - half, 0), min(100 * share + half, 100))
        assert (found["ci95_lower"], found["ci95_upper"]) == pytest.approx(limits, rel=1e-12)
        assert found["is_below_minimum"] == (found["denominator"] < 10)
    unweighted = figure(built, level_code="organisation", level_key="alpha", **year | {"kpi_id": "EX-03"})
    assert unweighted["value"] > figure(built, level_code="organisation", level_key="alpha", **year)["value"] + 30


def test_answers_that_are_all_alike_have_a_weighted_share_without_limits(built: duckdb.DuckDBPyConnection) -> None:
    year = {"period_type_code": "financial_year", "level_code": "organisation", "level_key": "beta"}
    found = figure(built, kpi_id="EX-03.weighted", period_start_on=date(2024, 4, 1), **year)
    assert (found["value"], found["ci95_lower"], found["ci998_upper"]) == (100, None, None)


def test_a_response_rate_counts_strata_whose_invited_are_known(built: duckdb.DuckDBPyConnection) -> None:
    """Beta's house had two answers of one invited, which can't be."""
    year = {"kpi_id": "EX-03.invited", "period_type_code": "financial_year", "period_start_on": date(2023, 4, 1)}
    found = figure(built, level_code="region", level_key="here", **year)
    assert (found["numerator"], found["denominator"]) == (17, 44)


def test_a_published_weighted_share_is_rounded_and_hidden_with_its_counts(built: duckdb.DuckDBPyConnection) -> None:
    year: dict[str, Any] = {"kpi_id": "EX-03.weighted", "period_start_on": date(2023, 4, 1)}
    whole = figure(built, "pub.pub_kpi_timeseries", level_code="organisation", level_key="alpha", **year)
    true = figure(built, level_code="organisation", level_key="alpha", **year)
    assert (whole["numerator"], whole["denominator"], whole["value_status"]) == (15, 15, "rounded")
    assert (whole["value"], whole["ci95_upper"]) == (round(true["value"]), round(true["ci95_upper"]))
    few = figure(built, "pub.pub_kpi_timeseries", level_code="organisation", level_key="beta", **year)
    assert (few["value"], few["ci95_lower"], few["value_status"]) == (None, None, "suppressed")


def test_pitfall_29_kept_goals_succeed_and_withdrawn_ones_are_no_failure(built: duckdb.DuckDBPyConnection) -> None:
    year = {"kpi_id": "OC-10", "level_code": "organisation", "level_key": "alpha"}
    found = figure(built, period_type_code="financial_year", period_start_on=date(2023, 4, 1), **year)
    assert (found["numerator"], found["denominator"]) == (2, 3)


def test_exclusions_are_counted_by_kpi(built: duckdb.DuckDBPyConnection) -> None:
    year = {"kpi_id": "OC-23", "level_code": "organisation", "level_key": "alpha", "slice_code": "kpi"}
    year |= {"period_type_code": "financial_year", "period_start_on": date(2023, 4, 1), "slice_value": "OC-05"}
    found = figure(built, **year)
    rows = [
        row
        for row in courses(episodes())
        if row["organisation_id"] == "alpha" and date(2023, 4, 1) <= row["end_on"] <= date(2024, 3, 31)
    ]
    assert found["denominator"] == len(rows)
    assert found["numerator"] == sum(1 for row in rows if not row["is_finished_case"])


def test_slices_of_a_figure_add_up_to_it_unknown_among_them(built: duckdb.DuckDBPyConnection) -> None:
    differing = built.execute(
        """
        SELECT s.kpi_id, s.slice_code, s.level_code, s.level_key, s.period_type_code, s.period_start_on
        FROM kpi.fct_kpi AS s
        JOIN kpi.fct_kpi AS k USING (kpi_id, version, level_code, level_key, period_type_code, period_start_on)
        WHERE k.slice_code = 'all' AND s.slice_code IN ('age_band', 'sex', 'ethnicity', 'disability')
            AND k.statistic_code = 'proportion' AND k.status_code = 'computed'
        GROUP BY ALL
        HAVING sum(s.numerator) <> any_value(k.numerator) OR sum(s.denominator) <> any_value(k.denominator)
        """
    ).fetchall()
    sliced = built.execute(
        "SELECT DISTINCT slice_code, slice_value = 'unknown' FROM kpi.fct_kpi WHERE kpi_id = 'OC-05' "
        "AND slice_code <> 'all' AND slice_value = 'unknown'"
    ).fetchall()
    assert not differing
    assert {code for code, _ in sliced} == {"age_band", "ethnicity", "disability"}
    periods = built.execute("SELECT DISTINCT period_type_code FROM kpi.fct_kpi WHERE slice_code = 'sex'").fetchall()
    assert {period for (period,) in periods} <= {"quarter", "financial_year"}
    levels = built.execute("SELECT DISTINCT level_code FROM kpi.fct_kpi WHERE slice_code = 'sex'").fetchall()
    assert {level for (level,) in levels} <= {"region", "organisation", "service_type"}


def test_pitfall_11_a_young_cohort_is_not_final(built: duckdb.DuckDBPyConnection) -> None:
    month = {"kpi_id": "OC-16", "level_code": "organisation", "level_key": "alpha", "period_type_code": "month"}
    assert figure(built, period_start_on=date(2024, 12, 1), **month)["is_provisional"]
    assert not figure(built, period_start_on=date(2024, 11, 1), **month)["is_provisional"]


def test_pitfall_23_what_was_not_computed_is_never_published_as_zero(built: duckdb.DuckDBPyConnection) -> None:
    wrong = built.execute(
        "SELECT count(*) FROM kpi.fct_kpi AS k JOIN pub.pub_kpi_timeseries AS p USING (kpi_id, version, level_code, "
        "level_key, slice_code, slice_value, period_type_code, period_start_on) "
        "WHERE (k.status_code = 'no_data' AND (p.numerator IS NOT NULL OR p.value IS NOT NULL)) "
        "OR (k.status_code = 'no_denominator' AND p.value IS NOT NULL) "
        "OR (p.value IS NULL AND p.value_status IN ('shown', 'rounded'))"
    ).fetchone()
    assert wrong == (0,)


def test_every_kpi_with_rows_is_the_sum_of_its_members(built: duckdb.DuckDBPyConnection) -> None:
    """What `trigpoint kpi test` does on a region, here on every KPI that this core has rows of."""
    counted = set()
    for kpi in (kpi for kpi in transform.kpi_catalogue() if kpi["numerator"]):
        verdict = Verdict(kpi)
        check_figures(built, verdict)
        assert verdict.problems == [], kpi["kpi_id"]
        rows = built.execute(
            "SELECT count(*) FROM kpi.fct_kpi_member WHERE kpi_id = ? AND in_denominator", [kpi["kpi_id"]]
        ).fetchone()
        if verdict.figures and rows != (0,):
            counted.add(kpi["kpi_id"])
    assert counted >= {
        "AC-04",
        "AC-06.median",
        "AV-05",
        "EF-01",
        "EF-03",
        "OC-05",
        "OC-07.d",
        "OC-10",
        "OC-23",
        "WF-01",
    }


def test_equity_gaps_are_of_published_groups_with_enough_people(built: duckdb.DuckDBPyConnection) -> None:
    rows = built.execute(
        "SELECT slice_value, reference_slice_value, group_value, reference_group_value, gap_pp, gap_ci95_lower, "
        "gap_ci95_upper, rate_ratio, denominator, reference_denominator, difference_code FROM pub.pub_equity_gap "
        "WHERE level_code = 'region' AND slice_code = 'sex' AND kpi_id = 'OC-05'"
    ).fetchall()
    assert rows
    for group, reference, value, other, gap, lower, upper, ratio, n, reference_n, code in rows:
        assert group != reference and group != "unknown"
        assert min(n, reference_n) >= 10 and reference_n >= n
        assert abs(gap - (value - other)) <= 1 and lower <= gap <= upper
        assert ratio == pytest.approx(value / other, abs=0.05)
        assert (code == "not_told_apart") == (lower <= 0 <= upper)
    small = built.execute(
        "SELECT count(*) FROM pub.pub_equity_gap AS g JOIN pub.pub_kpi_timeseries AS t USING (kpi_id, version, "
        "level_code, level_key, slice_code, slice_value, period_type_code, period_start_on) "
        "WHERE t.is_below_minimum OR t.value IS NULL"
    ).fetchone()
    assert small == (0,)


def byar(count: int) -> tuple[float, float]:
    """The 95 % interval of a count of ten or more."""
    z = 1.959963984540054
    upper = count + 1
    return (
        count * (1 - 1 / (9 * count) - z / (3 * count**0.5)) ** 3,
        upper * (1 - 1 / (9 * upper) + z / (3 * upper**0.5)) ** 3,
    )


def test_deaths_are_held_against_those_that_age_and_sex_explain(built: duckdb.DuckDBPyConnection) -> None:
    year: dict[str, Any] = {"kpi_id": "OC-19.smr", "period_type_code": "financial_year"}
    year["period_start_on"] = date(2023, 4, 1)
    for organisation, observed, expected in [("alpha", 19, 14), ("beta", 11, 16)]:
        found = figure(built, level_code="organisation", level_key=organisation, **year)
        assert (found["numerator"], found["denominator"]) == (observed, expected)
        assert found["value"] == pytest.approx(observed / expected, rel=1e-12)
        assert (found["ci95_lower"], found["ci95_upper"]) == pytest.approx([c / expected for c in byar(observed)])
        shown = figure(built, "pub.pub_kpi_timeseries", level_code="organisation", level_key=organisation, **year)
        rounded = (observed + 2) // 5 * 5
        assert (shown["numerator"], shown["denominator"], shown["value_status"]) == (rounded, expected, "rounded")
        assert shown["value"] == pytest.approx(rounded / expected, abs=0.05)
    region = figure(built, level_code="region", **year)
    assert (region["numerator"], region["denominator"], region["value"]) == (30, 30, 1)
    unknown = figure(built, **year, level_code="region", slice_code="age_band", slice_value="unknown")
    assert (unknown["numerator"], unknown["denominator"], unknown["value"]) == (0, 0, None)
    nobody = figure(
        built, level_code="organisation", level_key="gamma", **(year | {"period_start_on": date(2022, 10, 1)})
    )
    assert (nobody["denominator"], nobody["value"], nobody["status_code"]) == (0, None, "no_denominator")


def test_expected_deaths_are_hidden_with_the_observed(built: duckdb.DuckDBPyConnection) -> None:
    rows = built.execute(
        "SELECT p.numerator_status, p.denominator, k.denominator FROM pub.pub_kpi_timeseries AS p "
        "JOIN kpi.fct_kpi AS k USING (kpi_id, version, level_code, level_key, slice_code, slice_value, "
        "period_type_code, period_start_on) WHERE p.kpi_id = 'OC-19.smr' AND k.denominator IS NOT NULL"
    ).fetchall()
    assert {status for status, *_ in rows} == {"shown", "rounded", "suppressed"}
    for status, shown, true in rows:
        assert shown == (None if status == "suppressed" else int(true + type(true)("0.5")))


def test_the_lift_of_supports_is_a_difference_of_what_is_shown(built: duckdb.DuckDBPyConnection) -> None:
    year: dict[str, Any] = {"kpi_id": "OC-09.lift", "level_code": "organisation", "period_type_code": "financial_year"}
    spring, autumn = date(2023, 4, 1), date(2022, 10, 1)
    lift = figure(built, "benchmark.fct_kpi_second", level_key="alpha", period_start_on=spring, **year)
    assert lift["value"] == pytest.approx(20)
    assert (lift["ci95_lower"], lift["ci95_upper"]) == pytest.approx((5.2431, 33.3873), abs=1e-4), "Newcombe 1998, a"
    series = "pub.pub_kpi_timeseries"
    shown = figure(built, series, level_key="alpha", period_start_on=spring, **year)
    assert (shown["value"], shown["value_status"]) == (16.1, "rounded"), "55 of 70 less 50 of 80"
    assert shown["ci95_lower"] < shown["value"] < shown["ci95_upper"] and shown["numerator"] is None
    few = figure(built, series, level_key="beta", period_start_on=spring, **year)
    assert (few["value"], few["ci95_lower"], few["value_status"]) == (None, None, "not_computed"), (
        "nine without support"
    )
    hidden = figure(built, series, level_key="gamma", period_start_on=autumn, **year)
    assert (hidden["value"], hidden["ci95_upper"], hidden["value_status"]) == (None, None, "suppressed")


def test_outputs_of_an_award_are_held_against_all_that_it_asked_for(built: duckdb.DuckDBPyConnection) -> None:
    asked: dict[str, Any] = {"kpi_id": "FN-02", "slice_code": "kpi", "slice_value": "AV-01.episodes"}
    for level, key in [("award", "gb1"), ("organisation", "alpha"), ("region", "here")]:
        for start, target_to_date in [(date(2023, 4, 1), 120), (date(2023, 7, 1), 130), (date(2023, 10, 1), 130)]:
            found = figure(
                built, "benchmark.fct_kpi_second", level_code=level, level_key=key, period_start_on=start, **asked
            )
            assert (found["numerator"], found["denominator"]) == (110, target_to_date)
            assert found["value"] == pytest.approx(11000 / target_to_date, rel=1e-12)
    after = built.execute("SELECT max(period_start_on) FROM benchmark.fct_kpi_second WHERE kpi_id = 'FN-02'").fetchone()
    assert after == (date(2024, 1, 1),), "the award is over; only the target set after the fact is still shown"
    late = built.execute(
        "SELECT DISTINCT exclusion_code FROM benchmark.fct_kpi_second_member WHERE kpi_id = 'FN-02' "
        "AND anchor_on >= DATE '2024-01-01'"
    ).fetchall()
    assert late == [("retrospective",)]
    shown = figure(
        built, "pub.pub_kpi_timeseries", level_code="award", level_key="gb1", period_start_on=date(2023, 7, 1), **asked
    )
    assert (shown["level_name"], shown["numerator"], shown["denominator"], shown["value"]) == (
        *("For moving on", 110, 130),
        85,
    )


def test_signals_count_once_and_are_answered_in_thirty_days(built: duckdb.DuckDBPyConnection) -> None:
    answered: dict[str, Any] = {"kpi_id": "PI-01", "level_code": "organisation", "level_key": "beta"}
    second = "benchmark.fct_kpi_second"
    winter = figure(built, second, period_type_code="quarter", period_start_on=date(2024, 1, 1), **answered)
    assert (winter["numerator"], winter["denominator"], winter["value"]) == (1, 1, 100), "February goes on from January"
    spring = figure(built, second, period_type_code="quarter", period_start_on=date(2024, 4, 1), **answered)
    assert (spring["numerator"], spring["denominator"], spring["value"]) == (0, 1, 0), "answered too late"
    left_out = built.execute(
        "SELECT member_key, exclusion_code FROM benchmark.fct_kpi_second_member "
        "WHERE kpi_id = 'PI-01' AND organisation_id = 'beta' AND member_key LIKE 'WF-01.vacancy%' ORDER BY 1"
    ).fetchall()
    assert left_out == [
        ("WF-01.vacancy beta 2024-01-01 spc", None),
        ("WF-01.vacancy beta 2024-02-01 spc", "continued"),
        ("WF-01.vacancy beta 2024-04-01 spc", None),
    ]
    charted = built.execute(
        "SELECT count(*) FROM benchmark.benchmark_series WHERE kpi_id IN ('PI-01', 'FN-02')"
    ).fetchone()
    assert charted == (0,), "what is made of signals raises none"


def test_pitfall_30_board_and_service_read_the_same_number(built: duckdb.DuckDBPyConnection) -> None:
    differing = built.execute(
        "SELECT count(*), count(*) FILTER (s.value IS DISTINCT FROM t.value OR s.value_status <> t.value_status) "
        "FROM pub.pub_scorecard AS s JOIN pub.pub_kpi_timeseries AS t "
        "USING (kpi_id, version, level_code, level_key, slice_value, period_type_code, period_start_on) "
        "WHERE t.slice_code IN ('all', 'baseline', 'currency', 'instrument', 'kpi', 'statement')"
    ).fetchone()
    total = built.execute("SELECT count(*) FROM pub.pub_scorecard").fetchone()
    assert differing is not None and total is not None
    assert differing == (total[0], 0) and total[0] > 50
    audiences = built.execute("SELECT DISTINCT audience_code, level_code FROM pub.pub_scorecard").fetchall()
    assert set(audiences) == {("board", "region"), ("board", "organisation"), ("service", "service")}
    whole = built.execute(
        "SELECT b.value, t.person_count FROM pub.pub_scorecard AS b JOIN kpi.fct_kpi AS t "
        "USING (kpi_id, version, level_code, level_key, period_type_code, period_start_on) "
        "WHERE b.kpi_id = 'AV-05' AND b.level_code = 'region' AND t.slice_code = 'all'"
    ).fetchall()
    assert whole and all(value == (count + 2) // 5 * 5 for value, count in whole)


def test_pitfall_30_published_figures_come_from_one_place(built: duckdb.DuckDBPyConnection) -> None:
    """No published model counts facts again: what shows figures of KPIs reads fct_kpi, or what follows from it."""
    for name in ("pub_kpi_timeseries", "pub_scorecard", "pub_equity_gap", "pub_equity_reach", "pub_data_quality",
                 "pub_award_summary"):  # fmt: skip
        sql = (DBT_PROJECT / "models" / "publish" / f"{name}.sql").read_text(encoding="utf-8")
        read = set(re.findall(r"ref\('(\w+)'\)", sql))
        assert read & {"fct_kpi", "pub_kpi_timeseries"}, name
        names_only = {
            "dim_organisation",
            "dim_service",
            "dim_funder",
            "dim_award",
            "dim_period",
            "fct_award_transaction",
            "fct_reference_population",
        }
        assert (
            not {table for table in read if table.startswith(("fct_", "mart_"))}
            - names_only
            - {*("fct_kpi", "fct_kpi_second", "fct_spc_point", "fct_performance_gap")}
        ), name
