"""The commands beside `run`, on a region that ran once: what a person asks, and what they are told."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestration.hold import held
from orchestration.pipeline import GateError, Pipeline
from orchestration.progress import Progress
from orchestration.region import Region, load_region
from orchestration.release import latest, read_manifest
from orchestration.runner import RunFailedError, run_main
from orchestration.status import paused, released
from orchestration.summary import summarise
from orchestration.warehouse import connect
from tests.flow.conftest import Run, ask

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("sample")]


@pytest.fixture(scope="module")
def after(undisturbed: Run, tmp_path_factory: pytest.TempPathFactory) -> Region:
    """A copy of the region after its run, which the tests of this module may change."""
    folder = tmp_path_factory.mktemp("after") / "region"
    shutil.copytree(undisturbed.region.root, folder, symlinks=True)
    return load_region(folder / "region.yml")


def test_check_says_of_every_source_what_can_be_read(undisturbed: Run) -> None:
    said = ask(undisturbed.region, "check")
    assert said.exit_code == 0
    assert all(source.id in said.output for source in undisturbed.region.sources)
    refused = [d for d in undisturbed.planted["deliveries"] if d["status"] == "refused"]
    assert refused and said.output.count("will be refused") == len(refused)


def test_check_fails_where_nothing_lies(after: Region, tmp_path: Path) -> None:
    text = after.path.read_text(encoding="utf-8").replace("deliveries/", "nowhere/")
    (tmp_path / "region.yml").write_text(text, encoding="utf-8")
    said = ask(load_region(tmp_path / "region.yml"), "check")
    assert said.exit_code == 1
    assert "correct the location or wait for a delivery" in said.output


def test_status_names_every_source_and_the_release(undisturbed: Run) -> None:
    said = ask(undisturbed.region, "status")
    assert said.exit_code == 0
    assert all(source.id in said.output for source in undisturbed.region.sources)
    assert f"Latest release {undisturbed.outcome.release.name}, internal" in said.output


def test_a_source_of_which_all_was_refused_is_shown_with_the_date_that_it_states(after: Region) -> None:
    with connect(after.warehouse_path) as connection:
        connection.execute("CREATE TABLE ops.kept AS FROM ops.delivery")
        connection.execute(
            "UPDATE ops.delivery SET status = 'refused', is_latest = false, stated_at = '2031-05-06' "
            "WHERE source_id = 'harbour_hmis'"
        )
    said = ask(after, "status")
    with connect(after.warehouse_path) as connection:
        connection.execute("DELETE FROM ops.delivery")
        connection.execute("INSERT INTO ops.delivery FROM ops.kept")
        connection.execute("DROP TABLE ops.kept")
    (line,) = [line for line in said.output.splitlines() if line.startswith("harbour_hmis ")]
    assert line.split()[2:4] == ["2031-05-06", "2"]


def test_every_organisation_has_a_list_of_its_deliveries_that_agrees_with_the_reports(undisturbed: Run) -> None:
    """Held back and to check, as the pages that the list leads to say."""
    listed = 0
    for index in sorted(undisturbed.region.reports_dir.glob("*/index.html")):
        text = index.read_text(encoding="utf-8")
        pages = {path.stem: path.read_text(encoding="utf-8") for path in index.parent.glob("*.html") if path != index}
        assert set(re.findall(r'href="(\w+)\.html"', text)) == set(pages)
        for row in re.findall(r"<tr role=\"row\"><td.*?</tr>", text):
            delivery = re.search(r'href="(\w+)\.html"', row)
            assert delivery is not None
            counts = re.findall(r'data-label="(?:Held back|To check)"><span>([\d,]+)<', row)
            said = re.findall(r"<dd>([\d,]+)</dd>", pages[delivery[1]])
            assert counts == (said[2:] or ["0", "0"])
            listed += 1
    assert listed > 20


def test_while_a_run_is_under_way_status_says_so(after: Region) -> None:
    program = [sys.executable, "-c", "from orchestration.cli import main; main()", "status", "--region"]
    with held(after):
        said = subprocess.run([*program, str(after.path)], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (4, "")
    assert said.stderr.startswith("error a run is under way")


def test_mistakes_are_told_with_what_would_work(undisturbed: Run) -> None:
    region = undisturbed.region
    for arguments, code, words in (
        (("quarantine", "list", "--organisation", "nobody"), 2, "known: "),
        (("quarantine", "release", "0000", "--reason", "x"), 2, "paused: "),
        (("run", "--as-of", "yesterday"), 2, "write YYYY-MM-DD"),
    ):
        said = ask(region, *arguments)
        assert (said.exit_code, words in said.output) == (code, True), said.output


def test_where_nothing_was_delivered_a_run_says_so_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "region.yml").write_text(
        "region: {id: demo, name: Demo region}\norganisations:\n  - {id: harbour, name: Harbour Housing}\n"
        "sources:\n  - {id: harbour_hmis, kind: hmis_csv, organisation: harbour, location: deliveries/*.zip}\n",
        encoding="utf-8",
    )
    with pytest.raises(RunFailedError) as caught:
        run_main(load_region(tmp_path / "region.yml"))
    expected = "nothing was delivered yet; `trigpoint check` says where deliveries are looked for"
    assert (str(caught.value), caught.value.exit_code) == (expected, 1)


def test_files_of_a_release_state_their_rows(undisturbed: Run) -> None:
    manifest = read_manifest(undisturbed.outcome.release)
    rows = {file["name"]: file["rows"] for file in manifest["files"]}
    for table, facts in manifest["tables"].items():
        assert rows[f"parquet/{table}.parquet"] == facts["rows"] > 0
    assert rows["kpi_catalogue.csv"] == manifest["tables"]["pub_kpi_catalogue"]["rows"]
    assert Decimal(manifest["tables"]["pub_award_summary"]["sums"]["awarded_amount"]) > 0


def test_a_person_releases_a_paused_delivery_and_it_is_loaded(after: Region) -> None:
    first, *others = paused(after)
    kind = after.source(first.source_id).kind
    said = ask(after, "quarantine", "release", first.delivery_id[:12], "--reason", "They closed a project.")
    assert said.exit_code == 0, said.output
    assert paused(after) == others and released(after) == [first]
    for command in (("quarantine", "list"), ("status",)):
        told = ask(after, *command).output
        assert f"Released, loaded by the next run: 1\n  {first.delivery_id[:12]}  {first.source_id}: " in told
    again = ask(after, "quarantine", "release", first.delivery_id[:12], "--reason", "They closed a project.")
    assert (again.exit_code, "is released already" in again.output) == (2, True)
    pipeline = Pipeline(after, Progress(after.state_dir / "progress.jsonl"))
    pipeline.load(kind)
    pipeline.write_context()
    pipeline.close()
    with connect(after.warehouse_path, read_only=True) as connection:
        status = dict(connection.execute("SELECT delivery_id, status FROM ops.delivery").fetchall())
    assert status[first.delivery_id] == "loaded"
    assert paused(after) == others and released(after) == []


def test_a_paused_delivery_is_judged_again_by_the_limits_that_it_is_given(after: Region) -> None:
    (waiting,) = [delivery for delivery in paused(after) if delivery.source_id == "saltmere_hmis"]
    text = after.path.read_text(encoding="utf-8")
    drop = "    location: deliveries/saltmere/*.zip\n"
    assert text.count(drop) == 1
    after.path.write_text(text.replace(drop, f"{drop}    limits: {{max_error_share: 0.5}}\n"), encoding="utf-8")
    lenient = load_region(after.path)
    pipeline = Pipeline(lenient, Progress(lenient.state_dir / "progress.jsonl"))
    pipeline.load("hmis_csv")
    pipeline.write_context()
    pipeline.close()
    with connect(lenient.warehouse_path, read_only=True) as connection:
        status = dict(connection.execute("SELECT delivery_id, status FROM ops.delivery").fetchall())
    assert status[waiting.delivery_id] == "loaded"


def test_the_summary_names_sources_that_never_delivered(undisturbed: Run, tmp_path: Path) -> None:
    text = undisturbed.region.path.read_text(encoding="utf-8")
    block = "  - {id: lost, kind: hmis_csv, organisation: harbour, location: delivereis/*.zip}\n"
    path = undisturbed.region.root / "with_lost.yml"
    path.write_text(text.replace("sources:\n", f"sources:\n{block}", 1), encoding="utf-8")
    region = load_region(path)
    path.unlink()
    shown = Console(width=200)
    with shown.capture() as said:
        shown.print(summarise(region, undisturbed.outcome))
    assert "nothing from" in said.get() and "lost (delivereis/*.zip)" in said.get()
    with shown.capture() as said:
        shown.print(summarise(undisturbed.region, undisturbed.outcome))
    assert "nothing from" not in said.get()


def test_a_warehouse_made_anew_says_of_deliveries_what_the_one_before_said(undisturbed: Run, tmp_path: Path) -> None:
    shutil.copytree(undisturbed.region.root, tmp_path / "region", symlinks=True)
    region = load_region(tmp_path / "region" / "region.yml")
    said = _said_of_deliveries(region)
    assert {stage for stage, *_ in said[0]} == {"landing", "publish", "warehouse"}
    shutil.rmtree(region.warehouse_path.parent)
    shutil.rmtree(region.landing_dir)
    outcome = run_main(region)
    assert (outcome.release.name, outcome.is_new) == (undisturbed.outcome.release.name, False)
    assert _said_of_deliveries(region) == said


def _said_of_deliveries(region: Region) -> tuple[list[Any], list[Any]]:
    """Outcomes of checks, and the rows that are held back."""
    with connect(region.warehouse_path, read_only=True) as connection:
        return (
            connection.execute(
                "SELECT stage, outcome, count(*), sum(failed_count) FROM ops.dq_result GROUP BY ALL ORDER BY ALL"
            ).fetchall(),
            connection.execute(
                "SELECT delivery_id, table_name, file_name, row_number, check_id FROM ops.quarantine "
                "WHERE status = 'open' ORDER BY ALL"
            ).fetchall(),
        )


def test_what_the_final_gate_refuses_is_not_published(undisturbed: Run, tmp_path: Path) -> None:
    """The warehouse itself is looked at: here somebody doubled an award behind the platform's back."""
    shutil.copytree(undisturbed.region.root, tmp_path / "region", symlinks=True)
    region = load_region(tmp_path / "region" / "region.yml")
    shutil.rmtree(region.releases_dir / undisturbed.outcome.release.name)
    with connect(region.warehouse_path) as connection:
        connection.execute("INSERT INTO core.dim_award SELECT * FROM core.dim_award ORDER BY award_key LIMIT 1")
    pipeline = Pipeline(region, Progress(region.state_dir / "progress.jsonl"))
    with pytest.raises(GateError, match="award_key"):
        pipeline.publish()
    pipeline.close()
    assert latest(region) is None
    assert list(region.releases_dir.glob("*-*")) == []
