"""The region file's ``mapping`` block of a survey source: which questions mean what.

What belongs here: reading and checking the block, and the rows of ``ops.survey_form`` and ``ops.survey_item`` that
follow from it. What does not: reading deliveries (``odk``, ``redcap``) and scoring instruments (``dbt_project``).

```yaml
mapping:
  forms:
    wellbeing_check:                       # ODK form id, or REDCap form name
      instrument: phq9
      items: {phq9_1: 1, phq9_2: 2}        # question -> item number
      total: phq9_total                    # optional: the total as the sender worked it out
      score: phq9_score                    # optional: the score, where it is not the total
      weights: {goal_1_weight: 1}          # optional: question -> item whose answer it weighs (goal attainment)
      items_are_prereversed: true          # the sender has turned reversed items round already; default false
      # or, where one form carries several: instruments: {phq9: {phq9_1: 1}, gad7: {gad7_1: 1}}
      # with total: {phq9: phq9_total}, score alike, weights: {gas: {goal_1_weight: 1}}
      person: {field: client_ref, scheme: harbour_hmis}
      assessed_on: visit_date              # else the day of submission
      timepoint: wave
      stratum: lives_in                    # optional: the question that says which stratum of the sampling frame
      # or, where the person's records say it: stratum: {person: age_band}
      free_text: [comment]                 # always to the vault
      plain: [referral_route]              # text that is no personal data, kept readable
      select_multiple: [needs]             # ODK: one answer a chosen option, beside the list as sent
  events: {baseline_arm_1: start}          # REDCap: event -> timepoint
  missing_codes: {"-999": not_answered}    # value -> why there is no answer
  complete: true                           # every delivery holds all responses of its forms; default false
```
A question is named by its own name, or by its path (``group/question``) where two questions share a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MISSING_REASONS = ("not_answered", "not_relevant", "declined", "unknown", "not_applicable")

_TOP_KEYS = frozenset({"forms", "events", "missing_codes", "complete"})
_FORM_KEYS = frozenset(
    {
        "instrument",
        "instruments",
        "items",
        "total",
        "score",
        "weights",
        "items_are_prereversed",
        "person",
        "assessed_on",
        "timepoint",
        "stratum",
        "free_text",
        "plain",
        "select_multiple",
    }
)
PERSON_STRATA = ("age_band", "sex", "ethnicity", "disability")
"""What of a person, or of the stay in which they answered, a sampling frame may be split by."""
_CODE = re.compile(r"^[a-z][a-z0-9_]*$")

FormRow = tuple[str, str, str | None, str | None, str | None, str | None, str | None, str | None, str | None]
ItemRow = tuple[str, str, str, str, int | None, str]


@dataclass(frozen=True)
class FormMapping:
    """What is known of one form. A form that the region file does not name has an empty one."""

    form_code: str
    items: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Instrument → question → item number."""
    totals: Mapping[str, str] = field(default_factory=dict)
    """Instrument → question with the supplied total."""
    scores: Mapping[str, str] = field(default_factory=dict)
    """Instrument → question with the supplied score."""
    weights: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Instrument → question with the weight of an item → number of that item."""
    is_prereversed: bool = False
    person_field: str | None = None
    person_scheme: str | None = None
    """Id of the case-management source whose person codes ``person_field`` holds."""
    assessed_on: str | None = None
    timepoint: str | None = None
    stratum: str | None = None
    """Question whose answer is the stratum of the sampling frame."""
    stratum_of_person: str | None = None
    """What of the person is the stratum, one of :data:`PERSON_STRATA`."""
    free_text: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    select_multiple: frozenset[str] = frozenset()

    @property
    def readable(self) -> frozenset[str]:
        """Questions whose answers the platform works with, so they stay out of the vault."""
        single = {name for name in (self.person_field, self.assessed_on, self.timepoint, self.stratum) if name}
        items = {question for numbers in self.items.values() for question in numbers}
        supplied = (*self.totals.values(), *self.scores.values())
        weights = {question for numbers in self.weights.values() for question in numbers}
        return frozenset({*single, *items, *weights, *supplied, *self.plain, *self.select_multiple})

    @property
    def named(self) -> frozenset[str]:
        """Every question that the mapping names."""
        return self.readable | self.free_text


@dataclass(frozen=True)
class SurveyMapping:
    """The whole block."""

    forms: Mapping[str, FormMapping]
    events: Mapping[str, str]
    missing_codes: Mapping[str, str]
    complete: bool

    def form(self, form_code: str) -> FormMapping:
        """The mapping of a form; empty if the region file says nothing about it."""
        return self.forms.get(form_code) or FormMapping(form_code)


def parse_mapping(mapping: Mapping[str, Any]) -> SurveyMapping:
    """Read a block that :func:`check_survey_mapping` found fine."""
    return SurveyMapping(
        forms={str(code): _form(str(code), block or {}) for code, block in (mapping.get("forms") or {}).items()},
        events={str(event): str(point) for event, point in (mapping.get("events") or {}).items()},
        missing_codes={str(code): str(why) for code, why in (mapping.get("missing_codes") or {}).items()},
        complete=bool(mapping.get("complete", False)),
    )


def survey_mapping_rows(source_id: str, mapping: Mapping[str, Any]) -> tuple[list[FormRow], list[ItemRow]]:
    """Rows of ``ops.survey_form`` (one a form and instrument) and ``ops.survey_item``, in a stable order."""
    forms: list[FormRow] = []
    items: list[ItemRow] = []
    for code, form in sorted(parse_mapping(mapping).forms.items()):
        person = (form.person_field, form.person_scheme)
        rest = (form.assessed_on, *person, form.timepoint, form.stratum, form.stratum_of_person)
        instruments: list[str | None] = [*sorted(form.items)] or [None]
        forms += [(source_id, code, instrument, *rest) for instrument in instruments]
        for instrument, numbers in sorted(form.items.items()):
            ordered = sorted(numbers.items(), key=lambda item: item[1])
            role = "item_prereversed" if form.is_prereversed else "item"
            items += [(source_id, code, instrument, question, number, role) for question, number in ordered]
            weighed = sorted(form.weights.get(instrument, {}).items(), key=lambda item: item[1])
            items += [(source_id, code, instrument, question, number, "weight") for question, number in weighed]
            for role, supplied in (("total", form.totals), ("score", form.scores)):
                if instrument in supplied:
                    items.append((source_id, code, instrument, supplied[instrument], None, role))
    return forms, items


def check_survey_mapping(mapping: Mapping[str, Any], *, has_events: bool) -> list[str]:
    """Problems of a block, each a sentence; ``has_events`` for kinds whose surveys have events."""
    problems = [f"unknown key '{key}'; known are {_listed(_TOP_KEYS)}" for key in sorted(set(mapping) - _TOP_KEYS)]
    if not has_events and mapping.get("events"):
        problems.append("'events' belongs to REDCap; for an ODK form name the question in 'timepoint'")
    for key in ("forms", "events", "missing_codes"):
        if not isinstance(mapping.get(key) or {}, Mapping):
            problems.append(f"'{key}' must be a block of keys and values")
    if not isinstance(mapping.get("complete", False), bool):
        problems.append("'complete' must be true or false")
    problems += _check_codes(mapping)
    forms = mapping.get("forms") or {}
    for code, block in forms.items() if isinstance(forms, Mapping) else ():
        problems += [f"form '{code}': {problem}" for problem in _check_form(block)]
    return problems


def _form(code: str, block: Mapping[str, Any]) -> FormMapping:
    person = block.get("person") or {}
    stratum = block.get("stratum")
    return FormMapping(
        form_code=code,
        items=_items(block),
        totals=_supplied(block, "total"),
        scores=_supplied(block, "score"),
        weights=_weights(block),
        is_prereversed=bool(block.get("items_are_prereversed", False)),
        person_field=person.get("field"),
        person_scheme=person.get("scheme"),
        assessed_on=block.get("assessed_on"),
        timepoint=block.get("timepoint"),
        stratum=stratum if isinstance(stratum, str) else None,
        stratum_of_person=stratum["person"] if isinstance(stratum, Mapping) else None,
        free_text=frozenset(block.get("free_text") or ()),
        plain=frozenset(block.get("plain") or ()),
        select_multiple=frozenset(block.get("select_multiple") or ()),
    )


def _items(block: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    if block.get("instruments"):
        return {str(code): dict(numbers or {}) for code, numbers in block["instruments"].items()}
    if block.get("instrument"):
        return {str(block["instrument"]): dict(block.get("items") or {})}
    return {}


def _weights(block: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Instrument → question → item number, for ``weights``."""
    weights = block.get("weights") or {}
    if block.get("instruments"):
        return {str(code): dict(numbers) for code, numbers in weights.items() if isinstance(numbers, Mapping)}
    return {str(block["instrument"]): dict(weights)} if weights and block.get("instrument") else {}


def _supplied(block: Mapping[str, Any], key: str) -> dict[str, str]:
    """Instrument → question, for ``total`` and ``score``."""
    supplied = block.get(key)
    if isinstance(supplied, Mapping):
        return {str(code): str(question) for code, question in supplied.items()}
    return {str(block["instrument"]): str(supplied)} if supplied and block.get("instrument") else {}


def _check_codes(mapping: Mapping[str, Any]) -> Iterator[str]:
    codes = mapping.get("missing_codes") or {}
    for code, reason in codes.items() if isinstance(codes, Mapping) else ():
        if reason not in MISSING_REASONS:
            yield f"missing code '{code}': '{reason}' is no known reason; known are {_listed(MISSING_REASONS)}"
    events = mapping.get("events") or {}
    for event, point in events.items() if isinstance(events, Mapping) else ():
        if not isinstance(point, str) or not _CODE.match(point):
            yield f"event '{event}': the timepoint must be a lower-case word such as start"


def _check_form(block: Any) -> Iterator[str]:
    if block is None:
        return
    if not isinstance(block, Mapping):
        yield "must be a block of keys and values"
        return
    yield from (f"unknown key '{key}'; known are {_listed(_FORM_KEYS)}" for key in sorted(set(block) - _FORM_KEYS))
    shapes = list(_check_shapes(block))
    yield from shapes
    if shapes:
        return
    yield from _check_items(block)
    form = _form("", block)
    for question in sorted(form.free_text & form.readable):
        yield f"'{question}' is named as free text and for use; free text goes to the vault and can't be used"


def _check_shapes(block: Mapping[str, Any]) -> Iterator[str]:
    for key in ("instrument", "assessed_on", "timepoint"):
        if block.get(key) is not None and not isinstance(block[key], str):
            yield f"'{key}' must be a name"
    for key in ("free_text", "plain", "select_multiple"):
        names = block.get(key) or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            yield f"'{key}' must be a list of questions"
    for key in ("items", "instruments", "weights", "person"):
        if not isinstance(block.get(key) or {}, Mapping):
            yield f"'{key}' must be a block of keys and values"
    instruments = block.get("instruments") or {}
    for code, numbers in instruments.items() if isinstance(instruments, Mapping) else ():
        if not isinstance(numbers, Mapping):
            yield f"instrument '{code}' must be a block of question and item number"
    person = block.get("person")
    if isinstance(person, Mapping):
        yield from (f"person: unknown key '{key}'; known are field, scheme" for key in sorted(set(person) - _PERSON))
        for key in sorted(_PERSON):
            if not isinstance(person.get(key), str):
                yield f"person: '{key}' is required ({_PERSON_NEEDS[key]})"
    yield from _check_stratum(block)
    for key in ("total", "score"):
        if not isinstance(block.get(key) or "", str | Mapping):
            yield f"'{key}' must be a question, or a block of instrument and question"
    if not isinstance(block.get("items_are_prereversed", False), bool):
        yield "'items_are_prereversed' must be true or false"


def _check_stratum(block: Mapping[str, Any]) -> Iterator[str]:
    stratum = block.get("stratum")
    if stratum is None or isinstance(stratum, str):
        return
    if not isinstance(stratum, Mapping) or set(stratum) != {"person"} or stratum["person"] not in PERSON_STRATA:
        yield f"'stratum' must be a question, or {{person: …}} with one of {_listed(PERSON_STRATA)}"
    elif not block.get("person"):
        yield "'stratum' is read from the person's records, and 'person' does not say who that is"


_PERSON = {"field", "scheme"}
_PERSON_NEEDS = {
    "field": "the question that holds the person's code",
    "scheme": "the id of the source whose codes these are",
}


def _check_items(block: Mapping[str, Any]) -> Iterator[str]:
    if block.get("instrument") and block.get("instruments"):
        yield "name either 'instrument' with 'items', or 'instruments'"
        return
    if block.get("items") and not block.get("instrument"):
        yield "'items' needs 'instrument'"
    if block.get("instrument") and not any(block.get(key) for key in ("items", "total", "score")):
        yield "'instrument' needs 'items', 'total' or 'score'"
    supplied = {key: _supplied(block, key) for key in ("total", "score")}
    for key, by_instrument in supplied.items():
        if isinstance(block.get(key), str) and not block.get("instrument"):
            yield f"'{key}' needs 'instrument'; with 'instruments' write {key}: {{instrument: question}}"
        for instrument in sorted(set(by_instrument) - set(_items(block))):
            yield f"'{key}' names instrument '{instrument}', which the form does not carry"
    weights = block.get("weights") or {}
    if weights and block.get("instruments") and not all(isinstance(each, Mapping) for each in weights.values()):
        yield "with 'instruments' write weights: {instrument: {question: item number}}"
        return
    if weights and not _weights(block):
        yield "'weights' needs 'instrument' or 'instruments'"
    for instrument in sorted(set(_weights(block)) - set(_items(block))):
        yield f"'weights' names instrument '{instrument}', which the form does not carry"
    owner: dict[str, str] = {}
    for instrument, numbers in _items(block).items():
        weighed = _weights(block).get(instrument, {})
        yield from _check_numbers(instrument, numbers)
        yield from _check_numbers(instrument, weighed)
        sent = [by_instrument[instrument] for by_instrument in supplied.values() if instrument in by_instrument]
        for question in [*numbers, *weighed, *sent]:
            if question in owner:
                where = "twice" if owner[question] == instrument else f"for {owner[question]} and {instrument}"
                yield f"question '{question}' is used {where}; an answer belongs to one item"
            owner[question] = instrument


def _check_numbers(instrument: str, numbers: Mapping[str, Any]) -> Iterator[str]:
    seen: dict[int, str] = {}
    for question, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            yield f"{instrument}: the item number of '{question}' must be a whole number from 1"
        elif number in seen:
            yield f"{instrument}: item number {number} is used twice, for '{seen[number]}' and '{question}'"
        else:
            seen[number] = question


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
