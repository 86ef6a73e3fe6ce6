"""The page that leads to all others: every KPI by category, the organisations, and how to read them."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.catalogue import charts, words
from orchestration.catalogue.figures import Grade, Kpi, KpiFigures
from orchestration.catalogue.pieces import (
    About,
    Names,
    category_name,
    doubt,
    grade_cell,
    judgement_cell,
    small_print,
    table_cell,
    value_cell,
    variation_cell,
)
from orchestration.catalogue.publication_page import title_of
from orchestration.catalogue.publications import Publication
from orchestration.catalogue.style import STYLE
from orchestration.html_page import document, escape, html_row, html_table


def index_page(
    entries: Sequence[tuple[Kpi, str]],
    published: Sequence[str],
    organisations: Sequence[tuple[str, str]],
    grades: Sequence[Grade],
    names: Names,
    about: About,
) -> str:
    """All KPIs by category, what others published, and how to read what is behind them. ``published``: ready rows."""
    by_category: dict[str, list[tuple[Kpi, str]]] = {}
    for kpi, entry in entries:
        by_category.setdefault(kpi.category, []).append((kpi, entry))
    order = list(words.CATEGORIES)
    categories = sorted(by_category, key=lambda c: (order.index(c) if c in order else len(order), c))
    contents = "".join(
        f'<li><a href="#{names.of("category", c)}">{escape(category_name(c))}</a> ({len(by_category[c])})</li>'
        for c in categories
    )
    contents += f'<li><a href="#published">Published figures</a> ({len(published)})</li>' if published else ""
    parts = [
        f"<header><h1>{escape(about.region)}: indicators and how they stand</h1>",
        f'<p class="where">Release {escape(about.release_id)}, as of {escape(about.as_of)}. {len(entries)} indicators, '
        f"{len(organisations)} organisations compared.</p></header>",
        f'<nav aria-label="Contents"><ul>{contents}<li><a href="#organisations">Organisations</a></li>'
        '<li><a href="#reading">How to read this</a></li></ul></nav>',
    ]
    headers = ("Indicator", "Latest", "Trend", "Signal", "Target")
    for c in categories:
        rows = "".join(entry for _, entry in by_category[c])
        parts.append(
            f'<section><h2 id="{names.of("category", c)}">{escape(category_name(c))}</h2>'
            f'<div class="overview">{html_table(escape(category_name(c)), headers, rows)}</div></section>'
        )
    if published:
        headers = ("Indicator", "Latest", "Trend", "Signal", "Publication")
        parts.append(
            '<section><h2 id="published">Published figures</h2><p>What others publish, charted and compared as own '
            f'figures are.</p><div class="overview">{html_table("Published figures", headers, "".join(published))}'
            "</div></section>"
        )
    parts += [_organisation_list(organisations, grades, names), _reading(bool(published))]
    return document(f"{about.region}: indicators", "\n".join(parts), STYLE)


def index_entry(figures: KpiFigures, names: Names) -> str:
    """A KPI's row on the index."""
    kpi, series = figures.kpi, figures.region[0] if figures.region else []
    newest = words.latest(series)
    text = f"{kpi.name}. {words.trend_text(kpi, series)}"
    target = next((f for f in figures.targets if f.level_code == "region"), None)
    of = [words.group(newest.slice_value)] if newest and newest.slice_value != "all" else []
    of += [words.period_of(newest)] if newest else []
    of += [f"one of {len(figures.region)} series"] if len(figures.region) > 1 else []
    return html_row(
        ("Indicator", f'<a href="{names.kpi(kpi)}">{escape(kpi.id)} {escape(kpi.name)}</a>{doubt(kpi)}'
                      f"<br><small>{escape(kpi.definition['question'])}</small>"),
        ("Latest", table_cell(kpi) or value_cell(newest, kpi) + small_print(escape(", ".join(of)))),
        ("Trend", charts.spark(series, kpi, text) if len(series) > 1 else ""),
        ("Signal", variation_cell(words.charted(series))),
        ("Target", judgement_cell(target, kpi) if target else '<span class="none">none</span>'),
    )  # fmt: skip


def published_entry(publication: Publication, names: Names) -> str:
    """A published measure's row on the index."""
    measure, d = publication.measure, publication.about
    series = publication.national[0] if publication.national else []
    newest = words.latest(series)
    text = f"{measure.name}, {d['publication_name']}. {words.trend_text(measure, series)}"
    count = sum(len(level.series) for level in publication.levels)
    latest = "" if newest is None else value_cell(newest, measure) + small_print(
        escape(f"{newest.level_name}, {words.period_of(newest)}"))  # fmt: skip
    return html_row(
        ("Indicator", f'<a href="{names.publication(publication.key)}">{escape(title_of(publication))}</a>'
                      f"<br><small>{escape(_levels(publication))}</small>"),
        ("Latest", latest or escape(f"{count} organisations")),
        ("Trend", charts.spark(series, measure, text) if len(series) > 1 else ""),
        ("Signal", variation_cell(words.charted(series))),
        ("Publication", escape(d["publication_name"]) + small_print(
            escape(f"method {d['method_version']}, {words.COMPARABILITIES[d['comparability_code']]}"))),
    )  # fmt: skip


def _levels(publication: Publication) -> str:
    """Whom the measure is of."""
    counted = [(len(level.series), words.level(level.code)) for level in publication.levels]
    return ", ".join(name if count == 1 and name == "nation" else f"{count} {name}" for count, name in counted)


def _organisation_list(organisations: Sequence[tuple[str, str]], grades: Sequence[Grade], names: Names) -> str:
    known = {g.organisation_id: g for g in grades}
    rows = "".join(
        html_row(
            ("Organisation", f'<a href="{names.organisation(id)}">{escape(name)}</a>'),
            ("Quality of data", grade_cell(known.get(id))),
        )
        for id, name in organisations
    )
    body = (
        html_table("Organisations", ("Organisation", "Quality of data"), rows) if rows else "<p>None is compared.</p>"
    )
    return f'<section><h2 id="organisations">Organisations</h2>{body}</section>'


def _reading(has_published: bool) -> str:
    statuses = "".join(
        f"<dt>{charts.key_mark(code)}{escape(name)}</dt><dd>{escape(why)}</dd>"
        for code, (name, why) in words.STATUSES.items()
        if code != "not_published" or has_published
    )
    variations = "".join(
        f"<dt>{charts.key_mark(code)}{escape(name)}</dt><dd>{escape(meaning[:1].upper() + meaning[1:])}.</dd>"
        for code, (name, meaning) in words.VARIATIONS.items()
    )
    rules = "".join(f"<dt>{code}</dt><dd>{escape(meaning)}</dd>" for code, meaning in words.RULES.items())
    assurances = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(meaning[:1].upper() + meaning[1:])}.</dd>"
        for name, meaning in words.ASSURANCES.values()
    )
    return (
        f'<section><h2 id="reading">How to read this</h2><p>{_PROTECTED}</p>'
        f'<dl class="definition">{statuses}</dl>'
        f'<h3>Trends</h3><p>{_TRENDS}</p><dl class="definition">{variations}</dl>'
        f'<p>The letter at the first mark of a run names its rule:</p><dl class="definition">{rules}</dl>'
        f'<p>Against a target, the limits say what to expect:</p><dl class="definition">{assurances}</dl>'
        f"<h3>Organisations</h3><p>{_ORGANISATIONS}</p><h3>Quality of data</h3><p>{_QUALITY}</p></section>"
    )


_PROTECTED = """Every number here is protected: small counts are hidden and others rounded, and rates are made from the
rounded counts. A number that is not shown always says why:"""
_TRENDS = """Monthly indicators are process charts: XmR, and for shares and rates p or u, of Laney's form where months
differ by more than chance; their limits are wider where fewer are counted. Mean and limits follow from the first twelve
months and stay, so that a later change stands out. Between the limits, ups and downs are chance. A hollow mark is a
figure that may still change."""
_ORGANISATIONS = """In a funnel, organisations of equal quality lie within the limits by chance; small ones vary more.
Only beyond the 99.8 % limit is it a signal. Quartiles need eight other organisations, a median of the others five;
quartile 4 is best, or highest where neither high nor low is better. Differences between organisations may lie in whom
they serve."""
_QUALITY = """An organisation's grade is of completeness in the latest whole quarter: A from 98 %, B from 95 %, C from
85 %, D below. An indicator's grade is of what that indicator is made of: the weakest of its tables of records and of
the values on which it turns."""
