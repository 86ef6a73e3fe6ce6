"""The reference data through the whole job: every delivery is loaded, and the release says what others published.

What belongs here: deliveries, awards, persons and the release of the one run. What does not: rows of HMIS exports
(``test_hmis_landing``), official report tables (``test_apr_psh``), and the readers of single files.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pytest

from orchestration.region import Region
from orchestration.release import SERVED, latest, read_manifest
from orchestration.warehouse import connect

pytestmark = [pytest.mark.reference, pytest.mark.xdist_group("reference")]

AWARDS = {
    # Source → (funder, awards, sum). The first and the last are official figures, the middle one our own sum.
    "abct": ("GB-CHC-1000147", 783, Decimal("12785625.00")),
    "lloyds": ("GB-CHC-327114", 4_116, Decimal("115795635.69")),
    "sport_england": ("GB-COH-RC000766", 11_140, Decimal("1180852146.00")),
}
PEOPLE = {
    **{"lsa_fy2021": 5_113, "lsa_fy2022": 579},
    **dict.fromkeys(("apr_psh", "apr_rrh", "apr_th", "apr_es_nbn"), 37),
    **{"spm_one": 1, "spm_three": 6},
}
"""Source → people as the sender counts them."""


@pytest.fixture(scope="module")
def warehouse(reference_region: Region) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def served(reference_region: Region) -> Iterator[duckdb.DuckDBPyConnection]:
    """What a recipient of the release opens."""
    release = latest(reference_region)
    assert release is not None
    with duckdb.connect(str(release / SERVED), read_only=True) as connection:
        yield connection


# The run --------------------------------------------------------------------------------------------------------------


def test_a_release_is_published(reference_region: Region) -> None:
    release = latest(reference_region)
    assert release is not None
    manifest = read_manifest(release)
    assert len(manifest["pins"]["deliveries"]) == len(reference_region.sources)
    totals = manifest["tables"]["pub_award_summary"]
    assert totals["rows"] > 200
    assert totals["sums"]["award_count"] == sum(awards for _, awards, _ in AWARDS.values())


def test_every_delivery_is_loaded(reference_region: Region, warehouse: duckdb.DuckDBPyConnection) -> None:
    found = warehouse.execute("SELECT source_id, status, reason FROM ops.delivery").fetchall()
    assert sorted(found) == sorted((source.id, "loaded", None) for source in reference_region.sources)


def test_no_check_is_at_fault_itself(warehouse: duckdb.DuckDBPyConnection) -> None:
    outcomes = dict(warehouse.execute("SELECT outcome, count(*) FROM ops.dq_result GROUP BY 1").fetchall())
    assert "error" not in outcomes
    assert outcomes["pass"] > 1_000


def test_only_orphans_are_held_back(warehouse: duckdb.DuckDBPyConnection) -> None:
    """The two SPM examples have a funder's line without its project; nothing else in the reference data is at fault."""
    held = warehouse.execute("SELECT source_id, table_name, rule FROM ops.quarantine ORDER BY ALL").fetchall()
    assert held == [("spm_one", "funder", "orphan_record"), ("spm_three", "funder", "orphan_record")]


# Awards ---------------------------------------------------------------------------------------------------------------


def test_awards_are_those_that_the_funders_published(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = warehouse.execute(
        "SELECT source_id, funder_code, count(*), count(DISTINCT award_key), sum(amount_awarded), "
        "list(DISTINCT currency_code) FROM core.dim_award GROUP BY ALL"
    ).fetchall()
    assert {source: rest for source, *rest in found} == {
        source: [funder, awards, awards, amount, ["GBP"]] for source, (funder, awards, amount) in AWARDS.items()
    }


def test_repeated_identifiers_are_reported_and_every_award_counts(warehouse: duckdb.DuckDBPyConnection) -> None:
    findings = warehouse.execute(
        "SELECT source_id, severity, count(*), count(DISTINCT record_key), count(DISTINCT status) "
        "FROM ops.dq_finding WHERE rule = 'duplicate_key' GROUP BY ALL"
    ).fetchall()
    assert findings == [("sport_england", "warning", 1_331, 507, 1)]
    results = warehouse.execute(
        "SELECT source_id, failed_count FROM ops.dq_result WHERE rule = 'duplicate_key' AND outcome = 'fail'"
    ).fetchall()
    assert results == [("sport_england", 1_331)]
    marked = warehouse.execute(
        "SELECT count(*), count(DISTINCT award_code) FROM core.dim_award WHERE is_identifier_repeated"
    ).fetchone()
    assert marked == (1_331, 507)


def test_the_release_carries_the_awarded_amounts(served: duckdb.DuckDBPyConnection) -> None:
    found = served.execute(
        "SELECT funder_code, currency_code, CAST(sum(award_count) AS BIGINT), sum(awarded_amount) "
        "FROM pub.pub_award_summary GROUP BY ALL"
    ).fetchall()
    assert sorted(found) == sorted((funder, "GBP", awards, amount) for funder, awards, amount in AWARDS.values())


def test_published_awards_are_those_of_the_warehouse_by_programme_and_year(
    warehouse: duckdb.DuckDBPyConnection, served: duckdb.DuckDBPyConnection
) -> None:
    """The region's financial year is the calendar year."""
    expected = warehouse.execute(
        "SELECT funder_code, programme_code, currency_code, year(awarded_on), count(*), sum(amount_awarded) "
        "FROM core.dim_award GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    published = served.execute(
        "SELECT funder_code, programme_code, currency_code, year(period_start_on), award_count, awarded_amount "
        "FROM pub.pub_award_summary ORDER BY ALL"
    ).fetchall()
    assert len(published) > 200
    assert published == expected


def test_awards_are_shown_alike_as_summary_and_as_kpi(served: duckdb.DuckDBPyConnection) -> None:
    """Awards are the funders' own public facts, not counts of people: neither place hides what the other shows."""
    kpi = served.execute(
        "SELECT kpi_id, numerator_status, value_status, sum(numerator) FROM pub.pub_kpi_timeseries "
        "WHERE kpi_id LIKE 'FN-06%' AND level_code = 'programme' AND period_type_code = 'financial_year' GROUP BY ALL"
    ).fetchall()
    assert sorted(kpi) == [
        ("FN-06", "shown", "shown", sum(amount for _, _, amount in AWARDS.values())),
        ("FN-06.awards", "shown", "shown", sum(awards for _, awards, _ in AWARDS.values())),
    ]


# People ---------------------------------------------------------------------------------------------------------------


NOT_OF_PERSONS = {
    "numerator": ["DQ-06", "FN-06", "FN-06.awards"],
    "denominator": ["AV-03", "DQ-06", "FN-06", "FN-06.awards", "OC-19.smr"],
}
"""KPIs of the reference region that count deliveries, money, awards or places, or what is to be expected; what others
count are persons."""


def test_small_numbers_of_people_are_not_in_the_release(served: duckdb.DuckDBPyConnection) -> None:
    """Profile nhsd_5_8: 1 to 7 hidden with all that depends on them, the others rounded to 5, zeros shown."""
    counts: dict[str, int] = {}
    for side in ("numerator", "denominator"):
        rows = served.execute(
            f"SELECT {side}_status, count(*), count({side}), count(value), count(*) FILTER ({side} = 0), "
            f"count(*) FILTER ({side} BETWEEN 1 AND 7 OR {side} % 5 <> 0) FROM pub.pub_kpi_timeseries "
            "WHERE NOT list_contains(?, kpi_id) GROUP BY ALL",
            [NOT_OF_PERSONS[side]],
        ).fetchall()
        for status, total, shown, valued, zeros, small in rows:
            counts[status] = counts.get(status, 0) + total
            assert small == 0, (side, status)
            if status == "suppressed":
                assert (shown, valued) == (0, 0), side
            if status == "shown":
                assert zeros == total, side
    assert counts["suppressed"] > 1_000 and counts["rounded"] > 1_000


def test_people_are_not_merged_on_name_and_birth_date_within_a_sender(warehouse: duckdb.DuckDBPyConnection) -> None:
    """FY2021: 5,113 people share 4,064 names with birth dates and have different social security numbers."""
    found = warehouse.execute(
        "SELECT source_id, count(*), count(DISTINCT person_key) FROM core.person_xref GROUP BY ALL"
    ).fetchall()
    assert {source: (codes, persons) for source, codes, persons in found} == {
        source: (count, count) for source, count in PEOPLE.items()
    }
    alike = warehouse.execute(
        """SELECT count(*), CAST(sum(codes) AS BIGINT), bool_and(codes = persons), min(ids) FROM (
               SELECT count(*) AS codes, count(DISTINCT national_id_token) AS ids, count(DISTINCT person_key) AS persons
               FROM input.in_case__person JOIN core.person_xref USING (source_person_key)
               WHERE in_case__person.source_id = 'lsa_fy2021' AND name_birth_token IS NOT NULL
               GROUP BY name_birth_token HAVING count(*) > 1)"""
    ).fetchone()
    assert alike is not None
    groups, codes, is_apart, fewest_ids = alike
    assert (groups, codes, is_apart) == (627, 1_661, True)
    assert fewest_ids > 1


def test_one_number_for_two_people_of_a_sender_joins_nobody(warehouse: duckdb.DuckDBPyConnection) -> None:
    """FY2021 gives one social security number, vouched for, to two people with different names and birth dates."""
    found = warehouse.execute(
        "SELECT match_rule_code, is_doubtful FROM core.person_xref WHERE source_id = 'lsa_fy2021' "
        "AND person_code IN ('73621', '79107')"
    ).fetchall()
    assert found == [("own_code", True), ("own_code", True)]


def test_the_test_kit_people_are_the_same_in_all_four_exports(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Who has a valid number is one person in all four; who has none and is not told apart stays alone."""
    sources = warehouse.execute(
        "SELECT n, count(*) FROM (SELECT person_key, count(DISTINCT source_id) AS n FROM core.person_xref "
        "WHERE source_id LIKE 'apr_%' GROUP BY 1) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert dict(sources)[4] > 20
