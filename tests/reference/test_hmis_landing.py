"""The real HMIS exports: every row lands, every row is accounted for, and the spec knows every column."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration.landing import MANIFEST, Landed, read_manifest
from orchestration.region import Region
from orchestration.warehouse import connect
from sources.case_management.hmis_csv import hmis_files
from sources.spec import MASK
from tests.reference.conftest import HMIS_EXPORTS

pytestmark = [pytest.mark.reference, pytest.mark.xdist_group("reference")]

LANDED = {
    "lsa_fy2022": {
        "client": 579,
        "current_living_situation": 58,
        "disabilities": 5_460,
        "employment_education": 169,
        "enrollment": 593,
        "enrollment_coc": 478,
        "exit": 317,
        "export": 1,
        "funder": 18,
        "health_and_dv": 792,
        "income_benefits": 792,
        "inventory": 21,
        "organization": 1,
        "project": 18,
        "project_coc": 19,
        "services": 5_105,
        "user": 1,
    },
    "lsa_fy2021": {
        "assessment": 5,
        "client": 5_113,
        "disabilities": 71_058,
        "employment_education": 11_816,
        "enrollment": 6_139,
        "enrollment_coc": 4_523,
        "event": 3,
        "exit": 5_698,
        "export": 1,
        "funder": 19,
        "health_and_dv": 11_843,
        "income_benefits": 15_321,
        "inventory": 20,
        "organization": 1,
        "project": 19,
        "project_coc": 19,
        "services": 429,
        "user": 5,
        "youth_education_status": 82,
    },
}
"""Rows per file as the provenance of the reference data states them; a table that is not named is empty."""


@pytest.mark.parametrize("source", LANDED)
def test_every_row_of_the_export_lands(reference_region: Region, source: str) -> None:
    landed = _manifest(reference_region, source)
    assert {table: count for table, count in landed.rows.items() if count} == LANDED[source]
    assert landed.refusal is None
    assert not any(landed.rejected.values())


def test_every_landed_row_is_current_or_accounted_for(reference_region: Region) -> None:
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        lost = connection.execute(
            "SELECT source_id, table_name, landed_count, quarantined_count, unchanged_count, loaded_count "
            "FROM ops.row_account WHERE landed_count <> quarantined_count + unchanged_count + loaded_count"
        ).fetchall()
        current = connection.execute(
            "SELECT _source_id, count(*) FROM raw.hmis_csv__enrollment WHERE _status = 'current' GROUP BY 1"
        ).fetchall()
    assert lost == []
    assert dict(current) == {
        "lsa_fy2021": 6_139,
        "lsa_fy2022": 593,
        **dict.fromkeys(("apr_psh", "apr_rrh", "apr_th", "apr_es_nbn"), 37),
        **dict.fromkeys(("spm_one", "spm_three"), 6),
    }


def test_the_formats_are_told_apart(reference_region: Region) -> None:
    """CSVVersion is `v1_3`, `FY2022` or not there at all in these exports."""
    versions = {source: _manifest(reference_region, source).format_version for source in HMIS_EXPORTS}
    assert versions == {source: "FY2020" if source.startswith("spm_") else "FY2022" for source in versions}


def test_identifiers_are_masked_in_landing(reference_region: Region) -> None:
    masked = [(name, column.name) for name, file in hmis_files().items() for column in file.table.masked]
    assert len(masked) > 30
    for folder in _landed_folders(reference_region):
        for table, column in masked:
            query = f"SELECT DISTINCT \"{column}\" FROM read_parquet('{folder / table}.parquet')"
            shown = {value for (value,) in duckdb.execute(query).fetchall()}
            assert shown <= {None, MASK}, (folder, table, column)


def test_bed_nights_of_fy2022(reference_region: Region) -> None:
    """4,486 records of bed nights are 4,408 distinct ones."""
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        records, nights = connection.execute(
            "SELECT count(*), count(DISTINCT (source_person_key, provided_on)) FROM input.in_case__service_event "
            "WHERE source_id = 'lsa_fy2022' AND event_type_code = 'bed_night'"
        ).fetchall()[0]
        kept = connection.execute("SELECT count(*) FROM core.fct_bed_night WHERE source_id = 'lsa_fy2022'").fetchone()
    assert (records, nights) == (4_486, 4_408)
    assert kept == (4_408,)


def test_codes_of_the_real_exports_are_all_mapped(reference_region: Region) -> None:
    columns = {
        "in_case__episode": ("destination_class_code", "relationship_to_head_code", "months_homeless_code"),
        "in_case__person": ("sex_code", "ethnicity_code", "veteran_status_code", "birth_date_quality_code"),
        "in_case__service": ("service_type_code",),
        "in_case__service_event": ("event_type_code",),
        "in_case__income": ("collection_stage_code", "has_income_code"),
        "in_case__health_status": ("disability_type_code", "response_code"),
        "in_case__capacity": ("household_type_code",),
    }
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        for view, names in columns.items():
            for name in names:
                codes = {code for (code,) in connection.execute(f"SELECT DISTINCT {name} FROM input.{view}").fetchall()}
                assert len(codes) > 1, (view, name)
                assert "UNMAPPED" not in codes, (view, name)


def test_the_spec_has_the_columns_of_the_real_files_in_their_order(reference_data: Path) -> None:
    """Stated once in the spec, once by the senders: neither may drift."""
    compared = 0
    for version, export in (
        ("FY2020", "case/hud-spm-examples/input/measure_three/source"),
        ("FY2022", "case/hud-apr-testkit-1/input/psh"),
        ("FY2024", "case/hmis-dirty-fy2024/validation_files/source"),
    ):
        files = {file.name: file for file in hmis_files().values()}
        for name, header in _headers(reference_data / export):
            listed = [column.lower() for column in files[name].columns[version]]
            assert listed == [column.lower() for column in header], (version, name)
            compared += 1
    assert compared == 22 + 23 + 24


def test_no_column_of_a_real_export_is_unknown(reference_region: Region) -> None:
    for folder in _landed_folders(reference_region):
        for table in hmis_files():
            query = f"SELECT count(*) FROM read_parquet('{folder / table}.parquet') WHERE cardinality(_extra) > 0"
            assert duckdb.execute(query).fetchone() == (0,), (folder, table)


def _landed_folders(region: Region) -> list[Path]:
    """Folders of the HMIS exports."""
    folders = sorted(path.parent for source in HMIS_EXPORTS for path in (region.landing_dir / source).rglob(MANIFEST))
    assert len(folders) == len(HMIS_EXPORTS)
    return folders


def _manifest(region: Region, source: str) -> Landed:
    (path,) = (region.landing_dir / source).rglob(MANIFEST)
    return read_manifest(path.parent)


def _headers(path: Path) -> Iterator[tuple[str, list[str]]]:
    if path.is_dir():
        for file in sorted(path.glob("*.csv")):
            yield file.name, next(csv.reader(file.open(encoding="utf-8-sig", newline="")))
        return
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            yield name, next(csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"), newline="")))
