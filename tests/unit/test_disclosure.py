"""Protection of small numbers: the profile that is active, and what its macros do to counts."""

from __future__ import annotations

import csv
from collections.abc import Sequence

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.project import DBT_PROJECT
from tests.dbt_macros import render

PROFILES = {
    row["profile_code"]: row
    for row in csv.DictReader((DBT_PROJECT / "seeds" / "ref_disclosure_profile.csv").open(encoding="utf-8"))
}


def disclosed(counts: Sequence[int | None], profile: str = "nhsd_5_8") -> list[tuple[float | None, str]]:
    """(number to show, status) of counts under a profile."""
    rule = PROFILES[profile]
    columns = ("suppress_from", "suppress_to", "round_to")
    values = ", ".join(f"({i}, {'NULL' if c is None else c}::bigint)" for i, c in enumerate(counts))
    sql = render("{{ disclosed_count('x') }} AS shown, {{ disclosure_status('x') }} AS status", "disclosure")
    query = (
        f"SELECT {sql} FROM (VALUES {values}) AS c(i, x) "
        f"CROSS JOIN (SELECT {', '.join(f'{rule[c]} AS {c}' for c in columns)}) AS profile ORDER BY i"
    )
    return [(shown, status) for shown, status in duckdb.sql(query).fetchall()]


def test_one_profile_is_active_and_it_is_nhsd_5_8() -> None:
    active = [code for code, row in PROFILES.items() if row["is_active"] == "true"]
    assert active == ["nhsd_5_8"]
    assert all(row["reason"] for row in PROFILES.values())


@pytest.mark.parametrize(
    ("count", "shown", "status"),
    [
        *((None, None, "no_data"), (0, 0, "shown"), (1, None, "suppressed"), (7, None, "suppressed")),
        *((8, 10, "rounded"), (10, 10, "rounded"), (12, 10, "rounded"), (13, 15, "rounded"), (1003, 1005, "rounded")),
    ],
)
def test_nhsd_5_8(count: int | None, shown: int | None, status: str) -> None:
    assert disclosed([count]) == [(shown, status)]


@settings(max_examples=10)
@given(st.lists(st.integers(0, 10**6), min_size=50, max_size=200))
def test_what_is_shown_is_never_far_nor_small(counts: list[int]) -> None:
    for count, (shown, status) in zip(counts, disclosed(counts), strict=True):
        if shown is None:
            assert status == "suppressed" and 1 <= count <= 7
        else:
            assert shown % 5 == 0 and abs(shown - count) <= 2
            assert shown == 0 or shown >= 10


def test_rounding_keeps_order() -> None:
    shown = [number for number, _ in disclosed(list(range(8, 400))) if number is not None]
    assert shown == sorted(shown)


def test_the_profile_none_changes_nothing() -> None:
    assert disclosed([0, 1, 7, 8, 13], "none") == [(n, "shown") for n in (0, 1, 7, 8, 13)]


@pytest.mark.parametrize(("value", "decimals", "rounded"), [(0.5, 0, 1), (2.449, 1, 2.4), (2.45, 1, 2.5), (7.0, 2, 7)])
def test_rounding_to_decimals_of_a_column(value: float, decimals: int, rounded: float) -> None:
    sql = render("{{ rounded('v', 'd') }}", "disclosure")
    assert duckdb.sql(f"SELECT {sql} FROM (SELECT {value}::double AS v, {decimals} AS d)").fetchall() == [(rounded,)]
