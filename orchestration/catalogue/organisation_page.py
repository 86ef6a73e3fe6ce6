"""The page of an organisation: its own place in every KPI that organisations are compared by."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.catalogue import words
from orchestration.catalogue.figures import Compared, Grade, Kpi, Quality
from orchestration.catalogue.pieces import INDEX, About, Names, filled_table, grade_cell, own_place, quality_cell
from orchestration.catalogue.style import STYLE
from orchestration.html_page import document, escape

Own = tuple[Kpi, Compared, Quality | None]
"""A KPI with the organisation's figure among the others' and the quality of the data behind it."""


def organisation_page(name: str, listed: Sequence[Own], grade: Grade | None, names: Names, about: About) -> str:
    """An organisation's own place in every KPI that organisations are compared by."""
    rows = [
        (
            "",
            [
                ("Indicator", f'<a href="{names.kpi(kpi)}#{names.of("of", c.figure.level_key)}">{escape(kpi.id)} '
                              f"{escape(kpi.name)}</a><br><small>{words.DIRECTIONS[kpi.direction]}</small>"),
                ("Period", escape(words.period_of(c.figure))),
                *own_place(c, kpi),
                ("Quality", quality_cell(quality) if quality else ""),
                ("Remarks", escape("; ".join(words.cautions(c.figure)))),
            ],
        )
        for kpi, c, quality in listed
        if c.figure.value_status != "not_computed"
    ]  # fmt: skip
    parts = [
        f'<header><p class="where"><a href="{INDEX}">{escape(about.region)}: all indicators</a></p>',
        f"<h1>{escape(name)}: own place</h1>",
        f"<p>Quality of data: {grade_cell(grade)}</p></header>",
        filled_table(f"{name} beside the others", rows),
        "<p>A cell is empty where the indicator has no such figure or too few organisations are compared.</p>",
        _not_computed(listed, names),
        f'<footer><p class="where">Release {escape(about.release_id)}, as of {escape(about.as_of)}. '
        f'<a href="{INDEX}#reading">How to read this</a></p></footer>',
    ]
    return document(f"{name}: {about.region}", "\n".join(parts), STYLE)


def _not_computed(listed: Sequence[Own], names: Names) -> str:
    """The KPIs that say nothing about the organisation, apart from those that do."""
    links = [
        f'<a href="{names.kpi(kpi)}#{names.of("of", c.figure.level_key)}">{escape(kpi.id)} {escape(kpi.name)}</a>'
        for kpi, c, _ in listed
        if c.figure.value_status == "not_computed"
    ]
    if not links:
        return ""
    name, why = words.STATUSES["not_computed"]
    return f"<h2>{escape(name.capitalize())}</h2><p>{escape(why)}</p><p>{', '.join(links)}.</p>"
