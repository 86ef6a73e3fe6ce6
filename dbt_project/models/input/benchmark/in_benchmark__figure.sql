{#- A figure is put together from the published numbers of one organisation, period and group: the mapping says which is
    its value, which make its numerator and which its denominator. -#}
{%- set about = [
    'source_id', 'measure_id', 'level_code', 'organisation_code', 'period_type_code', 'period_start_on', 'period_end_on',
    'slice_type_code', 'slice_code',
] -%}
with part as (
    select
        c.*,
        p.measure_id,
        p.role_code,
        p.sign,
        p.part_count,
        p.is_main
    from {{ ref('stg_indicator_table__cell') }} as c
    inner join {{ source('ops', 'indicator_part') }} as p on c.source_id = p.source_id and c.cell_code = p.cell_code
),

s as (
    select
        {{ about | join(', ') }},
        max(organisation_name) as organisation_name,
        max(period_label) as period_label,
        {{ number_of_role('value', 'number') }} as value,
        {{ number_of_role('value', 'number_lower') }} as value_lower,
        {{ number_of_role('value', 'number_upper') }} as value_upper,
        {{ number_of_role('value', 'status_code') }} as value_status_code,
        max(case when role_code = 'value' and is_rounding_known then 1 else 0 end) = 1 as is_value_rounding_known,
        {%- for role in ['numerator', 'denominator'] %}
        {{ sum_of_parts(role, 'number_decimal', 'number_decimal') }} as {{ role }},
        {{ sum_of_parts(role, 'number_lower', 'number_upper') }} as {{ role }}_lower,
        {{ sum_of_parts(role, 'number_upper', 'number_lower') }} as {{ role }}_upper,
        {%- endfor %}
        max(case when role_code in ('numerator', 'denominator') and status_code = 'suppressed' then 1 else 0 end) = 1
            as is_part_suppressed,
        {%- for role in ['lower', 'upper', 'centre', 'score'] %}
        {{ number_of_role(role, 'number') }} as published_{{ role }},
        {%- endfor %}
        max(case when is_main then delivery_id end) as delivery_id,
        max(case when is_main then file_name end) as file_name,
        max(case when is_main then row_number end) as row_number,
        max(case when is_main then line_number end) as line_number
    from part
    group by {{ about | join(', ') }}
    having max(case when is_main then 1 else 0 end) = 1
)

select
    m.publication_code,
    m.method_version,
    m.comparability_code,
    s.measure_id,
    m.measure_name,
    m.kpi_id,
    m.direction,
    m.unit_code,
    m.multiplier,
    m.statistic_code,
    s.organisation_code,
    coalesce(s.organisation_name, s.organisation_code) as organisation_name,
    s.level_code,
    s.slice_type_code,
    s.slice_code,
    s.period_type_code,
    s.period_start_on,
    s.period_end_on,
    s.period_label,
    s.value_status_code,
    {%- for name in ['value', 'value_lower', 'value_upper'] %}
    cast(s.{{ name }} as double) * cast(m.scale as double) as {{ name }},
    {%- endfor %}
    s.is_value_rounding_known,
    {%- for role in ['numerator', 'denominator'] %}
    cast(s.{{ role }} as decimal(28, 4)) as {{ role }},
    -- Counts are never negative, however far rounding and marks reach.
    cast(
        case
            when s.{{ role }}_lower < 0 and m.statistic_code in ('proportion', 'rate', 'count') then 0
            else s.{{ role }}_lower
        end as decimal(28, 4)
    ) as {{ role }}_lower,
    cast(s.{{ role }}_upper as decimal(28, 4)) as {{ role }}_upper,
    {%- endfor %}
    s.is_part_suppressed,
    {%- for role in ['lower', 'upper', 'centre', 'score'] %}
    s.published_{{ role }}{{ ' * cast(m.scale as double) as published_' ~ role if role != 'score' }},
    {%- endfor %}
    {{ input_provenance() }}
from s
{{ input_source_join() }}
inner join {{ source('ops', 'indicator_measure') }} as m on s.source_id = m.source_id and s.measure_id = m.measure_id
