"""The page of a KPI: what it asks, where it stands, how it goes, how organisations compare, and its definition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from orchestration.catalogue import charts, words
from orchestration.catalogue.figures import EVERYBODY, SHOWN, Compared, Figure, Kpi, KpiFigures, Quality, Row
from orchestration.catalogue.pieces import (
    INDEX,
    About,
    Names,
    category_name,
    counted,
    details,
    filled_table,
    gap_cell,
    interval_cell,
    judgement_cell,
    own_place,
    peers_place,
    plain_table,
    quality_cell,
    small_print,
    table_cell,
    target_value_cell,
    value_cell,
    variation_cell,
    verified,
)
from orchestration.catalogue.publications import NATIONAL, key_of
from orchestration.catalogue.scale import number
from orchestration.catalogue.sections import comparison, each, too_few, trends
from orchestration.catalogue.style import STYLE
from orchestration.html_page import document, escape


def kpi_page(
    figures: KpiFigures,
    kpis: Sequence[Kpi],
    names: Names,
    about: About,
    around: tuple[Kpi | None, Kpi | None] = (None, None),
    comparisons: str = "",
) -> str:
    """Everything about one KPI. ``comparisons``: the figures of one that has a table of its own, as HTML."""
    kpi, d = figures.kpi, figures.kpi.definition
    sections = [
        ("figures", "Figures", f"<p>{words.OWN_TABLE} {table_cell(kpi)}.</p>{comparisons}" if kpi.own_table else ""),
        ("trend", "Trend", "" if kpi.own_table else trends(kpi, figures.region, lambda _: "the region")),
        ("compared", "Organisations beside each other", _comparison(figures, names)),
        ("each", f"Trend of each {_entity_of(figures)}", each(kpi, figures.entities)),
        ("target", "Distance to target", _targets(figures)),
        ("quality", "Quality of the data", _quality(figures, names)),
        ("published", "Beside published figures", _published(figures, names)),
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
        _glance(figures),
        *(f'<section><h2 id="{id}">{title}</h2>{content}</section>' for id, title, content in sections if content),
        _turn(around, names),
        f'<footer><p class="where">Release {escape(about.release_id)}, as of {escape(about.as_of)}. Protected figures: '
        "small numbers are hidden, others rounded.</p></footer>",
    ]
    return document(f"{kpi.id} {kpi.name}: {about.region}", "\n".join(parts), STYLE)


def _glance(figures: KpiFigures) -> str:
    """The answer before the evidence."""
    kpi, items = figures.kpi, []
    for series in figures.region[:4]:
        newest = words.latest(series)
        if newest is None:
            continue
        of = "" if newest.slice_value == "all" else f", {escape(words.group(newest.slice_value))}"
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
    graded = Counter(quality.grade for quality in figures.quality.values())
    if graded:
        text = ", ".join(f"{count} × {escape(code)}" for code, count in sorted(graded.items()))
        items.append(("Quality of data, organisations", text, "by the weakest of what feeds this indicator"))
    inner = "".join(f"<div><dt>{t}</dt><dd><strong>{v}</strong><small>{s}</small></dd></div>" for t, v, s in items)
    return f'<dl class="glance">{inner}</dl>'


def _comparison(figures: KpiFigures, names: Names) -> str:
    kpi, compared = figures.kpi, figures.compared
    if not compared:
        return ""
    ordered = words.ranked(kpi, compared)
    rest = [c for c in compared if not c.figure.is_shown]
    numbers = {c.figure.level_key: index for index, c in enumerate([*ordered, *rest], 1)}
    period = words.period_of(compared[0].figure)
    table = _place_table(figures, [*ordered, *rest], numbers, names, period)
    return comparison(kpi, compared, numbers, whose="organisations") + table + _narrower(kpi, ordered, names)


def _place_table(
    figures: KpiFigures,
    ordered: Sequence[Compared],
    numbers: Mapping[str, int],
    names: Names,
    period: str,
) -> str:
    """Each organisation's own place."""
    kpi = figures.kpi
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
                ("Quality", quality_cell(figures.quality.get(c.figure.level_key))),
                ("Remarks", escape("; ".join(words.cautions(c.figure)))),
            ],
        )
        for c in ordered
    ]
    return filled_table(f"Organisations beside each other, {period}", rows) + too_few(ordered)


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


def _targets(figures: KpiFigures) -> str:
    if not figures.targets:
        return "<p>No target is set for this indicator.</p>"
    kpi = figures.kpi
    rows = [
        (
            "",
            [
                ("Whose", escape(f.level_name if f.level_code != "region" else f"{f.level_name} (region)")),
                ("Period", escape(words.period_of(f))),
                ("Value", value_cell(f, kpi)),
                ("Target", target_value_cell(f, kpi)),
                ("Gap", gap_cell(f, kpi)),
                ("Judgement", judgement_cell(f, kpi, figures.quality.get(f.level_key))),
                ("Quality", quality_cell(quality) if (quality := figures.quality.get(f.level_key)) else ""),
            ],
        )
        for f in figures.targets
    ]
    table = filled_table("Distance to target", rows)
    return f"{table}<p>{words.TARGETS}</p>"


def _quality(figures: KpiFigures, names: Names) -> str:
    """What each organisation's grade for this KPI rests on."""
    if not figures.quality:
        return ""
    linked = {c.figure.level_key for c in figures.compared}
    listed = sorted(figures.quality.items(), key=lambda item: (item[1].weakest["organisation_name"], item[0]))
    rows = [
        (
            "",
            [
                ("Organisation", _organisation(organisation, quality, names, organisation in linked)),
                ("Grade", escape(quality.grade)),
                ("Weakest part", escape(words.quality_part(quality.weakest))),
                ("Also short of an A", escape("; ".join(
                    words.quality_part(part) for part in quality.parts[1:] if part["part_grade_code"] != "A"))),
            ],
        )
        for organisation, quality in listed
    ]  # fmt: skip
    every = [part for quality in figures.quality.values() for part in quality.parts]
    parts = {(part["part_code"], part["subject_code"]): part for part in every}
    text = words.quality_text([parts[key] for key in sorted(parts)])
    return f"<p>{escape(text)}</p>{filled_table('Quality of the data', rows)}"


def _organisation(id: str, quality: Quality, names: Names, is_linked: bool) -> str:
    name = escape(quality.weakest["organisation_name"])
    return f'<a href="{names.organisation(id)}">{name}</a>' if is_linked else name


def _published(figures: KpiFigures, names: Names) -> str:
    """The latest own figures beside published ones: national ones, and those of regions for who asks for them."""
    said = [r for r in figures.published if r["level_code"] == "region" or r["value_status"] in (*SHOWN, "suppressed")]
    first = [r for r in said if r["published_level_code"] == NATIONAL] or said
    rest = [r for r in said if r not in first]
    links = dict.fromkeys(
        f'<a href="{names.publication(key_of(r))}">{escape(r["publication_code"])}: {escape(r["measure_id"])}</a>'
        for r in said
    )
    if not said:
        return ""
    title = "Beside published figures"
    more = (
        details("Beside the figures of regions", _beside_table(f"{title} of regions", rest, figures.kpi))
        if rest
        else ""
    )
    pages = f"<p>Their own pages, with charts, funnels, source and licence: {', '.join(links)}.</p>"
    return _beside_table(title, first, figures.kpi) + more + pages


def _beside_table(title: str, listed: Sequence[Row], kpi: Kpi) -> str:
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
        for r in listed
    ]
    return filled_table(title, rows)


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
