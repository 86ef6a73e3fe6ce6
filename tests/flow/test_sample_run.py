"""One run of the sample region: what was planted is caught, nothing else is, and nothing personal leaves the vault."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.release import SERVED, latest, read_manifest
from orchestration.warehouse import connect
from tests.flow.conftest import Run, run

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("sample")]

_CANDIDATE = re.compile(r"(?<![0-9A-Za-z])(?:\d{9}|\d{4}-\d\d-\d\d|[A-Z][a-z]{3,})(?![0-9A-Za-z])")
"""What looks like an identifier: nine digits, a date, a name; standing alone, since keys hold digits in a row, too."""

_CALENDAR = re.compile(r"(dim_date|dim_period|kpi_period|kpi_calendar)")
"""Tables with every date there is."""

PLACELESS = {"missing_file", "unreadable_archive", "row_count_change", "error_share"}
"""Rules about a whole delivery."""


def test_a_release_is_published_and_latest_points_to_it(undisturbed: Run) -> None:
    assert undisturbed.outcome.is_new
    assert latest(undisturbed.region) == undisturbed.outcome.release.resolve()
    manifest = read_manifest(undisturbed.outcome.release)
    assert manifest["status"] == "internal"
    files = {file["name"] for file in manifest["files"]}
    assert {"parquet/pub_kpi_timeseries.parquet", "dictionary.csv", "kpi_catalogue.csv", "quality/checks.csv"} <= files
    assert {"catalogue/index.html", "catalogue/kpi-oc-12-v1.html", "catalogue/organisation-harbour.html"} <= files


def test_what_is_served_is_pub_only_and_every_column_is_described(undisturbed: Run) -> None:
    with duckdb.connect(str(undisturbed.outcome.release / SERVED), read_only=True) as served:
        schemas = served.execute("SELECT DISTINCT schema_name FROM duckdb_tables()").fetchall()
        silent = served.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'pub' AND comment IS NULL"
        ).fetchall()
        rows = served.execute("SELECT count(*) FROM pub.pub_kpi_timeseries WHERE value IS NOT NULL").fetchone()
    assert schemas == [("pub",)]
    assert silent == []
    assert rows is not None and rows[0] > 0


def test_every_delivery_ends_as_planted(undisturbed: Run) -> None:
    with connect(undisturbed.region.warehouse_path, read_only=True) as connection:
        found = dict(
            connection.execute(
                "SELECT d.source_id || '|' || coalesce(CAST(d.stated_at AS VARCHAR), ''), d.status FROM ops.delivery d "
                "WHERE d.status <> 'loaded'"
            ).fetchall()
        )
    planted = [d for d in undisturbed.planted["deliveries"] if d["status"] != "loaded"]
    assert Counter(found.values()) == Counter(d["status"] for d in planted)
    assert {key.partition("|")[0] for key in found} == {d["source"] for d in planted}


def test_what_was_planted_is_caught_and_nothing_else(undisturbed: Run) -> None:
    with connect(undisturbed.region.warehouse_path, read_only=True) as connection:
        found = Counter(
            connection.execute(
                "SELECT DISTINCT source_id, rule, file_name, line_number FROM ops.dq_finding "
                "WHERE status <> 'not_loaded'"
            ).fetchall()
        )
        failed = set(
            connection.execute(
                "SELECT source_id, rule FROM ops.dq_result WHERE outcome = 'fail' AND severity = 'submission'"
            ).fetchall()
        )
        errors = connection.execute("SELECT check_id, message FROM ops.dq_result WHERE outcome = 'error'").fetchall()
    assert errors == []
    planted = undisturbed.planted["defects"]
    of_deliveries = {(d["source"], d["rule"]) for d in planted if d["rule"] in PLACELESS}
    assert failed == of_deliveries
    expected = {
        (d["source"], d["rule"], d["file"], line)
        for d in planted
        if d["rule"] not in PLACELESS
        for line in (d["line"], *d["other_lines"])
    }
    with_parent = {f for f in found if f[1] == "held_with_parent"}
    bad_lines = {(source, file, line) for source, _, file, line in expected}
    assert {(source, file, line) for source, _, file, line in with_parent} <= bad_lines
    missed, invented = expected - set(found), set(found) - expected - with_parent
    assert not missed, f"planted and not caught: {sorted(missed, key=str)[:10]}"
    assert not invented, f"caught and not planted: {sorted(invented, key=str)[:10]}"


def test_landed_rows_are_those_written(undisturbed: Run) -> None:
    written = Counter[str]()
    for delivery in undisturbed.planted["deliveries"]:
        if delivery["kind"] == "hmis_csv" and delivery["status"] == "loaded":
            written[delivery["source"]] += sum(delivery["rows"].values())
    with connect(undisturbed.region.warehouse_path, read_only=True) as connection:
        landed = dict(
            connection.execute(
                "SELECT source_id, CAST(sum(landed_count + rejected_count) AS BIGINT) FROM ops.row_account "
                "WHERE source_id IN (SELECT source_id FROM ops.source_config WHERE kind = 'hmis_csv') GROUP BY ALL"
            ).fetchall()
        )
    assert landed == dict(written)


def test_a_month_that_is_sent_again_replaces_that_month_and_no_other(undisturbed: Run) -> None:
    with connect(undisturbed.region.warehouse_path, read_only=True) as connection:
        months = connection.execute(
            "SELECT f.month_end_on, count(DISTINCT d.delivery_id), max(CAST(d.stated_at AS DATE)) "
            "FROM core.fct_staffing AS f JOIN ops.delivery AS d USING (delivery_id) "
            "WHERE f.source_id = 'harbour_management' GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert len(months) == 36
    assert {count for _, count, _ in months} == {1}
    sent = {month.isoformat(): stated.isoformat() for month, _, stated in months}
    assert sent["2025-05-31"] == "2025-07-02"
    assert sent["2025-06-30"] == sent["2025-09-30"] == "2025-10-01"


def test_pitfall_25_what_people_say_they_want_is_in_the_vault_alone(undisturbed: Run) -> None:
    """Pitfall 25: the words are kept, and the warehouse knows only that there are some."""
    from orchestration.vault import Vault

    vault = Vault.at(undisturbed.region.vault_dir)
    kept = vault.connection.execute(
        "SELECT column_name, count(*) FROM vault.identifier "
        "WHERE table_name IN ('goal', 'action', 'improvement_cycle') GROUP BY ALL"
    ).fetchall()
    vault.close()
    assert {column for column, _ in kept} == {"statement", "title", "hypothesis"}
    with connect(undisturbed.region.warehouse_path, read_only=True) as connection:
        landed = connection.execute(
            "SELECT DISTINCT statement FROM raw.sheet__goal UNION SELECT DISTINCT title FROM raw.sheet__action "
            "UNION SELECT DISTINCT hypothesis FROM raw.sheet__improvement_cycle"
        ).fetchall()
        stated = connection.execute("SELECT count(*) FROM core.fct_personal_outcome WHERE has_statement").fetchone()
    assert landed == [("[vault]",)]
    assert stated is not None and stated[0] > 0


def test_people_at_two_providers_are_one_and_lookalikes_stay_apart(undisturbed: Run) -> None:
    with connect(undisturbed.region.warehouse_path, read_only=True) as connection:
        keys = {
            (source, code): key
            for source, code, key in connection.execute(
                "SELECT p.source_id, p.person_code, x.person_key FROM input.in_case__person AS p "
                "JOIN core.person_xref AS x USING (source_person_key)"
            ).fetchall()
        }
    shared = [[(p["source"], p["person"]) for p in s["people"]] for s in undisturbed.planted["shared_people"]]
    loaded = [pair for pair in shared if all(person in keys for person in pair)]
    assert loaded, "the sample has people at two providers"
    assert [pair for pair in loaded if len({keys[person] for person in pair}) != 1] == []
    first, second = ((p["source"], p["person"]) for p in undisturbed.planted["lookalikes"])
    assert keys[first] != keys[second]


def test_nothing_planted_lies_outside_vault_and_reports(undisturbed: Run) -> None:
    planted = undisturbed.planted["identifiers"]
    # Firsts of a month and the calendar's years occur as birth months, periods and dates of events.
    births = {born for born in planted["birth_dates"] if born < "2000" and not born.endswith("-01")}
    needles = {*births, *planted["national_ids"]}
    needles |= {part for name in planted["names"] for part in name.split()}
    assert len(needles) > 50
    hits = [
        (str(path.relative_to(undisturbed.region.root)), place, sorted(found)[:3])
        for path in _state_files(undisturbed.region.root)
        for place, text in _texts(path)
        if not _CALENDAR.search(place)
        if (found := needles.intersection(_CANDIDATE.findall(text)))
    ]
    assert hits == []


def test_the_vault_does_hold_what_was_planted(undisturbed: Run) -> None:
    from orchestration.vault import Vault

    vault = Vault.at(undisturbed.region.vault_dir)
    kept = {row[0] for row in vault.connection.execute("SELECT DISTINCT value FROM vault.identifier").fetchall()}
    vault.close()
    assert set(undisturbed.planted["identifiers"]["birth_dates"]) & kept


def test_reports_go_to_the_sender_only(undisturbed: Run) -> None:
    reports = undisturbed.region.reports_dir
    assert oct(reports.stat().st_mode & 0o777) == "0o700"
    pages = sorted(reports.rglob("*.html"))
    assert pages and all(oct(page.stat().st_mode & 0o777) == "0o600" for page in pages)
    defect = next(d for d in undisturbed.planted["defects"] if d["rule"] == "exit_before_entry")
    organisation = undisturbed.region.source(defect["source"]).organisation
    rows = [line for page in (reports / organisation).glob("*.csv") for line in page.read_text().splitlines()]
    assert any("exit_before_entry" in row and f",{defect['line']}," in row for row in rows)


def test_a_second_run_says_that_nothing_changed(undisturbed: Run) -> None:
    again = run(undisturbed.region.root)
    assert not again.outcome.is_new
    assert again.outcome.release == undisturbed.outcome.release
    assert [e for e in again.events if e["event"] == "node"] == []


def _state_files(root: Path) -> Iterator[Path]:
    """Everything that running left behind, the vault and the senders' reports aside."""
    left_out = {"vault", "reports", "deliveries", "planted.json"}
    for top in sorted(root.iterdir()):
        if top.name not in left_out:
            yield from (p for p in ([top] if top.is_file() else sorted(top.rglob("*"))) if p.is_file())


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    """(place, text) of everything readable in a file: its bytes, and the values of its tables."""
    yield "bytes", path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            yield from _values(connection, f"read_parquet('{path}')", path.name)
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            ).fetchall()
            for schema, table in tables:
                yield from _values(connection, f'"{schema}"."{table}"', f"{schema}.{table}")


def _values(connection: duckdb.DuckDBPyConnection, relation: str, name: str) -> Iterator[tuple[str, str]]:
    for column, *_ in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall():
        row: Any = connection.execute(
            f'SELECT string_agg(v, chr(10)) FROM (SELECT DISTINCT CAST("{column}" AS VARCHAR) AS v FROM {relation})'
        ).fetchone()
        if row[0]:
            yield f"{name}.{column}", row[0]
