"""Dirty deliveries that the reference data lack, made here: each ends in a stated result, as the others do.

What belongs here: malformed JSON, hostile zips, a tombstone, and ODK submissions, as far as the landing gate and what
counts afterwards. What does not: how each is read (``tests/unit``). No reference data are needed.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestration.warehouse import connect
from sources.case_management.hmis_csv import hmis_files
from tests.reference.gating import Delivery, Gated, gate, outcomes

pytestmark = pytest.mark.xdist_group("own_dirty")

GRANT = {
    "id": "360G-fixture-1",
    "title": "A grant",
    "currency": "GBP",
    "amountAwarded": 1200.5,
    "awardDate": "2024-03-01",
    "fundingOrganization": [{"id": "GB-CHC-1", "name": "Fixture Fund"}],
    "recipientOrganization": [{"id": "GB-CHC-2", "name": "Fixture Recipient"}],
}


def malformed_json(folder: Path) -> Delivery:
    """The file ends in the middle of its second grant, as a broken download does."""
    whole = json.dumps({"grants": [GRANT, {**GRANT, "id": "360G-fixture-2"}]})
    return _file("threesixtygiving", folder / "grants.json", whole[:-40].encode())


def zip_bomb(folder: Path) -> Delivery:
    """A member that grows a thousandfold."""
    path = _zip(folder / "bomb.zip", {**_export(), "Services.csv": bytes(32 << 20)})
    assert path.stat().st_size < 100_000
    return Delivery("hmis_csv", path)


def path_traversal(folder: Path) -> Delivery:
    """A member whose name points out of the folder into which somebody might unpack it."""
    return Delivery("hmis_csv", _zip(folder / "traversal.zip", {**_export(), "../../escaped.csv": b"a\n1\n"}))


def date_deleted(folder: Path) -> Delivery:
    """Two people; one of them was deleted at the sender's, with her stay."""
    return Delivery("hmis_csv", _zip(folder / "deleted.zip", _export(deleted=("P2", "E2"))))


def odk_json(folder: Path) -> Delivery:
    """Three submissions of a form with a repeat, as OData JSON; one was edited."""
    submissions = [_submission(number, edits=int(number == 2)) for number in (1, 2, 3)]
    path = folder / "wellbeing"
    path.mkdir()
    (path / "Submissions.json").write_text(json.dumps({"value": submissions}), encoding="utf-8")
    visits = [
        {"__id": f"v{number}", "__Submissions-id": f"uuid:{number}", "visited_on": f"2024-03-0{number}"}
        for number in (1, 2)
    ]
    (path / "Submissions.visits.json").write_text(json.dumps({"value": visits}), encoding="utf-8")
    return Delivery("odk", folder, _ODK_MAPPING)


def odk_csv(folder: Path) -> Delivery:
    """The first two of them as CSV."""
    rows = [
        {
            "SubmissionDate": f"2024-03-0{number}T09:00:00.000Z",
            "client_ref": f"P{number}",
            **{f"phq9_{item}": 1 for item in range(1, 10)},
            "meta-instanceID": f"uuid:{number}",
            "KEY": f"uuid:{number}",
            "Edits": 0,
            "FormVersion": "1",
        }
        for number in (1, 2)
    ]
    (folder / "wellbeing.csv").write_bytes(_csv(list(rows[0]), rows))
    return Delivery("odk", folder, _ODK_MAPPING)


CASES: dict[Callable[[Path], Delivery], tuple[str, int, int, str]] = {
    # Delivery → (status, rows landed of what the kind is about, rows of it that count, words of the reason).
    malformed_json: ("refused", 0, 0, "is no valid JSON"),
    zip_bomb: ("refused", 0, 0, "more than 200 times its compressed size"),
    path_traversal: ("refused", 0, 0, "points out of the archive"),
    date_deleted: ("loaded", 2, 1, ""),
    odk_json: ("loaded", 3, 3, ""),
    odk_csv: ("loaded", 2, 2, ""),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def gated(folder: Path) -> dict[str, Gated]:
    """Each case after the landing gate, as a source of its own."""
    deliveries = {}
    for make in CASES:
        (place := folder / "deliveries" / make.__name__).mkdir(parents=True)
        deliveries[make.__name__] = make(place)
    return outcomes(gate(folder, deliveries), deliveries)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_each_ends_in_its_result(gated: dict[str, Gated], case: Callable[[Path], Delivery]) -> None:
    status, rows, current, words = CASES[case]
    found = gated[case.__name__]
    assert (found.status, found.rows, found.current, found.held) == (status, rows, current, 0), found
    assert words in " ".join(found.reasons)
    assert bool(found.reasons) == bool(words)


def test_what_is_hostile_reaches_nothing(folder: Path, gated: dict[str, Gated]) -> None:
    assert gated["path_traversal"].status == "refused"
    assert [path for root in (folder, folder.parent) for path in root.rglob("escaped.csv")] == []
    landed = [path for path in (folder / "landing").rglob("*") if path.is_file()]
    assert landed and max(path.stat().st_size for path in landed) < 1 << 20


def test_what_the_sender_deleted_is_kept_as_deleted(folder: Path, gated: dict[str, Gated]) -> None:
    assert gated["date_deleted"].status == "loaded"
    with connect(folder / "warehouse/build.duckdb", read_only=True) as connection:
        for table, key in (("client", "PersonalID"), ("enrollment", "EnrollmentID")):
            rows = connection.execute(
                f'SELECT "{key}", _status, _end_reason FROM raw.hmis_csv__{table} ORDER BY 1'
            ).fetchall()
            first, second = (f"{key[0]}1", f"{key[0]}2")
            assert rows == [(first, "current", None), (second, "deleted", "deleted_by_sender")]


def test_submissions_land_with_their_answers(folder: Path, gated: dict[str, Gated]) -> None:
    """Nine answers a submission, two repeats, and the reference to the person."""
    assert {gated[name].status for name in ("odk_json", "odk_csv")} == {"loaded"}
    with connect(folder / "warehouse/build.duckdb", read_only=True) as connection:
        found = connection.execute(
            """SELECT count(DISTINCT r.response_code), count(*) FILTER (a.question_code LIKE 'phq9%'),
                      count(*) FILTER (a.question_code = 'visited_on'), max(r.person_reference), max(r.edits)
               FROM raw.odk__response AS r
               JOIN raw.odk__answer AS a USING (_source_id, response_code)
               GROUP BY r._source_id ORDER BY 1 DESC"""
        ).fetchall()
    assert found == [(3, 27, 2, "P3", "1"), (2, 18, 0, "P2", "0")]


_ODK_MAPPING: dict[str, Any] = {
    "forms": {
        "wellbeing": {
            "instrument": "phq9",
            "items": {f"phq9_{number}": number for number in range(1, 10)},
            "person": {"field": "client_ref", "scheme": "case_00"},
        }
    }
}


def _submission(number: int, edits: int) -> dict[str, Any]:
    return {
        "__id": f"uuid:{number}",
        "client_ref": f"P{number}",
        **{f"phq9_{item}": item % 4 for item in range(1, 10)},
        "visits@odata.navigationLink": f"Submissions('uuid:{number}')/visits",
        "meta": {"instanceID": f"uuid:{number}", "instanceName": None},
        "__system": {"submissionDate": f"2024-03-0{number}T09:00:00.000Z", "edits": edits, "formVersion": "1"},
    }


def _export(deleted: tuple[str, ...] = ()) -> dict[str, bytes]:
    """An HMIS export of two people with a stay each; the ids in ``deleted`` carry a tombstone."""
    people = ("P1", "P2")
    rows: dict[str, list[dict[str, str]]] = {
        "Export.csv": [
            {
                "ExportID": "X",
                "ExportDate": "2024-04-02 08:30:00",
                "ExportStartDate": "2024-01-01",
                "ExportEndDate": "2024-03-31",
                "CSVVersion": "2024 v1.3",
                "ExportPeriodType": "3",
                "ExportDirective": "2",
                "HashStatus": "1",
            }
        ],
        "Organization.csv": [{"OrganizationID": "O", "OrganizationName": "Fixture", "VictimServiceProvider": "0"}],
        "Project.csv": [{"ProjectID": "R", "OrganizationID": "O", "ProjectName": "Fixture", "ProjectType": "0"}],
        "Client.csv": [
            {
                "PersonalID": person,
                "NameDataQuality": "1",
                "SSNDataQuality": "99",
                "DOB": "1980-05-06",
                "DOBDataQuality": "1",
                "VeteranStatus": "0",
            }
            for person in people
        ],
        "Enrollment.csv": [
            {
                "EnrollmentID": person.replace("P", "E"),
                "PersonalID": person,
                "ProjectID": "R",
                "EntryDate": "2024-01-10",
                "HouseholdID": person.replace("P", "H"),
                "RelationshipToHoH": "1",
            }
            for person in people
        ],
    }
    columns = {file.name: file.columns["FY2024"] for file in hmis_files().values() if "FY2024" in file.columns}
    for name, records in rows.items():
        for record in records:
            stamps = {"DateCreated": "2024-01-11 09:00:00", "DateUpdated": "2024-01-11 09:00:00", "UserID": "U"}
            if deleted and set(deleted) & set(record.values()) and {record.get("PersonalID")} & set(deleted):
                stamps |= {"DateUpdated": "2024-03-20 10:00:00", "DateDeleted": "2024-03-20 10:00:00"}
            record |= {"ExportID": "X", **({} if name == "Export.csv" else stamps)}
    return {name: _csv(columns[name], rows.get(name, [])) for name in columns}


def _csv(header: Any, rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(header), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _file(kind: str, path: Path, content: bytes) -> Delivery:
    path.write_bytes(content)
    return Delivery(kind, path)
