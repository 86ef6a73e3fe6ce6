"""Eight public REDCap projects land whole: every figure follows from their files.

What belongs here: counts per project, and what of them is readable. What does not: rules of the connector that a
fixture can show (tests/unit/test_redcap.py).
"""

from __future__ import annotations

import csv
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from orchestration.region import Region
from orchestration.warehouse import connect
from sources.connector import Batch
from sources.delivery import open_delivery
from sources.survey.redcap import CONNECTOR
from tests.reference.conftest import redcap_source
from tests.survey_landing import Landed, land

pytestmark = pytest.mark.reference


@dataclass(frozen=True)
class Figures:
    """What a project holds."""

    forms: int
    questions: int
    """Fields of the dictionary but the record id and descriptive text."""
    events: int
    """Events of event.csv; 0 for a project without."""
    rows: int
    records: int
    responses: int
    """Forms in which something was entered, by record, event and instance."""
    filled: int
    """Fields that are filled, check boxes apart."""
    ticked: int
    unticked: int
    in_vault: int
    """Filled fields that identify people or are free text."""


PROJECTS = {
    # Nine visits of three people; the weight is unvalidated text but a short number; five photographs.
    "arm-single-longitudinal": Figures(1, 3, 3, 9, 3, 9, 18 + 5, 0, 0, 5),
    # form_1 holds the record id only; record 4 has nothing but zeros and status 0; three notes.
    "checkboxes-1": Figures(2, 3, 0, 4, 4, 3, 3, 9, 18, 3),
    # 500 people, eleven fields each, of them six that identify (email is neither flagged nor validated).
    "clinical-trial-1": Figures(1, 11, 0, 500, 500, 500, 5500, 0, 0, 6 * 500),
    # Three people over twelve events of two arms; each visit has but a few of the nine forms.
    "longitudinal": Figures(9, 94, 12, 18, 3, 40, 288, 23, 52, 31),
    # Two people, four blood pressures; two first names and two birth dates.
    "repeating-instruments": Figures(2, 10, 0, 6, 2, 6, 26, 0, 0, 4),
    # Five people, three forms each, with line breaks in addresses and comments; eight private fields each.
    "simple": Figures(3, 15, 0, 5, 5, 15, 14 * 5, 9, 21, 8 * 5),
    # Two prescreenings and one survey that was opened and not completed; two birth dates and two addresses.
    "survey": Figures(4, 24, 0, 2, 2, 3, 6, 1, 1, 4),
    # One record with nothing entered: it lands as a record and as no response.
    "validation-types-1": Figures(1, 48, 0, 1, 1, 0, 0, 0, 0, 0),
}


@pytest.fixture(scope="module")
def folder(reference_data: Path) -> Path:
    return reference_data / "survey" / "redcap-projects"


def _figures(landed: Landed) -> Figures:
    answers = landed.table("answer")
    boxes = [row["value"] for row in answers if row["choice_code"] is not None]
    return Figures(
        forms=len(landed.table("form")),
        questions=sum(int(row["question_count"]) for row in landed.table("form")),
        events=len(landed.table("event")),
        rows=len(landed.table("record")),
        records=len({row["record_code"] for row in landed.table("record")}),
        responses=len(landed.table("response")),
        filled=len(answers) - len(boxes),
        ticked=boxes.count("1"),
        unticked=boxes.count("0"),
        in_vault=sum(row["free_text"] is not None for row in answers),
    )


def test_all_projects_of_the_folder_are_tested(folder: Path) -> None:
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set(PROJECTS)


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_lands_whole(folder: Path, name: str) -> None:
    landed = land(CONNECTOR, folder / name)
    assert landed.rejects == []
    assert _figures(landed) == PROJECTS[name]


@pytest.mark.parametrize("name", PROJECTS)
def test_nothing_that_was_filled_in_is_lost(folder: Path, name: str) -> None:
    """Counted without the connector: every non-empty cell under a field of the dictionary is an answer."""
    landed = land(CONNECTOR, folder / name)
    with (folder / name / "dictionary.csv").open(newline="", encoding="utf-8") as file:
        fields = [row["Variable / Field Name"] for row in csv.DictReader(file)]
    with (folder / name / "data.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = Counter(
        (row[fields[0]], column, value)
        for row in rows
        for column, value in row.items()
        if (value and column in fields[1:]) or ("___" in column and value == "1")
    )
    record = {row["response_code"]: row["record_code"] for row in landed.table("response")}
    found = Counter(
        (record[row["response_code"]], row["question_path"], row["value"] or row["free_text"])
        for row in landed.table("answer")
        if not (row["choice_code"] is not None and row["value"] == "0")
    )
    assert found == expected


def test_what_the_dictionaries_mark_as_identifying_is_never_readable(folder: Path) -> None:
    for name in PROJECTS:
        with (folder / name / "dictionary.csv").open(newline="", encoding="utf-8") as file:
            marked = {row["Variable / Field Name"] for row in csv.DictReader(file) if row["Identifier?"] == "y"}
        landed = land(CONNECTOR, folder / name)
        assert not [r for r in landed.table("answer") if r["question_code"] in marked and r["value"] is not None]


@pytest.mark.xdist_group("reference")
def test_projects_reach_the_warehouse_whole(reference_region: Region) -> None:
    """Records, responses and answers of each project count now, and every response is a fact of core."""
    queries = {
        "record": "SELECT _source_id, count(*) FROM raw.redcap__record WHERE _status = 'current' GROUP BY 1",
        "response": "SELECT _source_id, count(*) FROM raw.redcap__response WHERE _status = 'current' GROUP BY 1",
        "answer": "SELECT _source_id, count(*) FROM raw.redcap__answer WHERE _status = 'current' GROUP BY 1",
        "fact": "SELECT source_id, count(*) FROM core.fct_survey_response GROUP BY 1",
    }
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        found = {name: dict(connection.execute(query).fetchall()) for name, query in queries.items()}
    for project, figures in PROJECTS.items():
        counts = {name: counted.get(redcap_source(project), 0) for name, counted in found.items()}
        assert counts == {
            "record": figures.rows,
            "response": figures.responses,
            "answer": figures.filled + figures.ticked + figures.unticked,
            "fact": figures.responses,
        }, project


def test_sixty_thousand_rows_turn_long_in_seconds(reference_data: Path, tmp_path: Path) -> None:
    """60,000 weekly PHQ-9 rows as a repeating instrument. Row by row this would take minutes."""
    source = (reference_data / "survey" / "phq9-weekly" / "phq9_weekly.csv").read_text().splitlines()[1:]
    items = [f"phq9_{number}" for number in range(1, 11)]
    header = ["record_id", "redcap_repeat_instrument", "redcap_repeat_instance", *items, "total", "phq9_complete"]
    lines = [",".join(header)]
    for row in source:
        person, week, *answers = row.split(",")
        lines.append(",".join([person, "phq9", week, *answers, "2"]))
    (tmp_path / "data.csv").write_text("\n".join(lines))
    dictionary = ["field_name,form_name,field_type", "record_id,enrolment,text"]
    dictionary += [f"{item},phq9,radio" for item in items] + ["total,phq9,calc"]
    (tmp_path / "dictionary.csv").write_text("\n".join(dictionary))
    started = time.perf_counter()
    counts: Counter[str] = Counter()
    total = 0
    with open_delivery(tmp_path) as delivery:
        for item in CONNECTOR.read(delivery, CONNECTOR.inspect(delivery, {}), {}):
            assert isinstance(item, Batch)
            counts[item.table] += item.rows.num_rows
            if item.table == "answer":
                values = item.rows.filter(pc.equal(item.rows["question_code"], "total"))["value"]
                total += pc.sum(values.cast(pa.int64())).as_py()
    seconds = time.perf_counter() - started
    assert (counts["record"], counts["response"], counts["answer"]) == (60_000, 60_000, 660_000)
    assert total == sum(int(row.rsplit(",", 1)[1]) for row in source)
    assert seconds < 20
