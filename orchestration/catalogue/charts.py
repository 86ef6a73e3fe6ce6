"""Pictures of figures as SVG: trend with its limits, funnel, organisations beside each other, and small trends.

What belongs here: where marks go and how they are drawn. What does not: any figure, and the words beside a picture.

Every mark has a shape besides its colour. Colours come from the page (``style``), so that a picture follows light, dark
and print. A picture is named by its title and description for those who don't see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from orchestration.catalogue import words
from orchestration.catalogue.figures import Compared, Figure, Kpi
from orchestration.catalogue.scale import Place, Scale, at, domain, line_path, number, shape_path, step_path, ticks
from orchestration.html_page import escape

WIDTH = 400
"""Of every large picture, in its own units: about the width of a phone, so that letters stay readable there."""
_LEFT, _RIGHT, _TOP = 44, 12, 12

MARKS = {
    "common_cause": ("circle", 2.6),
    "improvement": ("diamond", 3.6),
    "concern": ("square", 3.4),
    "high": ("up", 3.6),
    "low": ("down", 3.6),
    "plain": ("circle", 2.6),
    "suppressed": ("square", 2.6),
    "no_data": ("cross", 2.6),
    "not_computed": ("dash", 2.8),
    "not_published": ("cross", 2.6),
}
"""What is marked → (shape, radius)."""

_FEW = 5
"""Periods that are each named on an axis."""
_FUNNEL_LINES = {
    "funnel998_lower": "funnel998",
    "funnel95_lower": "funnel95",
    "centre": "mean",
    "funnel95_upper": "funnel95",
    "funnel998_upper": "funnel998",
}
"""Column of ``pub_benchmark`` → kind of stroke."""
_BAND_MARKS = {"within": "common_cause", "low95": "edge", "high95": "edge"}


def trend(kpi: Kpi, series: Sequence[Figure], *, name: str, title: str, text: str) -> str:
    """A series over time, with the mean, limits, target and signals that it has; periods not shown are marked below.

    Empty where nothing can be shown.
    """
    if not any(f.is_shown for f in series):
        return ""
    height, bottom = 250, 200
    inset = 24 if len(series) <= _FEW else 6
    y = Scale(*_value_domain(kpi, _all_values(series)), bottom, _TOP)
    left = _axis_width(kpi, y)
    x = _time_scale(series, left + inset, WIDTH - _RIGHT - inset)
    reach = (WIDTH - _RIGHT - left - 12) / max(len(series) - 1, 1)
    places = [(x(f.period_start_on.toordinal()), f) for f in series]
    parts = [_value_axis(kpi, y, left, WIDTH - _RIGHT), _time_axis(places, bottom + 34)]
    parts.append(_limits(places, y, min(reach, 12.0)))
    parts.append(_target(places, y, min(reach, 12.0)))
    if all(f.spc_mean is None for f in series):
        whiskers = "".join(
            f"M{at(px)} {at(y(f.ci95_lower))}V{at(y(f.ci95_upper))}"
            for px, f in places
            if f.is_shown and f.ci95_lower is not None and f.ci95_upper is not None
        )
        parts.append(_path("whisker", whiskers))
    parts.append(_path("line", _value_line(places, y)))
    parts.append(_series_marks(places, y))
    parts.append(_rule_letters(places, y))
    parts.append(_lane(places, bottom + 12))
    return _picture(name, title, text, height, parts)


def spark(series: Sequence[Figure], kpi: Kpi, text: str) -> str:
    """A series small enough to stand in a table: line, limits, signals and the last point."""
    width, height = 160.0, 44.0
    x = _time_scale(series, 5, width - 6)
    y = Scale(*_value_domain(kpi, _all_values(series, targets=False)), height - 9, 5)
    places = [(x(f.period_start_on.toordinal()), f) for f in series]
    parts = []
    limited = [(px, f.spc_lower_limit, f.spc_upper_limit) for px, f in places if f.spc_lower_limit is not None]
    if limited:
        start, end = limited[0][0], limited[-1][0]
        _, lower, upper = limited[-1]
        top, foot = (_clamp(y, v) for v in (upper if upper is not None else 0.0, lower if lower is not None else 0.0))
        parts.append(
            f'<rect class="band" x="{at(start)}" y="{at(top)}" width="{at(end - start)}" height="{at(foot - top)}"/>'
        )
    parts.append(_path("line", _value_line(places, y)))
    seen = [(px, f) for px, f in places if f.is_shown]
    signals = [(px, f) for px, f in seen if f.variation_code not in (None, "common_cause")]
    parts.append(_series_marks(signals or seen[-1:], y, scale=0.65))
    if signals and seen[-1] not in signals:
        parts.append(_series_marks(seen[-1:], y, scale=0.65))
    parts.append(_lane(places, height - 3.5, scale=0.6))
    return (
        f'<svg class="spark" viewBox="0 0 {at(width)} {at(height)}" role="img" aria-label="{escape(text)}">'
        f"{''.join(parts)}</svg>"
    )


def funnel(
    kpi: Kpi, compared: Sequence[Compared], numbers: Mapping[str, int], *, name: str, title: str, text: str
) -> str:
    """Organisations by size, with the limits within which chance keeps them. ``numbers``: organisation → its number."""
    height, bottom = 260, 208
    plotted = sorted(
        (c for c in compared if _in_funnel(c)), key=lambda c: (float(c.figure.denominator), c.figure.level_key)
    )
    sizes = [float(c.figure.denominator) for c in plotted]
    values = [c.place[column] for c in plotted for column in _FUNNEL_LINES] + [c.figure.value or 0.0 for c in plotted]
    y = Scale(*_value_domain(kpi, values), bottom, _TOP)
    left = _axis_width(kpi, y)
    x = Scale(0, max(sizes, default=1.0) * 1.06, left, WIDTH - _RIGHT)
    lines = {column: _limit_line(x, sizes, [c.place[column] for c in plotted]) for column in _FUNNEL_LINES}
    parts = [_value_axis(kpi, y, left, WIDTH - _RIGHT)]
    for column, line in lines.items():
        parts.append(_path(_FUNNEL_LINES[column], line_path([(px, _clamp(y, v)) for px, v in line])))
    steps = ticks(0, x.high, 4)
    parts.append(_labels(((x(n), bottom + 16, number(n)) for n in steps), "middle"))
    parts.append(f'<text class="axis" x="{at((left + WIDTH - _RIGHT) / 2)}" y="{bottom + 36}" text-anchor="middle">'
                 f"{escape(_denominator_name(kpi))}</text>")  # fmt: skip
    marks: dict[str, list[str]] = {}
    labels: list[tuple[float, float, str]] = []
    for n, c in zip(sizes, plotted, strict=True):
        px, py = x(n), y(c.figure.value or 0.0)
        kind = funnel_mark(c, kpi)
        shape, radius = MARKS.get(kind, ("circle", 3.4))
        marks.setdefault(kind, []).append(shape_path(shape, px, py, radius * 1.25))
        place = (px, py - 9) if py > _TOP + 18 else (px, py + 17)
        if all(abs(place[0] - a) > 14 or abs(place[1] - b) > 11 for a, b, _ in labels):
            labels.append((*place, str(numbers[c.figure.level_key])))
    parts += [_path(f"mark {kind}", "".join(paths)) for kind, paths in sorted(marks.items())]
    parts.append(_labels(labels, "middle", "tag"))
    return _picture(name, title, text, height, parts)


def peers(
    kpi: Kpi, compared: Sequence[Compared], numbers: Mapping[str, int], *, name: str, title: str, text: str
) -> str:
    """Organisations in order, each with its interval, over the middle half and the median of all."""
    ordered = words.ranked(kpi, compared)
    named = len(ordered) <= 40
    pitch, left = (18.0, 168.0) if named else (7.0, 12.0)
    bottom = _TOP + pitch * max(len(ordered), 1) + 4
    place = next((c.place for c in ordered if c.place.get("median") is not None), {})
    ends = [v for c in ordered for v in (c.figure.value, c.figure.ci95_lower, c.figure.ci95_upper) if v is not None]
    middle = [place[column] for column in ("q1", "median", "q3") if place.get(column) is not None]
    x = Scale(*_value_domain(kpi, ends + middle), left + 8, WIDTH - 24)
    parts = []
    if place.get("q1") is not None and place.get("q3") is not None:
        start, end = x(place["q1"]), x(place["q3"])
        parts.append(f'<rect class="band" x="{at(start)}" y="{_TOP - 4}" width="{at(end - start)}" '
                     f'height="{at(bottom - _TOP + 4)}"/>')  # fmt: skip
    steps = ticks(x.low, x.high, 4)
    parts.append(_path("grid", "".join(f"M{at(x(v))} {_TOP - 4}V{at(bottom)}" for v in steps)))
    if middle:
        parts.append(_path("mean", f"M{at(x(place['median']))} {_TOP - 4}V{at(bottom)}"))
    parts.append(_labels(((x(v), bottom + 16, _tick(kpi, v)) for v in steps), "middle"))
    whiskers, marks, labels = [], [], []
    for index, c in enumerate(ordered):
        py = _TOP + pitch * (index + 0.5)
        f = c.figure
        if f.ci95_lower is not None and f.ci95_upper is not None:
            whiskers.append(f"M{at(x(f.ci95_lower))} {at(py)}H{at(x(f.ci95_upper))}")
        marks.append(shape_path("circle", x(f.value or 0.0), py, 3.4 if named else 2.2))
        if named:
            labels.append((left - 4, py + 4, fitted(f"{numbers[f.level_key]}. {f.level_name}", left - 10)))
    parts += [_path("whisker", "".join(whiskers)), _path("mark plain", "".join(marks)), _labels(labels, "end", "name")]
    return _picture(name, title, text, bottom + 26, parts)


def key_mark(kind: str, hollow: bool = False) -> str:
    """The mark alone, for a legend."""
    shape, radius = MARKS.get(kind, ("circle", 3.4))
    path = shape_path(shape, 7, 7, radius * 1.3)
    return f'<svg class="key" viewBox="0 0 14 14" aria-hidden="true">{_path(_mark_class(kind, hollow), path)}</svg>'


def key_line(kind: str) -> str:
    """A stroke alone, for a legend."""
    return f'<svg class="key" viewBox="0 0 14 14" aria-hidden="true">{_path(kind, "M0 7H14")}</svg>'


def funnel_mark(compared: Compared, kpi: Kpi) -> str:
    """How an organisation is marked in the funnel of all."""
    return band_mark(compared.place.get("funnel_band_code") or "within", kpi)


def band_mark(band: str, kpi: Kpi) -> str:
    """How a place in a funnel is marked: only what lies outside 99.8 % is a signal."""
    if not band.endswith("998"):
        return _BAND_MARKS.get(band, "common_cause")
    side = 1 if band.startswith("high") else -1
    if kpi.direction == 0:
        return "high" if side > 0 else "low"
    return "improvement" if side == kpi.direction else "concern"


def fitted(text: str, width: float) -> str:
    """Text cut to a width in units of a picture, with an ellipsis where something is missing. Letters are taken a
    little wider than common fonts have them: a name that is cut early reads better than one that the edge cuts."""
    if sum(map(_advance, text)) <= width:
        return text
    kept, used = "", _advance("…")
    for character in text:
        used += _advance(character)
        if used > width:
            break
        kept += character
    return kept.rstrip() + "…"


def _advance(character: str) -> float:
    """Width of a character of a picture's text."""
    if character in " \N{NO-BREAK SPACE}.,:;'’|!iIjlft()[]-":
        return 4.4
    return 10.6 if character in "mwMW@%…" else 8.6 if character.isupper() else 7.2


# Parts --------------------------------------------------------------------------------------------------------------


def _picture(name: str, title: str, text: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {at(height)}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(text)}</desc>'
        f"{''.join(part for part in parts if part)}</svg>"
    )


def _path(kind: str, path: str) -> str:
    return f'<path class="{kind}" d="{path}"/>' if path else ""


def _labels(texts: Iterable[tuple[float, float, str]], anchor: str, kind: str = "axis") -> str:
    inner = "".join(f'<text x="{at(x)}" y="{at(y)}">{escape(text)}</text>' for x, y, text in texts)
    return f'<g class="{kind}" text-anchor="{anchor}">{inner}</g>' if inner else ""


def _all_values(series: Sequence[Figure], targets: bool = True) -> list[float]:
    found: list[float | None] = []
    charted = any(f.spc_mean is not None for f in series)
    for f in series:
        if f.is_shown:
            found += [f.value, f.spc_lower_limit, f.spc_upper_limit]
            found += [] if charted else [f.ci95_lower, f.ci95_upper]
        found += [f.target] if targets else []
    return [v for v in found if v is not None]


def _value_domain(kpi: Kpi, values: Sequence[float]) -> tuple[float, float]:
    """Percentages stay within 0 and 100, and what can't be negative starts no lower than 0; only here, for the eye."""
    signed = any(v < 0 for v in values) if kpi.unit == "currency" else kpi.unit in ("score", "points")
    return domain(
        values, None if signed else 0.0, 100.0 if kpi.unit == "percent" and max(values, default=0) <= 130 else None
    )


def _clamp(scale: Scale, value: float) -> float:
    return scale(min(max(value, scale.low), scale.high))


def _tick(kpi: Kpi, value: float) -> str:
    if kpi.unit == "percent":
        return f"{number(value)}\N{NO-BREAK SPACE}%"
    for limit, letter in ((1e9, "bn"), (1e6, "m"), (1e4, "k")):
        if abs(value) >= limit:
            return number(value / (1e3 if letter == "k" else limit)) + letter
    return number(value)


def _axis_width(kpi: Kpi, y: Scale) -> float:
    """Room for the longest number beside a picture."""
    return max(_LEFT, *(sum(map(_advance, _tick(kpi, v))) + 8 for v in ticks(y.low, y.high)))


def _value_axis(kpi: Kpi, y: Scale, left: float, right: float) -> str:
    steps = ticks(y.low, y.high)
    grid = _path("grid", "".join(f"M{at(left)} {at(y(v))}H{at(right)}" for v in steps))
    return grid + _labels(((left - 5, y(v) + 4, _tick(kpi, v)) for v in steps), "end")


def _time_scale(series: Sequence[Figure], start: float, end: float) -> Scale:
    days = [f.period_start_on.toordinal() for f in series]
    return Scale(min(days, default=0), max(days, default=0), start, end)


def _time_axis(places: Sequence[tuple[float, Figure]], y: float) -> str:
    """Years below, each where its first period stands; every period where there are few."""
    if not places:
        return ""
    if len(places) <= _FEW:
        return _labels(((x, y, f"{f.period_start_on:%b %Y}") for x, f in places), "middle")
    firsts: dict[int, float] = {}
    for x, f in places:
        firsts.setdefault(f.period_start_on.year, x)
    started = [(x, y, str(year)) for year, x in sorted(firsts.items())]
    kept = [label for label, after in zip(started, [*started[1:], None], strict=True)
            if after is None or after[0] - label[0] > 34]  # fmt: skip
    uprights = _path("tick", "".join(f"M{at(x)} {at(y - 19)}v6" for x, _, _ in started))
    return uprights + _labels(kept, "middle")


def _limits(places: Sequence[tuple[float, Figure]], y: Scale, reach: float) -> str:
    def steps(values: Sequence[tuple[float, float | None]]) -> str:
        known: list[Place] = [(x, _clamp(y, v)) for x, v in values if v is not None]
        return step_path(known, reach)

    return (
        _path("limit", steps([(x, f.spc_upper_limit) for x, f in places]))
        + _path("limit", steps([(x, f.spc_lower_limit) for x, f in places]))
        + _path("mean", steps([(x, f.spc_mean) for x, f in places]))
    )


def _target(places: Sequence[tuple[float, Figure]], y: Scale, reach: float) -> str:
    return _path("target", step_path([(x, _clamp(y, f.target)) for x, f in places if f.target is not None], reach))


def _value_line(places: Sequence[tuple[float, Figure]], y: Scale) -> str:
    """Through the values that follow each other; a period without one breaks it."""
    line: list[Place | None] = []
    before: Figure | None = None
    for x, f in places:
        if before is not None and f.period_start_on > before.period_end_on + timedelta(days=1):
            line.append(None)
        line.append((x, y(f.value)) if f.value is not None and f.is_shown else None)
        before = f
    return line_path(line)


def _mark_class(kind: str, hollow: bool) -> str:
    return f"mark {kind} hollow" if hollow else f"mark {kind}"


def _series_marks(places: Sequence[tuple[float, Figure]], y: Scale, scale: float = 1.0) -> str:
    drawn: dict[str, list[str]] = {}
    for x, f in places:
        if f.value is None or not f.is_shown:
            continue
        kind = f.variation_code if f.variation_code in MARKS else "plain"
        shape, radius = MARKS[kind]
        drawn.setdefault(_mark_class(kind, not f.is_firm), []).append(shape_path(shape, x, y(f.value), radius * scale))
    return "".join(_path(kind, "".join(paths)) for kind, paths in sorted(drawn.items()))


def _rule_letters(places: Sequence[tuple[float, Figure]], y: Scale) -> str:
    """The rule's letter where a run of signals of one rule begins."""
    letters: list[tuple[float, float, str]] = []
    before: str | None = None
    for x, f in places:
        if f.value is not None and f.spc_rule_code is not None and f.spc_rule_code != before:
            above = y(f.value) - 7
            letters.append((x, above if above > _TOP + 8 else y(f.value) + 16, f.spc_rule_code))
        before = f.spc_rule_code
    return _labels(letters, "middle", "tag")


def _lane(places: Sequence[tuple[float, Figure]], y: float, scale: float = 1.0) -> str:
    """Periods that are not shown, each by its reason, in a lane below the picture."""
    drawn: dict[str, list[str]] = {}
    for x, f in places:
        if not f.is_shown and f.value_status in words.STATUSES:
            shape, radius = MARKS[f.value_status]
            drawn.setdefault(f.value_status, []).append(shape_path(shape, x, y, radius * scale))
    return "".join(_path(f"mark {kind}", "".join(paths)) for kind, paths in sorted(drawn.items()))


def _limit_line(x: Scale, sizes: Sequence[float], values: Sequence[float]) -> list[Place]:
    """A limit at each size; where several stand at one rounded size, the mean of theirs."""
    at_size: dict[float, list[float]] = {}
    for size, value in zip(sizes, values, strict=True):
        at_size.setdefault(size, []).append(value)
    return [(x(size), sum(listed) / len(listed)) for size, listed in at_size.items()]


def _in_funnel(compared: Compared) -> bool:
    return (
        compared.figure.is_shown
        and compared.figure.denominator is not None
        and compared.place.get("funnel95_lower") is not None
    )


def has_funnel(compared: Sequence[Compared]) -> bool:
    """Whether there is anything to draw a funnel of."""
    return any(_in_funnel(c) for c in compared)


def _denominator_name(kpi: Kpi) -> str:
    return "Denominator: people or cases counted" if kpi.definition.get("denominator") else "Size"
