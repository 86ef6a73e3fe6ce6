"""The sheets of the sample region as files: workbooks that follow the template, CSV files with headers of their own.

What belongs here: how each provider writes its sheets, its mapping block, and the deliveries. What does not: rows
(``management``) and defects (``management_defects``).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import xlsxwriter

from sources.management._entities import Entity, Kind, entities
from sources.sample.calendar import day, iso
from sources.sample.files import write_zip
from sources.sample.hmis import Course
from sources.sample.management import Management, Row, Value
from sources.sample.management_defects import PLANS, RAW, Planting, source_of
from sources.sample.planted import Defect, DeliveryFact, Ledger
from sources.sample.world import PROVIDERS, Provider

SENT = day("2025-10-01")
SENT_BEFORE = day("2025-07-02")
_RESENT_FROM = "2025-06-01"
"""The later of two deliveries begins with the last month of the earlier, corrected."""
_BY_MONTH = {"staffing": "month_end_on", "finance": "month_start_on", "supervision": "month_end_on"}
_DAYS = frozenset({Kind.DATE, Kind.MONTH_START, Kind.MONTH_END})


@dataclass(frozen=True)
class Style:
    """How a provider writes its sheets."""

    is_workbook: bool = True
    title_rows: int = 0
    delimiter: str = ","
    decimal: str = "."
    day_first: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    """Column → header, where it is not the column's own name."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Entity → name of its file without suffix, where it is not the entity's."""
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column → code → how it is written."""
    sends_twice: bool = False


STYLES: dict[str, Style] = {
    "harbour": Style(sends_twice=True),
    "tidewell": Style(title_rows=2),
    "brackwater": Style(
        is_workbook=False,
        delimiter=";",
        decimal=",",
        day_first=True,
        headers={
            "team_code": "Team", "role_code": "Post", "month_end_on": "Month end",
            "fte_established": "FTE establishment", "fte_in_post": "FTE in post", "staff_code": "Staff no",
            "cost_centre_code": "Cost centre", "month_start_on": "Month", "actual_amount": "Spent",
            "budget_amount": "Budget",
        },
        files={"staffing": "personnel", "finance": "ledger"},
        sends_twice=True,
    ),
    "kestrelby": Style(
        is_workbook=False,
        headers={"person_code": "Client", "episode_code": "Stay", "staff_code": "Payroll"},
        words={
            "status_code": {"done": "Finished", "met": "Reached", "active": "Running"},
            "attendance_code": {"attended": "Seen", "did_not_attend": "DNA", "cancelled_by_person": "Client cancelled"},
        },
    ),
}  # fmt: skip


def senders() -> list[Provider]:
    """The providers that send sheets."""
    return [provider for provider in PROVIDERS if provider.id in PLANS]


def style_of(provider: Provider) -> Style:
    return STYLES.get(provider.id, Style())


class ManagementWriter:
    """Writes all sheets of a provider."""

    def __init__(self, provider: Provider, ledger: Ledger):
        self.provider, self.ledger = provider, ledger
        self.management = Management(provider, ledger)

    def on_course(self, course: Course) -> None:
        """Hear of the enrolments that reviews and goals are about."""
        self.management.on_course(course)

    def finish(self, root: Path) -> None:
        """Draw, plant and write."""
        self.management.draw()
        rows = self.management.rows
        planting = Planting(self.provider, rows, self.ledger)
        PLANS[self.provider.id](planting)
        if style_of(self.provider).sends_twice:
            self._deliver(root, _before(rows), SENT_BEFORE, None)
            rows = {e: [r for r in part if _is_later(e, r)] for e, part in rows.items()}
        self._deliver(root, rows, SENT, planting)

    def _deliver(self, root: Path, rows: Mapping[str, list[Row]], sent: int, planting: Planting | None) -> None:
        style, source = style_of(self.provider), source_of(self.provider)
        suffix = "xlsx" if style.is_workbook else "zip"
        name = f"{source}_{iso(sent)}.{suffix}"
        path = f"deliveries/{source}/{name}"
        filled = {entity: rows[entity] for entity in entities() if rows.get(entity)}
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        write = _write_workbook if style.is_workbook else _write_csvs
        write(root / path, self.provider, filled, sent)
        files = {e: f"{name}#{_sheet_name(e)}" if style.is_workbook else f"{style.files.get(e, e)}.csv" for e in filled}
        unreadable: dict[str, int] = {}
        for entity, row, defect, others in planting.found if planting else ():
            first = 2 + style.title_rows
            at = next(i for i, r in enumerate(rows[entity]) if r is row)
            defect.delivery, defect.file = path, files[entity]
            defect.written(at + first, at + 1)
            if not style.is_workbook:
                _tell_as_written(defect, style, entities()[entity], row, has_others=bool(others))
            defect.other_lines = [next(i for i, r in enumerate(rows[entity]) if r is o) + first for o in others]
            if defect.rule in ("wrong_field_count", "identifying_code"):
                unreadable[files[entity]] = unreadable.get(files[entity], 0) + 1
        fact = DeliveryFact(source, "sheet", self.provider.id, path, None, "loaded", "delta", None)
        self.ledger.deliveries.append(
            replace(
                fact,
                rows={files[e]: len(part) for e, part in filled.items()},
                unreadable=unreadable,
                landed={e: len(part) - unreadable.get(files[e], 0) for e, part in filled.items()},
            )
        )


def _tell_as_written(defect: Defect, style: Style, entity: Entity, row: Row, *, has_others: bool) -> None:
    """Value and record of a defect as they stand in a CSV file."""
    cells = {c: _text(style, kind, c, row.get(c)) for c, kind in entity.kinds.items() if row.get(c) is not None}
    if defect.column:
        defect.value = cells.get(defect.column)
    named = cells.get(defect.column or "") if has_others else next(iter(cells.values()), None)
    defect.record = str(row[RAW]).split(style.delimiter)[0] if RAW in row else named


def mapping_of(provider: Provider) -> list[str]:
    """The source's mapping block in the region file; none for those who follow the template."""
    style = style_of(provider)
    if style.is_workbook:
        return []
    lines = ["    mapping:"]
    lines += [f'      delimiter: "{style.delimiter}"'] if style.delimiter != "," else []
    lines += [f'      decimal: "{style.decimal}"'] if style.decimal != "." else []
    lines += ["      dates: day_first"] if style.day_first else []
    lines.append("      columns:")
    lines += [f"        {header}: {column}" for column, header in style.headers.items()]
    if style.words:
        lines.append("      codes:")
        for column, words in style.words.items():
            lines.append(f"        {column}: {{{', '.join(f'{word}: {code}' for code, word in words.items())}}}")
    if style.files:
        lines.append("      tables:")
        lines += [f"        {name}: {{entity: {entity}}}" for entity, name in style.files.items()]
    return lines


def _before(rows: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """What was sent in July: months up to June, the last one as it was known then. Planted rows are later."""
    found: dict[str, list[Row]] = {}
    for entity, column in _BY_MONTH.items():
        found[entity] = [
            {**row, "fte_absent": Decimal(0)} if entity == "staffing" and str(row[column]) >= _RESENT_FROM else row
            for row in rows[entity]
            if str(row[column]) < "2025-07-01"
        ]
    return found


def _is_later(entity: str, row: Row) -> bool:
    return entity not in _BY_MONTH or str(row[_BY_MONTH[entity]]) >= _RESENT_FROM


def _sheet_name(entity: str) -> str:
    return entity.replace("_", " ").capitalize()


def _columns(entity: Entity, rows: Sequence[Row]) -> list[str]:
    """The entity's columns that any row fills, and those that it needs."""
    needed = {column.name for column in entity.table.columns if column.required}
    return [name for name in entity.kinds if name in needed or any(row.get(name) is not None for row in rows)]


def _write_workbook(path: Path, provider: Provider, rows: Mapping[str, list[Row]], sent: int) -> None:
    """A workbook with real dates and numbers; packed again without compression, so that it is the same everywhere."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    book.set_properties({"title": f"Sheets of {provider.name}", "created": datetime.fromisoformat(iso(sent))})
    as_date = book.add_format({"num_format": "yyyy-mm-dd"})
    title_rows = style_of(provider).title_rows
    for name, part in rows.items():
        entity = entities()[name]
        sheet = book.add_worksheet(_sheet_name(name))
        if title_rows:
            sheet.write(0, 0, f"{provider.name}: {entity.title}")
        columns = _columns(entity, part)
        sheet.write_row(title_rows, 0, columns)
        for at, row in enumerate(part, start=title_rows + 1):
            for place, column in enumerate(columns):
                value = row.get(column)
                if value is None:
                    continue
                if entity.kinds[column] in _DAYS and (moment := _moment(str(value))):
                    sheet.write_datetime(at, place, moment, as_date)
                elif isinstance(value, str):
                    sheet.write_string(at, place, value)
                else:
                    sheet.write_number(at, place, float(value))
    book.close()
    made.seek(0)
    with zipfile.ZipFile(made) as archive:
        members: dict[str, Path | bytes] = {name: archive.read(name) for name in archive.namelist()}
    write_zip(path, members, iso(sent))


def _write_csvs(path: Path, provider: Provider, rows: Mapping[str, list[Row]], sent: int) -> None:
    style = style_of(provider)
    members: dict[str, Path | bytes] = {}
    for name, part in rows.items():
        entity = entities()[name]
        columns = _columns(entity, part)
        lines = [style.delimiter.join(style.headers.get(column, column) for column in columns)]
        for row in part:
            if RAW in row:
                lines.append(str(row[RAW]))
                continue
            cells = (_text(style, entity.kinds[column], column, row.get(column)) for column in columns)
            lines.append(style.delimiter.join(cells))
        members[f"{style.files.get(name, name)}.csv"] = ("\r\n".join(lines) + "\r\n").encode()
    write_zip(path, members, iso(sent))


def _text(style: Style, kind: Kind, column: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f").replace(".", style.decimal)
    text = style.words.get(column, {}).get(str(value), str(value))
    if style.day_first and kind in _DAYS and (moment := _moment(text)):
        text = moment.strftime("%d/%m/%Y")
    quoted = any(sign in text for sign in (style.delimiter, '"', "\n"))
    return '"' + text.replace('"', '""') + '"' if quoted else text


def _moment(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time())
    except ValueError:
        return None
