"""`trigpoint check`: what it foresees of a delivery without reading all of it, and what it says of the vault's key."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from orchestration import doctor
from orchestration.doctor import Finding, examine
from orchestration.region import load_region
from orchestration.vault import KEY_VARIABLE, Vault
from sources.case_management.hmis_csv import hmis_files
from sources.delivery import MIB, EnoughError, open_delivery
from sources.errors import RefusedError
from tests.survey_landing import FIXTURES
from tests.unit.test_landing import an_export

STAFFING = "team_code,role_code,month_end_on,fte_in_post\nNorth,worker,2025-03-31,4.5\n"
SUBMISSIONS = "KEY,SubmissionDate,mood\nuuid:1,2025-01-05T10:00:00Z,3\n"
SURVEY = "mapping: {forms: {wellbeing: {}}}"


def looked_at(folder: Path, kind: str = "hmis_csv", more: str = "") -> list[Finding]:
    """What is found of a region's only source, whose deliveries lie in ``d``."""
    (folder / "region.yml").write_text(
        "region: {id: demo, name: Demo region}\norganisations:\n  - {id: harbour, name: Harbour Housing}\nsources:\n"
        f"  - id: it\n    kind: {kind}\n    organisation: harbour\n    location: d/*\n    {more}\n",
        encoding="utf-8",
    )
    return [found for found in examine(load_region(folder / "region.yml")) if found.source == "it"]


def without_column(path: Path, name: str) -> None:
    """Take a column out of a CSV file without quotes."""
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    at = rows[0].index(name)
    path.write_text("".join(",".join(row[:at] + row[at + 1 :]) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize(("file", "column"), [("Enrollment.csv", "EntryDate"), ("Project.csv", "ProjectID")])
def test_a_column_that_an_export_lacks_is_foreseen(tmp_path: Path, file: str, column: str) -> None:
    without_column(an_export(tmp_path / "d" / "export") / file, column)
    warning, error = looked_at(tmp_path)
    assert (warning.level, error.level) == ("warning", "error")
    assert f"export will be refused: {file} lacks the required column {column}." in warning.message


def test_of_sheets_every_header_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with zipfile.ZipFile(tmp_path / "d" / "sheets.zip", "w") as archive:
        archive.writestr("staffing.csv", STAFFING)
        archive.writestr("training.csv", "team_code\nNorth\n")
    warning, _ = looked_at(tmp_path, "sheet")
    assert "sheets.zip will be refused: training.csv lacks the required column" in warning.message


@pytest.mark.parametrize(
    ("kind", "files", "more"),
    [
        ("odk", {"wellbeing.csv": SUBMISSIONS, "wellbeing-visits.csv": "KEY,PARENT_KEY,a,A\n"}, SURVEY),
        ("odk", {"wellbeing/Submissions.json": '{"value": [{"__id": nonsense'}, SURVEY),
        ("threesixtygiving", {"grants.csv": "Identifier,Title\n360G-1,A\n"}, ""),
    ],
)
def test_a_file_that_cannot_be_read_is_foreseen(tmp_path: Path, kind: str, files: dict[str, str], more: str) -> None:
    for name, text in files.items():
        path = tmp_path / "d" / "sent" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    warning, error = looked_at(tmp_path, kind, more)
    assert "sent will be refused: " in warning.message
    assert error.message == "none of 1 deliveries can be used"


def test_a_data_file_with_a_column_twice_is_foreseen(tmp_path: Path) -> None:
    folder = tmp_path / "d" / "project"
    folder.mkdir(parents=True)
    for path in (FIXTURES / "redcap_longitudinal").iterdir():
        text = path.read_text(encoding="utf-8-sig")
        if "_DATA_" in path.name:
            header, _, rows = text.partition("\n")
            text = f"{header},extra,Extra\n{rows}"
        (folder / path.name).write_text(text, encoding="utf-8")
    warning, _ = looked_at(tmp_path, "redcap")
    assert "has more than one column 'Extra'" in warning.message


def test_of_a_big_export_the_headers_are_enough(tmp_path: Path) -> None:
    """The run will refuse it for its last byte, which a check of seconds can't know."""
    services = an_export(tmp_path / "d" / "export") / "Services.csv"
    columns = hmis_files()["services"].columns["FY2024"]
    services.write_bytes(",".join(columns).encode() + b"\n" + (b"," * len(columns) + b"\n") * (MIB // 2) + b"\0")
    (found,) = looked_at(tmp_path)
    assert found == Finding("ok", "it", "1 of 1 deliveries readable, the last one exported 2024-04-02 00:00:00")


def test_of_a_big_file_only_the_beginning_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir()
    path = tmp_path / "d" / "wellbeing_2025-02-01.csv"
    path.write_bytes(SUBMISSIONS.encode() + b"uuid:2,,\n" * MIB + b"\0")
    (warning, _) = looked_at(tmp_path, "odk")
    assert "holds a NUL character" in warning.message
    monkeypatch.setattr(doctor, "_LOOKED_AT", 6 * MIB)
    (found,) = looked_at(tmp_path, "odk")
    assert found == Finding("ok", "it", "1 of 1 deliveries readable, the last one exported 2025-02-01 00:00:00")


def test_the_beginning_of_a_delivery_ends_where_it_was_said(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_bytes(b"a" * MIB)
    (tmp_path / "big.csv").write_bytes(b"a" * 4 * MIB)
    with open_delivery(tmp_path) as delivery:
        begun = delivery.beginning(2 * MIB)
        assert len(begun.open("small.csv").read()) == MIB
        stream = begun.open("big.csv")
        assert len(stream.read(2 * MIB)) == 2 * MIB
        with pytest.raises(EnoughError):
            stream.read(1)
        assert len(delivery.open("big.csv").read()) == 4 * MIB


def test_a_check_writes_nothing(tmp_path: Path) -> None:
    an_export(tmp_path / "d" / "export")
    looked_at(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    list(examine(load_region(tmp_path / "region.yml")))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def said_of_the_vault(folder: Path) -> list[tuple[str, str]]:
    region = folder / "region.yml"
    if not region.exists():
        an_export(folder / "d" / "export")
        looked_at(folder)
    return [(f.level, f.message) for f in examine(load_region(region)) if f.source == "vault"]


def test_the_key_is_spoken_of_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    ((level, first),) = said_of_the_vault(tmp_path)
    assert level == "warning" and "the first run will make a key in vault/local.key" in first
    assert f"to bring your own, set {KEY_VARIABLE} before it" in first
    Vault.at(tmp_path / "vault").close()
    ((level, later),) = said_of_the_vault(tmp_path)
    assert level == "warning" and "the key is kept in vault/local.key" in later
    monkeypatch.setenv(KEY_VARIABLE, "k" * 32)
    assert said_of_the_vault(tmp_path) == []


def test_a_key_that_will_not_do_is_told_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "short")
    ((level, message),) = said_of_the_vault(tmp_path)
    assert level == "error" and "at least 32 characters" in message
    monkeypatch.delenv(KEY_VARIABLE)
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "vault.duckdb").touch()
    ((level, message),) = said_of_the_vault(tmp_path)
    assert level == "error" and "a key that is not on this machine" in message


def test_what_is_refused_in_the_beginning_is_refused_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(RefusedError), open_delivery(tmp_path / "cut.zip") as delivery:
        delivery.beginning(MIB).open("a")
