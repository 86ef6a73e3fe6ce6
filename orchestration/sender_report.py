"""What goes back to the sender: which records can't be used as they are, and how to mend them.

What belongs here: one CSV and one HTML file a delivery under ``reports/<organisation>/``, for the eyes of that
organisation only, since they show the values that it sent, and the page ``index.html`` that lists them. What does not:
judging records (``expectations``).

The same verdict gives the same bytes. Folders have mode 0700, files 0600. A value that a spreadsheet would run as a
formula is written with an apostrophe before it. The HTML needs nothing from elsewhere and reads on a phone.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from expectations.results import CheckResult, LandedDelivery, LandingVerdict, Outcome, Status
from orchestration.html_page import document, escape, html_row, html_table
from sources.spec import MASK

Values = Callable[[str, str, str, int, str], str | None]
"""(delivery id, table, file, row number, column) → the value that went to the vault."""

COLUMNS = ("file", "line", "row", "record", "column", "value", "rule", "severity", "message", "how_to_fix")
SHOWN_IN_HTML = 1_000
"""Findings that the HTML lists; the CSV has them all."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SEVERITIES = {"record": "held back", "warning": "to check"}
_TITLES = {Status.ACCEPTED: "Accepted", Status.PAUSED: "On hold", Status.REFUSED: "Refused"}
INDEX = "index.html"


@dataclass(frozen=True)
class Finding:
    """One thing to mend."""

    file: str
    line: int | None
    row: int | None
    record: str
    """The record's own identifier, as sent."""
    column: str
    value: str | None
    """As sent; empty if the cell was; None if the record as a whole could not be read or is not there."""
    rule: str
    severity: str
    message: str
    fix: str


@dataclass(frozen=True)
class DeliveryReport:
    """Everything that a report says."""

    delivery_id: str
    name: str
    """File or folder as the organisation sent it."""
    organisation: str
    source_id: str
    stated_at: str | None
    status: Status
    reasons: Sequence[str]
    received_count: int
    held_back_count: int
    findings: Sequence[Finding]
    uncounted: Sequence[str] = field(default_factory=tuple)
    """Warnings with more rows than are listed, in sentences."""
    notes: Sequence[str] = field(default_factory=tuple)
    """What is to be said of a delivery as a whole once it is loaded, in sentences."""

    @property
    def accepted_count(self) -> int:
        return self.received_count - self.held_back_count if self.status is Status.ACCEPTED else 0


@dataclass(frozen=True)
class IndexLine:
    """What the list of an organisation's deliveries says of one."""

    delivery_id: str
    name: str
    stated_at: str | None
    status: Status
    reasons: Sequence[str]
    """Why it is not loaded, and what else is to be said of it as a whole."""
    held_back_count: int
    to_check_count: int

    @property
    def is_clean(self) -> bool:
        """There is nothing to mend, and nothing else to say."""
        nothing = not (self.reasons or self.held_back_count or self.to_check_count)
        return nothing and self.status is Status.ACCEPTED


def write_sender_reports(
    reports_dir: Path,
    verdict: LandingVerdict,
    deliveries: Sequence[LandedDelivery],
    *,
    names: Mapping[str, str],
    organisations: Mapping[str, str],
    values: Values,
    later_findings: pa.Table | None = None,
    notes: Mapping[str, str] = {},
) -> list[Path]:
    """Write the reports of the deliveries that a verdict is about. Returns the HTML files.

    ``names``: delivery → file name as sent; ``organisations``: id → name. ``later_findings``: what the gate of the
    loaded warehouse found in these deliveries (such as orphans); rows of other deliveries are left out. ``notes``:
    delivery → what is to be said of it as a whole.
    """
    return [
        write_report(
            reports_dir / delivery.organisation_id,
            build_report(
                verdict,
                delivery,
                name=names.get(delivery.delivery_id, delivery.delivery_id),
                organisation=organisations.get(delivery.organisation_id, delivery.organisation_id),
                values=values,
                later_findings=later_findings,
                notes=[notes[delivery.delivery_id]] if delivery.delivery_id in notes else [],
            ),
        )
        for delivery in sorted(deliveries, key=lambda d: d.delivery_id)
    ]


def build_report(
    verdict: LandingVerdict,
    delivery: LandedDelivery,
    *,
    name: str,
    organisation: str,
    values: Values,
    later_findings: pa.Table | None = None,
    notes: Sequence[str] = (),
) -> DeliveryReport:
    """Collect what is to be said about one delivery."""
    delivery_id = delivery.delivery_id
    found = [verdict.quarantine, verdict.warnings, *([later_findings] if later_findings is not None else [])]
    rows = pa.concat_tables([t.filter(pc.equal(t["delivery_id"], delivery_id)) for t in found]).to_pylist()
    cells = _landed_values(delivery, rows)
    results = [r for r in verdict.results if r.delivery_id == delivery_id]
    held = verdict.held_back.get(delivery_id, 0)
    landed = sum(verdict.row_counts.get(delivery_id, {}).values())
    unreadable = len({(r["file"], r["row_number"]) for r in rows if r["check_id"].split(".")[1] == "_reject"})
    orphans = _orphans(later_findings, delivery_id)
    return DeliveryReport(
        delivery_id=delivery_id,
        name=name,
        organisation=organisation,
        source_id=delivery.source_id,
        stated_at=delivery.stated_at,
        status=verdict.status[delivery_id],
        reasons=verdict.reasons.get(delivery_id, []),
        received_count=landed + unreadable,
        held_back_count=held + orphans,
        findings=sorted((_finding(delivery_id, row, cells, values) for row in rows), key=_order),
        uncounted=tuple(_uncounted(results, rows)),
        notes=notes,
    )


def write_index(folder: Path, organisation: str, lines: Sequence[IndexLine]) -> Path:
    """Write the page that lists an organisation's deliveries in the given order. Returns it."""
    _make_private(folder)
    page = folder / INDEX
    _write(page, index_text(organisation, lines).encode())
    return page


def write_report(folder: Path, report: DeliveryReport) -> Path:
    """Write a report's two files, complete or not at all. Returns the HTML file."""
    _make_private(folder)
    _write(folder / f"{report.delivery_id}.csv", csv_bytes(report))
    page = folder / f"{report.delivery_id}.html"
    _write(page, html_text(report).encode())
    return page


def csv_bytes(report: DeliveryReport) -> bytes:
    """The findings as CSV; with a byte order mark, so that spreadsheets read names right.

    Before them, why the delivery as a whole was not taken in, if it was not, and what else is to be said of it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    why = [] if report.status is Status.ACCEPTED else [(str(report.status), reason) for reason in report.reasons]
    said = [*why, *((_SEVERITIES["warning"], note) for note in report.notes)]
    whole = [Finding(report.name, None, None, "", "", None, "delivery", effect, text, "") for effect, text in said]
    for f in (*whole, *report.findings):
        row = (f.file, f.line, f.row, f.record, f.column, f.value, f.rule, f.severity, f.message, f.fix)
        writer.writerow([harmless(value) if isinstance(value, str) else value for value in row])
    return text.getvalue().encode("utf-8-sig")


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" \n").startswith(_FORMULA) else text


def html_text(report: DeliveryReport) -> str:
    """The report as a page that needs nothing from elsewhere."""
    parts = [
        f"<h1>{escape(report.organisation)}: what we found in your delivery</h1>",
        f'<p class="where">{escape(report.name)}{_stated(report)}</p>',
        _verdict(report),
        _summary(report),
        _by_rule(report),
        _rows(report),
        f"<footer><p>Delivery {report.delivery_id}, source {escape(report.source_id)}. This report shows values as "
        "you sent them. Keep it as safe as the records themselves.</p></footer>",
    ]
    body = "\n".join(part for part in parts if part)
    return document(f"{report.name}: delivery report", body, _STYLE)


def index_text(organisation: str, lines: Sequence[IndexLine]) -> str:
    """The list of an organisation's deliveries as a page that needs nothing but the reports beside it."""
    clean = [line for line in lines if line.is_clean]
    parts = [
        f"<h1>{escape(organisation)}: your deliveries</h1>",
        f'<p class="where">{_counted(len(lines))}, newest first</p>',
        _index_table([line for line in lines if not line.is_clean]),
        f'<p class="clean">{_index_clean(clean)}</p>' if clean else "",
        "<footer><p>The reports show values as you sent them. Keep them as safe as the records themselves.</p>"
        "</footer>",
    ]
    body = "\n".join(part for part in parts if part)
    return document(f"{organisation}: deliveries", body, _STYLE)


# Collecting ---------------------------------------------------------------------------------------------------------


def _landed_values(delivery: LandedDelivery, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], str | None]:
    """(table, file, row, column) → value as landed, for findings about a column."""
    wanted: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["landed_column"] is not None and row["row_number"] is not None:
            wanted.setdefault(row["table"], []).append(row)
    found: dict[tuple[Any, ...], str | None] = {}
    for table, listed in sorted(wanted.items()):
        path = delivery.path / f"{table}.parquet" if delivery.path else None
        if path is None or not path.exists():
            continue
        places = {(row["file"], row["row_number"]) for row in listed}
        landed = set(pq.read_schema(path).names)
        for column in sorted({row["landed_column"] for row in listed} & landed):
            for batch in pq.ParquetFile(path).iter_batches(columns=["_file", "_row_number", column]):
                hit = batch.filter(pc.is_in(batch["_row_number"], pa.array({number for _, number in places})))
                for record in hit.to_pylist():
                    place = (record["_file"], record["_row_number"])
                    if place in places:
                        found[(table, *place, column)] = record[column]
    return found


def _finding(
    delivery_id: str, row: Mapping[str, Any], cells: Mapping[tuple[Any, ...], str | None], values: Values
) -> Finding:
    place = (row["table"], row["file"], row["row_number"], row["landed_column"])
    value = (cells[place] or "") if place in cells else None
    if value == MASK:
        value = values(delivery_id, *place)
    return Finding(
        file=row["file"] or "",
        line=row["line"],
        row=row["row_number"],
        record=row["record_key"] or "",
        column=row["column"] or "",
        value=value,
        rule=row["rule"],
        severity=_SEVERITIES.get(row["severity"], row["severity"]),
        message=row["message"],
        fix=row["fix"],
    )


def _order(f: Finding) -> tuple[Any, ...]:
    return (f.file, f.line or 0, f.row or 0, f.record, f.severity, f.rule, f.column, f.message)


def _orphans(later: pa.Table | None, delivery_id: str) -> int:
    """Rows that the loaded warehouse holds back; the landing gate let them pass."""
    if later is None:
        return 0
    held = later.filter(pc.and_(pc.equal(later["delivery_id"], delivery_id), pc.equal(later["severity"], "record")))
    return len({(r["table"], r["file"], r["row_number"]) for r in held.to_pylist()})


def _uncounted(results: Sequence[CheckResult], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    listed: dict[str, int] = {}
    for row in rows:
        listed[row["check_id"]] = listed.get(row["check_id"], 0) + 1
    for result in results:
        count = listed.get(result.check_id, 0)
        if result.outcome is Outcome.FAIL and 0 < count < result.failed_count:
            yield f"{result.rule}: {count:,} of {result.failed_count:,} rows are listed."


# The page -----------------------------------------------------------------------------------------------------------


def _stated(delivery: DeliveryReport | IndexLine) -> str:
    return f", exported {_moment(delivery.stated_at)}" if delivery.stated_at else ""


def _moment(stated_at: str | None) -> str:
    return escape((stated_at or "").removesuffix(" 00:00:00"))


def _verdict(report: DeliveryReport) -> str:
    text = {
        Status.ACCEPTED: "The delivery is loaded. Records that are held back come in by themselves as soon as you send "
                         "them mended.",
        Status.PAUSED: "Nothing of this delivery is loaded yet; what you sent before stays in force. Mend it and send "
                       "it again, or tell us that it is as it should be.",
        Status.REFUSED: "Nothing of this delivery is loaded; what you sent before stays in force.",
    }[report.status]  # fmt: skip
    reasons = "".join(f"<li>{escape(_sentence(reason))}</li>" for reason in (*report.reasons, *report.notes))
    return (
        f'<section class="verdict {report.status}"><h2>{_TITLES[report.status]}</h2><p>{text}</p>'
        + (f"<ul>{reasons}</ul>" if reasons else "")
        + "</section>"
    )


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:]


def _summary(report: DeliveryReport) -> str:
    if report.status is Status.REFUSED:
        return ""
    held = "rows held back" if report.status is Status.ACCEPTED else "rows that can't be used"
    warned = sum(f.severity == _SEVERITIES["warning"] for f in report.findings)
    figures = (
        ("rows received", report.received_count),
        ("rows loaded", report.accepted_count),
        (held, report.held_back_count),
        ("values to check", warned),
    )
    items = "".join(f"<div><dd>{count:,}</dd><dt>{label}</dt></div>" for label, count in figures)
    return f'<dl class="figures">{items}</dl>'


def _by_rule(report: DeliveryReport) -> str:
    if not report.findings:
        return "<p>There is nothing to mend. Thank you.</p>" if report.status is Status.ACCEPTED else ""
    grouped: dict[tuple[str, str, str, str], int] = {}
    for f in report.findings:
        name = (f.severity, f.rule, f.message, f.fix)
        grouped[name] = grouped.get(name, 0) + 1
    ordered = sorted(grouped.items(), key=lambda item: (item[0][0] != "held back", -item[1], item[0]))
    body = "".join(
        html_row(
            ("What", f"<strong>{escape(message)}</strong> <code>{escape(rule)}</code>"),
            ("Effect", severity),
            ("Rows", f"{count:,}"),
            ("How to fix", escape(fix)),
        )
        for (severity, rule, message, fix), count in ordered
    )
    more = "".join(f"<p>{escape(sentence)}</p>" for sentence in report.uncounted)
    return "<h2>What to mend</h2>" + html_table("What to mend", ("What", "Effect", "Rows", "How to fix"), body) + more


def _rows(report: DeliveryReport) -> str:
    if not report.findings:
        return ""
    shown = report.findings[:SHOWN_IN_HTML]
    body = "".join(
        html_row(
            ("File", escape(f.file)),
            ("Line", "" if f.line is None else str(f.line)),
            ("Record", escape(f.record)),
            ("Column", escape(f.column)),
            ("Value", _shown_value(f.value)),
            ("Problem", escape(f.message)),
            ("Effect", f.severity),
        )
        for f in shown
    )
    left = len(report.findings) - len(shown)
    note = f"<p>{left:,} more are in the CSV file beside this page.</p>" if left else ""
    headers = ("File", "Line", "Record", "Column", "Value", "Problem", "Effect")
    return "<h2>Where it is</h2>" + html_table("Where it is", headers, body) + note


# The list of deliveries ---------------------------------------------------------------------------------------------


def _index_table(lines: Sequence[IndexLine]) -> str:
    if not lines:
        return ""
    body = "".join(
        html_row(
            ("Delivery", _link(line, line.name)),
            ("Exported", _moment(line.stated_at) or '<span class="none">not stated</span>'),
            ("Outcome", _outcome(line)),
            ("Held back", f"{line.held_back_count:,}"),
            ("To check", f"{line.to_check_count:,}"),
            ("Files", f'{_link(line, "page")} <a href="{line.delivery_id}.csv">CSV</a>'),
        )
        for line in lines
    )
    headers = ("Delivery", "Exported", "Outcome", "Held back", "To check", "Files")
    return html_table("Deliveries", headers, body)


def _index_clean(lines: Sequence[IndexLine]) -> str:
    names = (f"{_link(line, line.name)}{_stated(line)}" for line in lines)
    return f"Nothing to mend in {_counted(len(lines))}: {'; '.join(names)}."


def _counted(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count:,} deliveries"


def _link(line: IndexLine, text: str) -> str:
    return f'<a href="{line.delivery_id}.html">{escape(text)}</a>'


def _outcome(line: IndexLine) -> str:
    title = f'<strong class="{line.status}">{_TITLES[line.status]}</strong>'
    return " ".join([title, *(escape(_sentence(reason)) for reason in line.reasons)])


def _shown_value(value: str | None) -> str:
    if value is None:
        return ""
    return f"<samp>{escape(value)}</samp>" if value else '<span class="none">empty</span>'


def _make_private(folder: Path) -> None:
    for made in (folder.parent, folder):
        made.mkdir(parents=True, exist_ok=True, mode=0o700)
        made.chmod(0o700)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_suffix(f"{path.suffix}.{os.getpid()}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)


_STYLE = """
.verdict{border-left:.35rem solid;padding:.5rem 1rem;margin:1.25rem 0;background:var(--soft)}
.verdict h2{margin:0}
.verdict p,.verdict ul{margin:.25rem 0}
.verdict.accepted{border-color:var(--good)}.verdict.accepted h2{color:var(--good)}
.verdict.paused{border-color:var(--hold)}.verdict.paused h2{color:var(--hold)}
.verdict.refused{border-color:var(--bad)}.verdict.refused h2{color:var(--bad)}
td[data-label=Rows],td[data-label=Line],td[data-label=Effect]{font-variant-numeric:tabular-nums;white-space:nowrap}
strong.accepted{color:var(--good)}strong.paused{color:var(--hold)}strong.refused{color:var(--bad)}
td[data-label=Exported],td[data-label="Held back"],td[data-label="To check"],td[data-label=Files]{
font-variant-numeric:tabular-nums;white-space:nowrap}
td[data-label=Delivery],.clean{overflow-wrap:anywhere}
td[data-label=Delivery]{min-width:9rem}
td[data-label=File],td[data-label=Record],td[data-label=Value]{overflow-wrap:anywhere;min-width:9rem}
"""
