"""`trigpoint instrument`: definitions for the terminal.

What belongs here: looking a definition up and laying it out. What does not: what may be in one (``definition``), and
scoring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestration.instruments.definition import (
    Instrument,
    Membership,
    Programme,
    Rule,
    Vector,
    memberships,
    score_range,
)
from orchestration.instruments.reading import latest, read_instruments, read_programmes

UNVERIFIED = "unverified"


class UnknownInstrumentError(Exception):
    """There is no such instrument or version; the message names those that there are."""


def instrument_list() -> RenderableType:
    """Every instrument, one a line. Raises ``InstrumentError`` if definitions can't be used."""
    instruments = read_instruments()
    table = Table(box=None, header_style="bold")
    for column in ("code", "version", "name", "items", "score", "better", "caseness and reliable change", "marks"):
        table.add_column(column, overflow="fold")
    for instrument in instruments:
        rules = "\n".join(_rule_in_short(instrument, rule) for rule in instrument.rules)
        table.add_row(
            *(instrument.code, _version(instrument, instruments), instrument.name, str(len(instrument.item_numbers))),
            *(_scores_in_short(instrument), _better(instrument.direction), rules, _marks(instrument)),
        )
    return table


def instrument_page(code: str, version: str | None) -> RenderableType:
    """One definition with all that it says. Raises :class:`UnknownInstrumentError`."""
    instruments = read_instruments()
    instrument = find(instruments, code, version)
    programmes = {p.code: p for p in read_programmes()}
    parts = [
        _head(instrument, instruments),
        _items(instrument),
        _scales(instrument),
        _bands(instrument),
        _rules(instrument, programmes),
        _unverified(instrument),
        _vectors(instrument),
    ]
    shown: list[RenderableType] = []
    for part in parts:
        if part is not None:
            shown += [Text(), part] if shown else [part]
    return Group(*shown)


def find(instruments: Sequence[Instrument], code: str, version: str | None) -> Instrument:
    """An instrument's version, by default the latest. Raises :class:`UnknownInstrumentError`."""
    versions = {i.version: i for i in instruments if i.code == code}
    if not versions:
        raise UnknownInstrumentError(f"no instrument '{code}'; there are {', '.join(latest(instruments))}")
    if version is None:
        return latest(instruments)[code]
    if version not in versions:
        raise UnknownInstrumentError(f"no version '{version}' of {code}; there are {', '.join(versions)}")
    return versions[version]


# Parts of a page --------------------------------------------------------------------------------------------------


def _head(instrument: Instrument, instruments: Sequence[Instrument]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    licence = instrument.licence
    registration = "registration required" if licence.registration_required else "no registration"
    wording = "wording may be shipped" if licence.may_ship_items else "no item wording"
    recall = "" if instrument.recall_days is None else f", looking back {instrument.recall_days} days"
    table.add_row("instrument", f"{instrument.name} ({instrument.code})")
    table.add_row("version", _version(instrument, instruments))
    table.add_row("answered by", f"{instrument.respondent}{recall}")
    table.add_row("used for", f"{instrument.use}, {instrument.orientation}, {_better(instrument.direction)} is better")
    table.add_row("headline", instrument.headline or "none: no score stands for the whole")
    table.add_row("measures", ", ".join(instrument.measured) or "none")
    if instrument.outcome_parts:
        table.add_row("any scale", f"whether any of {len(instrument.outcome_parts)} got better, and any worse")
    table.add_row("licence", f"{licence.holder}; {licence.terms}; {registration}; {wording}")
    table.add_row("source", instrument.source)
    table.add_row("status", "verified" if instrument.verified else Text(UNVERIFIED, style="yellow"))
    return table


def _items(instrument: Instrument) -> Table:
    table = _titled("Items", "item", "values", "points", "no answer", "name or wording")
    reversed_items = {item for run in instrument.ranges for item in run.reverse}
    named = {**instrument.item_names, **instrument.wording}
    for run in instrument.ranges:
        apart = {item for item in run.numbers if item in named or item in run.points or item in run.safeguard}
        for items in _alike(run.numbers, reversed_items, apart):
            first = items[0]
            points = "reversed" if first in reversed_items else "as answered"
            if first in run.points:
                points = ", ".join(f"{value}→{_plain(score)}" for value, score in run.points[first].items())
            if set(items) & instrument.safeguard_items:
                points += "; safeguarding"
            missing = ", ".join(f"{value} {reason}" for value, reason in run.missing.items())
            table.add_row(_span(items), f"{run.min} to {run.max}", points, missing, named.get(first, ""))
    return table


def _alike(numbers: Sequence[int], reversed_items: set[int], apart: set[int]) -> Iterator[list[int]]:
    """Neighbouring items that one line describes; those ``apart`` have a line of their own."""
    group: list[int] = []
    for number in numbers:
        is_own = number in apart or bool(group and group[-1] in apart)
        if group and (is_own or (number in reversed_items) != (group[-1] in reversed_items)):
            yield group
            group = []
        group.append(number)
    if group:
        yield group


def _scales(instrument: Instrument) -> Table:
    table = _titled("Scores", "scale", "made of", "how", "needs", "score", "better", "value set")
    for m in memberships(instrument):
        low, high = score_range(m)
        scale = m.scale
        span = "no number" if scale.method == "profile" else f"{_plain(low)} to {_plain(high)}"
        preferences = " by ".join(filter(None, (scale.value_set, scale.mapping)))
        name = scale.code if len(scale.bases or ()) < 2 else f"{scale.code} ({m.code})"
        table.add_row(
            *(name, _span(m.members), _how(m), _needs(m), span, _better(instrument.direction_of(scale)), preferences)
        )
    return table


def _how(m: Membership) -> str:
    scale = m.scale
    parts = [scale.method.replace("_", " ")]
    if any(m.weights(member) is not None for member in m.members):
        parts.append("of weights by answer")
    if scale.multiplier != 1:
        parts.append(f"× {_plain(scale.multiplier)}")
    if scale.offset:
        parts.append(f"{'+' if scale.offset > 0 else '−'} {_plain(abs(scale.offset))}")
    if scale.lookup == "value_set":
        parts.append("looked up in the region's file")
    elif scale.lookup is not None:
        parts.append(f"looked up in a table of {len(scale.lookup)}")
    return " ".join(parts)


def _needs(m: Membership) -> str:
    if m.minimum_answered == len(m.members):
        needs = "all" if len(m.members) > 1 else "its answer"
    else:
        rounded = ", rounded half up" if m.scale.rounding == "half_up" else ""
        way = "" if m.scale.method in ("goal_attainment", "max") else f", prorated{rounded}"
        needs = f"{m.minimum_answered} of {len(m.members)}{way}"
    return needs if m.not_applicable is None else f"{needs}; only where item {m.not_applicable} does not apply"


def _bands(instrument: Instrument) -> Table | None:
    if not instrument.bands:
        return None
    table = _titled("Bands", "scale", "bands")
    for scale in dict.fromkeys(band.scale for band in instrument.bands):
        bands = sorted((b for b in instrument.bands if b.scale == scale), key=lambda b: b.from_)
        table.add_row(scale, ", ".join(f"{b.code} from {_plain(b.from_)}" for b in bands))
    return table


def _rules(instrument: Instrument, programmes: Mapping[str, Programme]) -> Table | None:
    if not instrument.rules:
        return None
    table = _titled(
        "Programmes", "programme", "several", "scale", "case", "reliable change", "stands for", "criterion", "source"
    )
    for rule in instrument.rules:
        pairing = f"{rule.pairing.group}, rank {rule.pairing.rank}" if rule.pairing else "itself"
        programme = programmes[rule.programme]
        made_for = [problem for problem, codes in programme.problems.items() if instrument.code == codes[0]]
        if rule.pairing and made_for:
            pairing += f"; made for {', '.join(made_for)}"
        default = " (default)" if rule.default else ""
        source = rule.source if rule.verified else f"{rule.source} [{UNVERIFIED}]"
        table.add_row(
            *(f"{rule.programme}{default}", programme.multi_measure_rule, rule.scale or instrument.headline or ""),
            *(_case(rule), _change(rule), pairing, rule.criterion, Text(source)),
        )
    return table


def _unverified(instrument: Instrument) -> Table | None:
    """What rests on general knowledge, and on whose."""
    marked = dict(instrument.unverified)
    marked |= {f"rule of {rule.programme}": rule.source for rule in instrument.rules if not rule.verified}
    if not marked:
        return None
    table = _titled("Unverified", "what", "it rests on")
    for key, source in marked.items():
        table.add_row(Text(key, style="yellow"), source)
    return table


def _vectors(instrument: Instrument) -> Table:
    table = _titled("Test vectors", "vector", "given", "must come to")
    for vector in instrument.vectors:
        table.add_row(vector.name, _given(vector), _expected(instrument, vector))
    return table


def _given(vector: Vector) -> str:
    parts = [" ".join("·" if value is None else str(value) for value in vector.items)] if vector.items else []
    if vector.item_weights:
        parts.append("weights " + " ".join("·" if w is None else _plain(w) for w in vector.item_weights))
    if vector.missing:
        parts.append(", ".join(f"{item} {reason}" for item, reason in vector.missing.items()))
    if vector.prereversed:
        parts.append("reversed by the sender")
    if vector.total is not None:
        parts.append(f"total {vector.total}")
    if vector.supplied is not None:
        parts.append(f"score {vector.supplied}")
    return "; ".join(parts)


def _expected(instrument: Instrument, vector: Vector) -> str:
    scale = vector.scale or instrument.headline
    told = []
    for key in vector.expect.model_fields_set:
        value = getattr(vector.expect, key)
        text = "none" if value is None else _plain(value) if isinstance(value, Decimal) else str(value).lower()
        told.append(f"{scale if key == 'score' else key} {text}")
    return ", ".join(sorted(told, key=lambda part: not part.startswith(str(scale))))


# Words ------------------------------------------------------------------------------------------------------------


def _titled(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _version(instrument: Instrument, instruments: Sequence[Instrument]) -> str:
    since = f" from {instrument.valid_from}" if instrument.valid_from else ""
    is_old = latest(instruments)[instrument.code] is not instrument
    return f"{instrument.version}{since}{' (superseded)' if is_old else ''}"


def _scores_in_short(instrument: Instrument) -> str:
    if instrument.headline is None:
        return f"{len(instrument.measured)} measures"
    m = next(m for m in memberships(instrument) if m.scale.code == instrument.headline)
    low, high = score_range(m)
    return f"{_plain(low)} to {_plain(high)}"


def _rule_in_short(instrument: Instrument, rule: Rule) -> str:
    parts = [part for part in (_case(rule), _change(rule)) if part]
    mark = "" if rule.verified else " ?"
    return f"{rule.programme}: {', '.join(parts) or 'none'}{mark}"


def _marks(instrument: Instrument) -> Text:
    if not instrument.verified:
        return Text(UNVERIFIED, style="yellow")
    return Text(", ".join(instrument.unverified), style="yellow")


def _case(rule: Rule) -> str:
    if rule.caseness is None:
        return ""
    return f"{ {'>=': '≥', '<=': '≤'}[rule.caseness.op] }{_plain(rule.caseness.value)}"


def _change(rule: Rule) -> str:
    if rule.reliable_change is not None:
        return f"±{_plain(rule.reliable_change)}"
    if rule.reliability is not None:
        return f"SD {_plain(rule.reliability.sd)}, reliability {_plain(rule.reliability.coefficient)}"
    return ""


def _better(direction: str) -> str:
    return {"higher_better": "higher", "lower_better": "lower", "profile": "each level lower"}[direction]


def _span(members: Sequence[int | str]) -> str:
    """Members with runs of numbers as from–to."""
    runs: list[list[int | str]] = []
    for member in members:
        last = runs[-1][-1] if runs else None
        if isinstance(member, int) and isinstance(last, int) and member == last + 1:
            runs[-1].append(member)
        else:
            runs.append([member])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _plain(number: Decimal) -> str:
    text = format(round(number, 4).normalize(), "f")
    return text.replace("-", "−") if text.startswith("-") else text
