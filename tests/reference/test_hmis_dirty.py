"""What becomes of each of the twelve dirty HMIS exports, named one by one: accepted, some records rejected, or refused.

What belongs here: the result of reading, the verdict of the landing gate, and which of several versions of a person
counts. Values that break a code list or a date are no reason to lose a record: they land as sent, and the gate judges
them by their weight: a record that belongs to nobody or to no day is held back, any other value counts as unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from orchestration.landing import land, landing_path, receive
from orchestration.ledger import Ledger
from orchestration.loader import Accepted
from orchestration.region import Region, load_region
from orchestration.vault import Vault
from orchestration.warehouse import connect, ensure_tables
from sources.case_management.hmis_csv import CONNECTOR
from sources.connector import Batch, Reject
from sources.delivery import open_delivery
from sources.errors import RefusedError
from tests.landing_files import apply_source
from tests.reference.gating import Delivery, Gated, gate, outcomes

pytestmark = [pytest.mark.reference, pytest.mark.xdist_group("hmis_dirty")]

NOTHING_HELD = pa.schema([("table", pa.string()), ("file", pa.string()), ("row_number", pa.int64())]).empty_table()


@dataclass(frozen=True)
class Case:
    """One export and its stated result."""

    path: str
    carries: str
    """The defect."""
    refused: str | None = None
    """Rule, if the whole delivery is refused."""
    format: str = "FY2022"
    people: int = 0
    stays: int = 0
    rows: int = 0
    """Rows landed in all tables."""
    rejects: dict[tuple[str, int], str] = field(default_factory=dict)
    """(file, line) → rule, for every record that could not be read."""
    verdict: str = "loaded"
    """What the landing gate makes of it: loaded (without the records it holds back), or paused for a person to look."""
    held: int = 0
    """Records that the landing gate holds back, beyond those that could not be read."""


SHORT_CONTACT = {("CurrentLivingSituation.csv", 4): "wrong_field_count"}
"""Several exports share a contact with too few fields."""

CASES = (
    Case(
        "hmis-dirty-fy2022/bad_data",
        "quotes within names, birth dates such as 08-MAY-67, update dates in four spellings: all are readable rows",
        people=134,
        stays=4,
        rows=178,
        rejects=SHORT_CONTACT,
    ),
    Case(
        "hmis-dirty-fy2022/bad_ending",
        "only Export.csv and Project.csv, with mixed line ends and a column twice",
        refused="missing_file",
        verdict="refused",
    ),
    Case(
        "hmis-dirty-fy2022/bom_test",
        "a byte order mark before a quoted header",
        people=3,
        stays=4,
        rows=47,
        rejects=SHORT_CONTACT,
    ),
    Case("hmis-dirty-fy2022/date_updated_initial", "first of three versions of one person", people=1, stays=1, rows=6),
    Case("hmis-dirty-fy2022/date_updated_newer", "the newest version, exported first", people=1, stays=1, rows=6),
    Case("hmis-dirty-fy2022/date_updated_older", "the oldest version, exported second", people=1, stays=1, rows=6),
    Case(
        "hmis-dirty-fy2022/duplicate_primary_keys",
        "people, stays and funders twice: all land, the loader keeps the newest of each",
        people=5,
        stays=5,
        rows=53,
        rejects=SHORT_CONTACT,
    ),
    Case(
        "hmis-dirty-fy2022/enrollment_change_files",
        "a changed export of the same period, stated a day earlier",
        people=3,
        stays=4,
        rows=47,
    ),
    Case(
        "hmis-dirty-fy2022/enrollment_test_files",
        "school attendance of people who are not in the export",
        people=3,
        stays=4,
        rows=50,
        rejects=SHORT_CONTACT,
    ),
    Case(
        "hmis-dirty-fy2022/loader_errors",
        "broken quoting, unquoted commas in names, records with too few and too many fields",
        people=128,
        stays=4,
        rows=162,
        verdict="paused",
        rejects={
            ("Client.csv", 3): "bad_quoting",
            ("Client.csv", 4): "bad_quoting",
            ("Client.csv", 6): "bad_quoting",
            ("Client.csv", 7): "wrong_field_count",
            ("Client.csv", 34): "wrong_field_count",
            ("Client.csv", 61): "wrong_field_count",
            ("Event.csv", 3): "wrong_field_count",
            ("Exit.csv", 2): "wrong_field_count",
            **SHORT_CONTACT,
        },
    ),
    Case(
        "hmis-dirty-fy2022/validation_files",
        "codes of no list, blank keys, ids that point nowhere, an exit before the entry",
        people=4,
        stays=6,
        rows=86,
        verdict="paused",
        held=19,
        rejects={
            ("Assessment.csv", 5): "wrong_field_count",
            ("AssessmentQuestions.csv", 5): "wrong_field_count",
            ("AssessmentResults.csv", 5): "wrong_field_count",
        },
    ),
    Case(
        "hmis-dirty-fy2024/validation_files",
        "the same in FY2024 format",
        format="FY2024",
        people=5,
        stays=8,
        rows=93,
        verdict="paused",
        held=19,
        rejects={
            ("Assessment.csv", 5): "wrong_field_count",
            ("AssessmentQuestions.csv", 5): "wrong_field_count",
            ("AssessmentResults.csv", 5): "wrong_field_count",
        },
    ),
)


def test_every_case_is_named(reference_data: Path) -> None:
    folders = [reference_data / "case" / name for name in ("hmis-dirty-fy2022", "hmis-dirty-fy2024")]
    there = {f"{folder.name}/{path.name}" for folder in folders for path in folder.iterdir() if path.is_dir()}
    assert {case.path for case in CASES} == there
    assert len(CASES) == 12


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_result(reference_data: Path, case: Case) -> None:
    with open_delivery(reference_data / "case" / case.path) as delivery:
        if case.refused:
            with pytest.raises(RefusedError) as caught:
                CONNECTOR.inspect(delivery, {})
            assert caught.value.rule == case.refused
            assert caught.value.fix
            return
        facts = CONNECTOR.inspect(delivery, {})
        items = list(CONNECTOR.read(delivery, facts, {}))
    rows: Counter[str] = Counter()
    for item in items:
        if isinstance(item, Batch):
            rows[item.table] += item.rows.num_rows
    rejects = {(item.file.split("/")[-1], item.line): item.rule for item in items if isinstance(item, Reject)}
    assert facts.format_version == case.format
    assert rejects == case.rejects
    assert (rows["client"], rows["enrollment"], rows.total()) == (case.people, case.stays, case.rows)


@pytest.fixture(scope="module")
def gated(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Gated]:
    """Case → what the landing gate makes of it; each case is a source of its own."""
    deliveries = {case.path: Delivery("hmis_csv", reference_data / "case" / case.path) for case in CASES}
    return outcomes(gate(tmp_path_factory.mktemp("gated"), deliveries), deliveries)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_verdict_of_the_landing_gate(gated: dict[str, Gated], case: Case) -> None:
    found = gated[case.path]
    assert (found.status, found.held) == (case.verdict, len(case.rejects) + case.held)
    assert found.rows == case.people
    assert bool(found.reasons) == (case.verdict != "loaded")


def test_names_with_quotes_come_out_as_they_were_meant(reference_data: Path) -> None:
    names = _column(reference_data, "hmis-dirty-fy2022/bad_data", "client", "LastName")
    assert names[:5] == ["Last0", '""Last1""', '"Last2 "BAD DATA""', 'Last3"', '"Last4"TEST" Last"']


def test_a_byte_order_mark_does_not_hide_the_first_column(reference_data: Path) -> None:
    assert _column(reference_data, "hmis-dirty-fy2022/bom_test", "exit", "ExitID") == ["429936"]


@pytest.fixture(scope="module")
def versions(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Accepted]:
    """The three exports of one person, landed: name → delivery."""
    location = reference_data / "case/hmis-dirty-fy2022/date_updated_*"
    region = _region(tmp_path_factory.mktemp("versions"), {"s": location})
    (source,), vault, ledger = region.sources, Vault.at(region.vault_dir), Ledger(region.state_dir)
    found = {}
    for receipt in receive(region, ledger, source):
        path = (region.root / receipt.path).resolve()
        landed = land(region, vault, source, receipt, path)
        place = landing_path(region, source.id, receipt.delivery_id, landed.connector_version)
        found[path.name.removeprefix("date_updated_")] = Accepted(landed, place, NOTHING_HELD)
    assert set(found) == {"initial", "older", "newer"}
    return found


@pytest.mark.parametrize("order", list(permutations(("initial", "older", "newer"))), ids="-".join)
def test_in_any_order_the_person_ends_on_the_newest_version(
    tmp_path: Path, versions: dict[str, Accepted], order: tuple[str, ...]
) -> None:
    """The three exports are one sequence; neither their names nor the days of export tell the newest."""
    with connect(tmp_path / "build.duckdb") as connection:
        ensure_tables(connection)
        apply_source(connection, "s", "hmis_csv", [versions[name] for name in order])
        current = connection.execute(
            "SELECT _delivery_id FROM raw.hmis_csv__client WHERE _status = 'current'"
        ).fetchall()
    assert current == [(versions["newer"].landed.delivery_id,)]


def test_the_newest_version_is_the_one_named_newer(reference_data: Path) -> None:
    assert _column(reference_data, "hmis-dirty-fy2022/date_updated_newer", "client", "LastName") == ["Newer"]


def _region(folder: Path, locations: Mapping[str, Path]) -> Region:
    """A region with one organisation and one source a location."""
    content = {
        "region": {"id": "dirty", "name": "Dirty exports", "time_zone": "America/New_York"},
        "organisations": [{"id": name, "name": name} for name in locations],
        "sources": [
            {"id": name, "kind": "hmis_csv", "organisation": name, "location": str(location)}
            for name, location in locations.items()
        ],
    }
    (folder / "region.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_region(folder / "region.yml")


def _column(reference_data: Path, path: str, table: str, column: str) -> list[str | None]:
    with open_delivery(reference_data / "case" / path) as delivery:
        items = CONNECTOR.read(delivery, CONNECTOR.inspect(delivery, {}), {})
        batches = [item for item in items if isinstance(item, Batch) and item.table == table]
    return [value for batch in batches for value in batch.rows[column].to_pylist()]
