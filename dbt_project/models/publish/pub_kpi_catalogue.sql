-- Definitions of every KPI that is published.
select
    kpi_id, version, kpi_name, description, question, decision, category_code, level_of_outcome_code,
    origin_code, is_headline, unit_code,
    multiplier, statistic_code, direction, anchor, numerator, denominator, exclusions, maturity_lag_days,
    min_denominator, levels, periods, slices, base_slice_code, calendar_code, additivity_code, is_stock,
    interval_method_code,
    chart_code, balancing_kpi_id, owner, reference_sources, is_verified, valid_from_on, valid_to_on,
    figures_table
from {{ ref('kpi_definition') }}
