"""The HMIS CSV connector: which format, what a delivery speaks for, what is refused, what goes to the vault."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.case_management.hmis_csv import CONNECTOR, formats, hmis_files
from sources.connector import Batch, connectors
from sources.delivery import open_delivery
from sources.errors import RefusedError
from sources.spec import DeliveryFacts, Regime, Role

FIXTURES = Path(__file__).parent.parent / "fixtures"

EXPORT = {
    "ExportID": "x",
    "ExportDate": "2024-04-02 08:30:00",
    "ExportStartDate": "2024-01-01",
    "ExportEndDate": "2024-03-31",
    "ExportPeriodType": "3",
    "ExportDirective": "2",
}


def write_export(
    folder: Path,
    version: str = "FY2022",
    rows: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
    **export: str,
) -> Path:
    """An export with the required files of a format; ``rows`` by table, ``export`` overrides columns of Export.csv."""
    content: dict[str, Sequence[Mapping[str, str]]] = {
        "project": [{"ProjectID": "p1", "ProjectType": "1"}],
        "client": [{"PersonalID": "c1"}],
        "enrollment": [{"EnrollmentID": "e1", "PersonalID": "c1", "ProjectID": "p1", "EntryDate": "2024-01-10"}],
        **(rows or {}),
        "export": [{**EXPORT, **export}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for table, records in content.items():
        file = hmis_files()[table]
        columns = file.columns.get(version, file.columns[formats()[-1]])
        with (folder / file.name).open("w", newline="", encoding="utf-8") as target:
            writer = csv.DictWriter(target, columns, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(records)
    return folder


def inspect(path: Path, mapping: Mapping[str, str] | None = None) -> DeliveryFacts:
    with open_delivery(path) as delivery:
        return CONNECTOR.inspect(delivery, mapping or {})


def read(path: Path) -> dict[str, list[dict[str, object]]]:
    """Rows by table; fails on a reject."""
    found: dict[str, list[dict[str, object]]] = {}
    with open_delivery(path) as delivery:
        for item in CONNECTOR.read(delivery, CONNECTOR.inspect(delivery, {}), {}):
            assert isinstance(item, Batch), item
            found.setdefault(item.table, []).extend(item.rows.to_pylist())
    return found


def refusal(path: Path, mapping: Mapping[str, str] | None = None) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        inspect(path, mapping)
    return caught.value


# --- the spec ----------------------------------------------------------------------------------------------------


def test_it_is_found_by_its_kind() -> None:
    assert connectors()["hmis_csv"] is CONNECTOR


@pytest.mark.parametrize("name", hmis_files())
def test_a_table_names_only_columns_and_tables_that_exist(name: str) -> None:
    file, tables = hmis_files()[name], CONNECTOR.tables
    table = file.table
    columns = set(table.column_names)
    assert len(columns) == len(table.columns), "a column is listed twice"
    named = {*table.key, *table.scope_date_columns, table.scope_column, table.version_column, table.deleted_column}
    assert named - {None} <= columns
    for own, parent in table.parents:
        assert set(own) <= columns
        assert tables[parent].key == own
    if table.scope_via:
        assert table.scope_via[0] in columns
        assert tables[table.scope_via[1]].scope_column
    if table.scope_span:
        assert table.scope_span.start in columns
        assert table.scope_span.end in tables[table.scope_span.end_table or name].column_names
    for version, listed in file.columns.items():
        assert set(listed) <= columns, version
        assert len({column.lower() for column in listed}) == len(listed), version


def test_a_full_export_can_tell_what_it_speaks_for() -> None:
    """Every table either is never emptied by absence, or has a project and, but for projects' own data, a date."""
    undated = {"project", "project_coc", "affiliation"}
    for name, table in CONNECTOR.tables.items():
        if table.absence_deletes:
            assert table.scope_column or table.scope_via, name
            assert table.scope_date_columns or table.scope_span or name in undated, name


def test_people_users_and_organisations_are_never_deleted_by_absence() -> None:
    assert not any(CONNECTOR.tables[name].absence_deletes for name in ("client", "user", "organization", "export"))


@pytest.mark.parametrize(
    ("table", "column", "role"),
    [
        ("client", "FirstName", Role.NAME_FIRST),
        ("client", "MiddleName", Role.NAME_OTHER),
        ("client", "LastName", Role.NAME_LAST),
        ("client", "NameSuffix", Role.NAME_OTHER),
        ("client", "SSN", Role.NATIONAL_ID),
        ("client", "DOB", Role.BIRTH_DATE),
        ("client", "DifferentIdentityText", Role.FREE_TEXT),
        ("enrollment", "LastPermanentStreet", Role.CONTACT),
        ("enrollment", "LastPermanentZIP", Role.CONTACT),
        ("exit", "OtherDestination", Role.FREE_TEXT),
        ("user", "UserFirstName", Role.NAME_OTHER),
        ("user", "UserEmail", Role.CONTACT),
        ("user", "UserPhone", Role.CONTACT),
        ("export", "SourceContactLast", Role.NAME_OTHER),
        ("export", "SourceContactEmail", Role.CONTACT),
        ("client", "PersonalID", Role.PLAIN),
        ("client", "DOBDataQuality", Role.PLAIN),
    ],
)
def test_identifiers_and_free_text_go_to_the_vault(table: str, column: str, role: Role) -> None:
    assert {c.name: c.role for c in CONNECTOR.tables[table].columns}[column] is role


@pytest.mark.parametrize("name", hmis_files())
def test_columns_named_like_names_addresses_or_remarks_are_not_plain(name: str) -> None:
    """A column that a new format brings can't slip through unmarked."""
    plain = [c.name for c in hmis_files()[name].table.columns if c.role is Role.PLAIN]
    telling = ("FirstName", "LastName", "Street", "Address1", "Email", "Phone", "Identify", "Text", "Location")
    harmless = ("EmailSocialMedia", "Telephone", "PreviousStreetESSH", "DateToStreetESSH")
    assert [c for c in plain if any(mark in c for mark in telling) and c not in harmless] == []


def test_the_export_id_does_not_make_a_row_a_changed_one() -> None:
    for name, table in CONNECTOR.tables.items():
        volatile = [c.name for c in table.columns if c.volatile]
        assert volatile == ([] if name == "export" else ["ExportID"]), name


# --- which format ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns_of", "stated", "expected"),
    [
        ("FY2020", "", "FY2020"),
        ("FY2022", "", "FY2022"),
        ("FY2022", "v1_3", "FY2022"),
        ("FY2022", "FY2022", "FY2022"),
        ("FY2022", "2022", "FY2022"),
        ("FY2022", "2022 v1.3\t", "FY2022"),
        ("FY2024", "2024 v1.3", "FY2024"),
        ("FY2024", "", "FY2024"),
        ("FY2024", "v1_3", "FY2024"),
    ],
)
def test_the_format_is_told_by_version_and_columns(tmp_path: Path, columns_of: str, stated: str, expected: str) -> None:
    assert inspect(write_export(tmp_path, columns_of, CSVVersion=stated)).format_version == expected


def test_an_unknown_version_is_refused() -> None:
    error = refusal(FIXTURES / "hmis_unknown_version")
    assert (error.rule, error.file) == ("unknown_version", "Export.csv")
    assert "2026 v1.0" in str(error)


def test_columns_of_a_later_format_are_refused_whatever_the_version_says(tmp_path: Path) -> None:
    path = write_export(tmp_path, "FY2024", CSVVersion="")
    (path / "Client.csv").write_text("PersonalID,Sex,DateUpdated\nc1,1,2025-12-01\n")
    assert refusal(path).rule == "unknown_version"


def test_columns_that_contradict_the_stated_version_are_refused_unless_the_region_file_decides() -> None:
    path = FIXTURES / "hmis_version_conflict"
    error = refusal(path)
    assert error.rule == "version_conflict"
    assert "FY2022" in str(error)
    assert inspect(path, {"format": "FY2022"}).format_version == "FY2022"


def test_columns_that_tell_no_format_are_refused(tmp_path: Path) -> None:
    path = write_export(tmp_path)
    (path / "Client.csv").write_text("PersonalID,DateUpdated\nc1,2024-01-01\n")
    assert refusal(path).rule == "unknown_version"


@pytest.mark.parametrize(
    ("mapping", "problems"),
    [({}, 0), ({"format": "FY2024"}, 0), ({"format": "FY2026"}, 1), ({"formt": "FY2024"}, 1)],
)
def test_the_mapping_is_checked(mapping: dict[str, str], problems: int) -> None:
    assert len(CONNECTOR.check_mapping(mapping)) == problems


# --- what a delivery speaks for ----------------------------------------------------------------------------------


def test_a_full_refresh_speaks_for_its_projects_and_dates(tmp_path: Path) -> None:
    projects = [{"ProjectID": code, "ProjectType": "1"} for code in ("p2", "p1", "p2")]
    facts = inspect(write_export(tmp_path, rows={"project": projects}))
    assert facts.regime is Regime.FULL
    assert facts.scope_values == ("p1", "p2")
    assert (facts.scope_from, facts.scope_to) == ("2024-01-01", "2024-03-31")
    assert facts.stated_at == "2024-04-02 08:30:00"
    assert "services" in facts.absent_tables
    assert "client" not in facts.absent_tables


@pytest.mark.parametrize(
    ("directive", "period_type", "regime"),
    [
        ("2", "3", Regime.FULL),
        ("2", "4", Regime.FULL),
        ("2", "", Regime.FULL),
        ("2", "1", Regime.DELTA),
        ("1", "3", Regime.DELTA),
        ("3", "3", Regime.DELTA),
        ("", "3", Regime.DELTA),
        ("9", "3", Regime.DELTA),
    ],
)
def test_only_a_full_refresh_of_a_period_replaces(
    tmp_path: Path, directive: str, period_type: str, regime: Regime
) -> None:
    facts = inspect(write_export(tmp_path, ExportDirective=directive, ExportPeriodType=period_type))
    assert facts.regime is regime
    if regime is Regime.DELTA:
        assert (facts.scope_values, facts.scope_from, facts.scope_to) == (None, None, None)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("2024-04-02 08:30:00", "2024-04-02 08:30:00"),
        ("2024-04-02T08:30:00.123", "2024-04-02 08:30:00"),
        ("2024-4-2", "2024-04-02 00:00:00"),
        ("4/2/2024 8:30", "2024-04-02 08:30:00"),
        ("04/02/2024\t", "2024-04-02 00:00:00"),
    ],
)
def test_export_dates_are_read_in_the_spellings_that_occur(tmp_path: Path, written: str, read_as: str) -> None:
    facts = inspect(write_export(tmp_path, ExportDate=written, ExportStartDate=written))
    assert facts.stated_at == read_as
    assert facts.scope_from == read_as[:10]


@pytest.mark.parametrize("written", ["", "2024-02-30", "02/04/24", "April 2024", "20240402", "2024-04-02 25:00"])
def test_an_export_date_that_is_none_is_refused(tmp_path: Path, written: str) -> None:
    error = refusal(write_export(tmp_path, ExportDate=written))
    assert (error.rule, error.file) == ("export_unreadable", "Export.csv")


def test_a_delta_needs_no_period(tmp_path: Path) -> None:
    facts = inspect(write_export(tmp_path, ExportDirective="3", ExportStartDate="", ExportEndDate="soon"))
    assert facts.regime is Regime.DELTA


# --- what is refused ---------------------------------------------------------------------------------------------


def test_a_missing_required_file_is_refused() -> None:
    error = refusal(FIXTURES / "hmis_missing_client")
    assert (error.rule, error.file) == ("missing_file", "Client.csv")


def test_a_delivery_without_an_export_row_is_refused(tmp_path: Path) -> None:
    path = write_export(tmp_path)
    header = (path / "Export.csv").read_text().splitlines()[0]
    (path / "Export.csv").write_text(header + "\n")
    assert refusal(path).rule == "export_unreadable"
    (path / "Export.csv").write_text(header + "\n" + "x,1\n")
    assert refusal(path).rule == "export_unreadable"


def test_something_else_than_an_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "grants.csv").write_text("id,amount\n1,2\n")
    assert refusal(tmp_path).rule == "missing_file"


def test_two_exports_in_one_delivery_are_refused(tmp_path: Path) -> None:
    write_export(tmp_path / "a")
    write_export(tmp_path / "b")
    assert refusal(tmp_path).rule == "several_exports"


def test_a_file_without_a_column_that_everything_hangs_on_is_refused(tmp_path: Path) -> None:
    path = write_export(tmp_path)
    (path / "Enrollment.csv").write_text("EnrollmentID,PersonalID,ProjectID\ne1,c1,p1\n")
    with open_delivery(path) as delivery:
        facts = CONNECTOR.inspect(delivery, {})
        with pytest.raises(RefusedError) as caught:
            next(CONNECTOR.read(delivery, facts, {}))
    assert (caught.value.rule, caught.value.file) == ("missing_column", "Enrollment.csv")


@pytest.mark.parametrize(
    ("directive", "period_type", "expected"), [("1", "3", True), ("2", "1", True), ("2", "3", False), ("3", "3", False)]
)
def test_a_delta_says_that_it_holds_changes_only(
    tmp_path: Path, directive: str, period_type: str, expected: bool
) -> None:
    path = write_export(tmp_path, ExportDirective=directive, ExportPeriodType=period_type)
    assert inspect(path).is_changes_only is expected


# --- rows --------------------------------------------------------------------------------------------------------


def test_tombstones_are_landed_with_their_date() -> None:
    rows = read(FIXTURES / "hmis_date_deleted")
    assert {r["EnrollmentID"]: r["DateDeleted"] for r in rows["enrollment"]} == {
        "e1": None,
        "e2": "2024-03-20 10:00:00",
    }
    assert [r["ServicesID"] for r in rows["services"] if r["DateDeleted"]] == ["s2"]
    assert CONNECTOR.tables["enrollment"].deleted_column == "DateDeleted"


def test_a_zip_and_a_folder_in_it_read_alike(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "export")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"some/folder/{path.name}")
    assert read(tmp_path / "export.zip") == read(folder)


def test_names_of_files_may_be_written_in_any_case(tmp_path: Path) -> None:
    path = write_export(tmp_path)
    (path / "Client.csv").rename(path / "CLIENT.CSV")
    assert [r["PersonalID"] for r in read(path)["client"]] == ["c1"]


def test_files_that_are_not_part_of_the_format_are_ignored_and_named(tmp_path: Path) -> None:
    path = write_export(tmp_path)
    (path / "readme.txt").write_text("hello")
    facts = inspect(path)
    assert facts.details["ignored_files"] == "readme.txt"
    assert "SourceContactEmail" not in facts.details


def test_columns_beyond_the_format_are_kept_apart(tmp_path: Path) -> None:
    path = write_export(tmp_path)
    (path / "Project.csv").write_text("ProjectID,ProjectType,Colour,TrackingMethod\np1,1,blue,3\n")
    (row,) = read(path)["project"]
    assert (row["TrackingMethod"], row["_extra"], row["_line"]) == ("3", [("Colour", "blue")], 2)


@settings(max_examples=20)  # each one writes a delivery
@given(order=st.permutations(hmis_files()["exit"].columns["FY2022"]), upper=st.booleans())
def test_neither_the_order_nor_the_case_of_columns_matters(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], upper: bool
) -> None:
    values = {column: f"value of {column}" for column in order}
    path = write_export(tmp_path_factory.mktemp("export"))
    header = ",".join(column.upper() if upper else column for column in order)
    (path / "Exit.csv").write_text(header + "\n" + ",".join(values[column] for column in order) + "\n")
    (row,) = read(path)["exit"]
    assert {column: row[column] for column in order} == values
    assert row["_extra"] == []
