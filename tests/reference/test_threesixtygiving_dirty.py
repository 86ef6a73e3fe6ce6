"""The broken and odd files of the official data quality tool: each ends in a stated result, named one by one.

Accepted files show how many records land and which of them a check of the landed rows has to object to: the connector
reads what is there and loses nothing, so a wrong date or a missing amount is a row and not a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from sources.connector import Batch
from sources.delivery import open_delivery
from sources.errors import RefusedError
from sources.funder.threesixtygiving import CONNECTOR
from sources.spec import MASK

pytestmark = pytest.mark.reference


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
    return Accepted(*figures, masked=sum(str(row).count(MASK) for batch in batches for row in batch.to_pylist()))


def empty(table: str) -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in CONNECTOR.tables[table].column_names})
