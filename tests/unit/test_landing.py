"""Landing: what is kept of a delivery, what is not followed, and what it costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from orchestration.landing import Landed, fingerprint_of, land, landing_version, receive
from orchestration.ledger import Ledger
from orchestration.region import Region, load_region
from orchestration.vault import Vault, VaultError
from sources.case_management.hmis_csv import hmis_files

REGION = """\
region: {id: demo, name: Demo region}
organisations:
  - {id: harbour, name: Harbour Housing}
sources:
  - {id: harbour_hmis, kind: hmis_csv, organisation: harbour, location: d/*%s}
"""

EXPORT = {
    "Export.csv": {"ExportID": "X", "ExportDate": "2024-04-02", "ExportStartDate": "2024-01-01",
                   "ExportEndDate": "2024-03-31", "CSVVersion": "2024"},
    "Project.csv": {"ProjectID": "R"},
    "Client.csv": {"PersonalID": "P1", "FirstName": "Ada"},
    "Enrollment.csv": {"EnrollmentID": "E1", "PersonalID": "P1", "ProjectID": "R", "EntryDate": "2024-01-10"},
}  # fmt: skip
"""One row a file; the other columns of the format are empty."""


def a_region(folder: Path, more: str = "") -> Region:
    (folder / "region.yml").write_text(REGION % more, encoding="utf-8")
    (folder / "d").mkdir(exist_ok=True)
    return load_region(folder / "region.yml")


def an_export(folder: Path) -> Path:
    folder.mkdir(parents=True)
    columns = {file.name: file.columns["FY2024"] for file in hmis_files().values() if "FY2024" in file.columns}
    for name, row in EXPORT.items():
        values = [row.get(column, "") for column in columns[name]]
        (folder / name).write_text(",".join(columns[name]) + "\n" + ",".join(values) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    opened = Vault(tmp_path / "vault", b"k" * 32)
    yield opened
    opened.close()


def landed(region: Region, vault: Vault) -> Landed:
    """The first delivery that lies at the source's location, landed."""
    source, ledger = region.sources[0], Ledger(region.state_dir)
    receive(region, ledger, source)
    receipt = ledger.receipts[-1]
    return land(region, vault, source, receipt, region.root / receipt.path)


def test_a_delivery_lands_and_its_original_is_kept(tmp_path: Path, vault: Vault) -> None:
    an_export(tmp_path / "d" / "export")
    found = landed(a_region(tmp_path), vault)
    assert (found.refusal, found.rows["client"]) == (None, 1)
    assert b"Ada" in b"".join(vault.open_original(found.delivery_id))


@pytest.mark.parametrize("target", ["elsewhere/export", "nowhere"])
def test_a_link_is_refused_not_followed(tmp_path: Path, vault: Vault, target: str) -> None:
    """Else whoever may drop a file could have another organisation's delivery read as their own."""
    an_export(tmp_path / "elsewhere" / "export")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mine").symlink_to(tmp_path / target)
    found = landed(a_region(tmp_path), vault)
    assert found.refusal is not None and found.refusal.rule == "symlink"
    assert sum(found.rows.values()) == 0
    with pytest.raises(VaultError):
        list(vault.open_original(found.delivery_id))


def test_a_pipe_in_a_folder_is_refused_and_no_original_kept(tmp_path: Path, vault: Vault) -> None:
    """Its tar could not be unpacked again."""
    os.mkfifo(an_export(tmp_path / "d" / "export") / "Exit.csv")
    found = landed(a_region(tmp_path), vault)
    assert found.refusal is not None and found.refusal.rule == "special_file"
    assert not list((tmp_path / "vault").rglob("*.tar.enc"))


def test_what_becomes_readable_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = an_export(tmp_path / "export")
    before = fingerprint_of(path)
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    assert fingerprint_of(path) != before


def test_an_export_that_lacks_a_file_is_refused_with_its_date(tmp_path: Path, vault: Vault) -> None:
    (an_export(tmp_path / "d" / "export") / "Enrollment.csv").unlink()
    found = landed(a_region(tmp_path), vault)
    assert found.refusal is not None and found.refusal.message == "the export lacks Enrollment.csv"
    assert found.stated_at == "2024-04-02 00:00:00"


@pytest.mark.parametrize(("file", "column"), [("Enrollment.csv", "EntryDate"), ("Project.csv", "ProjectID")])
def test_an_export_that_lacks_a_column_is_refused_with_its_date(
    tmp_path: Path, vault: Vault, file: str, column: str
) -> None:
    path = an_export(tmp_path / "d" / "export") / file
    path.write_text(path.read_text(encoding="utf-8").replace(column, "Other", 1), encoding="utf-8")
    found = landed(a_region(tmp_path), vault)
    assert found.refusal is not None and (found.refusal.rule, found.refusal.file) == ("missing_column", file)
    assert (found.stated_at, sum(found.rows.values())) == ("2024-04-02 00:00:00", 0)


def test_a_raised_limit_lets_a_refused_delivery_in(tmp_path: Path, vault: Vault) -> None:
    """As the refusal tells its reader to do; the delivery need not be sent again."""
    an_export(tmp_path / "d" / "export")
    narrow, wide = (a_region(tmp_path, f", limits: {{max_files: {n}}}") for n in (2, 100))
    refused = landed(narrow, vault)
    assert refused.refusal is not None and "limits: {max_files" in refused.refusal.fix
    assert landing_version(narrow.sources[0]) != landing_version(wide.sources[0])
    assert landed(wide, vault).refusal is None


def test_taking_in_a_delivery_keeps_no_rows_in_memory(vault: Vault) -> None:
    """A delivery of gigabytes is taken in batch by batch, in one transaction that must not hold on to any."""
    table = hmis_files()["services"].table
    count = 5_000
    columns = {name: pa.array([f"{name} {row}" for row in range(count)]) for name in table.column_names}
    columns["_extra"] = pa.array([{}] * count, pa.map_(pa.string(), pa.string()))
    columns["_file"] = pa.repeat(pa.scalar("Services.csv"), count)
    columns["_row_number"] = pa.array(range(count))
    rows = pa.table(columns)
    with vault.intake("d1") as intake:
        held = []
        for _ in range(40):
            intake.protect(table, rows)
            intake.flush()
            held.append(pa.total_allocated_bytes())
    assert max(held[-10:]) - held[5] < rows.nbytes
