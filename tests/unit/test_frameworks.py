"""Frameworks and crosswalks: the shipped ones are sound, and what is wrong is told with file, line and mend."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration import frameworks, transform
from orchestration.doctor import examine
from orchestration.frameworks import LEDGER, SEEDS, problems, record
from orchestration.region import load_region

NAMES = ("ref_framework.csv", "ref_framework_node.csv", "ref_crosswalk.csv")


def rows(name: str) -> list[dict[str, str]]:
    with (SEEDS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_shipped_frameworks_and_crosswalks_are_sound() -> None:
    assert problems() == []


def test_frameworks_have_the_outcomes_that_their_owners_publish() -> None:
    nodes = rows("ref_framework_node.csv")
    indicators = [n for n in nodes if n["framework_code"] == "pom" and n["level_number"] == "2"]
    by_factor = {f: sum(n["parent_node_code"] == f for n in indicators) for f in ("HS", "CO", "RE", "CH", "GO")}
    assert by_factor == {"HS": 7, "CO": 4, "RE": 5, "CH": 3, "GO": 2}
    talking = [
        n["parent_node_code"] for n in nodes if n["framework_code"] == "talking_points" and n["parent_node_code"]
    ]
    assert [talking.count(category) for category in ("QOL", "PRO", "CHG")] == [6, 5, 4]
    assert sum(n["framework_code"] == "nhwo" for n in nodes) == 9
    assert {n["framework_code"] for n in nodes if n["is_verified"] == "false"} == {
        "pom", "ascof", "care_act", "nhsof", "sdg",
    }  # fmt: skip


def test_the_starter_map_covers_every_personal_outcome_measure() -> None:
    measures = {n["node_code"] for n in rows("ref_framework_node.csv") if n["node_code"].startswith("POM0")}
    for code in ("pom_talking_points", "pom_nhwo", "pom_care_act", "pom_ascof"):
        mapped = {r["from_node_code"] for r in rows("ref_crosswalk.csv") if r["crosswalk_code"] == code}
        assert measures <= mapped and len(mapped) == 21


@pytest.fixture
def spoilt(tmp_path: Path) -> Callable[[str, str, str], list[str]]:
    """Problems after one text of one seed was replaced by another."""
    for name in NAMES:
        shutil.copy(SEEDS / name, tmp_path / name)

    def spoil(name: str, text: str, by: str) -> list[str]:
        path = tmp_path / name
        content = path.read_text(encoding="utf-8")
        assert content.count(text) >= 1
        path.write_text(content.replace(text, by, 1), encoding="utf-8")
        return problems(tmp_path)

    return spoil


_HALF = "allocate,talking_points,2012,TP02,nhwo,2015,NHWO4,broad,0.500000"
_TAG = "tag,pom,2017,POM01,nhwo,2015,NHWO7,related,"


@pytest.mark.parametrize(
    ("name", "text", "by", "said"),
    [
        ("ref_crosswalk.csv", _HALF, _HALF.replace("0.5", "0.4"), "in talking_points_nhwo add up to 0.900000"),
        ("ref_crosswalk.csv", _HALF, _HALF.replace("0.500000", ""), "a share lies above 0 and is at most 1"),
        ("ref_crosswalk.csv", _TAG, f"{_TAG}1", "a set that tags has no weights"),
        ("ref_crosswalk.csv", "NHWO7,related", "NHWO7,same", "match_type_code is 'same'"),
        ("ref_crosswalk.csv", "POM01,nhwo,2015,NHWO7", "POM01,nhwo,2015,NHWO17", "no outcome nhwo/2015/NHWO17"),
        ("ref_crosswalk.csv", "pom_nhwo,1,tag,pom,2017,POM02", "pom_nhwo,1,allocate,pom,2017,POM02", "has one mode"),
        ("ref_framework_node.csv", "POM01,HS", "POM01,XX", "the outcome above, XX, is not in pom/2017"),
        ("ref_framework_node.csv", "pom,2017,POM02", "pom,2017,POM01", "is there already, on line"),
        ("ref_framework.csv", "sdg,2015", "sdg,2016", "there is no framework sdg/2015"),
        ("ref_framework.csv", "1997-01-01,2016-12-31,false", "1997-01-01,2016-12-31,true", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line(
    spoilt: Callable[[str, str, str], list[str]], name: str, text: str, by: str, said: str
) -> None:
    found = spoilt(name, text, by)
    if not said:
        assert found == []
        return
    assert any(said in problem for problem in found), found
    assert all(problem.startswith(("ref_", "released.csv")) for problem in found)
    assert all(problem.split(":")[1].isdigit() for problem in found)


def test_a_target_of_no_kpi_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "region.yml").write_text(
        """region: {id: demo, name: Demo}
organisations: [{id: harbour, name: Harbour}]
sources: [{id: plan, kind: sheet, organisation: harbour, location: "plan/*.xlsx"}]
targets:
  - {kpi: OC-05, period_type: financial_year, period_start: 2024-04-01, target: 50, set_on: 2024-01-01}
  - {kpi: OC05, period_type: financial_year, period_start: 2024-04-01, target: 50, set_on: 2024-01-01}
  - {kpi: ac-06.MEDIAN, period_type: month, period_start: 2024-04-01, target: 50, set_on: 2024-01-01}
  - {measure: rate, entity: N1, period_type: month, period_start: 2024-04-01, target: 50, set_on: 2024-01-01}
""",
        encoding="utf-8",
    )
    told = [f.message for f in examine(load_region(tmp_path / "region.yml")) if f.source == "targets"]
    assert told == [
        "region.yml:6: there is no KPI 'OC05'; did you mean OC-05?",
        "region.yml:8: no source brings a measure 'rate'",
    ]


def test_nothing_is_built_from_crosswalks_that_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "problems", lambda: ["ref_crosswalk.csv:2: the weights add up to 0.9"])
    with pytest.raises(transform.BuildError, match=r"ref_crosswalk\.csv:2: the weights add up to 0\.9"):
        transform.prepare(transform.no_region(tmp_path))


# --- mappings are only ever added ------------------------------------------------------------------------------------

_ROW = (
    "pom_nhwo,1,tag,pom,2017,POM02,nhwo,2015,NHWO7,related,,judgement,starter map,trigpoint,low,2017-01-01,,2025-01-01,"
)
_CLOSED = f"{_ROW}2026-02-01"
_ANEW = _ROW.replace(",related,", ",broad,").replace("2025-01-01", "2026-02-01")


@pytest.fixture
def crosswalk(tmp_path: Path) -> Callable[..., list[str]]:
    """Problems after the lines of the crosswalk were changed; recorded first where asked for."""
    for name in NAMES:
        shutil.copy(SEEDS / name, tmp_path / name)
    shutil.copy(LEDGER, tmp_path / LEDGER.name)

    def change(row: str, *by: str, is_recorded: bool = False) -> list[str]:
        path = tmp_path / "ref_crosswalk.csv"
        lines = path.read_text(encoding="utf-8").splitlines()
        at = lines.index(row)
        path.write_text("\n".join([*lines[:at], *by, *lines[at + 1 :]]) + "\n", encoding="utf-8")
        if is_recorded:
            record(tmp_path, tmp_path / LEDGER.name)
        return problems(tmp_path, tmp_path / LEDGER.name)

    return change


def _line_of(row: str) -> int:
    return (SEEDS / "ref_crosswalk.csv").read_text(encoding="utf-8").splitlines().index(row) + 1


@pytest.mark.parametrize("part", [(",related,", ",exact,"), (",low,", ",high,"), ("starter map", "our map")])
def test_a_released_mapping_that_was_edited_is_refused_with_its_line(
    crosswalk: Callable[..., list[str]], part: tuple[str, str]
) -> None:
    (problem,) = crosswalk(_ROW, _ROW.replace(*part))
    assert problem.startswith(
        f"ref_crosswalk.csv:{_line_of(_ROW)}: the mapping of POM02 to NHWO7 in pom_nhwo is no longer"
    )
    assert "superseded_on" in problem and "a row of its own" in problem


def test_a_released_mapping_that_is_gone_is_refused_with_the_line_of_the_ledger(
    crosswalk: Callable[..., list[str]],
) -> None:
    (problem,) = crosswalk(_ROW)
    line = int(problem.split(":")[1])
    assert problem.startswith("released.csv:") and "is gone" in problem and "put the row back" in problem
    assert "pom_nhwo,1,pom,2017,POM02,nhwo,2015,NHWO7" in LEDGER.read_text(encoding="utf-8").splitlines()[line - 1]


def test_a_mapping_to_another_outcome_is_the_old_one_gone_and_a_new_one(crosswalk: Callable[..., list[str]]) -> None:
    gone, new = crosswalk(_ROW, _ROW.replace("NHWO7", "NHWO8"))
    assert gone.startswith("released.csv:") and "POM02 to NHWO7" in gone
    assert new.startswith(f"ref_crosswalk.csv:{_line_of(_ROW)}: this mapping is not in the ledger yet")


def test_a_mapping_that_is_closed_and_asserted_anew_is_sound_once_it_is_recorded(
    crosswalk: Callable[..., list[str]],
) -> None:
    found = crosswalk(_ROW, _CLOSED, _ANEW)
    assert len(found) == 2 and all("run `trigpoint crosswalk record`" in problem for problem in found)
    assert crosswalk(_CLOSED, _CLOSED, is_recorded=True) == []


def test_a_closing_that_was_released_stays(crosswalk: Callable[..., list[str]]) -> None:
    assert crosswalk(_ROW, _CLOSED, _ANEW, is_recorded=True) == []
    moved = crosswalk(_CLOSED, _CLOSED.replace("2026-02-01", "2026-03-01"))
    assert len(moved) == 1 and "superseded_on of the mapping of POM02 to NHWO7" in moved[0]
    reopened = crosswalk(_CLOSED.replace("2026-02-01", "2026-03-01"), _ROW)
    assert any("superseded_on of the mapping" in problem for problem in reopened)


def test_two_assertions_that_hold_at_once_are_refused(crosswalk: Callable[..., list[str]]) -> None:
    found = crosswalk(_ROW, _ROW, _ANEW)
    assert any(f"asserted already, on line {_line_of(_ROW)}" in problem for problem in found)
    with pytest.raises(ValueError, match="asserted already"):
        crosswalk(_ANEW, _ANEW, is_recorded=True)
