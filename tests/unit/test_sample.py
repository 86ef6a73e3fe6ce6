"""The sample region: the same to the byte, in the real formats, and with no defect but the planted ones.

What belongs here: tests of ``sources.sample`` alone, with an audit of its own that knows nothing of the checks. What
does not: what the platform makes of the region (``tests/flow``).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.region import load_region
from sources.case_management.hmis_csv import hmis_files
from sources.connector import Batch, Reject, connectors
from sources.delivery import open_delivery
from sources.errors import RefusedError
from sources.sample import SampleSummary, write_next_delivery, write_region
from sources.sample.columns import Days, Hashes, Labels, Moments, Numbers, join, text_bytes
from sources.sample.draws import Draws, spread, weighted
from sources.sample.files import Insertion, LineFile, write_zip
from sources.sample.next_delivery import _STATED
from sources.sample.population import FEWEST_PEOPLE, draw_population
from sources.sample.survey_answers import GAD7, PHQ9, STAR, SWEMWBS, Instrument, draw_items
from sources.sample.world import PROVIDERS, SHARING

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"
RULES = {
    "hmis_csv": {
        "missing_required_value", "invalid_date", "exit_before_entry", "invalid_code", "orphan_record", "duplicate_key",
        "wrong_field_count", "bad_quoting", "date_in_future", "invalid_national_id", "missing_file",
        "unreadable_archive", "row_count_change", "error_share",
    },
    "threesixtygiving": {"duplicate_key", "missing_required_value", "invalid_date", "negative_amount"},
    "odk": {"out_of_range_answer", "unattached_response", "total_mismatch"},
    "redcap": {"out_of_range_answer", "unattached_response", "total_mismatch"},
    "sheet": {
        "negative_amount", "duplicate_key", "unknown_organisation", "retrospective_target", "unknown_kpi", "weight_sum",
        "leaf_without_kpi", "orphan_record", "objective_circle", "out_of_range", "invalid_code", "unknown_person",
        "invalid_currency", "identifying_code", "share_sum", "unknown_service", "invalid_date", "end_before_start",
        "wrong_field_count", "missing_required_value", "one_mission", "missing_cancellation_day",
        "cancelled_all_the_same", "extension_before_due",
    },
    "indicator_table": {"not_a_number"},
}  # fmt: skip


@dataclass(frozen=True)
class Written:
    """A region and what was planted in it."""

    root: Path
    summary: SampleSummary
    planted: dict[str, Any]
    progress: list[tuple[str, float]]

    def deliveries(self, kind: str, status: str = "loaded") -> list[dict[str, Any]]:
        return [d for d in self.planted["deliveries"] if d["kind"] == kind and d["status"] == status]

    def kind_of(self, source: str) -> str:
        return next(d["kind"] for d in self.planted["deliveries"] if d["source"] == source)

    def read(self, delivery: str, file: str) -> str:
        return _member(self.root / delivery, file)


@cache
def _member(path: Path, file: str) -> str:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode()
    if path.suffix != ".zip":
        return path.read_text(encoding="utf-8")
    with zipfile.ZipFile(path) as archive:
        return archive.read(file).decode("utf-8-sig", errors="replace")


def _write(to: Path, people: int, seed: int = 1) -> Written:
    told: list[tuple[str, float]] = []
    summary = write_region(
        to, people=people, seed=seed, progress=lambda stage, fraction: told.append((stage, fraction))
    )
    return Written(to, summary, json.loads((to / "planted.json").read_text(encoding="utf-8")), told)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return _write(tmp_path_factory.mktemp("sample") / "region", 600)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return _write(tmp_path_factory.mktemp("sample") / "large", 5000)


def _digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


# --- the same to the byte ------------------------------------------------------------------------------------------


def test_two_runs_are_the_same_to_the_byte(region: Written, tmp_path: Path) -> None:
    again = _write(tmp_path / "elsewhere", 600)
    assert _digests(again.root) == _digests(region.root)


def test_a_region_is_the_same_on_every_machine_and_another_seed_is_another(region: Written, tmp_path: Path) -> None:
    """Fails whenever the sample changes: put in the new digest if the change was meant."""
    files = _digests(_write(tmp_path / "region", 600, seed=7).root)
    listing = "\n".join(f"{digest} {name}" for name, digest in files.items())
    assert hashlib.sha256(listing.encode()).hexdigest() == GOLDEN
    assert {name for name, digest in _digests(region.root).items() if files.get(name) == digest} == {"region.yml"}


GOLDEN = "fe1273fbdc440c123457e0312d5a4338a3dc03a5f05ce6f2596e759a6cd44996"


def test_a_region_is_never_overwritten(region: Written) -> None:
    with pytest.raises(FileExistsError, match=r"region\.yml"):
        write_region(region.root, people=200)


def test_progress_goes_up_to_the_end(region: Written) -> None:
    told = region.progress
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert told[-1] == ("done", 1.0)
    assert {"Harbour Housing", "Tidewell Crisis Rooms"} <= {stage for stage, _ in told}


def test_nothing_unfinished_is_left_behind(region: Written) -> None:
    assert {p.name for p in region.root.iterdir()} == {"region.yml", "planted.json", "deliveries"}


def test_a_tiny_region_is_filled_up_and_has_every_defect(tmp_path: Path) -> None:
    tiny = _write(tmp_path / "tiny", 40)
    assert tiny.summary.people == FEWEST_PEOPLE
    found = defaultdict(set)
    for defect in tiny.planted["defects"]:
        found[tiny.kind_of(defect["source"])].add(defect["rule"])
    assert found == RULES
    _compare(tiny)


# --- formats -------------------------------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize(
    ("version", "folder"),
    [
        ("FY2022", "case/hud-apr-testkit-1/input/es_nbn"),
        ("FY2022", "case/hud-lsa-fy2022/input/LSA HMIS CSV Export.zip"),
        ("FY2024", "case/hmis-dirty-fy2024/validation_files/source"),
    ],
)
def test_headers_are_those_of_real_exports(region: Written, reference_data: Path, version: str, folder: str) -> None:
    real = {name: text.split("\n", 1)[0] for name, text in _texts(reference_data / folder).items()}
    delivery = next(d for d in region.deliveries("hmis_csv") if d["format_version"] == version)
    assert set(delivery["rows"]) == set(real)
    for name, header in real.items():
        ours = region.read(delivery["delivery"], name).split("\n", 1)[0]
        assert _header(ours) == _header(header), name


def _texts(folder: Path) -> dict[str, str]:
    if folder.suffix == ".zip":
        with zipfile.ZipFile(folder) as archive:
            return {Path(n).name: archive.read(n).decode("utf-8-sig") for n in archive.namelist() if n.endswith(".csv")}
    return {path.name: path.read_text(encoding="utf-8-sig") for path in folder.glob("*.csv")}


def _header(line: str) -> list[str]:
    """Senders differ in the case of letters only."""
    return [name.strip().casefold() for name in next(csv.reader([line]))]


def test_the_region_file_is_valid_and_finds_every_delivery(region: Written) -> None:
    loaded = load_region(region.root / "region.yml")
    found = {p.relative_to(region.root).as_posix() for s in loaded.sources for p in loaded.deliveries_of(s)}
    assert found == {d["delivery"] for d in region.planted["deliveries"]}
    assert Counter(s.kind for s in loaded.sources) == {
        "hmis_csv": 10, "threesixtygiving": 3, "odk": 3, "redcap": 1, "indicator_table": 1,
        "sheet": 8,
    }  # fmt: skip


def test_connectors_read_what_was_written(region: Written) -> None:
    """Every table has the rows that were written, every unreadable record is rejected where it stands."""
    loaded = load_region(region.root / "region.yml")
    for fact in region.planted["deliveries"]:
        rows, rejects, refusal = _land(region.root / fact["delivery"], loaded.source(fact["source"]))
        if fact["status"] == "refused":
            assert refusal is not None, fact["delivery"]
            continue
        assert refusal is None, fact["delivery"]
        expected = {table: count for table, count in fact["landed"].items() if count}
        assert {table: rows[table] for table in expected} == expected, fact["delivery"]
        if fact["kind"] == "hmis_csv":
            assert set(rows) == set(expected)
        planted = {
            (d["file"], d["line"], d["row_number"], d["rule"])
            for d in region.planted["defects"]
            if d["delivery"] == fact["delivery"]
            and d["rule"] in ("bad_quoting", "wrong_field_count", "identifying_code")
        }
        assert rejects == planted, fact["delivery"]


def _land(path: Path, source: Any) -> tuple[Counter[str], set[tuple[str, int, int, str]], str | None]:
    connector = connectors()[source.kind]
    rows: Counter[str] = Counter()
    rejects = set()
    try:
        with open_delivery(path) as delivery:
            facts = connector.inspect(delivery, source.mapping)
            for item in connector.read(delivery, facts, source.mapping):
                if isinstance(item, Reject):
                    rejects.add((item.file, item.line, item.row_number, item.rule))
                elif isinstance(item, Batch) and item.rows.num_rows:
                    rows[item.table] += item.rows.num_rows
    except RefusedError as error:
        return rows, rejects, error.rule
    return rows, rejects, None


def test_senders_write_as_differently_as_real_ones(region: Written) -> None:
    first = {d["source"]: (region.root / d["delivery"]) for d in region.deliveries("hmis_csv")}
    starts = {}
    for source, path in first.items():
        with zipfile.ZipFile(path) as archive:
            starts[source] = archive.read("Project.csv")
    assert starts["norrowgate_hmis"].startswith(b"\xef\xbb\xbf")
    assert "Café".encode("cp1252") in starts["tidewell_hmis"]
    assert b"\r\n" in starts["brackwater_hmis"]
    assert starts["fennimoor_hmis"].startswith(b'"ProjectID"')
    versions = Counter(d["format_version"] for d in region.deliveries("hmis_csv"))
    assert set(versions) == {"FY2022", "FY2024"}
    assert len({d["source"] for d in region.deliveries("hmis_csv") if d["format_version"] == "FY2024"}) == 3
    assert {d["regime"] for d in region.deliveries("hmis_csv")} == {"full", "delta"}


# --- nothing planted is missing, nothing else is wrong -------------------------------------------------------------

Finding = tuple[str, str, str, int]
"""Delivery, rule, file, line."""


def test_every_planted_defect_stands_where_it_is_said_to_stand(region: Written) -> None:
    for defect in region.planted["defects"]:
        if defect["severity"] == "submission" or ".xlsx" in defect["file"]:
            continue
        line = region.read(defect["delivery"], defect["file"]).split("\n")[defect["line"] - 1]
        assert defect["record"].split("|")[0] in line, defect["id"]
        assert defect["value"] is None or defect["value"] in line, defect["id"]
        for other in defect["other_lines"]:
            assert defect["record"] in region.read(defect["delivery"], defect["file"]).split("\n")[other - 1]


def test_planted_survey_and_award_records_stand_at_their_position(region: Written) -> None:
    for defect in region.planted["defects"]:
        if not (defect["file"] or "").endswith(".json"):
            continue
        content = json.loads(region.read(defect["delivery"], defect["file"]))
        record = content.get("value", content.get("grants"))[defect["row_number"] - 1]
        assert record.get("__id", record.get("id")) == defect["record"]
        column = defect["column"]
        if defect["rule"] not in ("duplicate_key",):
            assert str(record.get(column)) == str(defect["value"]), defect["id"]


def test_the_audit_finds_the_planted_defects_and_no_others(large: Written) -> None:
    _compare(large)


def _compare(written: Written) -> None:
    planted: set[Finding] = set()
    for d in written.planted["defects"]:
        if d["severity"] != "submission" and written.kind_of(d["source"]) == "hmis_csv":
            planted |= {(d["delivery"], d["rule"], d["file"], line) for line in (d["line"], *d["other_lines"])}
    found = {f for d in written.deliveries("hmis_csv") for f in _audit(written, d)}
    assert found - planted == set()
    assert planted - found == set()


@dataclass(frozen=True)
class Record:
    line: int
    values: dict[str, str]


def _audit(written: Written, delivery: dict[str, Any]) -> Iterator[Finding]:
    """Problems of one export, found in the plainest way."""
    path, version = delivery["delivery"], delivery["format_version"]
    tables: dict[str, list[Record]] = {}
    for table, file in hmis_files().items():
        if file.name not in delivery["rows"]:
            continue
        tables[table], broken = _records(written.read(path, file.name))
        yield from ((path, rule, file.name, line) for rule, line in broken)
    for table, rule, line in _problems(tables, version, delivery["stated_at"][:10]):
        yield path, rule, hmis_files()[table].name, line
    for table, line in _orphans(written, delivery, tables):
        yield path, "orphan_record", hmis_files()[table].name, line


@cache
def _records(text: str) -> tuple[list[Record], list[tuple[str, int]]]:
    """Records by their first physical line, and what can't be read."""
    lines = _Lines(text)
    reader = csv.reader(lines, strict=True)
    header = next(reader)
    records, broken = [], []
    while True:
        start = lines.taken + 1
        try:
            cells = next(reader)
        except StopIteration:
            return records, broken
        except csv.Error:
            broken.append(("bad_quoting", start))
            reader = csv.reader(lines, strict=True)
            continue
        if len(cells) != len(header):
            broken.append(("wrong_field_count", start))
        else:
            records.append(Record(start, dict(zip(header, cells, strict=True))))


class _Lines:
    """Physical lines, counted as they are taken."""

    def __init__(self, text: str):
        self._lines = iter(io.StringIO(text, newline=""))
        self.taken = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken += 1
        return line


REQUIRED = {
    "enrollment": ("EnrollmentID", "PersonalID", "ProjectID", "EntryDate", "HouseholdID", "RelationshipToHoH"),
    "exit": ("ExitID", "EnrollmentID", "ExitDate", "Destination"),
    "client": ("PersonalID", "NameDataQuality", "SSNDataQuality", "DOBDataQuality", "VeteranStatus"),
    "services": ("DateProvided", "RecordType", "TypeProvided"),
    "income_benefits": ("InformationDate", "IncomeFromAnySource", "DataCollectionStage"),
    "disabilities": ("InformationDate", "DisabilityType", "DisabilityResponse", "DataCollectionStage"),
    "current_living_situation": ("InformationDate", "CurrentLivingSituation"),
    "event": ("EventDate", "Event"),
    "assessment": ("AssessmentDate", "AssessmentType"),
    "inventory": ("ProjectID", "InventoryStartDate", "BedInventory", "UnitInventory"),
}
DATES = ("EntryDate", "ExitDate", "InformationDate", "DateProvided", "EventDate", "ResultDate", "AssessmentDate", "DOB",
         "MoveInDate", "DateToStreetESSH", "DateCreated", "DateUpdated", "DateDeleted", "DateOfEngagement")  # fmt: skip
CODES = {
    ("client", "NameDataQuality"): "name_quality",
    ("client", "SSNDataQuality"): "national_id_quality",
    ("client", "DOBDataQuality"): "birth_date_quality",
    ("client", "VeteranStatus"): "veteran",
    ("enrollment", "RelationshipToHoH"): "relationship",
    ("enrollment", "LengthOfStay"): "length_of_stay",
    ("enrollment", "TimesHomelessPastThreeYears"): "times_homeless",
    ("enrollment", "MonthsHomelessPastThreeYears"): "months_homeless",
    ("enrollment", "DisablingCondition"): "yes_no",
    ("enrollment", "LOSUnderThreshold"): "yes_no",
    ("enrollment", "PreviousStreetESSH"): "yes_no",
    ("enrollment", "LivingSituation"): "situation",
    ("exit", "Destination"): "situation",
    ("current_living_situation", "CurrentLivingSituation"): "situation",
    ("project", "ProjectType"): "project_type",
    ("services", "RecordType"): "record_type",
    ("income_benefits", "IncomeFromAnySource"): "yes_no",
    ("income_benefits", "DataCollectionStage"): "collection_stage",
    ("disabilities", "DisabilityType"): "disability_type",
    ("event", "Event"): "event",
    ("event", "ReferralResult"): "referral_result",
    ("assessment", "AssessmentType"): "assessment_type",
    ("assessment", "AssessmentLevel"): "assessment_level",
    ("inventory", "HouseholdType"): "household_type",
}


@cache
def _code_lists() -> dict[tuple[str, str], set[str]]:
    """Codes by list and format, as the platform's reference data hold them."""
    lists: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in _csv("ref_hmis_code.csv"):
        lists[row["list_code"], row["format_version"]].add(row["source_code"])
    for row in _csv("ref_hmis_situation.csv"):
        lists["situation", row["format_version"]].add(row["situation_code"])
    for row in _csv("ref_hmis_project_type.csv"):
        lists["project_type", row["format_version"]].add(row["project_type_code"])
    return lists


def _csv(name: str) -> list[dict[str, str]]:
    with (SEEDS / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _problems(tables: dict[str, list[Record]], version: str, stated: str) -> Iterator[tuple[str, str, int]]:
    entries = {r.values["EnrollmentID"]: r.values["EntryDate"] for r in tables["enrollment"]}
    for table, records in tables.items():
        keys = Counter(next(iter(r.values.values())) for r in records)
        for record in records:
            values = record.values
            if keys[next(iter(values.values()))] > 1:
                yield table, "duplicate_key", record.line
            if any(not values[name] for name in REQUIRED.get(table, ())):
                yield table, "missing_required_value", record.line
            dates = {name: values[name][:10] for name in DATES if values.get(name)}
            if not all(_is_date(text) for text in dates.values()):
                yield table, "invalid_date", record.line
            elif any(text > stated for text in dates.values()):
                yield table, "date_in_future", record.line
            for (where, name), code_list in CODES.items():
                if where == table and values[name] and values[name] not in _code_lists()[code_list, version]:
                    yield table, "invalid_code", record.line
            if table == "exit" and values["ExitDate"] < entries.get(values["EnrollmentID"], ""):
                yield table, "exit_before_entry", record.line
            if table == "client" and values["SSN"] and not _is_ssn(values["SSN"]):
                yield table, "invalid_national_id", record.line


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_ssn(text: str) -> bool:
    area, group, serial = text[:3], text[3:5], text[5:]
    fine = len(text) == 9 and text.isdigit() and area not in ("000", "666") and area < "900"
    return fine and group != "00" and serial != "0000" and len(set(text)) > 1 and text != "123456789"


def _orphans(written: Written, delivery: dict[str, Any], tables: dict[str, list[Record]]) -> Iterator[tuple[str, int]]:
    """Rows whose parent neither this delivery nor an earlier one carries."""
    people, enrolments, projects = set(), set(), set()
    for other in (*written.deliveries("hmis_csv"), delivery):
        if other["source"] == delivery["source"] and other["stated_at"] <= delivery["stated_at"]:
            people |= _keys(written, other, "Client.csv")
            enrolments |= _keys(written, other, "Enrollment.csv")
            projects |= _keys(written, other, "Project.csv")
    known = {"PersonalID": people, "EnrollmentID": enrolments, "ProjectID": projects}
    for table, records in tables.items():
        own = hmis_files()[table].table.key[0]
        for record in records:
            parents = {name: codes for name, codes in known.items() if name != own and name in record.values}
            if any(record.values[name] not in codes for name, codes in parents.items()):
                yield table, record.line


def _keys(written: Written, delivery: dict[str, Any], file: str) -> frozenset[str]:
    records, _ = _records(written.read(delivery["delivery"], file))
    return frozenset(next(iter(r.values.values())) for r in records)


def test_full_exports_keep_their_size_but_for_the_paused_one(region: Written) -> None:
    changes = {}
    for status in ("loaded", "paused"):
        for later in region.deliveries("hmis_csv", status):
            earlier = [
                d
                for d in region.deliveries("hmis_csv")
                if (d["source"], d["regime"]) == (later["source"], "full") and d["stated_at"] < later["stated_at"]
            ]
            if later["regime"] == "full" and earlier:
                before, now = sum(earlier[-1]["rows"].values()), sum(later["rows"].values())
                changes[later["source"]] = (now - before) / before
                gone = [f for f, n in earlier[-1]["rows"].items() if n and not later["rows"][f]]
                assert gone == [], later["delivery"]
    assert changes.pop("quarnby_hmis") < -0.5
    assert len(changes) == 4
    assert all(abs(change) < 0.25 for change in changes.values()), changes


def test_only_the_paused_delivery_has_too_many_errors(region: Written) -> None:
    for delivery in region.deliveries("hmis_csv") + region.deliveries("hmis_csv", "paused"):
        bad = {(f, line) for _, rule, f, line in _audit(region, delivery) if rule != "duplicate_key"}
        share = len(bad) / sum(delivery["rows"].values())
        assert (share > 0.3) if delivery["rule"] == "error_share" else (share < 0.03), delivery["delivery"]


def test_a_record_that_was_bad_is_mended_later(region: Written) -> None:
    mended = [d for d in region.planted["defects"] if d["mended_by"]]
    assert {d["source"] for d in mended} == {"harbour_hmis", "kestrelby_hmis"}
    for defect in mended:
        records, _ = _records(region.read(defect["mended_by"], defect["file"]))
        later = next(r.values for r in records if r.values["EnrollmentID"] == defect["record"])
        assert _is_date(later["EntryDate"])
        earlier, _ = _records(region.read(defect["delivery"], defect["file"]))
        before = next(r.values for r in earlier if r.values["EnrollmentID"] == defect["record"])
        assert later["DateUpdated"] > before["DateUpdated"]


# --- what the region tells -----------------------------------------------------------------------------------------


def _latest(written: Written, source: str, file: str) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for delivery in written.deliveries("hmis_csv"):
        if delivery["source"] == source:
            for record in _records(written.read(delivery["delivery"], file))[0]:
                rows[next(iter(record.values.values()))] = record.values
    return {key: row for key, row in rows.items() if not row["DateDeleted"]}


def test_every_large_provider_has_entries_and_exits_in_each_of_36_months(large: Written) -> None:
    months = {f"{year}-{month:02d}" for year in range(2022, 2026) for month in range(1, 13)}
    months = {m for m in months if "2022-10" <= m <= "2025-09"}
    assert len(months) == 36
    for provider in SHARING:
        for file, column in (("Enrollment.csv", "EntryDate"), ("Exit.csv", "ExitDate")):
            seen = {row[column][:7] for row in _latest(large, f"{provider}_hmis", file).values()}
            assert len(months - seen) <= 1, (provider, column, sorted(months - seen))


def test_later_exports_correct_and_delete(large: Written) -> None:
    corrected, deleted = 0, 0
    for source in ("harbour_hmis", "norrowgate_hmis", "fennimoor_hmis"):
        first, second = (d for d in large.deliveries("hmis_csv") if d["source"] == source)
        before = {r.values["ExitID"]: r.values for r in _records(large.read(first["delivery"], "Exit.csv"))[0]}
        for record in _records(large.read(second["delivery"], "Exit.csv"))[0]:
            old = before.get(record.values["ExitID"])
            if old and old["Destination"] != record.values["Destination"]:
                corrected += 1
                assert old["Destination"] == "99"
                assert record.values["DateUpdated"] > first["stated_at"][:10]
        for table in ("Enrollment.csv", "Services.csv"):
            deleted += sum(bool(r.values["DateDeleted"]) for r in _records(large.read(second["delivery"], table))[0])
    assert corrected >= 3
    assert deleted >= 3


def test_a_delta_holds_only_what_changed(large: Written) -> None:
    for delivery in large.deliveries("hmis_csv"):
        if delivery["regime"] != "delta":
            continue
        before = max(
            d["stated_at"]
            for d in large.deliveries("hmis_csv")
            if d["source"] == delivery["source"] and d["stated_at"] < delivery["stated_at"]
        )
        rows, _ = _records(large.read(delivery["delivery"], "Enrollment.csv"))
        assert rows
        since = date.fromisoformat(before[:10]).replace(day=1).isoformat()
        assert min(r.values["DateUpdated"] for r in rows) >= since


def test_people_at_two_providers_are_the_same_person_in_both(region: Written) -> None:
    assert region.planted["shared_people_count"] == len(region.planted["shared_people"]) >= 10
    kinds = Counter()
    for pair in region.planted["shared_people"]:
        rows = [_latest(region, p["source"], "Client.csv")[p["person"]] for p in pair["people"]]
        assert len({p["source"] for p in pair["people"]}) == 2
        assert len({(r["FirstName"], r["LastName"], r["DOB"]) for r in rows}) == 1
        both_numbered = all(r["SSNDataQuality"] == "1" for r in rows)
        assert pair["evidence"] == ("national_id" if both_numbered else "name_and_birth_date")
        assert not both_numbered or rows[0]["SSN"] == rows[1]["SSN"]
        kinds[pair["evidence"]] += 1
    assert len(kinds) == 2


def test_lookalikes_share_name_and_birth_date_but_not_the_national_id(region: Written) -> None:
    one, other = (_latest(region, p["source"], "Client.csv")[p["person"]] for p in region.planted["lookalikes"])
    for name in ("FirstName", "LastName", "DOB"):
        assert one[name] == other[name] != ""
    assert one["SSN"] != other["SSN"]
    assert _is_ssn(one["SSN"]) and _is_ssn(other["SSN"])


def test_occupancy_is_sensible(large: Written) -> None:
    """Beds by project against people staying there in the middle of the period."""
    on = "2024-03-15"
    for provider in ("harbour", "norrowgate", "fennimoor", "oakapple"):
        source = f"{provider}_hmis"
        exits = {r["EnrollmentID"]: r["ExitDate"] for r in _latest(large, source, "Exit.csv").values()}
        beds: Counter[str] = Counter()
        for row in _latest(large, source, "Inventory.csv").values():
            if row["InventoryStartDate"] <= on <= (row["InventoryEndDate"] or "9999"):
                beds[row["ProjectID"]] += int(row["BedInventory"])
        stays = Counter(
            row["ProjectID"]
            for row in _latest(large, source, "Enrollment.csv").values()
            if row["EntryDate"] <= on < exits.get(row["EnrollmentID"], "9999")
        )
        used = sum(stays.values()) / sum(beds.values())
        assert 0.6 < used < 1.1, (provider, used)


def test_the_provider_that_gets_worse_does_so(large: Written) -> None:
    truth = large.planted["truth"]["providers"]["tidewell"]
    early, late = [], []
    for submissions in _scored_stays(large, "tidewell_odk", "check_in"):
        first, last = submissions[0], submissions[-1]
        if _is_case(first):
            (late if last["visit_date"] >= truth["worsens_on"] else early).append(not _is_case(last))
    assert abs(np.mean(early) - truth["recovery"]) < 0.12
    assert abs(np.mean(late) - truth["worse_recovery"]) < 0.2
    assert np.mean(early) > np.mean(late) + 0.1


def test_stars_go_up_in_some_scales_and_down_in_others(large: Written) -> None:
    delivery = [d for d in large.deliveries("odk") if d["source"] == "millrace_odk"][-1]["delivery"]
    rows = list(csv.DictReader(io.StringIO(large.read(delivery, "star_chart/star_chart.csv"))))
    readings = [[int(row[question]) if row[question] else None for question in STAR.questions] for row in rows]
    given = [reading for star in readings for reading in star if reading is not None]
    assert set(given) <= set(range(1, 11))
    assert 0 < 1 - len(given) / (len(rows) * STAR.items) < 0.05, "few are left out"
    people: dict[str, list[list[int | None]]] = defaultdict(list)
    for row, star in zip(rows, readings, strict=True):
        if row["wave"] in ("start", "end"):
            people[row["client_ref"]].append(star)
    changes = [
        {(b > a) - (b < a) for a, b in zip(*stars, strict=True) if a is not None and b is not None}
        for stars in people.values()
        if len(stars) == 2
    ]
    for sign in (1, -1):
        assert 0.2 < np.mean([sign in change for change in changes]) < 0.98


def _scored_stays(written: Written, source: str, form: str) -> Iterator[list[dict[str, Any]]]:
    """First and last complete submission of each stay that has both."""
    delivery = [d for d in written.deliveries("odk") if d["source"] == source][-1]
    people: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for submission in json.loads(written.read(delivery["delivery"], f"{form}/Submissions.json"))["value"]:
        people[submission["client_ref"]].append(submission)
    for submissions in people.values():
        start = None
        for submission in sorted(submissions, key=lambda s: s["visit_date"]):
            if submission["wave"] == "start":
                start = submission
            elif submission["wave"] == "end" and start and None not in (*start.values(), *submission.values()):
                yield [start, submission]
            elif submission["wave"] == "end" and start:
                yield [start, submission]
                start = None


def _total(submission: dict[str, Any], instrument: Instrument) -> int:
    return sum(int(submission[question] or 0) for question in instrument.questions)


def _is_case(submission: dict[str, Any]) -> bool:
    return _total(submission, PHQ9) >= 10 or _total(submission, GAD7) >= 8


def test_survey_responses_are_about_known_people_during_a_stay(region: Written) -> None:
    for source, form, provider in (
        ("harbour_odk", "wellbeing_check", "harbour"),
        ("tidewell_odk", "check_in", "tidewell"),
    ):
        enrolments = _latest(region, f"{provider}_hmis", "Enrollment.csv")
        exits = {r["EnrollmentID"]: r["ExitDate"] for r in _latest(region, f"{provider}_hmis", "Exit.csv").values()}
        stays = defaultdict(list)
        for row in enrolments.values():
            stays[row["PersonalID"]].append((row["EntryDate"], exits.get(row["EnrollmentID"], "9999")))
        delivery = [d for d in region.deliveries("odk") if d["source"] == source][-1]
        content = json.loads(region.read(delivery["delivery"], f"{form}/Submissions.json"))["value"]
        lost = {
            s["client_ref"] for s in content if not any(a <= s["visit_date"] <= b for a, b in stays[s["client_ref"]])
        }
        planted = {
            d["value"]
            for d in region.planted["defects"]
            if (d["source"], d["rule"]) == (source, "unattached_response") and d["file"].startswith(form)
        }
        assert lost == planted
        assert Counter(s["wave"] for s in content).keys() == {"start", "mid", "end"}


def test_edited_submissions_keep_their_id_and_change(region: Written) -> None:
    first, second = (d["delivery"] for d in region.deliveries("odk") if d["source"] == "harbour_odk")
    before = {s["__id"]: s for s in json.loads(region.read(first, "wellbeing_check/Submissions.json"))["value"]}
    after = {s["__id"]: s for s in json.loads(region.read(second, "wellbeing_check/Submissions.json"))["value"]}
    assert before.keys() <= after.keys()
    edited = [i for i in before if before[i] != after[i]]
    assert edited
    for identifier in edited:
        old, new = before[identifier], after[identifier]
        assert (old["__system"]["edits"], new["__system"]["edits"]) == (0, 1)
        assert new["meta"]["deprecatedID"] == old["meta"]["instanceID"] != new["meta"]["instanceID"]
        assert old["phq9_1"] != new["phq9_1"]
        assert new["phq9_total"] is None or new["phq9_total"] == _total(new, PHQ9)


def test_repeats_point_to_their_submissions(region: Written) -> None:
    delivery = [d for d in region.deliveries("odk") if d["source"] == "harbour_odk"][-1]["delivery"]
    submissions = json.loads(region.read(delivery, "wellbeing_check/Submissions.json"))["value"]
    repeats = json.loads(region.read(delivery, "wellbeing_check/Submissions.supports.json"))["value"]
    assert {r["__Submissions-id"] for r in repeats} <= {s["__id"] for s in submissions}
    assert len({r["__id"] for r in repeats}) == len(repeats) > 20
    delivery = [d for d in region.deliveries("odk") if d["source"] == "millrace_odk"][-1]["delivery"]
    forms = list(csv.DictReader(io.StringIO(region.read(delivery, "wellbeing_scale/wellbeing_scale.csv"))))
    goals = list(csv.DictReader(io.StringIO(region.read(delivery, "wellbeing_scale/wellbeing_scale-goals.csv"))))
    assert {g["PARENT_KEY"] for g in goals} <= {f["KEY"] for f in forms}
    counts = Counter(g["PARENT_KEY"] for g in goals)
    assert {g["KEY"] for g in goals} == {
        f"{key}/goals[{n}]" for key, many in counts.items() for n in range(1, many + 1)
    }


def test_redcap_rows_are_record_event_and_instance(region: Written) -> None:
    delivery = region.deliveries("redcap")[-1]["delivery"]
    rows = list(csv.DictReader(io.StringIO(region.read(delivery, "data.csv"))))
    keys = [(r["client_ref"], r["redcap_event_name"], r["redcap_repeat_instance"]) for r in rows]
    assert len(set(keys)) == len(keys)
    fields = {r["Variable / Field Name"] for r in csv.DictReader(io.StringIO(region.read(delivery, "dictionary.csv")))}
    codes = {"-999", "-888"}
    assert codes <= {value for row in rows for value in row.values()}
    for column in rows[0]:
        base = column.split("___")[0]
        assert base in fields or base.startswith("redcap_") or base.endswith("_complete"), column
    for row in rows:
        assert bool(row["sat_date"]) == (row["redcap_repeat_instrument"] == "satisfaction")
        items = [row[q] for q in PHQ9.questions]
        planted = row["client_ref"].startswith("OAZ")
        if row["phq9_total"] and not planted:
            assert int(row["phq9_total"]) == sum(map(int, items))


def test_identifiers_listed_for_the_scan_are_in_the_deliveries_but_not_in_survey_answers(region: Written) -> None:
    known = region.planted["identifiers"]
    clients = "".join(
        region.read(d["delivery"], "Client.csv").replace('","","', " ").replace('",,"', " ")
        for d in region.deliveries("hmis_csv")
    )
    assert sum(name in clients for name in known["names"]) > len(known["names"]) * 0.7
    assert sum(number in clients for number in known["national_ids"]) > len(known["national_ids"]) * 0.7
    assert not any(born.endswith("-01") for born in known["birth_dates"])
    told = []
    for kind in ("odk", "redcap"):
        for delivery in region.deliveries(kind):
            for file in delivery["rows"]:
                text = region.read(delivery["delivery"], file)
                told += [name for name in known["names"] if name in text]
    assert len(told) == 4


def test_awards_add_up_to_what_is_said(region: Written) -> None:
    delivery = [d for d in region.deliveries("threesixtygiving") if d["source"] == "larkspur_grants"][-1]
    name = Path(delivery["delivery"]).name
    sums: Counter[tuple[str, str]] = Counter()
    for grant in json.loads(region.read(delivery["delivery"], name))["grants"]:
        if "amountAwarded" in grant and _is_date(grant["awardDate"][:10]):
            sums[grant["grantProgramme"][0]["code"], grant["currency"]] += grant["amountAwarded"]
    said = {
        (a["programme"], a["currency"]): a["amount"]
        for a in region.planted["truth"]["awards"]
        if a["source"] == "larkspur_grants"
    }
    assert sums == said
    assert {currency for _, currency in said} == {"GBP", "EUR"}


def test_amended_awards_are_dated_later(region: Written) -> None:
    first, second = (d["delivery"] for d in region.deliveries("threesixtygiving") if d["source"] == "larkspur_grants")
    before = {g["id"]: g for g in json.loads(region.read(first, Path(first).name))["grants"]}
    after = json.loads(region.read(second, Path(second).name))["grants"]
    changed = [g for g in after if g["id"] in before and g["amountAwarded"] != before[g["id"]]["amountAwarded"]]
    assert changed
    assert all(g["dateModified"] > before[g["id"]]["dateModified"] for g in changed)


# --- one more delivery ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", [p.id for p in PROVIDERS])
def test_one_more_delivery_is_a_clean_delta(provider: str, region: Written, tmp_path: Path) -> None:
    root = tmp_path / "region"
    (root / "deliveries").mkdir(parents=True)
    (root / "planted.json").write_bytes((region.root / "planted.json").read_bytes())
    (root / "deliveries" / provider).symlink_to(_copy(region.root / "deliveries" / provider, tmp_path / "files"))
    latest = max(
        found.group(1) for p in (root / "deliveries" / provider).iterdir() if (found := _STATED.search(p.name))
    )
    path = write_next_delivery(root, provider=provider, seed=3)
    again = write_next_delivery(root, provider=provider, seed=3)
    assert path.name != again.name
    export = _records(_member(path, "Export.csv"))[0][0].values
    assert export["ExportDirective"] == "1"
    assert export["ExportDate"][:10] > latest
    version = next(p.version for p in PROVIDERS if p.id == provider)
    tables = {
        name: _records(_member(path, file.name))[0] for name, file in hmis_files().items() if version in file.columns
    }
    assert list(_problems(tables, version, export["ExportDate"][:10])) == []
    changed = len(tables["enrollment"]) + len(tables["exit"])
    known = len(_latest(region, f"{provider}_hmis", "Enrollment.csv"))
    assert 2 <= changed <= max(known * 0.02, 4)
    people = set(_latest(region, f"{provider}_hmis", "Client.csv")) | {r.values["PersonalID"] for r in tables["client"]}
    assert {r.values["PersonalID"] for t in ("enrollment", "exit", "income_benefits") for r in tables[t]} <= people


def _copy(source: Path, target: Path) -> Path:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_an_unknown_provider_is_an_error(region: Written) -> None:
    with pytest.raises(KeyError):
        write_next_delivery(region.root, provider="nobody", seed=1)


# --- parts ---------------------------------------------------------------------------------------------------------


@given(st.integers(1, 10**6), st.sampled_from([PHQ9, GAD7, SWEMWBS]), st.data())
def test_items_add_up_to_the_score(seed: int, instrument: Instrument, data: st.DataObject) -> None:
    top = instrument.items * instrument.units
    trouble = np.array(data.draw(st.lists(st.integers(0, top), min_size=1, max_size=30)), dtype=np.int64)
    items = draw_items(Draws(seed), instrument, trouble)
    complete = (items >= 0).all(axis=1)
    assert ((items == -1).sum(axis=1) <= 1).all()
    given_items = items[complete]
    assert ((given_items >= instrument.lowest) & (given_items <= instrument.highest)).all()
    reached = given_items.sum(axis=1) - instrument.items * instrument.lowest
    wanted = (top - trouble if instrument.higher_is_better else trouble)[complete]
    assert (reached == wanted).all()


@settings(max_examples=25)
@given(st.integers(0, 2**40), st.integers(1, 500))
def test_people_have_different_valid_national_ids(seed: int, more: int) -> None:
    population = draw_population(FEWEST_PEOPLE + more, seed, 900, 9000)
    assert population.people == FEWEST_PEOPLE + more
    assert len(set(population.ssn.tolist())) == population.people
    assert all(_is_ssn(f"{number:09d}") for number in population.ssn.tolist())
    assert set(population.home.tolist()) == set(range(len(PROVIDERS)))
    assert (population.second != population.home).all()


def test_tables_hold_quantiles_and_weights() -> None:
    assert spread(0, 10, 100, steps=4).tolist() == [0, 5, 10, 55]
    assert weighted({7: 2, 9: 1}).tolist() == [7, 7, 9]


def test_streams_of_different_keys_differ_and_repeat() -> None:
    assert Draws(1, "a").below(10**6, 5).tolist() == Draws(1, "a").below(10**6, 5).tolist()
    assert Draws(1, "a").below(10**6, 5).tolist() != Draws(1, "b").below(10**6, 5).tolist()


def test_missing_values_are_written_as_nothing() -> None:
    rows = np.array([0, 1])
    columns = [
        Numbers(np.array([5, -1])),
        Days(np.array([19000, -(10**6)])),
        Labels(("x", "y"), np.array([-1, 1])),
        Moments(np.array([0, 2**60])),
    ]
    parts = [part for column in columns for part in (column.texts(rows), ",")][:-1]
    assert join(parts, 2).to_pylist() == ["5,2022-01-08,,1970-01-01 00:00:00", ",,y,"]


def test_hashes_are_distinct_and_stable() -> None:
    texts = Hashes(np.arange(1000), 5).texts(np.arange(1000)).to_pylist()
    assert len(set(texts)) == 1000
    assert texts[0] == Hashes(np.arange(3), 5).texts(np.array([0])).to_pylist()[0]
    assert all(len(t) == 41 and t.startswith("uuid:") for t in texts)


def test_insertions_know_their_lines_behind_broken_lines(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def tell(line: int, row: int) -> None:
        told.append((line, row))

    insertions = [
        Insertion(500, b'"two\nlines"\n', tell),
        Insertion(1000, b"last\n", tell),
        Insertion(0, b"first\n", tell),
    ]
    file = LineFile(tmp_path / "file.csv", b"header\n", insertions)
    file.append(pa.array(["a\n", "b\n", "c\n", "d\n"]))
    file.append(pa.array(["e\n"]))
    file.close()
    assert file.path.read_text() == 'header\nfirst\na\nb\n"two\nlines"\nc\nd\nlast\ne\n'
    assert told == [(2, 1), (5, 4), (9, 7)]
    assert file.rows == 8


def test_insertions_into_an_empty_file_come_with_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    file = LineFile(tmp_path / "f", b"h\n", [Insertion(300, b"x\n", lambda line, row: told.append((line, row)))])
    file.append(pa.array([], type=pa.string()))
    file.close()
    assert (file.path.read_bytes(), told) == (b"h\nx\n", [(2, 1)])


def test_bytes_of_a_slice_start_at_the_slice() -> None:
    data, offsets = text_bytes(pa.array(["aa", "b", "ccc"]).slice(1))
    assert bytes(data[offsets[0] : offsets[-1]]) == b"bccc"


def test_zips_do_not_depend_on_the_order_or_time_of_writing(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_bytes(b"abc")
    write_zip(tmp_path / "a.zip", {"x": content, "b": b"2"}, "2025-01-02")
    write_zip(tmp_path / "b.zip", {"b": b"2", "x": content}, "2025-01-02")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["b", "x"]
