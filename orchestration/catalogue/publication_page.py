"""The page of a published measure: who says it and by which method, how it goes, and how organisations compare."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.catalogue import words
from orchestration.catalogue.figures import EVERYBODY, Compared, Figure, Kpi, Row
from orchestration.catalogue.pieces import (
    INDEX,
    About,
    Names,
    counted,
    details,
    filled_table,
    gap_cell,
    interval_cell,
    judgement_cell,
    peers_place,
    small_print,
    target_value_cell,
    value_cell,
    variation_cell,
)
from orchestration.catalogue.publications import Level, Publication
from orchestration.catalogue.sections import comparison, each, too_few, trends
from orchestration.catalogue.style import STYLE
from orchestration.html_page import document, escape

FEW = 60
"""Organisations whose small trends a page shows without being asked."""


def publication_page(publication: Publication, kpis: Sequence[Kpi], names: Names, about: About) -> str:
    """Everything about one published measure."""
    measure, d = publication.measure, publication.about
    own = next((kpi for kpi in reversed(kpis) if kpi.id == d["kpi_id"]), None)
    sections: list[tuple[str, str, str]] = []
    if publication.national:
        first = trends(measure, publication.national, lambda figure: figure.level_name)
        sections.append(("trend", "Trend", first))
    for level in publication.levels:
        sections += _level_sections(publication, level, names)
    sections.append(("target", "Distance to target", _targets(publication)))
    sections.append(("about", "About these figures", _about(d, own, names)))
    contents = "".join(f'<li><a href="#{id}">{escape(title)}</a></li>' for id, title, content in sections if content)
    name = title_of(publication)
    parts = [
        f'<header><p class="where"><a href="{INDEX}">{escape(about.region)}: all indicators</a></p>',
        f"<h1>{escape(name)}</h1>",
        f'<p class="lead">Published figures: {escape(d["publication_name"])}</p>',
        f'<p><span class="badge">published by others</span>'
        f'<span class="badge">{words.DIRECTIONS[measure.direction]}</span>'
        f'<span class="badge">method {escape(d["method_version"])}</span>'
        f'<span class="badge">{escape(words.COMPARABILITIES[d["comparability_code"]])}</span></p></header>',
        f'<nav aria-label="On this page"><ul>{contents}</ul></nav>',
        _glance(publication),
        *(f'<section><h2 id="{id}">{escape(title)}</h2>{text}</section>' for id, title, text in sections if text),
        f'<footer><p class="where">Release {escape(about.release_id)}, as of {escape(about.as_of)}. Figures as their '
        "publisher gives them; charts, funnels and limits are made here.</p></footer>",
    ]
    return document(f"{name}, {d['publication_name']}: {about.region}", "\n".join(parts), STYLE)


def title_of(publication: Publication) -> str:
    """The measure, with the group of people that it is of."""
    kind, group = publication.key[3:5]
    of = "" if group == EVERYBODY else f", {words.plain(kind)} {words.group(group)}"
    return publication.measure.name + of


def _glance(publication: Publication) -> str:
    measure, items = publication.measure, []
    for series in publication.national[:4]:
        newest = words.latest(series)
        if newest is not None:
            of = f"{escape(newest.level_name)}, {escape(words.period_of(newest))}"
            items.append((of, value_cell(newest, measure), counted(newest, measure)))
        chart = words.charted(series)
        if chart is not None:
            items.append((f"Signal, {escape(chart.level_name)}", variation_cell(chart), escape(words.period_of(chart))))
    for level in publication.levels:
        if any(c.place for c in level.compared):
            shown = [c for c in level.compared if c.figure.is_shown]
            outside = sum((c.place.get("funnel_band_code") or "").endswith("998") for c in shown)
            has_funnel = any(c.place.get("funnel_band_code") for c in shown)
            small = f"{outside} outside the 99.8 % limits" if has_funnel else ""
            name = f"Compared, {escape(words.level(level.code))}"
            items.append((name, f"{len(shown)} of {len(level.compared)}", small))
    inner = "".join(f"<div><dt>{t}</dt><dd><strong>{v}</strong><small>{s}</small></dd></div>" for t, v, s in items)
    return f'<dl class="glance">{inner}</dl>' if items else ""


def _level_sections(publication: Publication, level: Level, names: Names) -> list[tuple[str, str, str]]:
    """A level's organisations beside each other, and the small trend of each."""
    measure, plural = publication.measure, words.level(level.code)
    found = []
    name = names.of("level", level.code)
    if level.compared:
        is_comparable = any(c.place for c in level.compared)
        ordered = words.ranked(measure, level.compared)
        rest = [c for c in level.compared if not c.figure.is_shown]
        numbers = {c.figure.level_key: index for index, c in enumerate([*ordered, *rest], 1)}
        table = _table(measure, level, [*ordered, *rest], numbers)
        if is_comparable:
            pictures = comparison(measure, level.compared, numbers, whose=plural, name=f"{name}-")
            found.append((name, f"{plural.capitalize()} beside each other", pictures + table + too_few(ordered)))
        else:
            found.append((name, f"Latest figures of the {plural}", f"<p>{words.NOT_COMPARED}</p>{table}"))
    if level.series != publication.national and any(len(series) > 1 for series in level.series):
        small = each(measure, level.series)
        is_long = small and len(level.series) > FEW
        small = details(f"All {len(level.series)}", small) if is_long else small
        found.append((f"{name}-each", f"Trend of each of the {plural}", small))
    return found


def _table(measure: Kpi, level: Level, ordered: Sequence[Compared], numbers: dict[str, int]) -> str:
    rows = [
        (
            "",
            [
                ("No.", str(numbers[c.figure.level_key])),
                ("Organisation", escape(c.figure.level_name) + small_print(escape(_code(c.figure)))),
                ("Value", value_cell(c.figure, measure) + small_print(counted(c.figure, measure))),
                ("Rounding leaves", _left_open(level.bounds[c.figure.level_key])),
                ("95 % interval", interval_cell(c.figure.ci95_lower, c.figure.ci95_upper)),
                *peers_place(c, measure, EVERYBODY),
                ("Signal", variation_cell(c.figure)),
            ],
        )
        for c in ordered
    ]
    return filled_table(f"{words.level(level.code).capitalize()}, {words.period_of(ordered[0].figure)}", rows)


def _code(figure: Figure) -> str:
    return "" if figure.level_key == figure.level_name else figure.level_key


def _left_open(row: Row) -> str:
    """The interval of the true value, where rounding or hiding leaves one; no narrower than the publisher's marks."""
    lower, upper = row["value_lower"], row["value_upper"]
    return "" if lower is None or upper is None or lower == upper else interval_cell(lower, upper)


def _targets(publication: Publication) -> str:
    """Targets that the region set for published figures; most have none, and then nothing is said."""
    rows = [
        (
            "",
            [
                ("Whose", escape(f.level_name)),
                ("Period", escape(words.period_of(f))),
                ("Value", value_cell(f, publication.measure)),
                ("Target", target_value_cell(f, publication.measure)),
                ("Gap", gap_cell(f, publication.measure)),
                ("Judgement", judgement_cell(f, publication.measure)),
            ],
        )
        for f in publication.targets
    ]
    return filled_table("Distance to target", rows) + f"<p>{words.PUBLISHED_TARGETS}</p>" if rows else ""


def _about(d: Row, own: Kpi | None, names: Names) -> str:
    stated = '<span class="none">not stated in the region file</span>'
    link = (
        f'<a href="{names.kpi(own)}">{escape(own.id)} {escape(own.name)}</a>'
        if own
        else '<span class="none">none</span>'
    )
    items = [
        ("Publication", escape(d["publication_name"])),
        ("Source", escape(d["publication_source"]) or stated),
        ("Licence", escape(d["licence"]) or stated),
        ("Version of the method", escape(d["method_version"])),
        ("Comparability with own figures", escape(words.COMPARABILITIES[d["comparability_code"]])),
        ("Own indicator", link),
        ("Unit", escape(words.UNITS.get(d["unit_code"], words.plain(d["unit_code"])))),
        ("Statistic", escape(words.plain(d["statistic_code"]))),
        ("Direction", words.DIRECTIONS[int(d["direction"] or 0)]),
        ("Chart", escape(words.PUBLISHED_CHART)),
        ("Table", "<code>pub_benchmark_external</code>"),
    ]
    inner = "".join(f"<dt>{label}</dt><dd>{text}</dd>" for label, text in items)
    return f'<dl class="definition">{inner}</dl>'
