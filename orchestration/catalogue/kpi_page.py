"""The page of a KPI: what it asks, where it stands, how it goes, how organisations compare, and its definition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from orchestration.catalogue import charts, words
from orchestration.catalogue.figures import EVERYBODY, SHOWN, Compared, Figure, Grade, Kpi, KpiFigures, Row
from orchestration.catalogue.pieces import (
    INDEX,
    About,
    Names,
    category_name,
    counted,
    details,
    filled_table,
    gap_cell,
    grade_cell,
    interval_cell,
    judgement_cell,
    number_cell,
    own_place,
    peers_place,
    plain_table,
    small_print,
    target_value_cell,
    value_cell,
    variation_cell,
    verified,
)
from orchestration.catalogue.scale import number
from orchestration.catalogue.style import STYLE
from orchestration.html_page import document, escape, html_row, html_table


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
        f'<p><span class="badge">{escape(category_name(kpi.category))}</span>'
        f'<span class="badge">{words.DIRECTIONS[kpi.direction]}</span>'
        f'<span class="badge">version {d["version"]}</span>{verified(kpi)}</p></header>',
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
        facts = [counted(newest, kpi), *map(escape, words.cautions(newest))]
        small = "; ".join(fact for fact in facts if fact)
        items.append((f"Region{of}, {escape(words.period_of(newest))}", value_cell(newest, kpi), small))
    series = figures.region[0] if figures.region else []
    chart = words.charted(series)
    if chart is not None:
        assurance = words.ASSURANCES.get(chart.assurance_code or "")
        items.append(("Signal", variation_cell(chart), escape(assurance[0]) if assurance else ""))
    target = next((f for f in figures.targets if f.level_code == "region"), None)
    if target is not None:
        items.append(
            (f"Target, {escape(words.period_of(target))}", target_value_cell(target, kpi), judgement_cell(target, kpi))
        )
    shown = [c for c in figures.compared if c.figure.is_shown]
    if figures.compared:
        outside = sum((c.place.get("funnel_band_code") or "").endswith("998") for c in shown)
        small = f"{outside} outside the 99.8 % limits" if charts.has_funnel(shown) else ""
        items.append(("Organisations compared", f"{len(shown)} of {len(figures.compared)}", small))
    graded = Counter(g.grade_code for g in grades if g.grade_code)
    if graded and kpi.category != "funding":
        text = ", ".join(f"{count} × {escape(code)}" for code, count in sorted(graded.items()))
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
        cells = [
            escape(words.period_of(f)),
            value_cell(f, kpi),
            counted(f, kpi),
            interval_cell(f.ci95_lower, f.ci95_upper),
        ]
        if on_chart:
            rule = words.RULES.get(f.spc_rule_code or "", "")
            cells += [
                variation_cell(f) + (f"<br><small>{escape(rule)}</small>" if rule else ""),
                number_cell(f.spc_mean),
                interval_cell(f.spc_lower_limit, f.spc_upper_limit),
            ]
        cells += [number_cell(f.target)] if "Target" in headers else []
        cells.append(escape("; ".join(words.cautions(f, is_staleness_said=is_staleness_said))))
        rows.append(cells)
    return details("Figures of this picture", plain_table(title, headers, rows))


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
    wider = "widened by it" if place.get("is_over_dispersed") else "not widened"
    return f" They vary {number(place['phi'])} times as much as chance alone gives (φ); the limits are {wider}."


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
                *own_place(c, kpi),
                ("Quality", grade_cell(known.get(c.figure.level_key), short=True)),
                ("Remarks", escape("; ".join(words.cautions(c.figure)))),
            ],
        )
        for c in ordered
    ]
    return filled_table(f"Organisations beside each other, {period}", rows) + _too_few(ordered)


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
                ("Value", value_cell(c.figure, kpi)),
                *peers_place(c, kpi, group),
            ],
        )
        for group in sorted({group for c in ordered for group in c.places if group != EVERYBODY})
        for c in ordered
        if group in c.places
    ]
    return details("Narrower groups of peers", filled_table("Narrower groups of peers", rows)) if rows else ""


def _too_few(compared: Sequence[Compared]) -> str:
    """Why there is no median or quartile for anybody."""
    if not any(c.figure.is_shown for c in compared):
        return ""
    if all(c.place.get("median_of_others") is None for c in compared):
        return "<p>Nobody's peers can be shown: a median of the others needs five of them, quartiles eight.</p>"
    if all(c.place.get("quartile_number") is None for c in compared):
        return "<p>There are no quartiles: they need eight other organisations.</p>"
    return ""


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
        value = f"{value_cell(newest, kpi)} <small>{escape(words.period_of(newest))}</small>" if newest else ""
        variation = variation_cell(words.charted(series))
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
            ("Value", value_cell(f, kpi)),
            ("Target", target_value_cell(f, kpi)),
            ("Gap", gap_cell(f, kpi)),
            ("Judgement", judgement_cell(f, kpi)),
        )
        for f in figures.targets
    )
    table = html_table("Distance to target", ("Whose", "Period", "Value", "Target", "Gap", "Judgement"), rows)
    return f"{table}<p>A gap with a minus is a target missed. The exact figure is judged; the rounded one is shown.</p>"


def _published(figures: KpiFigures) -> str:
    """The latest own figures beside published ones; organisations that the KPI says nothing about are left out."""
    kpi = figures.kpi
    rows = [
        (
            "",
            [
                ("Whose", escape(r["level_name"] if r["level_code"] != "region" else f"{r['level_name']} (region)")),
                ("Value", _own_value(r, kpi) + small_print(escape(_period_of_row(r, "period")))),
                ("Published", escape(_published_value(r, kpi)) + small_print(escape(_published_by(r)))),
                ("Difference", escape(_difference(r, kpi))),
                ("Reading", escape(words.DIFFERENCES.get(r["difference_code"] or "", ""))),
                ("Comparable", escape(words.COMPARABILITIES.get(r["comparability_code"], r["comparability_code"]))),
            ],
        )
        for r in figures.published
        if r["level_code"] == "region" or r["value_status"] in (*SHOWN, "suppressed")
    ]
    return filled_table("Beside published figures", rows) if rows else ""


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
                value_cell(f, kpi),
                counted(f, kpi),
                interval_cell(f.ci95_lower, f.ci95_upper),
            ]
            for f in listed
        ]
        table = plain_table(title, ["Group", "Value", "Counted", "95 % interval"], rows)
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


def _entity_of(figures: KpiFigures) -> str:
    return words.entity(figures.entities[0][0].level_code) if figures.entities else "organisation"
