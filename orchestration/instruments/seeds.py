"""From definitions to the seeds that the models score by.

What belongs here: the rows of ``ref_instrument*``, ``ref_score_lookup``, ``ref_outcome_programme`` and
``ref_problem_measure``. What does not: what a definition may say (``definition``), and any arithmetic on answers
(``dbt_project/macros/assessment``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from orchestration.instruments.definition import Instrument, Programme, memberships, score_range
from orchestration.instruments.reading import DEFINITIONS, read_instruments, read_programmes
from orchestration.project import DBT_PROJECT

SEEDS = DBT_PROJECT / "seeds"

Row = Mapping[str, object]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ref_instrument": (
        *("instrument_code", "instrument_version", "valid_from", "valid_to", "is_current", "instrument_name"),
        *("use_code", "respondent_code", "recall_days", "item_count", "direction_code", "orientation_code"),
        *("headline_scale_code", "licence_holder", "licence_terms", "is_registration_required", "may_ship_items"),
        *("source", "is_verified", "unverified"),
    ),
    "ref_instrument_item": (
        *("instrument_code", "instrument_version", "item_number", "item_value", "points", "points_if_prereversed"),
        *("missing_reason_code", "is_safeguard"),
    ),
    "ref_instrument_scale": (
        *("instrument_code", "instrument_version", "scale_code", "basis_code", "basis_rank", "stage", "method_code"),
        *("direction_code", "is_measure", "is_outcome_part", "multiplier", "score_offset", "rounding_code"),
        *("member_count", "minimum_answered", "not_applicable_member", "has_lookup", "is_plain_sum", "value_set_code"),
        *("mapping_code", "raw_min", "raw_max", "score_min", "score_max"),
    ),
    "ref_instrument_member": (
        *("instrument_code", "instrument_version", "scale_code", "basis_code", "stage", "member_code", "factor"),
        *("has_weights", "is_weighed"),
    ),
    "ref_score_lookup": (
        *("instrument_code", "instrument_version", "scale_code", "member_code", "raw_total", "score"),
    ),
    "ref_instrument_band": (
        *("instrument_code", "instrument_version", "scale_code", "band_code", "score_from", "is_verified"),
    ),
    "ref_instrument_rule": (
        *("programme_code", "instrument_code", "instrument_version", "scale_code", "is_default"),
        *("caseness_operator", "caseness_value", "reliable_change", "reliability_sd", "reliability_coefficient"),
        *("measure_group_code", "measure_rank", "criterion", "is_verified", "source"),
    ),
    "ref_outcome_programme": ("programme_code", "multi_measure_rule_code", "is_default", "source"),
    "ref_problem_measure": (
        *("programme_code", "problem_code", "instrument_code", "measure_group_code", "measure_rank"),
    ),
}


def compiled(folder: Path = DEFINITIONS) -> dict[str, str]:
    """The text of every seed file, by name. Raises ``InstrumentError``."""
    instruments = read_instruments(folder)
    programmes = read_programmes(folder)
    return {f"{name}.csv": as_csv(COLUMNS[name], rows) for name, rows in seed_rows(instruments, programmes).items()}


def seed_rows(instruments: Sequence[Instrument], programmes: Sequence[Programme]) -> dict[str, list[Row]]:
    """Rows of every seed, by name, in a stable order."""
    versions = _versions(instruments)
    rows_of: Mapping[str, Callable[[Instrument], Iterable[Row]]] = {
        "ref_instrument_item": _item_rows,
        "ref_instrument_scale": _scale_rows,
        "ref_instrument_member": _member_rows,
        "ref_score_lookup": _lookup_rows,
        "ref_instrument_band": _band_rows,
        "ref_instrument_rule": _rule_rows,
    }
    return {
        "ref_instrument": [_instrument_row(i, until) for i, until in versions],
        **{name: [row for i, _ in versions for row in rows(i)] for name, rows in rows_of.items()},
        "ref_outcome_programme": [
            {
                "programme_code": p.code,
                "multi_measure_rule_code": p.multi_measure_rule,
                "is_default": p.default,
                "source": p.source,
            }
            for p in programmes
        ],
        "ref_problem_measure": list(_problem_rows(instruments, programmes)),
    }


def _versions(instruments: Sequence[Instrument]) -> list[tuple[Instrument, date | None]]:
    """Each version with its last day: the day before the next one's first."""
    ordered = sorted(instruments, key=lambda i: (i.code, i.valid_from or date.min))
    following = [*ordered[1:], None]
    return [
        (one, after.valid_from - timedelta(days=1) if after and after.code == one.code and after.valid_from else None)
        for one, after in zip(ordered, following, strict=True)
    ]


def _key(instrument: Instrument) -> dict[str, object]:
    return {"instrument_code": instrument.code, "instrument_version": instrument.version}


def _instrument_row(instrument: Instrument, until: date | None) -> Row:
    return {
        **_key(instrument),
        "valid_from": instrument.valid_from,
        "valid_to": until,
        "is_current": until is None,
        "instrument_name": instrument.name,
        "use_code": instrument.use,
        "respondent_code": instrument.respondent,
        "recall_days": instrument.recall_days,
        "item_count": len(instrument.item_numbers),
        "direction_code": instrument.direction,
        "orientation_code": instrument.orientation,
        "headline_scale_code": instrument.headline,
        "licence_holder": instrument.licence.holder,
        "licence_terms": instrument.licence.terms,
        "is_registration_required": instrument.licence.registration_required,
        "may_ship_items": instrument.licence.may_ship_items,
        "source": instrument.source,
        "is_verified": instrument.verified,
        "unverified": "; ".join(f"{key}: {source}" for key, source in instrument.unverified.items()),
    }


def _item_rows(instrument: Instrument) -> Iterator[Row]:
    for run in instrument.ranges:
        for item in run.numbers:
            key = {**_key(instrument), "item_number": item, "is_safeguard": item in run.safeguard}
            for value in range(run.min, run.max + 1):
                yield {
                    **key,
                    "item_value": value,
                    "points": run.points_of(item, value),
                    "points_if_prereversed": run.points_if_prereversed(item, value),
                }
            for value, reason in sorted(run.missing.items()):
                yield {**key, "item_value": value, "missing_reason_code": reason}


def _scale_rows(instrument: Instrument) -> Iterator[Row]:
    for m in memberships(instrument):
        low, high = score_range(m)
        yield {
            **_key(instrument),
            "scale_code": m.scale.code,
            "basis_code": m.code,
            "basis_rank": m.rank,
            "stage": m.stage,
            "method_code": m.scale.method,
            "direction_code": instrument.direction_of(m.scale),
            "is_measure": m.scale.code in instrument.measured,
            "is_outcome_part": m.scale.code in instrument.outcome_parts,
            "multiplier": m.scale.multiplier,
            "score_offset": m.scale.offset,
            "rounding_code": m.scale.rounding,
            "member_count": len(m.members),
            "minimum_answered": m.minimum_answered,
            "not_applicable_member": m.not_applicable,
            "has_lookup": m.scale.lookup is not None,
            "is_plain_sum": m.scale.method == "sum" and m.stage == 1 and not m.scale.weights,
            "value_set_code": m.scale.value_set,
            "mapping_code": m.scale.mapping,
            "raw_min": m.raw_min,
            "raw_max": m.raw_max,
            "score_min": None if m.scale.method == "profile" else low,
            "score_max": None if m.scale.method == "profile" else high,
        }


def _member_rows(instrument: Instrument) -> Iterator[Row]:
    for m in memberships(instrument):
        for member in m.members:
            yield {
                **_key(instrument),
                "scale_code": m.scale.code,
                "basis_code": m.code,
                "stage": m.stage,
                "member_code": member,
                "factor": m.factor(member),
                "has_weights": m.weights(member) is not None,
                "is_weighed": m.scale.method == "goal_attainment",
            }


def _lookup_rows(instrument: Instrument) -> Iterator[Row]:
    for m in memberships(instrument):
        if m.rank > 1:
            continue
        key = {**_key(instrument), "scale_code": m.scale.code}
        for total, score in sorted((m.scale.table or {}).items()):
            yield {**key, "raw_total": total, "score": score}
        for member in m.members:
            for points, weight in sorted((m.weights(member) or {}).items()):
                yield {**key, "member_code": member, "raw_total": points, "score": weight}


def _band_rows(instrument: Instrument) -> Iterator[Row]:
    for band in instrument.bands:
        yield {
            **_key(instrument),
            "scale_code": band.scale,
            "band_code": band.code,
            "score_from": band.from_,
            "is_verified": instrument.verified and "bands" not in instrument.unverified,
        }


def _rule_rows(instrument: Instrument) -> Iterator[Row]:
    for rule in instrument.rules:
        scale = rule.scale or instrument.headline
        yield {
            "programme_code": rule.programme,
            **_key(instrument),
            "scale_code": scale,
            "is_default": rule.default,
            "caseness_operator": rule.caseness.op if rule.caseness else None,
            "caseness_value": rule.caseness.value if rule.caseness else None,
            "reliable_change": rule.reliable_change,
            "reliability_sd": rule.reliability.sd if rule.reliability else None,
            "reliability_coefficient": rule.reliability.coefficient if rule.reliability else None,
            "measure_group_code": rule.pairing.group if rule.pairing else f"{instrument.code}.{scale}",
            "measure_rank": rule.pairing.rank if rule.pairing else 1,
            "criterion": rule.criterion,
            "is_verified": rule.verified,
            "source": rule.source,
        }


def _problem_rows(instruments: Sequence[Instrument], programmes: Sequence[Programme]) -> Iterator[Row]:
    groups = {(rule.programme, i.code): rule.pairing.group for i in instruments for rule in i.rules if rule.pairing}
    for programme in programmes:
        for problem, codes in programme.problems.items():
            for rank, code in enumerate(codes, start=1):
                yield {
                    "programme_code": programme.code,
                    "problem_code": problem,
                    "instrument_code": code,
                    "measure_group_code": groups[programme.code, code],
                    "measure_rank": rank,
                }


def as_csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows as CSV text: header, no quoting but where needed, booleans as true/false, NULL as empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: text_of(row.get(column)) for column in columns} for row in rows)
    return out.getvalue()


def text_of(value: object) -> str:
    """A value as a seed states it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)
