"""The command line: `trigpoint`.

What belongs here: reading arguments, showing progress and results, exit codes. What does not: doing the work.

Exit codes: 0 done; 1 the run failed, or a source can't be read; 2 wrong usage or region file; 3 the final gate refused;
4 another run, or another program, holds the region; 5 there is no such figure or release.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from orchestration.helper_process import collect_less

if TYPE_CHECKING:
    # What a command needs is imported when it runs: to import it all would take seconds.
    from orchestration.region import Region

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Trigpoint: funder, case-management and survey data in, benchmark-ready marts out.",
    pretty_exceptions_enable=False,
)
quarantine_app = typer.Typer(no_args_is_help=True, help="Deliveries that are paused, and rows that are held back.")
app.add_typer(quarantine_app, name="quarantine")
instrument_app = typer.Typer(no_args_is_help=True, help="Outcome instruments: how they are scored and judged.")
app.add_typer(instrument_app, name="instrument")
kpi_app = typer.Typer(no_args_is_help=True, help="The KPI catalogue: definitions, and the checks that each carries.")
app.add_typer(kpi_app, name="kpi")
crosswalk_app = typer.Typer(no_args_is_help=True, help="Crosswalks between frameworks of outcomes, and their ledger.")
app.add_typer(crosswalk_app, name="crosswalk")
report_app = typer.Typer(no_args_is_help=True, help="Reports that funders ask for. They hold small numbers of people.")
app.add_typer(report_app, name="report")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

RegionOption = Annotated[Path, typer.Option("--region", "-r", help="The region file.", envvar="TRIGPOINT_REGION")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="Date that figures refer to (YYYY-MM-DD); default: as deliveries state.")
]
FromOption = Annotated[str, typer.Option("--from", help="First day (YYYY-MM-DD).")]
ToOption = Annotated[str, typer.Option("--to", help="Last day, included (YYYY-MM-DD).")]
ToDirOption = Annotated[Path, typer.Option("--to-dir", help="Folder to write.")]


def main() -> None:
    """Entry point: turns known failures into a sentence and an exit code."""
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "False")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    collect_less()
    try:
        app()
    except Exception as error:
        from orchestration.runner import EXIT_CODES

        code = EXIT_CODES.get(type(error).__name__)
        if code is None:
            raise
        err.print(f"[red]error[/red] {escape(str(error))}")
        sys.exit(code)


def fail(message: str, code: int) -> typer.Exit:
    """Print what went wrong and give the exception that ends the program with a code."""
    err.print(f"[red]error[/red] {escape(message)}")
    return typer.Exit(code)


def region_at(path: Path) -> Region:
    """The region, or an exit with every problem of its file."""
    from orchestration.region import RegionFileError, load_region

    try:
        return load_region(path)
    except RegionFileError as error:
        for problem in error.problems:
            err.print(f"[red]error[/red] {escape(problem)}")
        raise typer.Exit(2) from None


def day(text: str | None) -> date | None:
    """The date of ``--as-of``."""
    return None if text is None else day_of("--as-of", text)


def day_of(option: str, text: str) -> date:
    """A date option, or an exit that says how to write one."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise fail(f"{option} {text}: not a date; write YYYY-MM-DD", 2) from None


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="Folder to make.")]) -> None:
    """Make the folder of a new region: a region file to fill in, its JSON Schema, and a drop folder."""
    from orchestration.scaffold import scaffold

    try:
        made = scaffold(directory)
    except FileExistsError as error:
        raise fail(f"{error}; choose another folder", 2) from None
    for path in made:
        out.print(f"made  {path}")
    out.print(f"next  edit {directory / 'region.yml'}, then: trigpoint check --region {directory / 'region.yml'}")


@app.command("sheet-template")
def sheet_template(
    to: Annotated[Path, typer.Argument(help="Workbook to write.")] = Path("sheets.xlsx"),
) -> None:
    """Write the workbook for staff, money, reviews, appointments, goals and plans; filled in, it needs no mapping."""
    from orchestration.scaffold import sheet_codes
    from sources.management.template import write_template

    try:
        write_template(to, sheet_codes())
    except FileExistsError as error:
        raise fail(str(error), 2) from None
    out.print(f"made  {to}\nnext  fill in the sheets you have, and add a source of kind sheet to the region file")


@app.command()
def sample(
    to: Annotated[Path, typer.Option("--to", help="Folder to write.")],
    people: Annotated[int, typer.Option(min=40, help="How many people.")] = 5000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Write a synthetic region in the real file formats."""
    from sources.sample import write_region

    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("sample region", total=1.0)
        write_region(
            to,
            people=people,
            seed=seed,
            progress=lambda stage, done: bar.update(task, description=stage, completed=done),
        )
    out.print(f"Sample region of {people:,} people in {to} (seed {seed}); its region file is {to / 'region.yml'}")


@app.command()
def check(region: RegionOption) -> None:
    """Say whether every source can be reached and read, before anything runs."""
    from orchestration.doctor import examine

    loaded = region_at(region)
    worst = 0
    for finding in examine(loaded):
        colour = {"ok": "green", "warning": "yellow", "error": "red"}[finding.level]
        out.print(f"[{colour}]{finding.level:<8}[/{colour}] {escape(finding.source):<24} {escape(finding.message)}")
        worst = max(worst, 1 if finding.level == "error" else 0)
    raise typer.Exit(worst)


@instrument_app.command("list")
def list_instruments() -> None:
    """Every instrument with its scores, cut-offs and reliable changes; ? and marks for what is not verified yet."""
    from orchestration.instruments import InstrumentError
    from orchestration.instruments.show import instrument_list

    try:
        out.print(instrument_list())
    except InstrumentError as error:
        raise fail(str(error), 2) from None


@instrument_app.command("show")
def show_instrument(
    code: Annotated[str, typer.Argument(help="Code, as `trigpoint instrument list` has it.")],
    version: Annotated[str | None, typer.Option("--version", help="Default: the latest.")] = None,
) -> None:
    """One definition: items, scores, bands, rules of programmes, licence, sources, marks and test vectors."""
    from orchestration.instruments import InstrumentError
    from orchestration.instruments.show import UnknownInstrumentError, instrument_page

    try:
        out.print(instrument_page(code, version))
    except (InstrumentError, UnknownInstrumentError) as error:
        raise fail(str(error), 2) from None


@app.command()
def prepare(
    region: Annotated[
        Path | None, typer.Option("--region", "-r", help="Default: parse for all regions to come.")
    ] = None,
) -> None:
    """Parse the dbt project ahead: for a region, as Dagster needs it to load, or once for all."""
    from orchestration.transform import prepare as prepare_manifest
    from orchestration.transform import prepare_shared

    if region is None:
        prepare_shared()
        out.print("parsed the dbt project")
    else:
        out.print(f"manifest  {prepare_manifest(region_at(region))}")


@app.command()
def run(region: RegionOption, as_of: AsOfOption = None) -> None:
    """Run the main job: receive, land, check, load, build, gate and publish."""
    from orchestration.console import RunDisplay
    from orchestration.runner import RunFailedError, run_main
    from orchestration.summary import summarise

    loaded = region_at(region)
    when = day(as_of)
    with RunDisplay(err) as display:
        try:
            outcome = run_main(loaded, as_of=when, listener=display.on_event)
        except RunFailedError as error:
            display.stop()
            raise fail(str(error), error.exit_code) from None
    out.print(summarise(loaded, outcome))


@app.command()
def dev(region: RegionOption, port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000) -> None:
    """Open the Dagster UI on a region, with its schedules and sensor."""
    from orchestration.runner import dagster_home
    from orchestration.transform import prepare as prepare_manifest

    loaded = region_at(region)
    prepare_manifest(loaded)
    os.environ["TRIGPOINT_REGION"] = str(loaded.path)
    os.environ["DAGSTER_HOME"] = str(dagster_home(loaded))
    program = str(Path(sys.executable).parent / "dagster")
    arguments = [program, "dev", "-m", "orchestration.definitions", "--host", "127.0.0.1", "--port", str(port)]
    os.execv(program, arguments)  # noqa: S606


@app.command()
def status(region: RegionOption) -> None:
    """Show sources, their last deliveries, what is paused, and the latest release."""
    from orchestration.status import show

    out.print(show(region_at(region)))


@app.command()
def explain(
    kpi: Annotated[str, typer.Argument(help="KPI id, such as OC-05.")],
    region: RegionOption,
    period: Annotated[
        str, typer.Option(help="2025-01 (month), 2025-Q1, FY2024 (starts in 2024), R12-2025-01 (12 months).")
    ],
    organisation: Annotated[str | None, typer.Option(help="Organisation id; default: the whole region.")] = None,
    at: Annotated[
        str | None,
        typer.Option(help="LEVEL:KEY or LEVEL:NAME, such as service_type:counselling or award:Night shelter."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="What the figure is broken down by, such as sex; see --of.")] = None,
    of: Annotated[
        str | None, typer.Option(help="Which group, currency, instrument or the like of a figure broken down.")
    ] = None,
    compared: Annotated[str | None, typer.Option(help="KPI whose groups are compared, for EQ-01.")] = None,
    release: Annotated[str | None, typer.Option(help="Release id; default: the latest.")] = None,
    members: Annotated[int, typer.Option(min=0, help="How many members to list.")] = 10,
) -> None:
    """Explain one published figure: its definition, its value, and who was counted, down to file and line."""
    from orchestration.explain import ExplainError, Question, find_figure
    from orchestration.explain_terminal import show_figure

    question = Question(kpi, period, organisation=organisation, at=at, by=by, of=of, compared=compared, release=release)
    try:
        folder, figure = find_figure(region_at(region), question)
    except ExplainError as error:
        raise fail(str(error), 5) from None
    out.print(show_figure(folder, figure, members))


def kpi_catalogue() -> list[dict[str, Any]]:
    """The KPI catalogue, or an exit with everything that is wrong with it."""
    from orchestration.kpi import CatalogueError, catalogue

    try:
        return catalogue()
    except CatalogueError as error:
        for problem in error.problems:
            err.print(f"[red]error[/red] {escape(problem)}")
        raise typer.Exit(2) from None


@kpi_app.command("list")
def kpi_list(
    category: Annotated[str | None, typer.Option(help="Only KPIs of this category, such as outcomes.")] = None,
) -> None:
    """List every KPI with unit, direction and the KPI to read beside it."""
    from orchestration.kpi import UnknownKpiError, show_list

    try:
        out.print(show_list(kpi_catalogue(), category))
    except UnknownKpiError as error:
        raise fail(str(error), 2) from None


@kpi_app.command("show")
def kpi_show(
    kpi: Annotated[str, typer.Argument(help="KPI id, such as OC-05.")],
    region: Annotated[
        Path | None, typer.Option("--region", "-r", help="Show its latest published values.", envvar="TRIGPOINT_REGION")
    ] = None,
) -> None:
    """Show one KPI: its whole definition, the facts that it counts and, of a region, what was published last."""
    from orchestration.kpi import UnknownKpiError, show_one

    loaded = region_at(region) if region else None
    try:
        out.print(show_one(kpi_catalogue(), kpi, loaded))
    except UnknownKpiError as error:
        raise fail(str(error), 2) from None


@kpi_app.command("test")
def kpi_test(
    region: RegionOption,
    formulas: Annotated[bool, typer.Option(help="Run the unit tests of the facts, too.")] = True,
) -> None:
    """Check every KPI: its definition against the ledger, the formulas of its facts, and its figures in the warehouse
    against the members that they count. Exit code 1 if any fails."""
    from orchestration.kpi import CatalogueError
    from orchestration.kpi_check import check as check_kpis
    from orchestration.kpi_check import show_verdicts

    loaded = region_at(region)
    if not loaded.warehouse_path.exists():
        raise fail("nothing is built yet; run `trigpoint run` first", 5)
    try:
        with err.status("") as status:
            verdicts = check_kpis(loaded, formulas=formulas, tell=status.update)
    except CatalogueError as error:
        for problem in error.problems:
            err.print(f"[red]error[/red] {escape(problem)}")
        raise typer.Exit(2) from None
    out.print(show_verdicts(verdicts))
    raise typer.Exit(1 if any(verdict.problems for verdict in verdicts) else 0)


@kpi_app.command("record")
def kpi_record() -> None:
    """Add new definitions and versions to the ledger; commit it with them."""
    from orchestration.kpi import CatalogueError
    from orchestration.kpi_check import record

    try:
        added = record()
    except CatalogueError as error:
        for problem in error.problems:
            err.print(f"[red]error[/red] {escape(problem)}")
        raise typer.Exit(2) from None
    for name in added:
        out.print(f"recorded  {name}")
    out.print(f"{len(added)} definitions added")


@crosswalk_app.command("check")
def crosswalk_check() -> None:
    """Check frameworks and crosswalks, and every mapping against the ledger. Exit code 1 if anything is wrong."""
    from orchestration.frameworks import problems

    found = problems()
    for problem in found:
        err.print(f"[red]error[/red] {escape(problem)}")
    if found:
        raise typer.Exit(1)
    out.print("frameworks and crosswalks are sound, and every mapping is as it was released")


@crosswalk_app.command("record")
def crosswalk_record() -> None:
    """Add new mappings, and the closing of old ones, to the ledger; commit it with them."""
    from orchestration.frameworks import record

    try:
        added = record()
    except ValueError as error:
        for problem in str(error).splitlines():
            err.print(f"[red]error[/red] {escape(problem)}")
        raise typer.Exit(2) from None
    out.print(f"{added} mappings added")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the region file, for editors."""
    from orchestration.region import json_schema

    sys.stdout.write(json_schema())


@quarantine_app.command("list")
def quarantine_list(
    region: RegionOption,
    organisation: Annotated[str | None, typer.Option(help="Only this organisation.")] = None,
) -> None:
    """List paused deliveries and counts of rows held back, by source, table and rule."""
    from orchestration.status import show_quarantine

    loaded = region_at(region)
    if organisation is not None and organisation not in loaded.organisations:
        raise fail(f"no organisation '{organisation}'; known: {', '.join(sorted(loaded.organisations))}", 2)
    out.print(show_quarantine(loaded, organisation))


@quarantine_app.command("release")
def quarantine_release(
    delivery: Annotated[str, typer.Argument(help="Delivery id, or the start of it.")],
    region: RegionOption,
    reason: Annotated[str, typer.Option(help="Why it may go on; kept in the ledger.")],
) -> None:
    """Release a paused delivery: the next run loads it."""
    from orchestration.ledger import Ledger
    from orchestration.status import paused, released

    loaded = region_at(region)
    waiting = paused(loaded)
    found = [d for d in waiting if d.delivery_id.startswith(delivery)]
    if not found and any(d.delivery_id.startswith(delivery) for d in released(loaded)):
        raise fail(f"{delivery}: is released already; the next run loads it", 2)
    if len(found) != 1:
        known = ", ".join(d.delivery_id[:12] for d in waiting) or "none"
        raise fail(f"{delivery}: {len(found)} paused deliveries start so; paused: {known}", 2)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    Ledger(loaded.state_dir).release(found[0].delivery_id, by=getpass.getuser(), at=at, reason=reason)
    out.print(f"released {found[0].delivery_id} of {found[0].source_id}; the next run loads it")


@report_app.command("apr")
def report_apr(
    region: RegionOption,
    project: Annotated[str, typer.Option(help="The sender's ProjectID.")],
    start: FromOption,
    end: ToOption,
    to_dir: ToDirOption,
    source: Annotated[str | None, typer.Option(help="Source, where several senders have that project.")] = None,
) -> None:
    """Write HUD's annual performance report (APR, CAPER) of a project, one CSV file a table."""
    from orchestration.report import performance_report

    days = day_of("--from", start), day_of("--to", end)
    with reporting():
        written = performance_report(region_at(region), project, *days, to_dir, source)
    out.print(f"written  {len(written)} tables to {to_dir}; they hold small numbers of people")


@report_app.command("spm")
def report_spm(region: RegionOption, start: FromOption, end: ToOption, to_dir: ToDirOption) -> None:
    """Write HUD's system performance measures 1a, 1b and 3.2 of every sender."""
    from orchestration.report import system_measures

    days = day_of("--from", start), day_of("--to", end)
    with reporting():
        written = system_measures(region_at(region), *days, to_dir)
    out.print(f"written  {written}")


@contextmanager
def reporting() -> Iterator[None]:
    """Turns what can keep a report from being made into an exit."""
    from orchestration.report import ReportError
    from orchestration.transform import BuildError
    from orchestration.warehouse import HeldError

    try:
        yield
    except ReportError as error:
        raise fail(str(error), 2) from None
    except HeldError as error:
        raise fail(str(error), 4) from None
    except BuildError as error:
        raise fail(str(error), 1) from None
