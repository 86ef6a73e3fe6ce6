"""Real 360Giving files: counts and sums that others published or that follow from them, and the standard itself."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from sources.connector import Batch
from sources.delivery import open_delivery
from sources.funder.threesixtygiving import CONNECTOR
from sources.funder.threesixtygiving.fields import Field, resolve, tables, vocabulary
from sources.xlsx_reader import open_workbook

pytestmark = pytest.mark.reference

SPORT_ENGLAND = {"columns": {"Programme Name": "grantProgramme/0/title", "Region": "Beneficiary Location:Name"}}


def landed(path: Path, mapping: Mapping[str, Any] = {}) -> duckdb.DuckDBPyConnection:
    """The delivery's rows as tables of an in-memory database; nothing may be rejected."""
    connection = duckdb.connect()
    found: dict[str, list[pa.Table]] = {name: [] for name in tables()}
    with open_delivery(path) as delivery:
        facts = CONNECTOR.inspect(delivery, mapping)
        for item in CONNECTOR.read(delivery, facts, mapping):
            assert isinstance(item, Batch), item
            found[item.table].append(item.rows)
    for name, batches in found.items():
        if batches:
            connection.register(name, pa.concat_tables(batches))
    return connection


def test_a_b_charitable_trust_xlsx(reference_data: Path) -> None:
    """The official aggregates of this file: 783 grants, GBP 12,785,625 (not the column for the website, 12,660,625)."""
    folder = reference_data / "funder/360giving-abct"
    grants = landed(folder / "a001p00000zgyHZAAY.xlsx")
    expected = json.loads((folder / "expected/status.json").read_text())[0]["datagetter_aggregates"]
    money = expected["currencies"]["GBP"]
    assert grants.sql(
        """
        SELECT count(*), count(DISTINCT grantKey), sum(amountAwarded::DECIMAL(18, 2)),
               min(amountAwarded::DECIMAL(18, 2)), max(amountAwarded::DECIMAL(18, 2)), min(awardDate), max(awardDate),
               list(DISTINCT currency)
        FROM "grant"
        """
    ).fetchone() == (
        expected["count"],
        expected["unique_ids_count"],
        money["total_amount"],
        money["min_amount"],
        money["max_amount"],
        expected["min_award_date"],
        expected["max_award_date"],
        ["GBP"],
    )
    assert grants.sql("SELECT count(DISTINCT id) FROM recipient_organization").fetchall() == [
        (expected["distinct_recipient_org_identifier_count"],)
    ]
    assert (expected["count"], money["total_amount"]) == (783, 12_785_625)
    assert grants.sql(
        "SELECT sum(CAST(_extra['Amount Awarded - website format'] AS DECIMAL(18, 2))) FROM \"grant\""
    ).fetchall() == [(12_660_625,)]


def test_a_b_charitable_trust_equals_the_official_conversion(reference_data: Path) -> None:
    """Record by record: what the official tool made of this workbook, read as JSON, is what we make of it."""
    folder = reference_data / "funder/360giving-abct"
    ours, official = landed(folder / "a001p00000zgyHZAAY.xlsx"), landed(folder / "a001p00000zgyHZAAY.json")
    day = "left(awardDate, 10) AS awardDate"  # the tool adds a midnight
    for table, columns in {
        "grant": "id, title, description, currency, amountAwarded, fromOpenCall, dataSource, fundingOrganization_id, "
        f"fundingOrganization_name, {day}, grantKey, occurrence",
        "recipient_organization": "grantKey, arrayIndex, id, name, postalCode, url, charityNumber",
        "grant_programme": "grantKey, arrayIndex, code, title",
        "beneficiary_location": "grantKey, arrayIndex, name",
    }.items():
        query = f'SELECT {columns} FROM "{table}" ORDER BY ALL'
        rows = ours.sql(query).fetchall()
        assert rows == official.sql(query).fetchall()
        assert len(rows) == (782 if table == "beneficiary_location" else 783)
    notes = 'SELECT id, _extra[{}] FROM "grant" WHERE _extra[{}] IS NOT NULL ORDER BY ALL'
    assert (
        ours.sql(notes.format(*["'Website: Project Detail'"] * 2)).fetchall()
        == official.sql(notes.format(*["'Website/Project Detail'"] * 2)).fetchall()
    )


def test_lloyds_bank_foundation_json(reference_data: Path) -> None:
    """4,116 grants; the sum is our own figure."""
    grants = landed(reference_data / "funder/360giving-lloyds-bank-foundation/a002400000OiDBQAA3.json")
    assert grants.sql(
        """
        SELECT currency, count(*), count(DISTINCT grantKey), sum(CAST(amountAwarded AS DECIMAL(18, 2)))::VARCHAR,
               min(_row_number), max(_row_number)
        FROM "grant" GROUP BY ALL
        """
    ).fetchall() == [("GBP", 4_116, 4_116, "115795635.69", 1, 4_116)]
    assert grants.sql("SELECT count(*), count(streetAddress) FROM recipient_organization").fetchall() == [
        (4_116, 4_115)
    ]


def by_programme(path: Path) -> list[tuple[str, int, Decimal]]:
    """(programme, awards, sum) as a plain reading of the file has it."""
    found: dict[str, list[Decimal]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["Programme Name"], []).append(Decimal(row["Amount Awarded"]))
    return sorted((name, len(amounts), sum(amounts, Decimal(0))) for name, amounts in found.items())


def test_sport_england_csv(reference_data: Path) -> None:
    """Every row is an award, also where the identifier repeats or is blank."""
    folder = reference_data / "funder/sport-england-lottery"
    grants = landed(folder / "Sport-England_lottery-awards.csv", SPORT_ENGLAND)
    assert grants.sql(
        """
        SELECT currency, count(*), sum(CAST(amountAwarded AS DECIMAL(18, 2))), count(DISTINCT (grantKey, occurrence)),
               count(*) FILTER (WHERE id IS NULL), count(DISTINCT modifiedAt), max(_line)
        FROM "grant" GROUP BY ALL
        """
    ).fetchall() == [("GBP", 11_140, 1_180_852_146, 11_140, 1, 1, 11_141)]
    assert grants.sql(
        """
        SELECT count(*), sum(n), sum(n - 1) FROM (SELECT count(*) AS n FROM "grant" WHERE id IS NOT NULL GROUP BY id)
        WHERE n > 1
        """
    ).fetchall() == [(507, 1_331, 824)]
    programmes = grants.sql(
        """
        SELECT p.title, count(*), sum(CAST(g.amountAwarded AS DECIMAL(18, 2)))
        FROM "grant" AS g JOIN grant_programme AS p USING (grantKey, occurrence, recordHash)
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    assert programmes == by_programme(folder / "Sport-England_lottery-awards.csv")
    assert len(programmes) == 51
    assert grants.sql(
        "SELECT count(*), count(DISTINCT name), count(*) FILTER (name = 'UNKNOWN'), count(*) FILTER (name = 'Wales') "
        "FROM beneficiary_location"
    ).fetchall() == [(11_140, 11, 3, 2)]
    assert grants.sql('SELECT DISTINCT map_keys(_extra) FROM "grant" ORDER BY ALL LIMIT 1').fetchone() == (
        [
            "Financial Year",
            "URN",
            "Distributing Body Sector",
            "Local_Authority",
            "Parliamentary_Constituency",
            "Org Type",
        ],
    )
    with open_delivery(folder / "Sport-England_lottery-awards.csv") as delivery:
        assert CONNECTOR.inspect(delivery, SPORT_ENGLAND).stated_at == "2015-06-11 00:00:00"


def test_the_vocabulary_is_that_of_the_standard(reference_data: Path) -> None:
    """Titles, keys and shapes of columns.yml against the standard's schema, both ways."""
    schema = json.loads((reference_data / "funder/360giving-standard/schema/360-giving-schema.json").read_text())
    definitions: dict[str, Mapping[str, Field]] = {
        "Event": vocabulary().objects["event"],
        "Person": vocabulary().objects["person"],
        "Organization": vocabulary().objects["organisation"],
        "Location": vocabulary().objects["location"],
        "GrantProgramme": vocabulary().objects["programme"],
        "Classification": vocabulary().objects["classification"],
        "Documents": vocabulary().objects["document"],
        "Transaction": vocabulary().objects["transaction"],
    }
    compared = 0
    for ours, theirs in [
        (vocabulary().grant, schema),
        *((definitions[name], schema["$defs"][name]) for name in definitions),
        (vocabulary().objects["individuals_details"], schema["properties"]["toIndividualsDetails"]),
    ]:
        assert {field.key for field in ours.values()} == set(theirs["properties"])
        for key, stated in theirs["properties"].items():
            resolved = schema["$defs"]["currency"] if "$ref" in stated and "currency" in stated["$ref"] else stated
            if "title" in resolved:
                assert ours[key].title == resolved["title"], key
            is_list = stated.get("type") == "array"
            is_of_texts = is_list and stated["items"].get("type") == "string"
            assert ours[key].many == (is_list and not is_of_texts), key
            assert (ours[key].kind == "texts") == is_of_texts, key
            compared += 1
    assert compared == 94


def test_every_header_of_the_template_is_known(reference_data: Path) -> None:
    """The standard's own spreadsheet template; details of diversity are an extension that has no place here."""
    name = "360-giving-schema-titles-with-dei-extension-2024.xlsx"
    book = open_workbook((reference_data / "funder/360giving-standard" / name).read_bytes(), name)
    headers = [h for sheet in book.sheet_names if sheet != "Meta" for _, row in book.rows(sheet) for h in row if h]
    unknown = {header for header in headers if resolve(header) is None}
    assert len(headers) > 100
    assert all(header.startswith("DEI Details:") for header in unknown)
