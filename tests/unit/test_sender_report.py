"""The sender's report: true places and values, harmless for spreadsheets and browsers, the same to the byte."""

from __future__ import annotations

import csv
import html.parser
import io
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.results import FINDING_SCHEMA, LandedDelivery, LandingVerdict, Status
from orchestration import sender_report
from orchestration.sender_report import (
    DeliveryReport,
    Finding,
    IndexLine,
    csv_bytes,
    harmless,
    html_text,
    index_text,
    write_index,
    write_sender_reports,
)
from sources.spec import MASK
from tests.landing_files import CLIENT, EXIT, landed

SECRET = {("d1", "client", "client.csv", 1, "SSN"): "000-12-3456"}


def row(table: str, number: int, column: str | None, rule: str, severity: str, **more: Any) -> dict[str, Any]:
    return {
        "delivery_id": "d1",
        "source_id": "harbour_hmis",
        "organisation_id": "harbour",
        "kind": "hmis_csv",
        "table": table,
        "file": f"{table}.csv",
        "row_number": number,
        "line": number + 1,
        "record_key": f"{table}-{number}",
        "column": column,
        "landed_column": column,
        "rule": rule,
        "severity": severity,
        "check_id": f"hmis_csv.{table}.{rule}",
        "message": f"{column} is wrong.",
        "fix": "Mend it & send it again.",
        **more,
    }


def findings(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), FINDING_SCHEMA)


@pytest.fixture
def delivery(tmp_path: Path) -> LandedDelivery:
    rows = {
        "client": [CLIENT | {"SSN": MASK}],
        "exit": [EXIT | {"ExitDate": "=1+1"}, EXIT | {"ExitID": "X2", "Destination": "<script>alert(1)</script>"}],
    }
    return landed(tmp_path / "landing", rows)


def verdict_of(delivery: LandedDelivery, **changes: Any) -> LandingVerdict:
    verdict = LandingVerdict(
        kind="hmis_csv",
        results=[],
        quarantine=findings(
            row("exit", 1, "ExitDate", "invalid_date", "record"),
            row("services", 9, None, "wrong_field_count", "record", record_key=None,
                check_id="hmis_csv._reject.wrong_field_count", message="The record has 3 fields."),
        ),
        warnings=findings(
            row("exit", 2, "Destination", "invalid_code", "warning"),
            row("client", 1, "SSN", "invalid_national_id", "warning"),
        ),
        status={"d1": Status.ACCEPTED},
        row_counts={"d1": {"client": 1, "exit": 2, "services": 0}},
        held_back={"d1": 2},
    )  # fmt: skip
    return replace(verdict, **changes)


def values(delivery_id: str, table: str, file: str, row_number: int, column: str) -> str | None:
    return SECRET.get((delivery_id, table, file, row_number, column))


def write(folder: Path, verdict: LandingVerdict, delivery: LandedDelivery, **more: Any) -> Path:
    (page,) = write_sender_reports(
        folder,
        verdict,
        [delivery],
        names={"d1": "export & more.zip"},
        organisations={"harbour": "Harbour <Housing>"},
        values=values,
        **more,
    )
    return page


def listed(page: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page.with_suffix(".csv").read_bytes().decode("utf-8-sig"))))


class _Text(html.parser.HTMLParser):
    """What a reader sees, and the tags that make it."""

    def __init__(self, text: str):
        super().__init__()
        self.seen: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.seen.append(data.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_csv_names_place_value_and_cure(tmp_path: Path, delivery: LandedDelivery) -> None:
    rows = listed(write(tmp_path / "reports", verdict_of(delivery), delivery))
    assert [(r["file"], r["line"], r["row"], r["record"], r["column"], r["value"], r["rule"]) for r in rows] == [
        ("client.csv", "2", "1", "client-1", "SSN", "000-12-3456", "invalid_national_id"),
        ("exit.csv", "2", "1", "exit-1", "ExitDate", "'=1+1", "invalid_date"),
        ("exit.csv", "3", "2", "exit-2", "Destination", "<script>alert(1)</script>", "invalid_code"),
        ("services.csv", "10", "9", "", "", "", "wrong_field_count"),
    ]
    assert [r["severity"] for r in rows] == ["to check", "held back", "to check", "held back"]
    assert rows[1]["how_to_fix"] == "Mend it & send it again."


def test_files_are_for_their_owner_only(tmp_path: Path, delivery: LandedDelivery) -> None:
    page = write(tmp_path / "reports", verdict_of(delivery), delivery)
    assert page == tmp_path / "reports" / "harbour" / "d1.html"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (page, page.with_suffix(".csv"))}
    assert set(modes.values()) == {0o600}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (page.parent, page.parent.parent)} == {0o700}
    assert sorted(p.name for p in page.parent.iterdir()) == ["d1.csv", "d1.html"]


def test_the_same_verdict_gives_the_same_bytes(tmp_path: Path, delivery: LandedDelivery) -> None:
    verdict = verdict_of(delivery)
    turned = replace(verdict, quarantine=verdict.quarantine.take([1, 0]), warnings=verdict.warnings.take([1, 0]))
    first, second = (write(tmp_path / name, v, delivery) for name, v in (("a", verdict), ("b", turned)))
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".csv").read_bytes() == second.with_suffix(".csv").read_bytes()


def test_the_page_says_what_became_of_the_delivery(tmp_path: Path, delivery: LandedDelivery) -> None:
    page = _Text(write(tmp_path / "reports", verdict_of(delivery), delivery).read_text())
    text = " ".join(page.seen)
    assert "Harbour <Housing>: what we found in your delivery" in text
    assert "export & more.zip , exported 2024-06-30 03:00:00" in text.replace("zip,", "zip ,")
    assert "Accepted" in page.seen
    assert "4 rows received 2 rows loaded 2 rows held back 2 values to check" in text
    assert "000-12-3456" in page.seen
    assert "<script>alert(1)</script>" in page.seen


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(tmp_path: Path, delivery: LandedDelivery) -> None:
    text = write(tmp_path / "reports", verdict_of(delivery), delivery).read_text()
    page = _Text(text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    assert not re.search(r"https?://|@import|url\(", text)
    assert not any(name in attrs for _, attrs in page.tags for name in ("src", "href", "onclick", "onerror"))


def test_tables_stay_tables_for_screen_readers(tmp_path: Path, delivery: LandedDelivery) -> None:
    page = _Text(write(tmp_path / "reports", verdict_of(delivery), delivery).read_text())
    attributes = {"th": ("scope", "col"), "td": ("role", "cell"), "tr": ("role", "row"), "table": ("role", "table")}
    for tag, (name, value) in attributes.items():
        found = [attrs for t, attrs in page.tags if t == tag]
        assert found and all(attrs[name] == value for attrs in found)
    assert sum(tag == "caption" for tag, _ in page.tags) == 2
    assert ("html", {"lang": "en"}) in page.tags


@pytest.mark.parametrize(
    ("status", "shown", "absent"),
    [
        (Status.PAUSED, ["On hold", "Too many rows can't be used.", "rows that can't be used"], "rows held back"),
        (Status.REFUSED, ["Refused", "Too many rows can't be used."], "rows received"),
    ],
)
def test_a_delivery_that_is_not_loaded(
    tmp_path: Path, delivery: LandedDelivery, status: Status, shown: list[str], absent: str
) -> None:
    verdict = verdict_of(delivery, status={"d1": status}, reasons={"d1": ["too many rows can't be used."]})
    seen = _Text(write(tmp_path / "reports", verdict, delivery).read_text()).seen
    assert all(sentence in seen for sentence in shown)
    assert absent not in seen
    if status is Status.PAUSED:
        assert seen[seen.index("rows loaded") - 1] == "0"


def test_a_refused_delivery_has_no_landing_and_still_a_report(tmp_path: Path, delivery: LandedDelivery) -> None:
    empty = FINDING_SCHEMA.empty_table()
    verdict = verdict_of(
        delivery, quarantine=empty, warnings=empty, status={"d1": Status.REFUSED}, reasons={"d1": ["No zip archive."]}
    )
    page = write(tmp_path / "reports", verdict, replace(delivery, path=None))
    seen = _Text(page.read_text()).seen
    assert "No zip archive." in seen
    assert "There is nothing to mend. Thank you." not in seen
    assert [(row["file"], row["severity"], row["message"]) for row in listed(page)] == [
        ("export & more.zip", "refused", "No zip archive.")
    ]


def test_nothing_to_mend_is_said(tmp_path: Path, delivery: LandedDelivery) -> None:
    empty = FINDING_SCHEMA.empty_table()
    verdict = verdict_of(delivery, quarantine=empty, warnings=empty, held_back={"d1": 0})
    assert "There is nothing to mend. Thank you." in _Text(write(tmp_path / "r", verdict, delivery).read_text()).seen


def test_what_the_warehouse_found_later_is_held_back_too(tmp_path: Path, delivery: LandedDelivery) -> None:
    later = findings(
        row("exit", 2, "EnrollmentID", "orphan_record", "record"),
        row("exit", 5, "EnrollmentID", "orphan_record", "record", delivery_id="another"),
    )
    page = write(tmp_path / "reports", verdict_of(delivery), delivery, later_findings=later)
    orphans = [(r["line"], r["value"]) for r in listed(page) if r["rule"] == "orphan_record"]
    assert orphans == [("3", "E1")]
    assert "4 rows received 1 rows loaded 3 rows held back" in " ".join(_Text(page.read_text()).seen)


def test_a_long_list_is_cut_in_the_page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_report, "SHOWN_IN_HTML", 3)
    found = [Finding("a.csv", n, n, f"r{n}", "c", "v", "rule", "held back", "m", "f") for n in range(10)]
    report = DeliveryReport("d1", "n", "o", "s", None, Status.ACCEPTED, [], 10, 10, found)
    assert "7 more are in the CSV file beside this page." in html_text(report)
    assert len(csv_bytes(report).splitlines()) == 11


def test_what_is_said_of_the_whole_is_on_the_page_and_in_the_csv(tmp_path: Path, delivery: LandedDelivery) -> None:
    page = write(tmp_path / "reports", verdict_of(delivery), delivery, notes={"d1": "no full export came before it."})
    assert "No full export came before it." in _Text(page.read_text()).seen
    first = listed(page)[0]
    assert (first["file"], first["severity"]) == ("export & more.zip", "to check")
    assert first["message"] == "no full export came before it."


LINES = [
    IndexLine("d4", "new & big.zip", "2025-03-01 03:00:00", Status.PAUSED, ["the rows are fewer."], 7, 2),
    IndexLine("d3", "clean.zip", "2025-02-01 00:00:00", Status.ACCEPTED, [], 0, 0),
    IndexLine("d2", "bad.zip", None, Status.REFUSED, ["<b>no zip."], 0, 0),
    IndexLine("d1", "old.zip", "2025-01-01 00:00:00", Status.ACCEPTED, [], 1, 1234),
]


def test_the_list_of_deliveries_has_what_is_to_be_done_in_order_and_the_rest_in_a_line(tmp_path: Path) -> None:
    path = write_index(tmp_path / "reports" / "harbour", "Harbour <Housing>", LINES)
    assert path == tmp_path / "reports" / "harbour" / "index.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    page = _Text(path.read_text())
    text = " ".join(page.seen)
    assert "Harbour <Housing>: your deliveries 4 deliveries, newest first" in text
    assert (
        "new & big.zip 2025-03-01 03:00:00 On hold The rows are fewer. 7 2 page CSV "
        "bad.zip not stated Refused <b>no zip. 0 0 page CSV "
        "old.zip 2025-01-01 Accepted 1 1,234 page CSV "
        "Nothing to mend in 1 delivery: clean.zip , exported 2025-02-01."
    ) in text
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert links == [f"{d}.{kind}" for d in ("d4", "d2", "d1") for kind in ("html", "html", "csv")] + ["d3.html"]


def test_the_list_of_deliveries_runs_nothing_and_leads_nowhere_else() -> None:
    text = index_text("Harbour", LINES)
    assert not re.search(r"https?://|@import|url\(", text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in _Text(text).tags}
    assert text == index_text("Harbour", LINES)


def test_where_nothing_is_to_be_mended_the_list_is_a_line() -> None:
    page = _Text(index_text("Harbour", [LINES[1]]))
    assert "table" not in {tag for tag, _ in page.tags}
    assert "Nothing to mend in 1 delivery: clean.zip , exported 2025-02-01." in " ".join(page.seen)


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1200", "@sum", "\t=1", "\r=1", " =1", "\n=1"])
def test_formulas_are_defused(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "12", "a=b", "2024-01-05", "O'Brien", "a-b", " plain"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=40))
def test_no_cell_of_the_csv_is_ever_a_formula(text: str) -> None:
    found = [Finding(text, 1, 1, text, text, text, "rule", "to check", text, text)]
    report = DeliveryReport("d1", text, text, "s", None, Status.ACCEPTED, [], 1, 0, found)
    (_, line) = csv.reader(io.StringIO(csv_bytes(report).decode("utf-8-sig"), newline=""))
    assert not any(cell.strip(" \n").startswith(("=", "+", "-", "@", "\t", "\r")) for cell in line)
    assert "<script" not in html_text(report).lower()
