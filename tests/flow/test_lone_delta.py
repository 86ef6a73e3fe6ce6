"""A delta that comes before any full export: everyone is told, until the full export has come."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from rich.console import Console, RenderableType

from orchestration.status import show
from orchestration.summary import summarise
from tests.flow.conftest import Run, run

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("lone_delta")]

SOURCE = "millrace_hmis"
SAID = "This is a delta (changes only), and no full export came before it: "


@dataclass(frozen=True)
class Said:
    """What a region says after a run."""

    summary: str
    status: str
    reports: str
    """Pages and CSV files of the sender, together."""
    index: str


def text_of(shown: RenderableType) -> str:
    console = Console(width=400)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def said_after(ran: Run) -> Said:
    folder = ran.region.reports_dir / "millrace"
    files = [path for path in sorted(folder.iterdir()) if path.name != "index.html"]
    return Said(
        text_of(summarise(ran.region, ran.outcome)),
        text_of(show(ran.region)),
        "".join(path.read_text(encoding="utf-8-sig") for path in files),
        (folder / "index.html").read_text(encoding="utf-8"),
    )


@pytest.fixture(scope="module")
def steps(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Said]:
    """One provider alone, first without its full export, then with it."""
    folder = tmp_path_factory.mktemp("lone") / "region"
    region = yaml.safe_load((sample / "region.yml").read_text(encoding="utf-8"))
    region["organisations"] = [block for block in region["organisations"] if block["id"] == "millrace"]
    region["sources"] = [block for block in region["sources"] if block["id"] == SOURCE]
    kept = {name: region[name] for name in ("region", "organisations", "sources")}
    shutil.copytree(sample / "deliveries" / "millrace", folder / "deliveries" / "millrace")
    (folder / "region.yml").write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")
    (full,) = (folder / "deliveries" / "millrace").glob("*_full.zip")
    full.rename(folder / full.name)
    before = said_after(run(folder))
    (folder / full.name).rename(full)
    return before, said_after(run(folder))


def test_summary_status_and_reports_ask_for_a_full_export(steps: tuple[Said, Said]) -> None:
    before, _ = steps
    for text in (before.summary, before.status):
        assert text.count(f"{SOURCE}, delivery ") == text.count(SAID) == 2
    assert before.index.count(SAID) == 2
    assert before.reports.count(SAID) == 4, "two pages, two CSV files"
    assert before.reports.count(",orphan_record,") > 0


def test_when_it_has_come_nothing_is_asked_for_any_more(steps: tuple[Said, Said]) -> None:
    _, after = steps
    assert SAID not in after.summary + after.status + after.index + after.reports
    assert ",orphan_record," not in after.reports, "reports of deliveries that were mended are written again"
