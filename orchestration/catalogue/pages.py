"""The pages of the catalogue: one that leads to all, one a KPI, one an organisation.

What belongs here: how a page is put together from figures, words and pictures. What does not: any of these three.

Whatever comes from a release is escaped where it enters the HTML: names are hostile until then.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from orchestration.catalogue import charts, words
from orchestration.catalogue.figures import (
    EVERYBODY,
    Compared,
    Figure,
    Grade,
    Kpi,
    KpiFigures,
    Row,
    read_figures,
    read_grades,
    read_kpis,
)
from orchestration.catalogue.scale import number
from orchestration.catalogue.style import STYLE
from orchestration.html_page import document, escape, html_row, html_table

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

    def of(self, kind: str, id: str) -> str:
        """A name of letters, digits, dots and dashes; the same for the same thing, another for another."""
        key = f"{kind}\0{id}"
        if key not in self.taken:
            base = f"{kind}-{re.sub(r'[^a-z0-9.]+', '-', id.lower()).strip('-.')[:60] or 'x'}"
            used = set(self.taken.values())
            name, count = base, 2
            while name in used:
                name, count = f"{base}-{count}", count + 1
            self.taken[key] = name
        return self.taken[key]

    def kpi(self, kpi: Kpi) -> str:
        """File of a KPI's page."""
        return self.of("kpi", f"{kpi.id}-v{kpi.definition['version']}") + ".html"

    def organisation(self, id: str) -> str:
        """File of an organisation's page."""
        return self.of("organisation", id) + ".html"


def write_catalogue(release: Path, served: str, about: About) -> list[Path]:
    """Write the catalogue of a release from its served tables. Returns the files, the index first."""
    folder = release / FOLDER
    folder.mkdir()
    with duckdb.connect(str(release / served), read_only=True) as connection:
        connection.execute("SET threads = 1")  # the whole is small: a second thread only costs
        texts = render(connection, about)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def render(connection: duckdb.DuckDBPyConnection, about: About) -> dict[str, str]:
    """Name → text of every page, the index first."""
    kpis, grades, names = read_kpis(connection), read_grades(connection), Names()
    pages: dict[str, str] = {INDEX: ""}
    entries: list[tuple[Kpi, str]] = []
    own: dict[str, list[tuple[Kpi, Compared]]] = {}
    for position, figures in enumerate(read_figures(connection, kpis)):
        around = (kpis[position - 1] if position else None, kpis[position + 1] if position + 1 < len(kpis) else None)
        pages[names.kpi(figures.kpi)] = kpi_page(figures, kpis, grades, names, about, around)
        entries.append((figures.kpi, _entry(figures, names)))
        for compared in figures.compared:
            own.setdefault(compared.figure.level_key, []).append((figures.kpi, compared))
    organisations = {c.figure.level_key: c.figure.level_name for listed in own.values() for _, c in listed}
    ordered = sorted(organisations.items(), key=lambda item: (item[1], item[0]))
    for id, name in ordered:
        grade = next((g for g in grades if g.organisation_id == id), None)
        pages[names.organisation(id)] = organisation_page(name, own[id], grade, names, about)
    pages[INDEX] = index_page(entries, ordered, grades, names, about)
    return pages


# The index ----------------------------------------------------------------------------------------------------------


def index_page(
    entries: Sequence[tuple[Kpi, str]],
    organisations: Sequence[tuple[str, str]],
    grades: Sequence[Grade],
    names: Names,
    about: About,
) -> str:
    """All KPIs by category, and how to read what is behind them."""
    by_category: dict[str, list[tuple[Kpi, str]]] = {}
    for kpi, entry in entries:
        by_category.setdefault(kpi.category, []).append((kpi, entry))
    order = list(words.CATEGORIES)
    categories = sorted(by_category, key=lambda c: (order.index(c) if c in order else len(order), c))
    contents = "".join(
        f'<li><a href="#{names.of("category", c)}">{escape(_category(c))}</a> ({len(by_category[c])})</li>'
        for c in categories
    )
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
            f'<section><h2 id="{names.of("category", c)}">{escape(_category(c))}</h2>'
            f'<div class="overview">{html_table(escape(_category(c)), headers, rows)}</div></section>'
        )
    parts += [_organisation_list(organisations, grades, names), _reading()]
    return document(f"{about.region}: indicators", "\n".join(parts), STYLE)


def _entry(figures: KpiFigures, names: Names) -> str:
    """A KPI's row on the index."""
    kpi, series = figures.kpi, figures.region[0] if figures.region else []
    newest = words.latest(series)
    text = f"{kpi.name}. {words.trend_text(kpi, series)}"
    target = next((f for f in figures.targets if f.level_code == "region"), None)
    of = [words.group(newest.slice_value)] if newest and newest.slice_value != "all" else []
    of += [words.period_of(newest)] if newest else []
    of += [f"one of {len(figures.region)} series"] if len(figures.region) > 1 else []
    return html_row(
        ("Indicator", f'<a href="{names.kpi(kpi)}">{escape(kpi.id)} {escape(kpi.name)}</a>{_doubt(kpi)}'
                      f"<br><small>{escape(kpi.definition['question'])}</small>"),
        ("Latest", _value(newest, kpi) + _small(escape(", ".join(of)))),
        ("Trend", charts.spark(series, kpi, text) if len(series) > 1 else ""),
        ("Signal", _variation(words.charted(series))),
        ("Target", _judgement(target, kpi) if target else '<span class="none">none</span>'),
    )  # fmt: skip


def _organisation_list(organisations: Sequence[tuple[str, str]], grades: Sequence[Grade], names: Names) -> str:
    known = {g.organisation_id: g for g in grades}
    rows = "".join(
        html_row(
            ("Organisation", f'<a href="{names.organisation(id)}">{escape(name)}</a>'),
            ("Quality of data", _grade(known.get(id))),
        )
        for id, name in organisations
    )
    body = (
        html_table("Organisations", ("Organisation", "Quality of data"), rows) if rows else "<p>None is compared.</p>"
    )
    return f'<section><h2 id="organisations">Organisations</h2>{body}</section>'


def _reading() -> str:
    statuses = "".join(
        f"<dt>{charts.key_mark(code)}{escape(name)}</dt><dd>{escape(why)}</dd>"
        for code, (name, why) in words.STATUSES.items()
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
_TRENDS = """Monthly indicators are process charts (XmR): the mean and the limits come from the first twelve months and
stay, so that a later change stands out. Between the limits, ups and downs are chance. A hollow mark is a figure that
may still change."""
_ORGANISATIONS = """In a funnel, organisations of equal quality lie within the limits by chance; small ones vary more.
Only beyond the 99.8 % limit is it a signal. Quartiles need eight other organisations, a median of the others five;
quartile 4 is best, or highest where neither high nor low is better. Differences between organisations may lie in whom
they serve."""
_QUALITY = (
    """The grade is of completeness in the latest whole quarter: A from 98 %, B from 95 %, C from 85 %, D below."""
)


# A KPI --------------------------------------------------------------------------------------------------------------


def kpi_page(
    figures: KpiFigures,
    kpis: Sequence[Kpi],
    grades: Sequence[Grade],
    names: Names,
    about: About,
    around: tuple[Kpi | None, Kpi | None] = (None, None),
) -> str:
    """Everything about one KPI."""
    kpi, d = figures.kpi, figures.kpi.definition
    sections = [
        ("trend", "Trend", _trends(figures)),
        ("compared", "Organisations beside each other", _comparison(figures, grades, names)),
        ("each", f"Trend of each {_entity_of(figures)}", _each(figures)),
        ("target", "Distance to target", _targets(figures)),
        ("published", "Beside published figures", _published(figures)),
        ("groups", "Groups of people", _groups(figures)),
        ("definition", "Definition", _definition(kpi, kpis, names)),
    ]
    contents = "".join(f'<li><a href="#{id}">{title}</a></li>' for id, title, content in sections if content)
    decision = f"<p>Informs: {escape(d['decision'])}</p>" if d.get("decision") else ""
    parts = [
        f'<header><p class="where"><a href="{INDEX}">{escape(about.region)}: all indicators</a></p>',
        f"<h1>{escape(kpi.id)} {escape(kpi.name)}</h1>",
        f'<p class="lead">{escape(d["question"])}</p>{decision}',
        f'<p><span class="badge">{escape(_category(kpi.category))}</span>'
        f'<span class="badge">{words.DIRECTIONS[kpi.direction]}</span>'
        f'<span class="badge">version {d["version"]}</span>{_verified(kpi)}</p></header>',
        f'<nav aria-label="On this page"><ul>{contents}</ul></nav>',
        _glance(figures, grades),
        *(f'<section><h2 id="{id}">{title}</h2>{content}</section>' for id, title, content in sections if content),
        _turn(around, names),
        f'<footer><p class="where">Release {escape(about.release_id)}, as of {escape(about.as_of)}. Protected figures: '
        "small numbers are hidden, others rounded.</p></footer>",
    ]
    return document(f"{kpi.id} {kpi.name}: {about.region}", "\n".join(parts), STYLE)


def _glance(figures: KpiFigures, grades: Sequence[Grade]) -> str:
    """The answer before the evidence."""
    kpi, items = figures.kpi, []
    for series in figures.region[:4]:
        newest = words.latest(series)
        if newest is None:
            continue
        of = "" if newest.slice_value == "all" else f", {escape(newest.slice_value)}"
        facts = [_part_of(newest, kpi), *map(escape, words.cautions(newest))]
        small = "; ".join(fact for fact in facts if fact)
        items.append((f"Region{of}, {escape(words.period_of(newest))}", _value(newest, kpi), small))
    series = figures.region[0] if figures.region else []
    chart = words.charted(series)
    if chart is not None:
        assurance = words.ASSURANCES.get(chart.assurance_code or "")
        items.append(("Signal", _variation(chart), escape(assurance[0]) if assurance else ""))
    target = next((f for f in figures.targets if f.level_code == "region"), None)
    if target is not None:
        items.append(
            (f"Target, {escape(words.period_of(target))}", _target_value(target, kpi), _judgement(target, kpi))
        )
    shown = [c for c in figures.compared if c.figure.is_shown]
    if figures.compared:
        outside = sum((c.place.get("funnel_band_code") or "").endswith("998") for c in shown)
        small = f"{outside} outside the 99.8 % limits" if charts.has_funnel(shown) else ""
        items.append(("Organisations compared", f"{len(shown)} of {len(figures.compared)}", small))
    counted = Counter(g.grade_code for g in grades if g.grade_code)
    if counted and kpi.category != "funding":
        text = ", ".join(f"{count} × {escape(code)}" for code, count in sorted(counted.items()))
        items.append(("Quality of data, organisations", text, "completeness in the latest whole quarter"))
    inner = "".join(f"<div><dt>{t}</dt><dd><strong>{v}</strong><small>{s}</small></dd></div>" for t, v, s in items)
    return f'<dl class="glance">{inner}</dl>'


def _trends(figures: KpiFigures) -> str:
    """The region over time: one series beside its words, several beside each other."""
    kpi, parts = figures.kpi, []
    beside = ' class="beside"' if len(figures.region) == 1 else ""
    for index, series in enumerate(figures.region):
        of = "" if series[0].slice_value == "all" else f", {series[0].slice_value}"
        title = f"{kpi.name}{of}: the region"
        text = words.trend_text(kpi, series)
        picture = charts.trend(kpi, series, name=f"trend{index}", title=title, text=text)
        parts.append(
            f'<div><figure{beside}><figcaption>{escape(title)}</figcaption>{picture}<div class="said">{_legend(series)}'
            f"<p>{escape(text)}</p></div></figure>{_trend_table(kpi, series, title)}</div>"
        )
    return "".join(parts) if beside else f'<div class="pair">{"".join(parts)}</div>'


def _legend(series: Sequence[Figure]) -> str:
    """What occurs in a picture, named."""
    kinds = {f.variation_code or "plain" for f in series if f.is_shown} | {f.value_status for f in series}
    entries = [(charts.key_mark(code), name) for code, (name, _) in words.VARIATIONS.items() if code in kinds]
    if any(f.spc_mean is not None for f in series):
        entries += [(charts.key_line("mean"), "mean"), (charts.key_line("limit"), "limits")]
    elif any(f.ci95_lower is not None for f in series):
        entries.append((charts.key_line("whisker"), "95 % interval"))
    if "plain" in kinds and any(f.spc_mean is not None for f in series):
        entries.append((charts.key_mark("plain"), "not on the chart"))
    if any(f.target is not None for f in series):
        entries.append((charts.key_line("target"), "target"))
    if any(f.is_shown and not f.is_firm for f in series):
        entries.append((charts.key_mark("plain", hollow=True), "may still change"))
    entries += [(charts.key_mark(code), name) for code, (name, _) in words.STATUSES.items() if code in kinds]
    items = "".join(f"<li>{mark}{escape(name)}</li>" for mark, name in entries)
    return f'<ul class="legend">{items}</ul>'


def _trend_table(kpi: Kpi, series: Sequence[Figure], title: str) -> str:
    on_chart = any(f.spc_mean is not None for f in series)
    is_staleness_said = words.is_stale_throughout(series)
    headers = ["Period", "Value", "Counted", "95 % interval"]
    headers += ["Signal", "Mean", "Limits"] if on_chart else []
    headers += ["Target"] if any(f.target is not None for f in series) else []
    headers.append("Remarks")
    rows = []
    for f in reversed(series):
        cells = [escape(words.period_of(f)), _value(f, kpi), _part_of(f, kpi), _interval(f.ci95_lower, f.ci95_upper)]
        if on_chart:
            rule = words.RULES.get(f.spc_rule_code or "", "")
            cells += [
                _variation(f) + (f"<br><small>{escape(rule)}</small>" if rule else ""),
                _number(f.spc_mean),
                _interval(f.spc_lower_limit, f.spc_upper_limit),
            ]
        cells += [_number(f.target)] if "Target" in headers else []
        cells.append(escape("; ".join(words.cautions(f, is_staleness_said=is_staleness_said))))
        rows.append(cells)
    return _details("Figures of this picture", _plain_table(title, headers, rows))


def _comparison(figures: KpiFigures, grades: Sequence[Grade], names: Names) -> str:
    kpi, compared = figures.kpi, figures.compared
    if not compared:
        return ""
    ordered = words.ranked(kpi, compared)
    rest = [c for c in compared if not c.figure.is_shown]
    numbers = {c.figure.level_key: index for index, c in enumerate([*ordered, *rest], 1)}
    period = words.period_of(compared[0].figure)
    figures_ = []
    if charts.has_funnel(compared):
        title = f"Funnel of organisations, {period}"
        text = words.funnel_text(kpi, compared)
        picture = charts.funnel(kpi, compared, numbers, name="funnel", title=title, text=text)
        figures_.append(
            f"<figure><figcaption>{escape(title)}</figcaption>{picture}{_funnel_legend(kpi, compared)}"
            f"<p>{escape(text)}{escape(_dispersion(compared))}</p></figure>"
        )
    text = words.peers_text(kpi, compared)
    if len(ordered) > 1:
        title = f"Organisations in order, {period}"
        picture = charts.peers(kpi, compared, numbers, name="peers", title=title, text=text)
        figures_.append(
            f"<figure><figcaption>{escape(title)}</figcaption>{picture}{_peers_legend(compared)}"
            f"<p>{escape(text)}</p></figure>"
        )
    said = [*([] if len(ordered) > 1 else [text]), *words.left_out(compared)]
    sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in said)
    table = _place_table(figures, [*ordered, *rest], numbers, grades, names, period)
    return f'<div class="pair">{"".join(figures_)}</div>{sentences}{table}{_narrower(kpi, ordered, names)}'


def _dispersion(compared: Sequence[Compared]) -> str:
    place = next((c.place for c in compared if c.place.get("phi") is not None), {})
    if not place:
        return ""
    wider = "and the limits are widened by it" if place.get("is_over_dispersed") else "and the limits are plain"
    return f" The organisations differ {number(place['phi'])} times as much as chance alone would have it, {wider}."


def _funnel_legend(kpi: Kpi, compared: Sequence[Compared]) -> str:
    kinds = {charts.funnel_mark(c, kpi) for c in compared if c.figure.is_shown and c.place.get("funnel_band_code")}
    named = {
        "common_cause": "within the limits",
        "edge": "outside 95 %, no signal",
        "improvement": "better than chance explains",
        "concern": "worse than chance explains",
        "high": "higher than chance explains",
        "low": "lower than chance explains",
    }
    items = [(charts.key_mark(kind), name) for kind, name in named.items() if kind in kinds]
    items += [(charts.key_line("mean"), "all together"), (charts.key_line("funnel95"), "95 % limits"),
              (charts.key_line("funnel998"), "99.8 % limits")]  # fmt: skip
    return f'<ul class="legend">{"".join(f"<li>{mark}{name}</li>" for mark, name in items)}</ul>'


def _peers_legend(compared: Sequence[Compared]) -> str:
    items = [(charts.key_mark("plain"), "organisation")]
    if any(c.figure.ci95_lower is not None for c in compared):
        items.append((charts.key_line("whisker"), "95 % interval"))
    if any(c.place.get("median") is not None for c in compared):
        items.append((charts.key_line("mean"), "median"))
    return f'<ul class="legend">{"".join(f"<li>{mark}{name}</li>" for mark, name in items)}</ul>'


def _place_table(
    figures: KpiFigures,
    ordered: Sequence[Compared],
    numbers: Mapping[str, int],
    grades: Sequence[Grade],
    names: Names,
    period: str,
) -> str:
    """Each organisation's own place."""
    kpi, known = figures.kpi, {g.organisation_id: g for g in grades}
    rows = [
        (
            names.of("of", c.figure.level_key),
            [
                ("No.", str(numbers[c.figure.level_key])),
                (
                    "Organisation",
                    f'<a href="{names.organisation(c.figure.level_key)}">{escape(c.figure.level_name)}</a>',
                ),
                *_own_place(c, kpi),
                ("Quality", _grade(known.get(c.figure.level_key), short=True)),
                ("Remarks", escape("; ".join(words.cautions(c.figure)))),
            ],
        )
        for c in ordered
    ]
    return _filled_table(f"Organisations beside each other, {period}", rows) + _too_few(ordered)


def _own_place(compared: Compared, kpi: Kpi) -> list[Cell]:
    """Where an organisation stands among all, as cells; empty ones where it was not compared."""
    f = compared.figure
    return [
        ("Value", _value(f, kpi) + _small(_part_of(f, kpi))),
        ("95 % interval", _interval(f.ci95_lower, f.ci95_upper)),
        *_peers_place(compared, kpi, EVERYBODY),
    ]


def _narrower(kpi: Kpi, ordered: Sequence[Compared], names: Names) -> str:
    """Each organisation's place in groups that are narrower than all, where the region has such groups."""
    rows = [
        (
            "",
            [
                ("Group", escape(words.plain(group))),
                (
                    "Organisation",
                    f'<a href="{names.organisation(c.figure.level_key)}">{escape(c.figure.level_name)}</a>',
                ),
                ("Compared", str(c.places[group]["peer_count"])),
                ("Value", _value(c.figure, kpi)),
                *_peers_place(c, kpi, group),
            ],
        )
        for group in sorted({group for c in ordered for group in c.places if group != EVERYBODY})
        for c in ordered
        if group in c.places
    ]
    return _details("Narrower groups of peers", _filled_table("Narrower groups of peers", rows)) if rows else ""


def _peers_place(compared: Compared, kpi: Kpi, group: str) -> list[Cell]:
    return [
        ("Others' median", _place_number(compared, "median_of_others", kpi, group)),
        ("Quartile", _quartile(compared, group)),
        ("Funnel", _band(compared, kpi, group)),
    ]


def _too_few(compared: Sequence[Compared]) -> str:
    """Why there is no median or quartile for anybody."""
    if not any(c.figure.is_shown for c in compared):
        return ""
    if all(c.place.get("median_of_others") is None for c in compared):
        return "<p>Nobody's peers can be shown: a median of the others needs five of them, quartiles eight.</p>"
    if all(c.place.get("quartile_number") is None for c in compared):
        return "<p>There are no quartiles: they need eight other organisations.</p>"
    return ""


def _filled_table(caption: str, rows: Sequence[tuple[str, Sequence[Cell]]]) -> str:
    """A table of (id, cells) without the columns that are empty in every row."""
    filled = {header for _, cells in rows for header, content in cells if content}
    headers = [header for header, _ in rows[0][1] if header in filled] if rows else []
    body = "".join(html_row(*(cell for cell in cells if cell[0] in filled), id=id) for id, cells in rows)
    return html_table(escape(caption), [escape(header) for header in headers], body)


def _each(figures: KpiFigures) -> str:
    """A small trend for everyone; one who has nothing to show is named with the reason."""
    kpi, items, others = figures.kpi, [], []
    for series in figures.entities:
        first = series[0]
        name = first.level_name if first.slice_value == "all" else f"{first.level_name}, {first.slice_value}"
        if sum(f.is_shown for f in series) < 2:
            others.append(name)
            continue
        newest = words.latest(series)
        value = f"{_value(newest, kpi)} <small>{escape(words.period_of(newest))}</small>" if newest else ""
        variation = _variation(words.charted(series))
        text = f"{name}. {words.trend_text(kpi, series)}"
        items.append(
            f"<li><strong>{escape(name)}</strong>{charts.spark(series, kpi, text)}"
            f"<p>{value}{', ' if variation else ''}{variation}</p></li>"
        )
    if not items:
        return ""
    more = f"<p>Fewer than two figures can be shown: {escape(words.names(others))}.</p>" if others else ""
    return f'<ul class="minis">{"".join(items)}</ul>{more}'


def _targets(figures: KpiFigures) -> str:
    if not figures.targets:
        return "<p>No target is set for this indicator.</p>"
    kpi = figures.kpi
    rows = "".join(
        html_row(
            ("Whose", escape(f.level_name if f.level_code != "region" else f"{f.level_name} (region)")),
            ("Period", escape(words.period_of(f))),
            ("Value", _value(f, kpi)),
            ("Target", _target_value(f, kpi)),
            ("Gap", _gap(f, kpi)),
            ("Judgement", _judgement(f, kpi)),
        )
        for f in figures.targets
    )
    table = html_table("Distance to target", ("Whose", "Period", "Value", "Target", "Gap", "Judgement"), rows)
    return f"{table}<p>A gap with a minus is a target missed. The exact figure is judged; the rounded one is shown.</p>"


def _published(figures: KpiFigures) -> str:
    """The latest own figures beside what others published."""
    kpi = figures.kpi
    rows = [
        (
            "",
            [
                ("Whose", escape(r["level_name"] if r["level_code"] != "region" else f"{r['level_name']} (region)")),
                ("Value", _own_value(r, kpi) + _small(escape(_period_of_row(r, "period")))),
                ("Published", escape(_published_value(r, kpi)) + _small(escape(_published_by(r)))),
                ("Difference", escape(_difference(r, kpi))),
                ("Reading", escape(words.DIFFERENCES.get(r["difference_code"] or "", ""))),
                ("Comparable", escape(words.COMPARABILITIES.get(r["comparability_code"], r["comparability_code"]))),
            ],
        )
        for r in figures.published
    ]
    return _filled_table("Beside published figures", rows) if rows else ""


def _own_value(row: Row, kpi: Kpi) -> str:
    if row["value"] is None:
        return f'<span class="hidden">{words.STATUSES.get(row["value_status"], (row["value_status"],))[0]}</span>'
    return escape(words.quantity(row["value"], kpi.unit))


def _published_value(row: Row, kpi: Kpi) -> str:
    value = row["published_value"]
    return "" if value is None else words.quantity(value, kpi.unit)


def _published_by(row: Row) -> str:
    whose = row["published_organisation_name"] or row["published_organisation_code"]
    return f"{whose}, {row['publication_code']}, {_period_of_row(row, 'published')}"


def _period_of_row(row: Row, name: str) -> str:
    return words.period(row["period_type_code"], row[f"{name}_start_on"], row[f"{name}_end_on"])


def _difference(row: Row, kpi: Kpi) -> str:
    difference = row["difference"]
    if difference is None:
        return ""
    sign = "+" if difference > 0 else ""
    return sign + words.quantity(difference, "points" if kpi.unit == "percent" else kpi.unit)


def _groups(figures: KpiFigures) -> str:
    """The region's latest figures by each breakdown."""
    kpi = figures.kpi
    by_slice: dict[str, list[Figure]] = {}
    for f in figures.groups:
        by_slice.setdefault(f.slice_code, []).append(f)
    parts = []
    for slice_code, listed in by_slice.items():
        title = f"By {words.plain(slice_code)}, {words.period_of(listed[0])}"
        rows = [
            [
                escape(words.group(f.slice_value)),
                _value(f, kpi),
                _part_of(f, kpi),
                _interval(f.ci95_lower, f.ci95_upper),
            ]
            for f in listed
        ]
        table = _plain_table(title, ["Group", "Value", "Counted", "95 % interval"], rows)
        parts.append(f"<div><h3>{escape(title)}</h3>{table}</div>")
    return f'<div class="pair">{"".join(parts)}</div>' if parts else ""


_DEFINED = {
    "question": "Question",
    "decision": "Decision that it informs",
    "description": "What it says",
    "numerator": "Numerator",
    "denominator": "Denominator",
    "exclusions": "Exclusions",
    "unit_code": "Unit",
    "statistic_code": "Statistic",
    "direction": "Direction",
    "anchor": "What decides on the period",
    "maturity_lag_days": "Final after",
    "min_denominator": "Smallest denominator",
    "interval_method_code": "Interval",
    "balancing_kpi_id": "To be read beside",
    "owner": "Owner",
    "version": "Version",
    "reference_sources": "References",
    "is_verified": "Verified",
}
_ELSEWHERE = {"kpi_id", "kpi_name", "valid_from_on", "valid_to_on", "category_code"}


def _definition(kpi: Kpi, kpis: Sequence[Kpi], names: Names) -> str:
    """Every field of the definition; what has no label of its own goes by the name of its column."""
    labels = _DEFINED | {
        name: words.plain(name.removesuffix("_code")).capitalize()
        for name in kpi.definition
        if name not in _DEFINED and name not in _ELSEWHERE
    }
    items = "".join(
        f"<dt>{escape(label)}</dt><dd>{_defined(name, kpi, kpis, names)}</dd>" for name, label in labels.items()
    )
    return f'<dl class="definition">{items}</dl>'


def _defined(name: str, kpi: Kpi, kpis: Sequence[Kpi], names: Names) -> str:
    d = kpi.definition
    value = d.get(name)
    if name == "is_verified":
        return (
            "yes: confirmed against a second source" if value else "not yet: no second source confirms the definition"
        )
    if name == "version":
        valid = [f"from {words.day(d['valid_from_on'])}" if d.get("valid_from_on") else "",
                 f"until {words.day(d['valid_to_on'])}" if d.get("valid_to_on") else ""]  # fmt: skip
        return escape(f"{value}, valid {' '.join(v for v in valid if v) or 'always'}")
    if name == "direction":
        return words.DIRECTIONS[kpi.direction]
    if value is None or value == "":
        return '<span class="none">none</span>'
    if name == "balancing_kpi_id":
        other = next((k for k in reversed(kpis) if k.id == value), None)
        return (
            f'<a href="{names.kpi(other)}">{escape(other.id)} {escape(other.name)}</a>' if other else escape(str(value))
        )
    if name == "maturity_lag_days":
        return f"{value} days after the end of a period"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    said = {"unit_code": words.UNITS, "statistic_code": words.STATISTICS, "interval_method_code": words.INTERVALS}
    if name in said:
        return escape(said[name].get(value, words.plain(value)))
    text = str(value)
    return escape(words.plain(text) if name.endswith("_code") else text)


def _turn(around: tuple[Kpi | None, Kpi | None], names: Names) -> str:
    before, after = around
    left = f'<a rel="prev" href="{names.kpi(before)}">← {escape(before.id)}</a>' if before else "<span></span>"
    right = f'<a rel="next" href="{names.kpi(after)}">{escape(after.id)} →</a>' if after else "<span></span>"
    return f'<nav class="turn" aria-label="Other indicators">{left}<a href="{INDEX}">All</a>{right}</nav>'


# An organisation ----------------------------------------------------------------------------------------------------


def organisation_page(
    name: str, listed: Sequence[tuple[Kpi, Compared]], grade: Grade | None, names: Names, about: About
) -> str:
    """An organisation's own place in every KPI that organisations are compared by."""
    rows = [
        (
            "",
            [
                ("Indicator", f'<a href="{names.kpi(kpi)}#{names.of("of", c.figure.level_key)}">{escape(kpi.id)} '
                              f"{escape(kpi.name)}</a><br><small>{words.DIRECTIONS[kpi.direction]}</small>"),
                ("Period", escape(words.period_of(c.figure))),
                *_own_place(c, kpi),
                ("Remarks", escape("; ".join(words.cautions(c.figure)))),
            ],
        )
        for kpi, c in listed
    ]  # fmt: skip
    parts = [
        f'<header><p class="where"><a href="{INDEX}">{escape(about.region)}: all indicators</a></p>',
        f"<h1>{escape(name)}: own place</h1>",
        f"<p>Quality of data: {_grade(grade)}</p></header>",
        _filled_table(f"{name} beside the others", rows),
        "<p>A cell is empty where the indicator has no such figure or too few organisations are compared.</p>",
        f'<footer><p class="where">Release {escape(about.release_id)}, as of {escape(about.as_of)}. '
        f'<a href="{INDEX}#reading">How to read this</a></p></footer>',
    ]
    return document(f"{name}: {about.region}", "\n".join(parts), STYLE)


# Pieces -------------------------------------------------------------------------------------------------------------


def _category(code: str) -> str:
    return words.CATEGORIES.get(code, words.plain(code).capitalize())


def _entity_of(figures: KpiFigures) -> str:
    return words.entity(figures.entities[0][0].level_code) if figures.entities else "organisation"


def _doubt(kpi: Kpi) -> str:
    return "" if kpi.definition.get("is_verified") else ' <span class="badge doubt">unverified</span>'


def _verified(kpi: Kpi) -> str:
    return '<span class="badge">verified</span>' if kpi.definition.get("is_verified") else _doubt(kpi)


def _value(figure: Figure | None, kpi: Kpi) -> str:
    if figure is None:
        return '<span class="hidden">no data</span>'
    text = escape(words.shown(figure, kpi.unit))
    return text if figure.is_shown else f'<span class="hidden">{text}</span>'


def _part_of(figure: Figure, kpi: Kpi) -> str:
    """Numerator of denominator, where the KPI has them and they may be shown."""
    numerator = words.part(figure.numerator, figure.numerator_status)
    denominator = words.part(figure.denominator, figure.denominator_status)
    if figure.value_status == "no_data" or not (numerator or denominator):
        return ""
    if numerator and denominator:
        return escape(f"{numerator} of {denominator}" if kpi.unit == "percent" else f"{numerator} for {denominator}")
    return escape(f"of {denominator} values") if denominator else ""


def _small(text: str) -> str:
    return f"<br><small>{text}</small>" if text else ""


def _interval(lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None:
        return ""
    return f"{number(lower)} to {number(upper)}"


def _number(value: float | None) -> str:
    return "" if value is None else number(value)


def _variation(figure: Figure | None) -> str:
    if figure is None or figure.variation_code is None:
        return ""
    code = figure.variation_code
    name = words.VARIATIONS.get(code, (words.plain(code), ""))[0]
    known = code in words.VARIATIONS
    mark = charts.key_mark(code) if known else ""
    return f'<span class="{code if known else ""}">{mark}{escape(name)}</span>'


def _place_number(compared: Compared, column: str, kpi: Kpi, group: str) -> str:
    value = compared.places.get(group, {}).get(column)
    return _missing_place(compared, group) if value is None else escape(words.quantity(value, kpi.unit))


def _missing_place(compared: Compared, group: str) -> str:
    """What stands where an organisation has no place: nothing for who was not compared, hidden where that is why."""
    place = compared.places.get(group, {})
    if compared.figure.is_shown and place.get("peer_status") == "suppressed" and place["peer_count"] > 1:
        return f'<span class="hidden">{words.STATUSES["suppressed"][0]}</span>'
    return ""


def _quartile(compared: Compared, group: str) -> str:
    place = compared.places.get(group, {})
    quartile, rank = place.get("quartile_number"), place.get("percentile_rank")
    if quartile is None:
        return _missing_place(compared, group)
    return f"{quartile} of 4" + ("" if rank is None else _small(f"ahead of {rank}\N{NO-BREAK SPACE}%"))


def _band(compared: Compared, kpi: Kpi, group: str) -> str:
    band = compared.places.get(group, {}).get("funnel_band_code")
    if band is None:
        return _missing_place(compared, group)
    kind = charts.band_mark(band, kpi)
    name = escape(words.BANDS.get(band, words.plain(band)))
    return f'<span class="{kind if band.endswith("998") else ""}">{charts.key_mark(kind)}{name}</span>'


def _grade(grade: Grade | None, short: bool = False) -> str:
    if grade is None:
        return '<span class="hidden">no data</span>'
    if grade.grade_code is None or grade.completeness_pct is None:
        name = words.STATUSES.get(grade.completeness_status, ("not computed", ""))[0]
        return f'<span class="hidden">{escape(name)}</span>'
    if short:
        return escape(grade.grade_code)
    period = words.period("quarter", grade.period_start_on, grade.period_end_on)
    return escape(f"{grade.grade_code}, {number(grade.completeness_pct)} % complete in {period}")


def _target_value(figure: Figure, kpi: Kpi) -> str:
    return "" if figure.target is None else escape(words.quantity(figure.target, kpi.unit))


def _gap(figure: Figure, kpi: Kpi) -> str:
    if figure.gap is not None:
        sign = "+" if figure.gap > 0 else ""
        return escape(sign + words.quantity(figure.gap, "points" if kpi.unit == "percent" else kpi.unit))
    return _value(figure, kpi) if not figure.is_shown else '<span class="none">no direction</span>'


def _judgement(figure: Figure, kpi: Kpi) -> str:
    if figure.rag_code in words.RAGS:
        kind = {"green": "improvement", "red": "concern"}.get(figure.rag_code, "edge")
        return f'<span class="{kind}">{charts.key_mark(kind)}{words.RAGS[figure.rag_code]}</span>'
    if not figure.is_shown:
        return _value(figure, kpi)
    reasons = words.cautions(figure) or ["target set after the period began, or too few cases"]
    return f'<span class="hidden">not judged: {escape("; ".join(reasons))}</span>'


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>{content}</details>"


def _plain_table(caption: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
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
