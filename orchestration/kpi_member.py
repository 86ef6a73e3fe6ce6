"""Which members make a figure: one rule, by which `trigpoint explain` finds them and `trigpoint kpi test` adds them up.

What belongs here: conditions over members (``fct_kpi_member``) and figures, as SQL. What does not: what a member adds
to a figure (``dbt_project/macros/kpi/members.sql``), reading releases (``explain_release``), comparing
(``kpi_check``).
"""

from __future__ import annotations

LEVEL_COLUMNS = {
    "region": None,
    "organisation": "organisation_id",
    "service_type": "service_type_key",
    "service": "service_key",
    "source": "source_key",
    "funder": "funder_key",
    "programme": "programme_key",
    "award": "award_key",
}
"""Level → what of a member is its key there; the region has none, as everybody is of it."""

_WITHIN_ONE_SENDER = ("organisation", "service", "source")


def person_column(level: str) -> str:
    """What of a member is one person at a level: within one organisation as its sender counts, else as matched."""
    return "source_person_key" if level in _WITHIN_ONE_SENDER else "person_key"


def slice_column(slice_code: str, base_slice: str) -> str:
    """What of a member is its value of a slice."""
    return "base_slice_value" if slice_code == base_slice else f"slice_{slice_code}"


def belongs(level: str, slice_code: str, base_slice: str, statistic: str, *, is_rolled: bool, is_stock: bool) -> str:
    """SQL that is true where a member ``m`` counts for a figure ``f`` of one level and slice.

    ``f`` has the columns level_key, slice_value, period_type_code, period_start_on, period_end_on and as_of.
    ``is_rolled``: the members are of a fact that already has one row a person, level and period.
    """
    conditions = [f"m.{slice_column(slice_code, base_slice)} = f.slice_value"]
    if is_rolled:
        conditions += [
            f"m.level_code = '{level}' AND m.level_key = f.level_key",
            "m.period_type_code = f.period_type_code AND m.period_start_on = f.period_start_on",
        ]
        return " AND ".join(conditions)
    if column := LEVEL_COLUMNS[level]:
        conditions.append(f"m.{column} = f.level_key")
    if statistic == "distinct_count":
        conditions.append(
            "m.anchor_on <= least(f.period_end_on, f.as_of) "
            "AND coalesce(m.anchor_end_on, DATE '9999-12-31') >= f.period_start_on"
        )
    elif is_stock:
        # A stock is that of the last month of its period, or of the as-of date.
        conditions.append("date_trunc('month', m.anchor_on) = date_trunc('month', least(f.period_end_on, f.as_of))")
    else:
        conditions.append("m.anchor_on BETWEEN f.period_start_on AND f.period_end_on")
    return " AND ".join(conditions)
