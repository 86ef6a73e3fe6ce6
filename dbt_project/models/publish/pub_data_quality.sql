-- Quality of data by organisation, element and period, from the protected figures. `all` stands for all elements; the
-- grade is of completeness.
with wide as (
    select
        level_key as organisation_id,
        level_name as organisation_name,
        slice_value as element_code,
        period_type_code,
        period_start_on,
        period_end_on,
        {%- for name, kpi_id in [('completeness', 'DQ-01'), ('validity', 'DQ-02'), ('timeliness', 'DQ-03'), ('consistency', 'DQ-05')] %}
        max(case when kpi_id = '{{ kpi_id }}' then value end) as {{ name }}_pct,
        max(case when kpi_id = '{{ kpi_id }}' then value_status end) as {{ name }}_status,
        {%- endfor %}
        min(case when is_period_complete then 1 else 0 end) = 1 as is_period_complete
    from {{ ref('pub_kpi_timeseries') }}
    where kpi_id in ('DQ-01', 'DQ-02', 'DQ-03', 'DQ-05') and level_code = 'organisation'
    group by level_key, level_name, slice_value, period_type_code, period_start_on, period_end_on
)

select
    w.organisation_id,
    w.organisation_name,
    w.element_code,
    coalesce(e.element_name, 'All elements') as element_name,
    w.period_type_code,
    w.period_start_on,
    w.period_end_on,
    {%- for name in ['completeness', 'validity', 'timeliness', 'consistency'] %}
    w.{{ name }}_pct,
    w.{{ name }}_status,
    {%- endfor %}
    {{ quality_grade('w.completeness_pct') }} as grade_code,
    w.is_period_complete
from wide as w
left join {{ ref('ref_dq_element') }} as e on w.element_code = e.element_code
