"""Peer groups and rebases in the region file: what is refused and where, and what the models are told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.context import write_region
from orchestration.region import RegionFileError, load_region
from orchestration.warehouse import ensure_tables

REGION = """\
region: {id: demo, name: Demo region}
organisations:
  - {id: harbour, name: Harbour, attributes: {setting: urban, beds: 40}}
  - {id: mill, name: Mill}
sources:
  - {id: harbour_hmis, kind: hmis_csv, organisation: harbour, location: x/*.zip}
peer_groups:
  - {id: urban, name: Urban, where: {setting: [urban, mixed], beds: {at_most: 50}}}
  - {id: alike, name: Alike, nearest: {attributes: [beds], members: 8}}
  - {id: named, name: Named, members: [RX1, harbour]}
rebases:
  - {kpi: AV-03, organisation: harbour, from_month: 2024-01-01, reason: new ward, approved_by: board}
  - {kpi: AV-03, from_month: 2024-04-01, reason: merger, approved_by: board}
"""


def problems_of(folder: Path, text: str) -> list[str]:
    (folder / "region.yml").write_text(text, encoding="utf-8")
    with pytest.raises(RegionFileError) as caught:
        load_region(folder / "region.yml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "nearest: {attributes: [beds]",
            "nearest: {attributes: [staff]",
            "region.yml:9: peer_groups[1]: no organisation has",
        ),
        (
            "setting: [urban, mixed]",
            "tone: [urban]",
            "region.yml:8: peer_groups[0]: no organisation has the attribute 'tone'",
        ),
        ("members: [RX1, harbour]", "members: []", "region.yml:10: peer_groups[2]"),
        ("id: named", "id: all", "region.yml:10: peer_groups[2]"),
        ("id: named", "id: urban", "region.yml:10: peer_groups[2].id: id 'urban' is used twice"),
        ("members: 8", "members: 2", "region.yml:9: peer_groups[1].nearest.members"),
        ("reason: merger", 'reason: ""', "region.yml:13: rebases[1].reason"),
        (", approved_by: board}\n  -", "}\n  -", "region.yml:12: rebases[0].approved_by: is required"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in REGION
    problems = problems_of(tmp_path, REGION.replace(old, new))
    assert any(problem.startswith(expected) for problem in problems), problems


def test_the_models_are_told_of_groups_attributes_and_decisions(tmp_path: Path) -> None:
    (tmp_path / "region.yml").write_text(REGION, encoding="utf-8")
    connection = duckdb.connect()
    ensure_tables(connection)
    write_region(connection, load_region(tmp_path / "region.yml"), date(2024, 6, 30))
    assert connection.execute("FROM ops.organisation_attribute ORDER BY ALL").fetchall() == [
        ("harbour", "beds", None, 40.0),
        ("harbour", "setting", "urban", None),
    ]
    groups = connection.execute(
        "SELECT peer_group_code, kind_code, attribute_code, text_value, at_least, at_most, member_code, nearest_count "
        "FROM ops.peer_group ORDER BY ALL"
    ).fetchall()
    assert groups == [
        ("alike", "nearest", "beds", None, None, None, None, 8),
        ("named", "list", None, None, None, None, "RX1", None),
        ("named", "list", None, None, None, None, "harbour", None),
        ("urban", "rule", "beds", None, None, 50.0, None, None),
        ("urban", "rule", "setting", "mixed", None, None, None, None),
        ("urban", "rule", "setting", "urban", None, None, None, None),
    ]
    assert connection.execute("FROM ops.spc_rebase ORDER BY ALL").fetchall() == [
        ("AV-03", "demo", date(2024, 4, 1), "merger", "board"),
        ("AV-03", "harbour", date(2024, 1, 1), "new ward", "board"),
    ]
