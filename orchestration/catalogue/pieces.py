"""Pieces that the pages of the catalogue share: names of files, cells of tables, and what stands in an empty one.

What belongs here: small parts as HTML. What does not: whole sections. Whatever comes from a release is escaped where it
enters the HTML: names are hostile until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestration.catalogue import charts, words
from orchestration.catalogue.figures import EVERYBODY, Compared, Figure, Grade, Kpi, Quality
from orchestration.catalogue.scale import number
from orchestration.html_page import escape, html_row, html_table

FOLDER = "catalogue"
"""Of a release."""
INDEX = "index.html"
Cell = tuple[str, str]
"""Header and content, as HTML."""


@dataclass(frozen=True)
class About:
    """What a page says of the release that it belongs to."""

    region: str
    release_id: str
    as_of: str


@dataclass
class Names:
    """File names of pages and anchors, from ids that may hold anything."""

    taken: dict[str, str] = field(default_factory=dict)

    def of(self, kind: str, id: str, text: str = "") -> str:
        """A name of letters, digits, dots and dashes; the same for the same thing, another for another. ``text`` is
        what the name is made of where it is not the id."""
        key = f"{kind}\0{id}"
        if key not in self.taken:
            base = f"{kind}-{re.sub(r'[^a-z0-9.]+', '-', (text or id).lower()).strip('-.')[:60] or 'x'}"
            used = set(self.taken.values())
            name, count = base, 2
            while name in used:
                name, count = f"{base}-{count}", count + 1
            self.taken[key] = name
        return self.taken[key]

    def kpi(self, kpi: Kpi) -> str:
        """File of a KPI's page."""
        return self.of("kpi", f"{kpi.id}-v{kpi.definition['version']}") + ".html"

    def publication(self, key: Sequence[str]) -> str:
        """File of the page of a published measure."""
        return self.of("published", "\0".join(key), "-".join(part for part in key if part != EVERYBODY)) + ".html"

    def organisation(self, id: str) -> str:
        """File of an organisation's page."""
        return self.of("organisation", id) + ".html"


def own_place(compared: Compared, kpi: Kpi) -> list[Cell]:
    """Where an organisation stands among all, as cells; empty ones where it was not compared."""
    f = compared.figure
    return [
        ("Value", value_cell(f, kpi) + small_print(counted(f, kpi))),
        ("95 % interval", interval_cell(f.ci95_lower, f.ci95_upper)),
        *peers_place(compared, kpi, EVERYBODY),
    ]


def peers_place(compared: Compared, kpi: Kpi, group: str) -> list[Cell]:
    return [
        ("Others' median", place_number(compared, "median_of_others", kpi, group)),
        ("Quartile", quartile_cell(compared, group)),
        ("Funnel", band_cell(compared, kpi, group)),
    ]


def filled_table(caption: str, rows: Sequence[tuple[str, Sequence[Cell]]]) -> str:
    """A table of (id, cells) without the columns that are empty in every row."""
    filled = {header for _, cells in rows for header, content in cells if content}
    headers = [header for header, _ in rows[0][1] if header in filled] if rows else []
    body = "".join(html_row(*(cell for cell in cells if cell[0] in filled), id=id) for id, cells in rows)
    return html_table(escape(caption), [escape(header) for header in headers], body)


def category_name(code: str) -> str:
    return words.CATEGORIES.get(code, words.plain(code).capitalize())


def doubt(kpi: Kpi) -> str:
    return "" if kpi.definition.get("is_verified") else ' <span class="badge doubt">unverified</span>'


def verified(kpi: Kpi) -> str:
    return '<span class="badge">verified</span>' if kpi.definition.get("is_verified") else doubt(kpi)


def value_cell(figure: Figure | None, kpi: Kpi) -> str:
    if figure is None:
        return '<span class="hidden">no data</span>'
    text = escape(words.shown(figure, kpi.unit))
    return text if figure.is_shown else f'<span class="hidden">{text}</span>'


def table_cell(kpi: Kpi) -> str:
    """Where the figures of a KPI are that has none of its own in the series; empty for all others."""
    return f"in <code>{escape(kpi.own_table)}</code>" if kpi.own_table else ""


def counted(figure: Figure, kpi: Kpi) -> str:
    """Numerator of denominator, where the KPI has them and they may be shown."""
    numerator = words.part(figure.numerator, figure.numerator_status)
    denominator = words.part(figure.denominator, figure.denominator_status)
    is_known = figure.numerator is not None or figure.denominator is not None
    if not is_known:
        return ""
    if numerator and denominator:
        return escape(f"{numerator} of {denominator}" if kpi.unit == "percent" else f"{numerator} for {denominator}")
    return escape(f"of {denominator} values") if denominator else ""


def small_print(text: str) -> str:
    return f"<br><small>{text}</small>" if text else ""


def interval_cell(lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None:
        return ""
    return f"{number(lower)} to {number(upper)}"


def number_cell(value: float | None) -> str:
    return "" if value is None else number(value)


def variation_cell(figure: Figure | None) -> str:
    if figure is None or figure.variation_code is None:
        return ""
    code = figure.variation_code
    name = words.VARIATIONS.get(code, (words.plain(code), ""))[0]
    known = code in words.VARIATIONS
    mark = charts.key_mark(code) if known else ""
    return f'<span class="{code if known else ""}">{mark}{escape(name)}</span>'


def place_number(compared: Compared, column: str, kpi: Kpi, group: str) -> str:
    value = compared.places.get(group, {}).get(column)
    return missing_place(compared, group) if value is None else escape(words.quantity(value, kpi.unit))


def missing_place(compared: Compared, group: str) -> str:
    """What stands where an organisation has no place: nothing for who was not compared, hidden where that is why."""
    place = compared.places.get(group, {})
    if compared.figure.is_shown and place.get("peer_status") == "suppressed" and place["peer_count"] > 1:
        return f'<span class="hidden">{words.STATUSES["suppressed"][0]}</span>'
    return ""


def quartile_cell(compared: Compared, group: str) -> str:
    place = compared.places.get(group, {})
    quartile, rank = place.get("quartile_number"), place.get("percentile_rank")
    if quartile is None:
        return missing_place(compared, group)
    return f"{quartile} of 4" + ("" if rank is None else small_print(f"ahead of {rank}\N{NO-BREAK SPACE}%"))


def band_cell(compared: Compared, kpi: Kpi, group: str) -> str:
    band = compared.places.get(group, {}).get("funnel_band_code")
    if band is None:
        return missing_place(compared, group)
    kind = charts.band_mark(band, kpi)
    name = escape(words.BANDS.get(band, words.plain(band)))
    return f'<span class="{kind if band.endswith("998") else ""}">{charts.key_mark(kind)}{name}</span>'


def quality_cell(quality: Quality | None) -> str:
    """Grade of a KPI's data, with the weakest part where it is short of an A."""
    if quality is None:
        return '<span class="hidden">no data</span>'
    weakest = "" if quality.grade == "A" else small_print(escape(words.quality_part(quality.weakest)))
    return escape(quality.grade) + weakest


def grade_cell(grade: Grade | None) -> str:
    if grade is None:
        return '<span class="hidden">no data</span>'
    if grade.grade_code is None or grade.completeness_pct is None:
        name = words.STATUSES.get(grade.completeness_status, ("not computed", ""))[0]
        return f'<span class="hidden">{escape(name)}</span>'
    period = words.period("quarter", grade.period_start_on, grade.period_end_on)
    return escape(f"{grade.grade_code}, {number(grade.completeness_pct)} % complete in {period}")


def target_value_cell(figure: Figure, kpi: Kpi) -> str:
    return "" if figure.target is None else escape(words.quantity(figure.target, kpi.unit))


def gap_cell(figure: Figure, kpi: Kpi) -> str:
    if figure.gap is not None:
        sign = "+" if figure.gap > 0 else ""
        return escape(sign + words.quantity(figure.gap, "points" if kpi.unit == "percent" else kpi.unit))
    return value_cell(figure, kpi) if not figure.is_shown else '<span class="none">no direction</span>'


def judgement_cell(figure: Figure, kpi: Kpi, quality: Quality | None = None) -> str:
    if figure.rag_code in words.RAGS:
        kind = {"green": "improvement", "red": "concern"}.get(figure.rag_code, "edge")
        return f'<span class="{kind}">{charts.key_mark(kind)}{words.RAGS[figure.rag_code]}</span>'
    if not figure.is_shown:
        return value_cell(figure, kpi)
    why = words.why_not_judged(figure, kpi.direction, quality.grade if quality else None)
    return f'<span class="hidden">not judged: {escape(why)}</span>'


def details(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>{content}</details>"


def plain_table(caption: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of many short cells, without columns that are empty in every row; narrow screens scroll it."""
    listed = list(rows)
    filled = [index for index in range(len(headers)) if any(cells[index] for cells in listed)]
    headers, listed = [headers[i] for i in filled], [[cells[i] for i in filled] for cells in listed]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in headers)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for cells in listed)
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table class="plain">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
