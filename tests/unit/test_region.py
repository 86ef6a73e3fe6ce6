"""The region file: what is accepted, and how a mistake is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestration.region import Cadence, RegionFileError, json_schema, load_region
from orchestration.scaffold import scaffold
from sources import delivery

GOOD = """\
region: {id: demo, name: Demo region, time_zone: Europe/London, financial_year_start: 4}
organisations:
  - {id: harbour, name: Harbour Housing}
sources:
  - {id: harbour_hmis, kind: hmis_csv, organisation: harbour, location: deliveries/harbour/*.zip, cadence: monthly}
"""


def region_file(folder: Path, text: str) -> Path:
    path = folder / "region.yml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(RegionFileError) as caught:
        load_region(region_file(folder, text))
    return caught.value.problems


def test_a_good_file_is_read(tmp_path: Path) -> None:
    region = load_region(region_file(tmp_path, GOOD))
    assert region.id == "demo"
    assert region.source("harbour_hmis").cadence is Cadence.MONTHLY
    assert region.warehouse_path == tmp_path.resolve() / "warehouse" / "build.duckdb"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: hmis_csv", "kind: hmis", "region.yml:5: sources[0].kind: unknown kind 'hmis'; known kinds:"),
        (
            "organisation: harbour,",
            "organisation: port,",
            "region.yml:5: sources[0].organisation: no organisation 'port'",
        ),
        ("id: harbour, name", "id: Harbour, name", "region.yml:3: organisations[0].id: must be lower-case"),
        ("cadence: monthly", "cadenze: monthly", "region.yml:5: sources[0].cadenze: is not a known key"),
        ("Europe/London", "Europe/Londres", "region.yml:1: region.time_zone: unknown time zone 'Europe/Londres'"),
        (", location: deliveries/harbour/*.zip", "", "region.yml:5: sources[0].location: is required and missing"),
    ],
)
def test_a_mistake_names_file_line_and_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    problems = problems_of(tmp_path, GOOD.replace(old, new))
    assert any(problem.startswith(expected) for problem in problems), problems


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("Europe/London", "Nowhere").replace("cadence: monthly", "cadence: hourly")
    assert len(problems_of(tmp_path, text)) == 2


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, GOOD + "  - [unclosed\n")
    assert problem.startswith("region.yml:") and "not valid YAML" in problem


def test_a_repeated_id_is_told(tmp_path: Path) -> None:
    text = GOOD + "  - {id: harbour_hmis, kind: hmis_csv, organisation: harbour, location: x/*}\n"
    assert problems_of(tmp_path, text) == [
        "region.yml:6: sources[1].id: id 'harbour_hmis' is used twice; ids are unique"
    ]


def test_deliveries_are_found_by_name_and_partial_ones_left_out(tmp_path: Path) -> None:
    drop = tmp_path / "deliveries" / "harbour"
    drop.mkdir(parents=True)
    for name in ("b.zip", "a.zip", "c.zip.part", ".hidden.zip", "notes.txt"):
        (drop / name).touch()
    region = load_region(region_file(tmp_path, GOOD))
    found = region.deliveries_of(region.source("harbour_hmis"))
    assert [path.name for path in found] == ["a.zip", "b.zip"]


def test_a_location_may_climb_out_of_the_region(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "export").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    text = GOOD.replace("deliveries/harbour/*.zip", "../elsewhere/*")
    region = load_region(region_file(tmp_path / "here", text))
    found = region.deliveries_of(region.source("harbour_hmis"))
    assert [path.name for path in found] == ["export"]


def test_the_schema_describes_the_scaffold(tmp_path: Path) -> None:
    made = scaffold(tmp_path / "My region 2")
    assert load_region(tmp_path / "My region 2" / "region.yml").id == "my_region_2"
    assert {path.name for path in made} == {"region.yml", "region.schema.json", ".gitignore"}
    assert set(json.loads(json_schema())["required"]) == {"region", "organisations", "sources"}


def test_the_scaffold_overwrites_nothing(tmp_path: Path) -> None:
    scaffold(tmp_path / "region")
    with pytest.raises(FileExistsError):
        scaffold(tmp_path / "region")


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("region: {id: other, name: Other}\n", "region.yml:6: region: is there twice; a key can be there once"),
        ("schedules: {release: banana}\n", "region.yml:6: schedules.release: 'banana' is no cron expression"),
        ('schedules: {release: "0 24 * * *"}\n', "region.yml:6: schedules.release: '0 24 * * *' is no cron"),
        ("targets: []\n", None),
        ('schedules: {release: "*/15 6-18 1,15 jan-MAR mon"}\n', None),
    ],
)
def test_what_would_fail_later_or_be_lost_silently_is_told(tmp_path: Path, added: str, expected: str | None) -> None:
    if expected is None:
        load_region(region_file(tmp_path, GOOD + added))
    else:
        (problem,) = problems_of(tmp_path, GOOD + added)
        assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("kpi: OC-05", None),
        ("kpi: OC-05, organisation: harbour, award: GB-1", None),
        ("measure: rate, entity: N1", None),
        ("award: GB-1", "name the figure: kpi for one of ours, or measure for one that others publish"),
        ("kpi: OC-05, measure: rate, entity: N1", "name the figure"),
        ("measure: rate", "entity says whose published figure it is"),
        ("kpi: OC-05, entity: N1", "entity says whose published figure it is"),
        ("measure: rate, entity: N1, award: GB-1", "a published figure is of an entity"),
    ],
)
def test_a_target_is_of_one_figure(tmp_path: Path, named: str, expected: str | None) -> None:
    when = "period_type: month, period_start: 2024-04-01, target: 5, set_on: 2024-01-01"
    text = f"{GOOD}targets:\n  - {{{named}, {when}}}\n"
    if expected is None:
        assert len(load_region(region_file(tmp_path, text)).model.targets) == 1
    else:
        (problem,) = problems_of(tmp_path, text)
        assert problem.startswith("region.yml:7: targets[0]: ") and expected in problem, problem


def test_a_key_that_is_there_twice_is_found_at_any_depth(tmp_path: Path) -> None:
    text = GOOD.replace("cadence: monthly", "cadence: monthly, cadence: daily")
    assert problems_of(tmp_path, text) == ["region.yml:5: sources[0].cadence: is there twice; a key can be there once"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "region.yml:1: file: must be keys with values"),
        (b"- a\n", "region.yml:1: file: must be keys with values"),
        (b"region:\n  name: Caf\xe9\n", "region.yml:2: not UTF-8"),
    ],
)
def test_what_is_no_region_file_is_told(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "region.yml").write_bytes(content)
    with pytest.raises(RegionFileError) as caught:
        load_region(tmp_path / "region.yml")
    assert caught.value.problems[0].startswith(expected)


def test_every_limit_that_a_refusal_names_can_be_set(tmp_path: Path) -> None:
    """A refusal tells its reader to raise a limit of the region file; that limit has to be there."""
    source = (Path(delivery.__file__)).read_text(encoding="utf-8")
    named = set(re.findall(r"`limits: \{(\w+):", source))
    assert named == {"max_files", "max_file_bytes", "max_delivery_bytes", "max_compression"}
    settings = ", ".join(f"{name}: {number}" for number, name in enumerate(sorted(named), start=3))
    text = GOOD.replace("cadence: monthly", f"limits: {{{settings}}}")
    limits = load_region(region_file(tmp_path, text)).sources[0].limits.of_delivery
    assert limits == delivery.Limits(max_ratio=3, max_total_bytes=4, max_member_bytes=5, max_members=6)
