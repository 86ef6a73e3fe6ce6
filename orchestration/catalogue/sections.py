"""Sections that the pages of KPIs and of published figures share: trends, organisations beside each other, and small
trends.

What belongs here: pictures with their legends, words and tables. What does not: what one kind of page alone says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orchestration.catalogue import charts, words
from orchestration.catalogue.figures import Compared, Figure, Kpi
from orchestration.catalogue.pieces import (
    counted,
    details,
    interval_cell,
    number_cell,
    plain_table,
    value_cell,
    variation_cell,
)
from orchestration.catalogue.scale import number
from orchestration.html_page import escape


def trends(kpi: Kpi, listed: Sequence[Sequence[Figure]], whose: Callable[[Figure], str]) -> str:
    """Series over time: one beside its words, several beside each other. ``whose``: what to call a figure's entity."""
    parts = []
    beside = ' class="beside"' if len(listed) == 1 else ""
    for index, series in enumerate(listed):
        of = "" if series[0].slice_value == "all" else f", {words.group(series[0].slice_value)}"
        title = f"{kpi.name}{of}: {whose(series[0])}"
        text = words.trend_text(kpi, series)
        picture = charts.trend(kpi, series, name=f"trend{index}", title=title, text=text)
        parts.append(
            f'<div><figure{beside}><figcaption>{escape(title)}</figcaption>{picture}<div class="said">{legend(series)}'
            f"<p>{escape(text)}</p></div></figure>{_trend_table(kpi, series, title)}</div>"
        )
    return "".join(parts) if beside else f'<div class="pair">{"".join(parts)}</div>'


def legend(series: Sequence[Figure]) -> str:
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


def comparison(
    kpi: Kpi, compared: Sequence[Compared], numbers: Mapping[str, int], *, whose: str, name: str = ""
) -> str:
    """Funnel and order of organisations with their words, and who is left out and why. ``whose`` names them all, such
    as organisations; ``name`` goes before the ids where a page has several."""
    ordered = words.ranked(kpi, compared)
    period = words.period_of(compared[0].figure)
    figures = []
    if charts.has_funnel(compared):
        title = f"Funnel of {whose}, {period}"
        text = words.funnel_text(kpi, compared)
        picture = charts.funnel(kpi, compared, numbers, name=f"{name}funnel", title=title, text=text)
        figures.append(
            f"<figure><figcaption>{escape(title)}</figcaption>{picture}{_funnel_legend(kpi, compared)}"
            f"<p>{escape(text)}{escape(_dispersion(compared))}</p></figure>"
        )
    text = words.peers_text(kpi, compared)
    if len(ordered) > 1:
        title = f"{whose.capitalize()} in order, {period}"
        picture = charts.peers(kpi, compared, numbers, name=f"{name}peers", title=title, text=text)
        figures.append(
            f"<figure><figcaption>{escape(title)}</figcaption>{picture}{_peers_legend(compared)}"
            f"<p>{escape(text)}</p></figure>"
        )
    said = [] if len(ordered) > 1 else [text]
    said += [words.why_no_funnel(kpi)] if len(ordered) > 1 and not charts.has_funnel(compared) else []
    said += words.left_out(compared)
    sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in said)
    return f'<div class="pair">{"".join(figures)}</div>{sentences}'


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


def too_few(compared: Sequence[Compared]) -> str:
    """Why there is no median or quartile for anybody."""
    if not any(c.figure.is_shown for c in compared):
        return ""
    if all(c.place.get("median_of_others") is None for c in compared):
        return "<p>Nobody's peers can be shown: a median of the others needs five of them, quartiles eight.</p>"
    if all(c.place.get("quartile_number") is None for c in compared):
        return "<p>There are no quartiles: they need eight other organisations.</p>"
    return ""


def each(kpi: Kpi, listed: Sequence[Sequence[Figure]]) -> str:
    """A small trend for everyone; those who have too little to show are named."""
    items, others = [], []
    for series in listed:
        first = series[0]
        of = "" if first.slice_value == "all" else f", {words.group(first.slice_value)}"
        name = first.level_name + of
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
