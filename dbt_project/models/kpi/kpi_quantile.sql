-- depends_on: {{ ref('fct_episode') }}, {{ ref('fct_referral') }}, {{ ref('kpi_period') }}, {{ ref('kpi_calendar') }}
-- depends_on: {{ ref('fct_homeless_time') }}, {{ ref('kpi_key') }}
-- Medians and other quantiles, from the rows themselves: quantiles of parts do not add up to the quantile of the whole.
-- Linear interpolation between the two nearest ranks (type 7).
{%- set groups = kpi_quantile_groups(kpi_catalogue()) %}
with
{% for group in groups %}
group_{{ loop.index }} as (
    {%- for one in group.series.values() %}
    {%- set last_series = loop.last %}
    {%- for period_type in one.periods %}
    {{ kpi_quantiles(group, one, period_type) }}
    {{ "union all" if not (loop.last and last_series) }}
    {%- endfor %}
    {%- endfor %}
),
{% endfor %}
long as (
    {%- for group in groups %}
    {%- set group_number = loop.index %}
    {%- set last_group = loop.last %}
    {%- for name in group.measures %}
    select
        cast('{{ name }}' as string) as measure_name,
        cast('{{ group.calendar }}' as string) as calendar_code,
        level_number, level_key, slice_number, slice_value, period_type_number, period_start_on, period_end_on,
        cast({{ name }} as double) as quantile,
        cast({{ name }}__count as bigint) as value_count
    from group_{{ group_number }}
    where {{ name }}__count > 0
    {{ "union all" if not (loop.last and last_group) }}
    {%- endfor %}
    {%- else %}
    select 1 as placeholder
    {%- endfor %}
)

select
    long.measure_name,
    long.calendar_code,
    long.level_number,
    e.key_number,
    long.slice_number,
    v.key_number as slice_key_number,
    long.period_type_number,
    long.period_start_on,
    long.period_end_on,
    long.quantile,
    long.value_count
from long
inner join {{ ref('kpi_key') }} as e on long.level_key = e.key_text
inner join {{ ref('kpi_key') }} as v on long.slice_value = v.key_text
