"""Table Q5a of the annual performance report against the official answers of HUD's test kit.

Row 11 (chronic homelessness) is not computed yet. The kit's shelter export carries the same people, so the answers of
its other report (CAPER) hold as well.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from orchestration.region import Region
from orchestration.transform import compiled
from orchestration.warehouse import connect

pytestmark = [pytest.mark.reference, pytest.mark.xdist_group("reference")]

PERIOD = {"apr_start": "2020-10-01", "apr_end": "2021-09-30"}
ROWS = (*range(1, 11), *range(12, 17))


@pytest.fixture(scope="module")
def q5a(reference_region: Region) -> dict[str, dict[int, int]]:
    """Source → row of the table → value; the kit's exports have one project each."""
    query = compiled(reference_region, "apr_q5a", PERIOD)
    with connect(reference_region.warehouse_path, read_only=True) as connection:
        relation = connection.execute(query)
        names = [column[0] for column in relation.description]
        records = [dict(zip(names, record, strict=True)) for record in relation.fetchall()]
    found: dict[str, dict[int, int]] = {}
    for record in records:
        if str(record["source_id"]).startswith("apr_"):
            assert record["source_id"] not in found
            found[record["source_id"]] = {row: record[_column(names, row)] for row in ROWS}
    return found


@pytest.mark.parametrize(
    ("source", "answers"), [("apr_psh", "expected/apr/psh/Q5a.csv"), ("apr_es_nbn", "expected/caper/es_nbn/Q5a.csv")]
)
def test_q5a_is_the_official_table(
    reference_data: Path, q5a: dict[str, dict[int, int]], source: str, answers: str
) -> None:
    with (reference_data / "case/hud-apr-testkit-1" / answers).open(encoding="utf-8-sig", newline="") as file:
        official = {int(label.split(".")[0]): int(value) for label, value in csv.reader(file)}
    assert set(official) == {*ROWS, 11}
    assert q5a[source] == {row: official[row] for row in ROWS}


def test_who_is_served_does_not_depend_on_the_project_type(q5a: dict[str, dict[int, int]]) -> None:
    assert q5a["apr_rrh"] == q5a["apr_th"] == q5a["apr_psh"]


def _column(names: list[str], row: int) -> str:
    (name,) = (name for name in names if name.startswith(f"q5a_{row:02d}_"))
    return name
