"""The broken and odd files of the official data quality tool: each ends in a stated result, named one by one.

Accepted files show how many records land and which of them a check of the landed rows has to object to: the connector
reads what is there and loses nothing, so a wrong date or a missing amount is a row and not a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from sources.connector import Batch
from sources.delivery import open_delivery
from sources.errors import RefusedError
from sources.funder.threesixtygiving import CONNECTOR
from sources.spec import MASK
from tests.reference.gating import Delivery, Gated, gate, outcomes, release_paused

pytestmark = [pytest.mark.reference, pytest.mark.xdist_group("grants_dirty")]


@dataclass(frozen=True)
class Accepted:
    """Records landed, and how many of them have which defect."""

    rows: int
    no_id: int = 0
    repeated_id: int = 0
    no_amount: int = 0
    """None, or no number."""
    no_award_date: int = 0
    """None, or no ISO date."""
    bad_currency: int = 0
    no_recipient: int = 0
    no_funder: int = 0
    masked: int = 0
    """Places of individuals that are finer than a ward, and columns that speak of a person."""


@dataclass(frozen=True)
class Refused:
    rule: str
    words: str


RESULTS: dict[str, Accepted | Refused] = {
    # Two columns only: postcodes where an area is meant.
    "GeoCodePostcode.xlsx": Accepted(3, no_amount=3, no_award_date=3, bad_currency=3, no_recipient=3, no_funder=3),
    # The same of individuals: the two postcodes do not land, nor do the names.
    "GeoCodePostcodeRecipientInd.xlsx": Accepted(
        3, no_amount=3, no_award_date=3, bad_currency=3, no_funder=3, masked=2
    ),
    # Two fields beyond the standard, kept; nothing to object to.
    "additional_fields.json": Accepted(1),
    "bad.xlsx": Refused("empty_file", "0 bytes"),
    # Wrong types everywhere: what has the wrong shape is kept beside the standard's fields.
    "badfile_all_validation_errors.json": Accepted(1, no_amount=1, no_award_date=1, bad_currency=1, no_funder=1),
    "badfile_all_validation_errors.xlsx": Accepted(1, no_amount=1, no_award_date=1, bad_currency=1, no_funder=1),
    # A byte order mark before the header, and two columns only.
    "bom.csv": Accepted(1, no_amount=1, no_award_date=1, no_recipient=1, no_funder=1),
    "codelist.csv": Refused("not_grants", "'For Regrant Type'"),
    # Seven equal records without identifiers: seven awards.
    "decimal_amounts.csv": Accepted(7, no_id=7, no_award_date=7, no_recipient=7, no_funder=7),
    "decimal_amounts.json": Accepted(7, no_id=7, no_award_date=7, no_recipient=7, no_funder=7),
    # Dates day first, blanks at the ends, names of applicants in columns of the funder's own.
    "fundingproviders-grants_2_grants.xlsx": Accepted(2, no_award_date=2, masked=8),
    "fundingproviders-grants_2_grants_cp1252.csv": Accepted(2, no_award_date=2, masked=8),
    "fundingproviders-grants_broken_grants.json": Accepted(4, repeated_id=4, no_award_date=4, masked=10),
    "fundingproviders-grants_fixed_2_grants.json": Accepted(4, repeated_id=4, no_award_date=4, masked=10),
    "fundingproviders_grants_2_grants.csv": Accepted(2, no_award_date=2, masked=8),
    "fundingtrust-grants_dc.txt": Refused("unsupported_file_type", "suffix"),
    "tenders_releases_2_releases.xlsx": Refused("not_grants", "OCDS"),
}

DEFECTS = """
SELECT count(*),
       count(*) FILTER (id IS NULL),
       count(*) FILTER (id IN (SELECT id FROM "grant" GROUP BY id HAVING count(*) > 1)),
       count(*) FILTER (try_cast(amountAwarded AS DECIMAL(18, 2)) IS NULL),
       count(*) FILTER (NOT coalesce(regexp_full_match(awardDate, '\\d{4}-\\d{2}-\\d{2}(T.*)?'), false)),
       count(*) FILTER (NOT coalesce(regexp_full_match(currency, '[A-Z]{3}'), false)),
       count(*) FILTER ((grantKey, occurrence) NOT IN (SELECT (grantKey, occurrence) FROM recipient)),
       count(*) FILTER (fundingOrganization_id IS NULL)
FROM "grant"
"""


def test_every_file_is_named(reference_data: Path) -> None:
    found = {path.name for path in (reference_data / "funder/360giving-dirty-fixtures").iterdir()}
    assert found - {"PROVENANCE.md"} == set(RESULTS)


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_each_ends_in_its_result(reference_data: Path, name: str) -> None:
    assert result(reference_data / "funder/360giving-dirty-fixtures" / name, RESULTS[name]) == RESULTS[name]


def result(path: Path, expected: Accepted | Refused) -> Accepted | Refused:
    found: dict[str, list[pa.Table]] = {table: [] for table in CONNECTOR.tables}
    try:
        with open_delivery(path) as delivery:
            for item in CONNECTOR.read(delivery, CONNECTOR.inspect(delivery, {}), {}):
                assert isinstance(item, Batch), item
                found[item.table].append(item.rows)
    except RefusedError as error:
        assert error.fix
        assert isinstance(expected, Refused), error
        return Refused(error.rule, expected.words if expected.words in str(error) else str(error))
    connection = duckdb.connect()
    for table, batches in found.items():
        connection.register(table, pa.concat_tables(batches) if batches else empty(table))
    connection.execute(
        "CREATE VIEW recipient AS SELECT grantKey, occurrence FROM recipient_organization "
        "UNION ALL SELECT grantKey, occurrence FROM recipient_individual"
    )
    figures = connection.sql(DEFECTS).fetchone()
    assert figures is not None
    batches = [batch for tables in found.values() for batch in tables]
    masked = sum(str(row).count(MASK) for batch in batches for row in batch.to_pylist())
    return replace(Accepted(*figures), masked=masked)


def empty(table: str) -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in CONNECTOR.tables[table].column_names})


# The verdict of the landing gate --------------------------------------------------------------------------------------

NO_TOTAL = {"missing_required_value"}
"""An amount, a currency or a day is missing: the award can't be in any figure."""
NO_DAY = {"invalid_date"}

VERDICTS: dict[str, tuple[str, int, set[str], set[str]]] = {
    # File → (status, records held back, the rules that hold them, the rules that only warn). Where a file is paused,
    # too many of its few rows are at fault, and a person has to look; what is held is held then, too.
    "GeoCodePostcode.xlsx": ("paused", 3, NO_TOTAL, {"missing_recipient", "missing_required_value"}),
    "GeoCodePostcodeRecipientInd.xlsx": ("paused", 3, NO_TOTAL, {"missing_required_value"}),
    "additional_fields.json": ("loaded", 0, set(), set()),
    "bad.xlsx": ("refused", 0, set(), set()),
    "badfile_all_validation_errors.json": (
        *("paused", 1, {"invalid_amount", "invalid_date"}),
        {"invalid_code", "missing_required_value"},
    ),
    "badfile_all_validation_errors.xlsx": (
        *("paused", 1, {"invalid_amount", "invalid_date"}),
        {"invalid_code", "missing_required_value"},
    ),
    "bom.csv": ("paused", 1, NO_TOTAL, {"missing_recipient", "missing_required_value"}),
    "codelist.csv": ("refused", 0, set(), set()),
    "decimal_amounts.csv": ("paused", 7, NO_TOTAL, {"missing_recipient", "missing_required_value"}),
    "decimal_amounts.json": ("paused", 7, NO_TOTAL, {"missing_recipient", "missing_required_value"}),
    # The planned dates are written day first like the award dates, but hold nothing back.
    "fundingproviders-grants_2_grants.xlsx": ("paused", 2, NO_DAY, {"invalid_date"}),
    "fundingproviders-grants_2_grants_cp1252.csv": ("paused", 2, NO_DAY, {"invalid_date"}),
    "fundingproviders-grants_broken_grants.json": ("paused", 4, NO_DAY, {"duplicate_key", "invalid_date"}),
    "fundingproviders-grants_fixed_2_grants.json": ("paused", 4, NO_DAY, {"duplicate_key", "invalid_date"}),
    "fundingproviders_grants_2_grants.csv": ("paused", 2, NO_DAY, {"invalid_date"}),
    "fundingtrust-grants_dc.txt": ("refused", 0, set(), set()),
    "tenders_releases_2_releases.xlsx": ("refused", 0, set(), set()),
}


@pytest.fixture(scope="module")
def gated(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Gated], dict[str, Gated]]:
    """What the gate makes of each file, and what becomes of it once a person has released those that are paused."""
    folder = reference_data / "funder/360giving-dirty-fixtures"
    deliveries = {name: Delivery("threesixtygiving", folder / name) for name in sorted(RESULTS)}
    pipeline = gate(tmp_path_factory.mktemp("gated"), deliveries)
    judged = outcomes(pipeline, deliveries)
    release_paused(pipeline)
    return judged, outcomes(pipeline, deliveries)


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_verdict_of_the_landing_gate(gated: tuple[dict[str, Gated], dict[str, Gated]], name: str) -> None:
    judged = gated[0][name]
    assert (judged.status, judged.held, judged.held_for, set(judged.warned)) == VERDICTS[name]
    expected = RESULTS[name]
    assert judged.rows == (expected.rows if isinstance(expected, Accepted) else 0)
    assert judged.current == (judged.rows if judged.status == "loaded" else 0)
    if isinstance(expected, Refused):
        assert expected.words in judged.reasons[0]
    assert bool(judged.reasons) == (judged.status != "loaded")


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_released_by_a_person_all_but_the_held_records_count(
    gated: tuple[dict[str, Gated], dict[str, Gated]], name: str
) -> None:
    judged, released = gated[0][name], gated[1][name]
    assert released.status == ("refused" if judged.status == "refused" else "loaded")
    assert (released.rows, released.held) == (judged.rows, judged.held)
    assert released.current == released.rows - released.held
