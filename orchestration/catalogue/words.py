"""What figures mean, in words: statuses, signals, periods, and what a picture shows for those who don't see it.

What belongs here: sentences as plain text, not yet escaped. What does not: HTML.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

from orchestration.catalogue.figures import Compared, Figure, Kpi, Row
from orchestration.catalogue.scale import number

STATUSES = {
    "suppressed": ("hidden", "The number is so small that it could point at people, or would give such a number away."),
    "no_data": ("no data", "Nothing was delivered that speaks for the period."),
    "not_computed": ("not computed", "There was nobody to count, or fewer than the KPI asks for to be meaningful."),
    "not_published": ("not published", "The publication has no such figure."),
}
"""Status of a figure that is not shown → (what stands in its place, why)."""

VARIATIONS = {
    "improvement": ("improving", "a change for the better that chance does not explain"),
    "concern": ("of concern", "a change for the worse that chance does not explain"),
    "high": ("unusually high", "higher than chance explains; for this KPI that is neither better nor worse"),
    "low": ("unusually low", "lower than chance explains; for this KPI that is neither better nor worse"),
    "common_cause": ("steady", "nothing beyond the ordinary ups and downs"),
}
ASSURANCES = {
    "consistent_pass": ("target will be met", "as it runs now, the process meets its target every month"),
    "consistent_fail": ("target will be missed", "as it runs now, the process can't meet its target"),
    "inconsistent": ("hit and miss", "as it runs now, chance decides whether the target is met"),
}
RULES = {
    "A": "beyond a limit",
    "T": "trend: seven months in a row up or down",
    "2": "two of three months near a limit",
    "S": "shift: seven months in a row on one side of the mean",
}
RAGS = {"green": "met", "amber": "missed, within its tolerance", "red": "missed"}
BANDS = {
    "low998": "below the 99.8 % limit",
    "low95": "below the 95 % limit",
    "within": "within the limits",
    "high95": "above the 95 % limit",
    "high998": "above the 99.8 % limit",
}
COMPARABILITIES = {
    "exact": "same method",
    "similar": "similar method",
    "indicative": "another method: an indication",
}
DIFFERENCES = {
    "higher": "higher: the whole 95 % interval lies above",
    "lower": "lower: the whole 95 % interval lies below",
    "similar": "not told apart from chance",
}
DIRECTIONS = {1: "higher is better", -1: "lower is better", 0: "neither high nor low is better"}
UNITS = {
    "percent": "per cent",
    "per_1000": "per 1,000",
    "per_10000": "per 10,000",
    "per_100000": "per 100,000",
    "fte": "full-time equivalents",
    "points": "percentage points",
    "currency": "amount of money",
}
STATISTICS = {
    "distinct_count": "count of different people",
    "stratified": "proportion, weighted by the people of each stratum",
}
INTERVALS = {
    "wilson": "95 % by Wilson's score",
    "byar": "95 % by Byar's method, exact below 10",
    "t": "95 % by Student's t",
    "stratified": "95 %, normal, with the finite population correction of each stratum",
    "none": "none",
}
CATEGORIES = {
    "access": "Access",
    "activity": "Activity",
    "outcomes": "Outcomes",
    "experience": "Experience",
    "efficiency": "Efficiency",
    "workforce": "Workforce",
    "equity": "Equity",
    "funding": "Funding",
    "data_quality": "Quality of data",
}
_SUFFIXES = {"percent": "\N{NO-BREAK SPACE}%", "days": " days", "hours": " hours", "fte": " FTE", "points": " points",
             "per_1000": " per 1,000", "per_10000": " per 10,000", "per_100000": " per 100,000"}  # fmt: skip
OWN_TABLE = (
    "This indicator holds groups of people against each other or against those in need, so that it has no one value "
    "for a period. All its figures, for organisations too, are"
)
TARGETS = (
    "A gap with a minus is a target missed. The exact figure is judged; the rounded one is shown. Where the quality of "
    "the data is D, nothing is judged."
)
PUBLISHED_TARGETS = "A gap with a minus is a target missed. Targets are the region's own, not the publisher's."
NOT_COMPARED = "Counts grow with the size of those who are counted, so that nobody is ranked or judged by them."
PUBLISHED_CHART = "XmR, for months and quarters; a published series is over, so that its limits come of all its points"
_PERIODS = {"month": "Monthly", "quarter": "Quarterly", "financial_year": "Yearly", "calendar_year": "Yearly",
            "rolling12": "Twelve-month"}  # fmt: skip
_ENTITIES = {"organisation": "organisation", "funder": "funder", "programme": "programme", "source": "source",
             "service_type": "type of service"}  # fmt: skip
_NOT_COUNTED = {
    "mean": "a mean",
    "median": "a median",
    "quantile": "a quantile",
    "ratio": "a quotient of two amounts",
    "effect_size": "a mean beside its spread",
    "difference": "a difference",
    "stratified": "a weighted proportion",
    "value": "a value without counts",
}
"""Statistic that is made of no counts → what it is."""
_NAMED = 6
"""Names that a sentence lists before it counts the rest."""


def plain(code: str) -> str:
    """A code that has no words of its own yet."""
    return code.replace("_", " ")


def group(slice_value: str) -> str:
    """A group of people, such as an age band."""
    return plain(re.sub(r"(\d)_(\d)", r"\1–\2", slice_value))


def entity(level_code: str) -> str:
    """What an entity of a level is called."""
    return _ENTITIES.get(level_code, plain(level_code))


def level(code: str) -> str:
    """What the organisations of a publication's level are called together: the code, in plural."""
    name = plain(code)
    if code == "national":
        return "nation"
    return f"{name[:-1]}ies" if re.search("[^aeiou]y$", name) else name if name.endswith("s") else f"{name}s"


def quantity(value: float, unit: str, slice_value: str = "all") -> str:
    """A value with its unit; money takes its currency from the slice."""
    if unit == "currency":
        return number(value) if slice_value == "all" else f"{slice_value} {number(value)}"
    return number(value) + _SUFFIXES.get(unit, "")


def shown(figure: Figure, unit: str) -> str:
    """The value of a figure, or what stands in its place."""
    if figure.value is not None and figure.is_shown:
        return quantity(figure.value, unit, figure.slice_value if figure.slice_code == "currency" else "all")
    return STATUSES.get(figure.value_status, (plain(figure.value_status),))[0]


def part(value: float | None, status: str) -> str:
    """A numerator or denominator, or what stands in its place; one that a KPI has none of is empty."""
    if value is not None:
        return number(float(value))
    return "" if status == "not_computed" else STATUSES.get(status, (plain(status),))[0]


def day(on: date) -> str:
    """A date as people write it."""
    return f"{on.day} {on:%b %Y}"


def period(period_type: str, start: date, end: date) -> str:
    """A period by its dates: financial years of different calendars share their labels, not their days."""
    if period_type == "month":
        return f"{start:%b %Y}"
    if period_type == "rolling12":
        return f"12 months to {end:%b %Y}"
    if period_type == "quarter" and start.year == end.year:
        return f"{start:%b}–{end:%b %Y}"
    return f"{start:%b %Y} – {end:%b %Y}"


def period_of(figure: Figure) -> str:
    """The period of a figure."""
    return period(figure.period_type_code, figure.period_start_on, figure.period_end_on)


def cautions(figure: Figure, *, is_staleness_said: bool = False) -> list[str]:
    """Why a figure may still change. A delivery that is late or held back is left out where it was spoken of before."""
    said = [
        (figure.is_stale and not is_staleness_said, "waits for a delivery"),
        (not figure.is_period_complete, "period not complete"),
        (figure.is_provisional and figure.is_period_complete, "provisional"),
    ]
    return [text for applies, text in said if applies]


def latest(series: Sequence[Figure]) -> Figure | None:
    """The figure to speak of: the last firm one that is shown, else the last shown, else the last firm one, or any."""
    firm, known = [f for f in series if f.is_firm], [f for f in series if f.is_shown]
    found = [f for f in firm if f.is_shown] or known or firm or list(series)
    return found[-1] if found else None


def charted(series: Sequence[Figure]) -> Figure | None:
    """The last month that stands on a chart with limits."""
    return next((f for f in reversed(series) if f.variation_code is not None), None)


def signal(series: Sequence[Figure]) -> str:
    """Variation and assurance of a series at its end, in a sentence; empty without a chart."""
    last = charted(series)
    if last is None or last.variation_code is None:
        return ""
    name, meaning = VARIATIONS.get(last.variation_code, (plain(last.variation_code), ""))
    rule = f" ({RULES[last.spc_rule_code]})" if last.spc_rule_code in RULES else ""
    text = f"{period_of(last)}: {name}, {meaning}{rule}."
    if last.assurance_code in ASSURANCES:
        name, meaning = ASSURANCES[last.assurance_code]
        text += f" {name.capitalize()}: {meaning}."
    return text


def trend_text(kpi: Kpi, series: Sequence[Figure]) -> str:
    """What the picture of a trend shows."""
    if not series:
        return "There are no figures."
    first, last = series[0], series[-1]
    what = _PERIODS.get(first.period_type_code, "Periodic")
    parts = [f"{what} figures from {period_of(first)} to {period_of(last)}: {_told_apart(series)}."]
    values = [f.value for f in series if f.value is not None and f.is_shown]
    newest = latest(series)
    if values and newest is not None:
        money = first.slice_value if first.slice_code == "currency" else "all"
        low, high = (quantity(v, kpi.unit, money) for v in (min(values), max(values)))
        parts.append(f"They lie between {low} and {high}; {period_of(newest)}: {shown(newest, kpi.unit)}.")
    limits = charted(series)
    if limits is not None and limits.spc_mean is not None:
        lower, upper = limits.spc_lower_limit, limits.spc_upper_limit
        if lower is not None and upper is not None:
            trial = ", on trial (fewer than twelve months)" if limits.spc_is_trial else ""
            parts.append(
                f"Mean {quantity(limits.spc_mean, kpi.unit)}, limits {quantity(lower, kpi.unit)} to "
                f"{quantity(upper, kpi.unit)}{trial}."
            )
    marks = Counter(f.variation_code for f in series if f.variation_code not in (None, "common_cause"))
    parts += [f"Marked as {VARIATIONS.get(code, (plain(code),))[0]}: {count}." for code, count in sorted(marks.items())
              if code]  # fmt: skip
    parts.append(signal(series))
    if is_stale_throughout(series):
        parts.append("A delivery that is late or held back may still correct them.")
    return " ".join(part for part in parts if part)


def why_not_judged(figure: Figure, direction: int, grade: str | None) -> str:
    """Why a figure with a target is not held against it. ``grade`` is that of the data behind it."""
    if direction == 0:
        return DIRECTIONS[0]
    reasons = cautions(figure, is_staleness_said=True)
    if grade == "D":
        reasons = [*reasons, "quality of the data is D"]
    return "; ".join(reasons) or "target set after the period began, or too few cases"


def quality_part(part: Row) -> str:
    """A part of the quality of a KPI's data with its share."""
    share = f"{number(part['share_pct'])}\N{NO-BREAK SPACE}%"
    return f"{_quality_subject(part)} {share}"


def quality_text(parts: Sequence[Row]) -> str:
    """What the grades of a KPI rest on."""
    records = [_quality_subject(part) for part in parts if part["part_code"] == "records"]
    elements = [
        f"{part['subject_name']} ({part['reason'][:1].lower() + part['reason'][1:]})"
        for part in parts
        if part["part_code"] == "element"
    ]
    said = ["A grade is that of the weakest part: A from 98 %, B from 95 %, C from 85 %, D below."]
    if records:
        said.append(f"Records delivered without an open defect, by table: {', '.join(records)}.")
    if elements:
        said.append(f"Values in the latest whole quarter: {'; '.join(elements)}.")
    return " ".join(said)


def _quality_subject(part: Row) -> str:
    if part["part_code"] == "element":
        return str(part["subject_name"])
    kind, _, table = str(part["subject_code"]).partition(".")
    return f"{plain(table)} ({plain(kind)})"


def is_stale_throughout(series: Sequence[Figure]) -> bool:
    """Every figure waits for a delivery, which is said once."""
    return bool(series) and all(f.is_stale for f in series)


def _told_apart(series: Sequence[Figure]) -> str:
    counted = Counter("shown" if f.is_shown else f.value_status for f in series)
    order = ["shown", *STATUSES]
    named = {"shown": "shown"} | {code: name for code, (name, _) in STATUSES.items()}
    return ", ".join(f"{counted[code]} {named[code]}" for code in order if counted[code]) or "none"


def names(listed: Iterable[str]) -> str:
    """Some names, and how many more there are."""
    known = list(listed)
    more = len(known) - _NAMED
    return ", ".join(known[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def funnel_text(kpi: Kpi, compared: Sequence[Compared]) -> str:
    """What the picture of a funnel shows."""
    plotted = [c for c in compared if c.figure.is_shown and c.place.get("funnel95_lower") is not None]
    if not plotted:
        return "There is no funnel for this KPI and period."
    centre = plotted[0].place["centre"]
    text = f"{len(plotted)} organisations around {quantity(centre, kpi.unit)}."
    for code, name in BANDS.items():
        found = [c.figure.level_name for c in plotted if c.place.get("funnel_band_code") == code]
        if found and code != "within":
            text += f" {name.capitalize()}: {names(found)}."
    if all(c.place.get("funnel_band_code") == "within" for c in plotted):
        text += " All are within the limits."
    return text


def why_no_funnel(kpi: Kpi) -> str:
    """Why organisations that stand beside each other have no funnel."""
    statistic = str(kpi.definition.get("statistic_code") or "")
    what = _NOT_COUNTED.get(statistic)
    if what is None:
        return "There is no funnel: it needs the counts behind the figures."
    return f"There is no funnel: its limits say how far chance moves counts, and this is {what}."


def peers_text(kpi: Kpi, compared: Sequence[Compared]) -> str:
    """What the picture of organisations beside each other shows."""
    ordered = ranked(kpi, compared)
    if not ordered:
        return "No organisation's figure can be shown for this period."
    best, worst = ordered[0].figure, ordered[-1].figure
    if len(ordered) == 1:
        return f"Only one organisation's figure can be shown: {best.level_name} {shown(best, kpi.unit)}."
    order = "from the best" if kpi.direction else "from the highest"
    text = f"{len(ordered)} organisations in order {order}: {best.level_name} {shown(best, kpi.unit)}"
    text += f" to {worst.level_name} {shown(worst, kpi.unit)}."
    place = next((c.place for c in ordered if c.place.get("median") is not None), {})
    if place:
        text += f" Median {quantity(place['median'], kpi.unit)}"
        if place.get("q1") is not None and place.get("q3") is not None:
            text += f", middle half {quantity(place['q1'], kpi.unit)} to {quantity(place['q3'], kpi.unit)}"
        text += "."
    return text


def ranked(kpi: Kpi, compared: Sequence[Compared]) -> list[Compared]:
    """The organisations whose figure is shown, best or highest first."""
    sign = -1 if kpi.direction >= 0 else 1
    known = [c for c in compared if c.figure.is_shown]
    return sorted(known, key=lambda c: (sign * (c.figure.value or 0.0), c.figure.level_name, c.figure.level_key))


def left_out(compared: Sequence[Compared]) -> list[str]:
    """Sentences about the organisations that can't be shown, by reason."""
    said = []
    for code, (name, why) in STATUSES.items():
        found = [c.figure.level_name for c in compared if c.figure.value_status == code]
        if found:
            said.append(f"{name.capitalize()}: {names(found)}. {why}")
    return said
