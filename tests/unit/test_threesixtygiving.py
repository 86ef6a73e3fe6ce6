"""The 360Giving connector: one vocabulary for three formats, every record a row, and nothing personal in landing."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.connector import Batch, Reject
from sources.delivery import open_delivery
from sources.errors import RefusedError
from sources.funder.threesixtygiving import CONNECTOR, files
from sources.funder.threesixtygiving.fields import (
    Leaf,
    closest_path,
    header_of,
    place,
    resolve,
    tables,
    vocabulary,
)
from sources.funder.threesixtygiving.moments import iso_dates, utc
from sources.spec import MASK, DeliveryFacts, Regime, Role

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    facts: DeliveryFacts
    rows: Mapping[str, list[Row]]
    rejects: list[Reject]

    @property
    def grants(self) -> list[Row]:
        return self.rows["grant"]

    def values(self, column: str, table: str = "grant") -> list[Any]:
        return [row[column] for row in self.rows[table]]


def read(path: Path, mapping: Mapping[str, Any] = {}) -> Outcome:
    """A delivery's rows as dicts, with ``_extra`` as a dict."""
    found: dict[str, list[Row]] = {name: [] for name in CONNECTOR.tables}
    rejects: list[Reject] = []
    assert CONNECTOR.check_mapping(mapping) == []
    with open_delivery(path) as delivery:
        facts = CONNECTOR.inspect(delivery, mapping)
        for item in CONNECTOR.read(delivery, facts, mapping):
            if isinstance(item, Reject):
                rejects.append(item)
                continue
            check_shape(item)
            for row in item.rows.to_pylist():
                found[item.table].append({**row, "_extra": dict(row["_extra"])})
    return Outcome(facts, found, rejects)


def check_shape(batch: Batch) -> None:
    table = CONNECTOR.tables[batch.table]
    assert batch.rows.column_names == [*table.column_names, "_extra", "_file", "_row_number", "_line"]
    assert [batch.rows.schema.field(name).type for name in table.column_names] == [pa.string()] * len(table.columns)
    assert batch.rows.schema.field("_row_number").type == pa.int64()


def refusal(path: Path, mapping: Mapping[str, Any] = {}) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        read(path, mapping)
    assert caught.value.fix
    return caught.value


def as_json(path: Path, grants: list[dict[str, Any]], **package: Any) -> Path:
    path.write_text(json.dumps({**package, "grants": grants}, indent=1), encoding="utf-8")
    return path


def as_csv(path: Path, header: list[str], *rows: list[Any]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def as_xlsx(path: Path, **sheets: list[list[Any]]) -> Path:
    with xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name.replace("__", "#").replace("_", " "))
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
    return path


def without(row: Row, *names: str) -> Row:
    return {key: value for key, value in row.items() if key not in names}


# Vocabulary -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ("Amount Awarded", "amountAwarded"),
        ("  amount   AWARDED ", "amountAwarded"),
        ("amountAwarded", "amountAwarded"),
        ("Recipient Org:Name", "recipientOrganization/0/name"),
        ("Recipient Org:0:Name", "recipientOrganization/0/name"),
        ("Recipient Org:3:Name", "recipientOrganization/3/name"),
        ("recipientOrganization/0/name", "recipientOrganization/0/name"),
        ("recipientOrganization.1.name", "recipientOrganization/1/name"),
        ("Recipient Ind: Name", "recipientIndividual/name"),
        ("recipientIndividual/0/name", "recipientIndividual/name"),
        ("Grant Programme:0:Title", "grantProgramme/0/title"),
        ("Planned Dates:Duration (months)", "plannedDates/0/duration"),
        ("To Individuals Details:Grant Purpose", "toIndividualsDetails/grantPurpose"),
        ("Recipient Org:Location:Geographic Code", "recipientOrganization/0/location/0/geoCode"),
        ("Last modified", "dateModified"),
        ("From an open call?", "fromOpenCall"),
        ("Related Activity", "relatedActivity"),
        ("commitmentTransaction/0/value", "commitmentTransaction/0/value"),
    ],
)
def test_headers_of_the_standard(header: str, path: str) -> None:
    leaf = resolve(header)
    assert leaf is not None
    assert leaf.path == path


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Amount Awarded - website format",
        "Amount Awarded:0",
        "Award Date:Start Date",
        "Planned Dates",
        "Recipient Org:0",
        "Recipient Org:99999:Name",
        "Recipient Ind:1:Name",
        "Website: Decision Notes",
        "School / Building",
        "Recipient Org:Name:First",
        "::",
    ],
)
def test_headers_beyond_the_standard(header: str) -> None:
    assert resolve(header) is None


def leaves() -> st.SearchStrategy[Leaf]:
    words = vocabulary()

    def inside(key: str) -> st.SearchStrategy[Leaf]:
        field = words.grant[key]
        if field.kind in ("text", "texts"):
            return st.just(Leaf(key))
        subs = [sub.key for sub in words.objects[field.kind].values() if sub.kind in ("text", "texts")]
        numbers = st.integers(0, 12) if field.many else st.just(0)
        return st.builds(Leaf, st.just(key), numbers, st.sampled_from(subs))

    return st.sampled_from(sorted(words.grant)).flatmap(inside)


@given(leaves(), st.sampled_from([":", "/", "."]), st.sampled_from([str.upper, str.lower, str.title]), st.booleans())
def test_a_field_is_recognised_however_it_is_written(leaf: Leaf, separator: str, case: Any, in_titles: bool) -> None:
    written = header_of(leaf).replace(":", separator) if in_titles else leaf.path.replace("/", separator)
    assert resolve(case(f" {written} ")) == leaf


@given(leaves())
def test_every_field_has_one_place(leaf: Leaf) -> None:
    found = place(leaf)
    assert found.column is None or found.column in tables()[found.table].column_names


@given(st.text(max_size=40))
def test_any_header_is_a_field_or_is_not(header: str) -> None:
    leaf = resolve(header)
    assert leaf is None or resolve(leaf.path) == leaf


def test_no_two_fields_share_a_name() -> None:
    """Titles and keys of one level are told apart, whatever their case."""
    words = vocabulary()
    for fields in (words.grant, *words.objects.values()):
        names = [name.casefold() for field in fields.values() for name in {field.key, field.title}]
        keys = {
            name: {f.key for f in fields.values() if name in (f.key.casefold(), f.title.casefold())} for name in names
        }
        assert all(len(found) == 1 for found in keys.values()), keys


def test_names_and_free_text_go_to_the_vault() -> None:
    roles = {(table.name, column.name): column.role for table in tables().values() for column in table.columns}
    assert roles["recipient_individual", "name"] is Role.NAME_OTHER
    assert roles["recipient_individual", "grantTitle"] is Role.FREE_TEXT
    assert roles["recipient_organization", "email"] is Role.CONTACT
    assert roles["recipient_organization", "name"] is Role.PLAIN
    assert all(role is Role.FREE_TEXT for (_, name), role in roles.items() if name == "description" and _ == "grant")


def test_a_close_path_is_found_for_a_mistyped_one() -> None:
    assert closest_path("grantProgramme/0/titel") == "grantProgramme/0/title"
    assert closest_path("zzz") is None


# The same in three formats ----------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12).filter(
    lambda text: not text.startswith(("=", "'", "\ufeff")) and not text.lower().startswith(("http", "ftp", "mailto"))
    and text[0].isalpha() and text.lower() not in ("true", "false")
)  # fmt: skip
AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False, allow_infinity=False)
DATES = st.dates(min_value=date(1950, 1, 1), max_value=date(2100, 12, 31))


@st.composite
def some_grants(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Grants as JSON has them; parts of which the first is empty while the second is not do not occur."""

    def part(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
        return st.lists(st.fixed_dictionaries(fields), max_size=2)

    grants = st.fixed_dictionaries(
        {"id": WORDS, "amountAwarded": AMOUNTS, "currency": st.sampled_from(["GBP", "EUR"])},
        optional={
            "title": WORDS,
            "awardDate": DATES,
            "recipientOrganization": part(id=WORDS, name=WORDS),
            "grantProgramme": part(code=WORDS),
            "plannedDates": part(startDate=DATES),
            "disbursementTransaction": part(value=AMOUNTS),
            "Their own": WORDS,
        },
    )
    return draw(st.lists(grants, min_size=1, max_size=5))


def columns_of(grants: list[dict[str, Any]]) -> list[tuple[str, str, int, str]]:
    """(header, key, number, sub) of a flat table of these grants."""
    found: list[tuple[str, str, int, str]] = []
    for key in ("id", "amountAwarded", "currency", "title", "awardDate", "Their own"):
        leaf = resolve(key)
        found.append((header_of(leaf) if leaf else key, key, 0, ""))
    for key, sub in [
        ("recipientOrganization", "id"),
        ("recipientOrganization", "name"),
        ("grantProgramme", "code"),
        ("plannedDates", "startDate"),
        ("disbursementTransaction", "value"),
    ]:
        found += [(header_of(Leaf(key, number, sub)), key, number, sub) for number in (0, 1)]
    return found


def cell(grant: dict[str, Any], key: str, number: int, sub: str) -> Any:
    if not sub:
        return grant.get(key)
    elements = grant.get(key, [])
    return elements[number][sub] if number < len(elements) else None


def shown(value: Any) -> Any:
    """As a flat file shows it; amounts without zeros at the end, as spreadsheets write them."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value.isoformat() if isinstance(value, date) else value


def as_exact_json(path: Path, grants: list[dict[str, Any]]) -> Path:
    """With amounts as JSON numbers of just these digits."""

    def plain(value: Any) -> Any:
        return f"number {shown(value)} number" if isinstance(value, Decimal) else shown(value)

    text = json.dumps({"grants": grants}, default=plain, indent=1)
    path.write_text(re.sub(r'"number (.*?) number"', r"\1", text), encoding="utf-8")
    return path


@settings(max_examples=15)
@given(some_grants())
def test_json_csv_and_xlsx_of_the_same_grants_land_alike(
    tmp_path_factory: pytest.TempPathFactory, grants: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("grants")
    columns = columns_of(grants)
    header = [name for name, *_ in columns]
    rows = [[cell(grant, *where) for _, *where in columns] for grant in grants]
    from_json = read(as_exact_json(folder / "a.json", grants))
    from_csv = read(as_csv(folder / "a.csv", header, *[[shown(value) for value in row] for row in rows]))
    numbers = [[float(value) if isinstance(value, Decimal) else value for value in row] for row in rows]
    from_xlsx = read(as_xlsx(folder / "a.xlsx", grants=[header, *numbers]))
    for table in tables():
        expected = [without(row, "_file", "_line", "recordHash") for row in from_json.rows[table]]
        assert [without(row, "_file", "_line", "recordHash") for row in from_csv.rows[table]] == expected
        assert [without(row, "_file", "_line", "recordHash") for row in from_xlsx.rows[table]] == expected
    assert from_csv.values("recordHash") == from_xlsx.values("recordHash")


def test_every_field_of_a_json_grant_lands(tmp_path: Path) -> None:
    grant = {
        "id": "360G-1",
        "amountAwarded": 152505.10,
        "currency": "GBP",
        "fundingOrganization": [{"id": "F1", "name": "Fund"}, {"id": "F2"}],
        "plannedDates": [{"startDate": "2024-01-01", "duration": 12, "title": "Phase"}],
        "relatedActivity": ["a", "b"],
        "toIndividualsDetails": {"primaryGrantReason": "GTIR010", "grantPurpose": ["GTIP1", "GTIP2"]},
        "recipientOrganization": [{"name": "R", "location": [{"geoCode": "E1", "name": "North"}]}, {}, {"name": "S"}],
        "classifications": [{"vocabulary": "V", "code": "C"}],
        "fundingType": [{"code": "T"}],
        "commitmentTransaction": [{"value": 1.50}],
        "disbursementTransaction": [{"value": "2"}, {"value": 3e2}],
        "additional": {"deep": [1, {"er": None, "est": True}], "empty": ""},
        "title": 9001,
        "actualDates": ["2024-01-01"],
        "awardDate": None,
    }
    outcome = read(as_json(tmp_path / "a.json", [grant]))
    [row] = outcome.grants
    assert (row["amountAwarded"], row["title"], row["awardDate"]) == ("152505.1", "9001", None)
    assert (row["fundingOrganization_id"], row["plannedDates_duration"]) == ("F1", "12")
    assert row["relatedActivity"] == "a;b"
    assert row["toIndividualsDetails_grantPurpose"] == "GTIP1;GTIP2"
    assert row["_extra"] == {
        "fundingOrganization/1/id": "F2",
        "plannedDates/0/title": "Phase",
        "additional/deep/0": "1",
        "additional/deep/1/est": "true",
        "actualDates/0": "2024-01-01",
    }
    names = [(r["arrayIndex"], r["name"], r["_extra"]) for r in outcome.rows["recipient_organization"]]
    assert names == [("0", "R", {"location/0/geoCode": "E1", "location/0/name": "North"}), ("1", "S", {})]
    kinds = [(r["arrayName"], r["arrayIndex"], r["code"]) for r in outcome.rows["classification"]]
    assert kinds == [("classifications", "0", "C"), ("fundingType", "0", "T")]
    money = [(r["arrayName"], r["arrayIndex"], r["value"]) for r in outcome.rows["transaction"]]
    assert money == [
        ("commitmentTransaction", "0", "1.5"),
        ("disbursementTransaction", "0", "2"),
        ("disbursementTransaction", "1", "300.0"),
    ]


def test_columns_of_parts_without_a_place_are_kept_beside_them(tmp_path: Path) -> None:
    header = ["Identifier", "Currency", "Recipient Org:0:Location:0:Name", "Funding Org:1:Name", "Recipient Org:1:Name"]
    outcome = read(
        as_csv(tmp_path / "a.csv", header, ["1", "GBP", "North", "Second fund", "Other"], ["2", "", "", "", ""])
    )
    assert outcome.values("_extra") == [{"fundingOrganization/1/name": "Second fund"}, {}]
    parts = [(r["grantKey"], r["arrayIndex"], r["name"], r["_extra"]) for r in outcome.rows["recipient_organization"]]
    assert parts == [("1", "0", None, {"location/0/name": "North"}), ("1", "1", "Other", {})]


def test_a_second_column_for_a_field_is_kept_beyond_the_standard(tmp_path: Path) -> None:
    header = ["Identifier", "Currency", "Grant Programme:Title", "Grant Programme:0:Title"]
    outcome = read(as_csv(tmp_path / "a.csv", header, ["1", "GBP", "A", "B"]))
    assert outcome.values("title", "grant_programme") == ["A"]
    assert outcome.values("_extra") == [{"Grant Programme:0:Title": "B"}]


# Keys, versions, digests ------------------------------------------------------------------------------------------


def test_every_record_is_a_row_also_when_ids_repeat_or_are_missing() -> None:
    outcome = read(FIXTURES / "threesixtygiving_csv_repeated_and_missing_ids")
    assert outcome.values("amountAwarded") == ["100", "50", "150", "75", "75", "80"]
    keys = list(zip(outcome.values("grantKey"), outcome.values("occurrence"), strict=True))
    assert keys[:3] == [("360G-example-1", "1"), ("360G-example-2", "1"), ("360G-example-1", "2")]
    assert keys[3][0].startswith("noid:")
    assert (keys[3][1], keys[4]) == ("1", (keys[3][0], "2"))
    assert keys[5][0].startswith("noid:")
    assert len(set(keys)) == 6
    assert outcome.values("id") == ["360G-example-1", "360G-example-2", "360G-example-1", None, None, "  "]
    assert outcome.facts.stated_at == "2024-06-01 00:00:00"
    assert outcome.facts.details["empty_rows"] == "1"


def test_the_key_of_a_record_without_id_outlasts_a_new_export(tmp_path: Path) -> None:
    header = ["Title", "Currency", "Amount Awarded", "Last Modified", "Notes"]
    before = read(as_csv(tmp_path / "a.csv", header, ["A", "GBP", "1", "2024-01-01", "x"]))
    after = read(as_csv(tmp_path / "b.csv", header, ["new", "GBP", "9", "", ""], ["A", "GBP", "1", "2025-01-01", "y"]))
    assert after.values("grantKey")[1] == before.values("grantKey")[0]
    assert after.values("recordHash")[1] != before.values("recordHash")[0]


def test_parts_carry_the_digest_of_their_grant_and_change_it(tmp_path: Path) -> None:
    def delivered(name: str, **changes: Any) -> Outcome:
        grant = {"id": "1", "currency": "GBP", "grantProgramme": [{"code": "A"}], **changes}
        return read(as_json(tmp_path / name, [grant, {"id": "2", "currency": "GBP", "title": "same"}]))

    one, same = delivered("a.json"), delivered("b.json")
    other = delivered("c.json", grantProgramme=[{"code": "B"}])
    moved = delivered("d.json", grantProgramme=[], classifications=[{"code": "A"}])
    reworded = delivered("e.json", description="For the vault only")
    assert one.values("recordHash") == same.values("recordHash")
    assert one.values("recordHash", "grant_programme") == one.values("recordHash")[:1]
    assert len({o.values("recordHash")[0] for o in (one, other, moved)}) == 3
    assert len({o.values("recordHash")[1] for o in (one, other, moved)}) == 1
    assert reworded.values("recordHash") == one.values("recordHash")


def test_occurrences_and_parts_are_counted_across_blocks_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grants = [{"id": "1", "currency": "GBP", "title": str(n), "grantProgramme": [{"code": "A"}]} for n in range(5)]
    as_json(tmp_path / "a.json", grants)
    as_json(tmp_path / "b.json", grants[:2])
    whole = read(tmp_path)
    monkeypatch.setattr(files, "BLOCK_RECORDS", 2)
    assert read(tmp_path).rows == whole.rows
    assert whole.values("occurrence") == ["1", "2", "3", "4", "5", "6", "7"]
    places = list(
        zip(whole.values("_file", "grant_programme"), whole.values("_row_number", "grant_programme"), strict=True)
    )
    assert places == [("a.json", n) for n in range(1, 6)] + [("b.json", n) for n in range(1, 3)]
    lines = [row["_line"] for row in whole.rows["grant_programme"]]
    assert lines == whole.values("_line")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-03-05", "2024-03-05 00:00:00"),
        ("2024-03-05T10:00:00Z", "2024-03-05 10:00:00"),
        ("2024-03-05T10:00:00+01:00", "2024-03-05 09:00:00"),
        ("2020-11-27T14:39:38.000+0000", "2020-11-27 14:39:38"),
        ("13-03-2015", None),
        ("2024-13-05", None),
        ("2024-03-05T99:00:00", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("yesterday", None),
    ],
)
def test_versions_are_in_utc(text: str, moment: str | None) -> None:
    assert utc(text) == moment


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)), st.integers(-12 * 60, 14 * 60))
def test_versions_of_any_zone_compare_as_text(moment: datetime, offset: int) -> None:
    sign = "-" if offset < 0 else "+"
    zone = f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    expected = (moment - timedelta(minutes=offset)).strftime("%Y-%m-%d %H:%M:%S")
    assert utc(f"{moment.isoformat()}{zone}") == expected


# Privacy ----------------------------------------------------------------------------------------------------------


def test_grants_to_individuals_hold_nothing_personal() -> None:
    outcome = read(FIXTURES / "threesixtygiving_csv_individuals")
    assert outcome.values("title") == [MASK, MASK, MASK, "Grant to a charity"]
    assert outcome.values("grantTitle", "recipient_individual")[0] == "Grant to Jo Sample"
    assert [row["_extra"] for row in outcome.grants] == [{"Shoe size": MASK}] * 3 + [{"Shoe size": "41"}]
    places = [(r["name"], r["geoCode"], r["latitude"]) for r in outcome.rows["beneficiary_location"]]
    assert places == [
        ("Leeds", "E05001411", MASK),
        (MASK, MASK, MASK),
        ("Leeds", MASK, None),
        ("LS1 1AA", "LS1 1AA", "53.8"),
    ]


def test_no_digest_depends_on_a_name(tmp_path: Path) -> None:
    def delivered(name: str) -> Outcome:
        grant = {"currency": "GBP", "amountAwarded": 5, "title": f"For {name}", "recipientIndividual": {"name": name}}
        return read(as_json(tmp_path / f"{name}.json", [{**grant, "Applicant": name}]))

    one, other = delivered("Jo"), delivered("Al")
    for column in ("recordHash", "grantKey"):
        assert one.values(column) == other.values(column)


def test_an_individual_in_a_list_is_still_an_individual(tmp_path: Path) -> None:
    grant = {"id": "1", "currency": "GBP", "title": "For Jo", "recipientIndividual": [{"id": "I", "name": "Jo"}]}
    outcome = read(as_json(tmp_path / "a.json", [grant]))
    assert outcome.values("title") == [MASK]
    assert outcome.values("name", "recipient_individual") == ["Jo"]


@pytest.mark.parametrize(
    ("header", "is_masked"),
    [
        ("Surname of applicant", True),
        ("Co-applicant(s)", True),
        ("Contact e-mail", True),
        ("Date of birth", True),
        ("First Name", True),
        ("Region", False),
        ("Programme Name", False),
        ("Org Type", False),
        ("Distributing Body Sector", False),
    ],
)
def test_columns_beyond_the_standard_that_speak_of_a_person_are_masked(
    tmp_path: Path, header: str, is_masked: bool
) -> None:
    outcome = read(as_csv(tmp_path / "a.csv", ["Identifier", "Currency", header], ["1", "GBP", "secret"]))
    assert outcome.values("_extra") == [{header: MASK if is_masked else "secret"}]


# The mapping block ------------------------------------------------------------------------------------------------


def test_a_mapping_reads_a_publishers_own_headers(tmp_path: Path) -> None:
    mapping = {
        "columns": {"programme name": "grantProgramme/0/title", "Region": "Beneficiary Location:Name"},
        "currency": "GBP",
        "funder": {"id": "GB-COH-1", "name": "Example"},
        "regime": "full",
    }
    header = ["Identifier", "Amount Awarded", "Programme Name", "Region", "Currency", "Funding Org:Name"]
    path = as_csv(tmp_path / "a.csv", header, ["1", "5", "P", "North", "", ""], ["2", "6", "", "", "EUR", "Own"])
    outcome = read(path, mapping)
    assert outcome.facts.regime is Regime.FULL
    assert outcome.values("currency") == ["GBP", "EUR"]
    assert outcome.values("fundingOrganization_id") == ["GB-COH-1", None]
    assert outcome.values("fundingOrganization_name") == ["Example", "Own"]
    assert outcome.values("title", "grant_programme") == ["P"]
    assert outcome.values("name", "beneficiary_location") == ["North"]


def test_a_mapped_column_takes_the_place_of_the_standards(tmp_path: Path) -> None:
    path = as_csv(tmp_path / "a.csv", ["Identifier", "Currency", "Title", "Project"], ["1", "GBP", "A", "B"])
    outcome = read(path, {"columns": {"Project": "title"}})
    assert outcome.values("title") == ["B"]
    assert outcome.values("_extra") == [{"Title": "A"}]


def test_a_mapped_column_that_is_gone_is_noticed(tmp_path: Path) -> None:
    path = as_csv(tmp_path / "a.csv", ["Identifier", "Currency"], ["1", "GBP"])
    error = refusal(path, {"columns": {"Region": "beneficiaryLocation/0/name"}})
    assert (error.rule, error.file) == ("missing_column", "a.csv")
    assert "'Region'" in str(error)


def test_two_spellings_of_a_header_can_be_mapped_to_one_field(tmp_path: Path) -> None:
    mapping = {"columns": {"Fin Year": "plannedDates/0/title", "Finance Year": "plannedDates/0/title"}}
    path = as_csv(tmp_path / "a.csv", ["Identifier", "Currency", "Finance Year"], ["1", "GBP", "2024"])
    assert read(path, mapping).values("_extra") == [{"plannedDates/0/title": "2024"}]


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"colums": {}}, ["'colums'", "columns"]),
        (
            {"columns": {"Region": "beneficiaryLocation/0/nam"}},
            ["'Region'", "did you mean 'beneficiaryLocation/0/name'"],
        ),
        ({"columns": {"Region": "recipientOrganization"}}, ["'Region'", "no field"]),
        ({"columns": ["Region"]}, ["columns", "grantProgramme/0/title"]),
        ({"columns": {"Region": "title", " region": "url"}}, ["' region'", "twice"]),
        ({"currency": "pounds"}, ["currency", "'pounds'", "GBP"]),
        ({"funder": {"code": "x"}}, ["funder", "id"]),
        ({"funder": "x"}, ["funder"]),
        ({"regime": "partial"}, ["regime", "delta or full"]),
        ({"dates": "dmy"}, ["dates", "day_first"]),
        ({"delimiter": ";;"}, ["delimiter"]),
        ({"sheets": "Awards"}, ["sheets", "[Awards]"]),
    ],
)
def test_mapping_errors_name_the_key_and_the_remedy(mapping: dict[str, Any], words: list[str]) -> None:
    [problem] = CONNECTOR.check_mapping(mapping)
    for word in words:
        assert word in problem


def test_dates_of_a_stated_order_become_iso() -> None:
    path = FIXTURES / "threesixtygiving_csv_day_first_dates"
    as_sent = read(path)
    assert as_sent.values("awardDate") == ["24/07/2014", "2014-07-24", "03/04/2014"]
    assert as_sent.facts.stated_at == "2015-03-14 10:00:00"
    day_first = read(path, {"dates": "day_first"})
    assert day_first.values("awardDate") == ["2014-07-24", "2014-07-24", "2014-04-03"]
    assert day_first.values("modifiedAt") == ["2015-03-13 00:00:00", "2015-03-14 10:00:00", None]
    assert day_first.values("plannedDates_startDate") == ["2015-02-01", "July 2015", "2014-04-03"]
    assert read(path, {"dates": "month_first"}).values("awardDate")[2] == "2014-03-04"


@given(DATES, st.sampled_from("/.-"), st.booleans())
def test_any_date_survives_its_order(day: date, separator: str, day_first: bool) -> None:
    parts = [str(day.day), str(day.month)] if day_first else [str(day.month), str(day.day)]
    text = separator.join([*parts, f"{day.year:04}"])
    order = "day_first" if day_first else "month_first"
    assert iso_dates(pa.array([text, None, day.isoformat()]), order).to_pylist() == [
        day.isoformat(),
        None,
        day.isoformat(),
    ]


# Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fixture", "rule", "line", "words"),
    [
        ("json_malformed", "malformed_json", 5, "line 5"),
        ("json_ocds_releases", "not_grants", None, "OCDS"),
        ("csv_semicolons", "not_grants", None, "delimiter"),
        ("csv_header_only", "no_records", None, "no grant"),
        ("two_formats_of_one_file", "same_data_twice", None, "grants.csv and grants.json"),
    ],
)
def test_what_is_refused(fixture: str, rule: str, line: int | None, words: str) -> None:
    error = refusal(FIXTURES / f"threesixtygiving_{fixture}")
    assert (error.rule, error.line) == (rule, line)
    assert words in str(error)


def test_a_stated_delimiter() -> None:
    outcome = read(FIXTURES / "threesixtygiving_csv_semicolons", {"delimiter": ";"})
    assert outcome.values("amountAwarded") == ["100,50"]


def test_elements_that_are_no_grants_are_rejected_one_by_one() -> None:
    outcome = read(FIXTURES / "threesixtygiving_json_element_not_an_object")
    assert outcome.values("id") == ["360G-example-1"]
    assert outcome.values("_row_number") == [2]
    assert [(r.rule, r.row_number, r.line, r.raw) for r in outcome.rejects] == [
        ("not_a_grant", 1, 3, b'"360G-example-0"'),
        ("not_a_grant", 3, 5, b'{"note": "no grant at all"}'),
    ]
    assert outcome.facts.format_version == "1.1"
    assert outcome.facts.stated_at == "2024-03-05 09:00:00"
    assert outcome.facts.details["publisher"] == "Example Fund"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*sorted(vocabulary().grant), "id", "name", "x", "location"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.lists(ANY_JSON, max_size=4))
def test_any_json_under_grants_is_rows_and_rejects(
    tmp_path_factory: pytest.TempPathFactory, elements: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.json"
    sound = {"id": "sound", "currency": "GBP", "title": "half a pair: \ud800"}
    outcome = read(as_json(path, [*elements, sound]))
    assert len(outcome.grants) + len(outcome.rejects) == len(elements) + 1
    assert outcome.grants[-1]["grantKey"] == "sound"
    numbers = [row["_row_number"] for row in outcome.grants] + [reject.row_number for reject in outcome.rejects]
    assert sorted(numbers) == list(range(1, len(elements) + 2))


@pytest.mark.parametrize("content", [b"[1, 2]", b'{"grants": []}', b'{"grants": {"id": 1}}', b"[]", b'"grants"'])
def test_json_without_grants_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert refusal(path).rule in ("no_records", "not_grants", "malformed_json")


def test_a_delivery_of_several_files(tmp_path: Path) -> None:
    path = tmp_path / "grants.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("out/b.json", '{"grants": [{"id": "1", "currency": "GBP"}]}')
        archive.writestr("out/a.csv", "Identifier,Currency\n2,GBP\n")
        archive.writestr("out/README.md", "About these grants")
    outcome = read(path)
    assert list(zip(outcome.values("_file"), outcome.values("id"), strict=True)) == [("a.csv", "2"), ("b.json", "1")]
    assert outcome.facts.details["ignored"] == "README.md"
    assert outcome.facts.details["files"] == "csv; json"


@pytest.mark.parametrize("name", ["grants.txt", "grants.xls", "grants.ods"])
def test_other_files_are_refused_not_passed_over(tmp_path: Path, name: str) -> None:
    as_csv(tmp_path / "a.csv", ["Identifier", "Currency"], ["1", "GBP"])
    (tmp_path / name).write_text("Identifier,Currency\n2,GBP\n")
    error = refusal(tmp_path)
    assert (error.rule, error.file) == ("unsupported_file_type", name)


def test_windows_1252_and_byte_order_marks(tmp_path: Path) -> None:
    text = "Identifier,Title,Currency\n1,Caf\u00e9 \u20ac,GBP\n"
    (tmp_path / "a.csv").write_bytes(text.encode("cp1252"))
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    outcome = read(tmp_path)
    assert outcome.values("title") == ["Caf\u00e9 \u20ac"] * 2
    assert outcome.values("id") == ["1", "1"]


# Workbooks --------------------------------------------------------------------------------------------------------


def test_the_grants_sheet_is_found_among_others(tmp_path: Path) -> None:
    path = as_xlsx(
        tmp_path / "a.xlsx",
        Notes=[["What this is"], ["Awards since 2013"]],
        Currency_codes=[["Currency", "Title"], ["GBP", "Pound"]],
        Awards=[["# made by hand"], ["Identifier", "Amount Awarded", "Currency"], ["1", 30000, "GBP"]],
        Meta=[["Identifier", "Currency"], ["x", "y"]],
    )
    outcome = read(path)
    assert outcome.values("id") == ["1"]
    assert outcome.values("_line") == [3]
    assert outcome.values("_file") == ["a.xlsx"]
    assert "a.xlsx: Awards" in outcome.facts.details["sheets"]
    assert "Notes (not read)" in outcome.facts.details["sheets"]


def test_several_sheets_of_grants_are_all_read(tmp_path: Path) -> None:
    header = ["Identifier", "Amount Awarded", "Currency"]
    path = as_xlsx(tmp_path / "a.xlsx", Y2023=[header, ["1", 1, "GBP"]], Y2024=[header, ["1", 2, "GBP"]])
    outcome = read(path)
    assert list(zip(outcome.values("_file"), outcome.values("occurrence"), strict=True)) == [
        ("a.xlsx#Y2023", "1"),
        ("a.xlsx#Y2024", "2"),
    ]
    assert read(path, {"sheets": ["Y2024"]}).values("amountAwarded") == ["2"]
    assert refusal(path, {"sheets": ["Y2025"]}).rule == "missing_sheet"


def test_sheets_of_parts_are_put_to_their_grants(tmp_path: Path) -> None:
    path = as_xlsx(
        tmp_path / "a.xlsx",
        grants=[
            ["Identifier", "Amount Awarded", "Currency", "Recipient Org:Identifier", "Grant Programme:Code"],
            ["1", 10, "GBP", "R1", "P1"],
            ["2", 20, "GBP", "R2", ""],
        ],
        Recipient_Org=[
            ["Identifier", "Recipient Org:Identifier", "Recipient Org:City"],
            ["1", "R1", "Leeds"],
            ["1", "R9", "York"],
            ["7", "R7", "Hull"],
        ],
        Grant_Programme=[["Identifier", "Grant Programme:Code"], ["1", "P2"], ["2", "P3"]],
        Planned_Dates=[["Identifier", "Planned Dates:Start Date"], ["2", date(2024, 5, 1)]],
    )
    outcome = read(path)
    found = [
        (r["grantKey"], r["arrayIndex"], r["id"], r["addressLocality"]) for r in outcome.rows["recipient_organization"]
    ]
    assert found == [("1", "0", "R1", "Leeds"), ("1", "1", "R9", "York"), ("2", "0", "R2", None)]
    programmes = [(r["grantKey"], r["arrayIndex"], r["code"]) for r in outcome.rows["grant_programme"]]
    assert programmes == [("1", "0", "P1"), ("1", "1", "P2"), ("2", "0", "P3")]
    assert outcome.values("plannedDates_startDate") == [None, "2024-05-01"]
    [reject] = outcome.rejects
    assert (reject.rule, reject.file, reject.line) == ("no_such_grant", "a.xlsx#Recipient Org", 4)


def test_columns_without_a_header_are_kept(tmp_path: Path) -> None:
    path = as_xlsx(
        tmp_path / "a.xlsx",
        grants=[["Identifier", "Currency", "", "Notes", "Notes"], ["1", "GBP", "x", "a", "b", "beyond"], ["2", "GBP"]],
    )
    outcome = read(path)
    assert outcome.values("_extra") == [{"column 3": "x", "Notes": "a", "Notes (2)": "b", "column 6": "beyond"}, {}]


def test_a_workbook_of_something_else_is_refused(tmp_path: Path) -> None:
    path = as_xlsx(
        tmp_path / "a.xlsx", releases=[["id", "ocid", "date"], ["1", "o", "2024-01-01"]], items=[["id", "url"]]
    )
    error = refusal(path)
    assert error.rule == "not_grants"
    assert "OCDS" in str(error)


def test_an_empty_workbook_is_refused(tmp_path: Path) -> None:
    assert refusal(as_xlsx(tmp_path / "a.xlsx", grants=[])).rule == "not_grants"
