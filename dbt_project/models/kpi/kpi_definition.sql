-- The catalogue as rows, for everything that reads definitions in SQL.
{%- for kpi in kpi_definitions() %}
select
    {{ kpi_constants(kpi) }},
    cast({{ kpi.number }} as int) as kpi_number,
    {{ sql_text(kpi.name) }} as kpi_name,
    {{ sql_text(kpi.description) }} as description,
    {{ sql_text(kpi.question) }} as question,
    {{ sql_text(kpi.decision) }} as decision,
    {{ sql_text(kpi.category) }} as category_code,
    {{ sql_text(kpi.level_of_outcome) }} as level_of_outcome_code,
    {{ sql_text(kpi.origin) }} as origin_code,
    {{ kpi.headline | lower }} as is_headline,
    {{ sql_text(kpi.unit) }} as unit_code,
    cast({{ kpi.multiplier }} as double) as multiplier,
    {{ sql_text(kpi.statistic) }} as statistic_code,
    cast({{ kpi.direction }} as int) as direction,
    {{ sql_text(kpi.anchor) }} as anchor,
    {{ sql_text(kpi.difference_of | join(' less ') if kpi.difference_of else kpi_measure_text(kpi.numerator)) }} as numerator,
    {{ sql_text(kpi_measure_text(kpi.denominator)) }} as denominator,
    {{ sql_text(kpi_exclusion_text(kpi)) }} as exclusions,
    cast({{ kpi.maturity_lag_days }} as int) as maturity_lag_days,
    cast({{ kpi.min_denominator }} as int) as min_denominator,
    {{ sql_text(kpi.levels | join(', ')) }} as levels,
    {{ sql_text(kpi.periods | join(', ')) }} as periods,
    {{ sql_text((([kpi.base_slice] if kpi.base_slice else []) + kpi.slices) | join(', ')) }} as slices,
    {{ sql_text(kpi.base_slice or 'all') }} as base_slice_code,
    {{ sql_text(kpi.calendar) }} as calendar_code,
    {{ sql_text(kpi.additivity) }} as additivity_code,
    {{ kpi.is_stock | lower }} as is_stock,
    {{ sql_text(kpi.interval_method) }} as interval_method_code,
    {{ sql_text(kpi.chart) }} as chart_code,
    {{ sql_text(kpi.balancing_kpi) }} as balancing_kpi_id,
    {{ sql_text(kpi.owner) }} as owner,
    {{ sql_text(kpi.references | join('; ')) }} as reference_sources,
    {{ kpi.verified | lower }} as is_verified,
    cast({{ "'" ~ kpi.valid_from ~ "'" if kpi.valid_from else 'null' }} as date) as valid_from_on,
    cast({{ "'" ~ kpi.valid_to ~ "'" if kpi.valid_to else 'null' }} as date) as valid_to_on,
    {{ sql_text(kpi.numerator.disclosure if kpi.numerator else 'person') }} as numerator_disclosure_code,
    {{ sql_text((kpi.denominator or kpi.numerator).disclosure if kpi.numerator else 'person') }} as denominator_disclosure_code
{{ "union all" if not loop.last }}
{%- else %}
select 1 as placeholder
{%- endfor %}
