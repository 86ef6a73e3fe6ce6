"""What is planted into the sheets of the sample region, one rule after the other.

What belongs here: which provider's sheets have which defect. What does not: sound rows, and how files look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from sources.sample.management import Row, Value
from sources.sample.planted import Defect, Ledger
from sources.sample.world import Provider

HELD = "the row is held back and listed for its sender; the others count"
REPORTED = "the row counts as far as it can, and is listed for its sender"
RAW = "_raw"
"""Column of a row that stands in a CSV file as it is."""


_NOTHING_YET: dict[str, Row] = {
    "goal": {"goal_code": "G0", "person_code": "P0", "stated_on": "2025-09-01", "intent_code": "improve"},
    "goal_review": {"goal_code": "G0", "rated_on": "2025-09-19", "attainment_level": 0},
    "review": {"review_code": "R0", "person_code": "P0", "due_on": "2025-09-01"},
    "appointment": {
        "appointment_code": "B0", "person_code": "P0", "appointed_on": "2025-09-01", "attendance_code": "attended",
    },
    "funder_report": {"award_code": "360G-none", "report_code": "R00", "due_on": "2025-06-30"},
}  # fmt: skip
"""What a row is made like where nobody stayed long enough for one."""


@dataclass
class Planting:
    """Plants defects into the rows of one provider; what was planted is found again by the row itself."""

    provider: Provider
    rows: dict[str, list[Row]]
    ledger: Ledger
    found: list[tuple[str, Row, Defect, list[Row]]] = field(default_factory=list)
    """Entity, row, defect, and the other rows that take part."""

    def plant(
        self,
        entity: str,
        rule: str,
        severity: str,
        column: str | None,
        row: Row,
        others: list[Row] | None = None,
        *,
        at: int | None = None,
    ) -> Row:
        """Put a row among the others; by default a little before the end."""
        rows = self.rows[entity]
        rows.insert(max(len(rows) - 3, 0) if at is None else at, row)
        return self.mark(entity, rule, severity, column, row, others)

    def mark(
        self, entity: str, rule: str, severity: str, column: str | None, row: Row, others: list[Row] | None = None
    ) -> Row:
        """Say that a row that is there already is to be found."""
        source = source_of(self.provider)
        value = row.get(column) if column else None
        defect = Defect(
            self.ledger.defect_id(source, rule), source, "", rule, severity, HELD if severity == "record" else REPORTED,
            table=entity, column=column, value=None if value is None else str(value),
        )  # fmt: skip
        self.ledger.defects.append(defect)
        self.found.append((entity, row, defect, others or []))
        return row

    def like(self, entity: str, place: int = -9, **changes: Value) -> Row:
        """A row like one that is there (before those that are planted), with changes."""
        rows = self.rows[entity] or [_NOTHING_YET[entity]]
        return {**rows[max(place, -len(rows))], **changes}


def source_of(provider: Provider) -> str:
    """Id of the source of a provider's sheets."""
    return f"{provider.id}_management"


def _harbour(p: Planting) -> None:
    p.plant(
        "staffing",
        "negative_amount",
        "record",
        "leavers_fte",
        p.like("staffing", leavers_fte=Decimal(-1), role_code="cook"),
    )
    twice = p.like("staffing", role_code="driver", fte_established=Decimal(1), fte_in_post=Decimal(1))
    p.plant("staffing", "duplicate_key", "record", "team_code", twice)
    p.rows["staffing"].append(dict(twice))
    p.plant(
        "staffing",
        "unknown_organisation",
        "record",
        "organisation_code",
        p.like("staffing", organisation_code="harbour_north"),
    )


def _fennimoor(p: Planting) -> None:
    vague = p.like("appointment", appointment_code="FMB900001", attendance_code="rang in", cancelled_on=None)
    p.plant("appointment", "invalid_code", "record", "attendance_code", vague)
    silent = p.like(
        "appointment", appointment_code="FMB900002", attendance_code="cancelled_by_person", cancelled_on=None
    )
    p.plant("appointment", "missing_cancellation_day", "warning", "cancelled_on", silent)
    asked = p.like("target", -2, kpi_id="AV-01.episodes", target_code="FM-asked-late", level_code="regional")
    late_by_an_award = {**asked, "set_on": f"{str(asked['period_start_on'])[:8]}20"}
    p.plant("target", "retrospective_target", "warning", "set_on", late_by_an_award)
    late = p.like("target", 1, target_code="FM-late", kpi_id="AV-05", period_start_on="2024-04-01", set_on="2024-07-15")
    p.plant("target", "retrospective_target", "warning", "set_on", late)
    p.plant("target", "unknown_kpi", "warning", "kpi_id", p.like("target", 1, target_code="FM-none", kpi_id="OC-99"))


def _millrace(p: Planting) -> None:
    back = p.like("funder_report", report_code="R90", due_on="2025-06-30", extended_due_on="2025-06-01")
    p.plant("funder_report", "extension_before_due", "warning", "extended_due_on", back)
    undated = p.like("funder_report", report_code="R91", due_on=None, extended_due_on=None, submitted_on=None)
    p.plant("funder_report", "missing_required_value", "record", "due_on", undated)
    part: Row = {**p.rows["outcome_link"][-1], "from_code": "S1", "from_level_code": "service", "to_code": "nhwo:NHWO1"}
    first = {**part, "set_code": "draft", "weight": Decimal("0.5")}
    second = {**part, "set_code": "draft", "weight": Decimal("0.4"), "to_code": "nhwo:NHWO2"}
    p.plant("outcome_link", "weight_sum", "warning", "weight", first, [second])
    p.rows["outcome_link"].append(second)
    bare = p.like("objective", 4, objective_code="O9", label="Neighbours are content")
    p.plant("objective", "leaf_without_kpi", "warning", "objective_code", bare, at=6)
    lost = p.like("goal_review", goal_code=f"{p.provider.prefix}G99999")
    p.plant("goal_review", "orphan_record", "record", "goal_code", lost)


def _norrowgate(p: Planting) -> None:
    first = p.like("objective", 3, objective_code="K1", parent_objective_code="K2", label="Kinder words")
    second = p.like("objective", 3, objective_code="K2", parent_objective_code="K1", label="Better listening")
    p.plant("objective", "objective_circle", "warning", "parent_objective_code", first, [second], at=5)
    p.rows["objective"].append(second)
    answer = p.like("culture", score_current=7, respondent_code="2025-spring-99", instrument_code="culture_survey")
    p.plant("culture", "out_of_range", "record", "score_current", answer)


def _tidewell(p: Planting) -> None:
    fewer = p.like("reference_population", reference_year=2020, person_count=-4)
    p.plant("reference_population", "negative_amount", "record", "person_count", fewer)
    nobody = p.like("sampling_frame", stratum_code="unknown", population_count=-1)
    p.plant("sampling_frame", "negative_amount", "record", "population_count", nobody)
    kept = p.like("appointment", appointment_code="TWB900001", attendance_code="attended", cancelled_on="2025-09-01")
    p.plant("appointment", "cancelled_all_the_same", "warning", "attendance_code", kept)
    rated = p.like("goal_review", rated_on="2025-09-19", attainment_level=3)
    p.plant("goal_review", "out_of_range", "record", "attainment_level", rated)
    goal = p.like("goal", goal_code=f"{p.provider.prefix}G90001", status_code="given up")
    p.plant("goal", "invalid_code", "record", "status_code", goal)
    stranger = p.like("review", review_code=f"{p.provider.prefix}R90001", person_code="TW999999", episode_code=None)
    p.plant("review", "unknown_person", "warning", "person_code", stranger)
    p.plant(
        "finance",
        "invalid_currency",
        "record",
        "currency_code",
        p.like("finance", currency_code="£", cost_centre_code="CC-X"),
    )


def _oakapple(p: Planting) -> None:
    named = p.like("supervision", staff_code="Agnes Berringer", note="On leave until Monday")
    p.ledger.identify(names="Agnes Berringer")
    p.plant("supervision", "identifying_code", "record", "staff_code", named)
    share: Row = {
        "objective_code": "S1",
        "linked_type_code": "award",
        "linked_code": "360G-larkspur-shared",
        "weight": Decimal("0.7"),
    }
    again: Row = {**share, "objective_code": "G2"}
    p.plant("objective_link", "share_sum", "warning", "weight", share, [again])
    p.rows["objective_link"].append(again)
    lost = p.like("staffing", service_code="OA9", team_code="OA9-T")
    p.plant("staffing", "unknown_service", "warning", "service_code", lost)


def _brackwater(p: Planting) -> None:
    p.plant(
        "finance",
        "invalid_date",
        "record",
        "month_start_on",
        p.like("finance", month_start_on="31/13/2025", cost_centre_code="CC-Y"),
    )
    back = p.like("training", staff_code="BW9S01", joined_on="2025-02-01", left_on="2024-12-31")
    p.plant("training", "end_before_start", "warning", "left_on", back)
    p.plant(
        "supervision", "wrong_field_count", "record", None, {RAW: "BW1;BW1-T;only three", "month_end_on": "2025-09-30"}
    )


def _kestrelby(p: Planting) -> None:
    p.plant(
        "action",
        "invalid_code",
        "warning",
        "status_code",
        p.like("action", -1, action_code="KB-A99", status_code="parked"),
    )
    p.plant(
        "staffing",
        "missing_required_value",
        "record",
        "fte_in_post",
        p.like("staffing", role_code="cleaner", fte_in_post=None),
    )
    second = p.like("objective", 0, objective_code="M2", label="Nobody sleeps rough")
    p.plant("objective", "one_mission", "warning", "objective_type_code", second, [p.rows["objective"][0]], at=1)
    p.rows["objective_link"].append(
        {"objective_code": "M2", "linked_type_code": "kpi", "linked_code": "AV-05", "weight": None}
    )


PLANS: dict[str, Callable[[Planting], None]] = {
    "harbour": _harbour,
    "brackwater": _brackwater,
    "fennimoor": _fennimoor,
    "kestrelby": _kestrelby,
    "millrace": _millrace,
    "norrowgate": _norrowgate,
    "oakapple": _oakapple,
    "tidewell": _tidewell,
}
"""Providers that send sheets, and what is planted into them."""
