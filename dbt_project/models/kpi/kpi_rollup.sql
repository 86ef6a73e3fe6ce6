-- depends_on: {{ ref('kpi_atom') }}, {{ ref('kpi_period') }}, {{ ref('kpi_calendar') }}
-- depends_on: {{ ref('fct_system_entry') }}, {{ ref('fct_system_exit') }}, {{ ref('fct_return') }}, {{ ref('fct_income_change') }}
-- Sums of every additive measure by level, slice and period. A measure without a row is NULL here, not 0.
{#- Columns follow the catalogue, so this model has no contract; its readers go through the same macros. -#}
{%- set groups = kpi_groups(kpi_catalogue()) -%}
{%- set columns = kpi_all_columns(groups) %}
with
{% for group in groups %}
{%- if group.is_rolled -%}
group_{{ loop.index }} as (
    {{ kpi_rolled_group(group) }}
){{ "," if not loop.last }}
{%- else -%}
months_{{ loop.index }} as (
    {{ kpi_months(group) }}
),

group_{{ loop.index }} as (
    select
        m.level_code,
        m.level_key,
        m.slice_code,
        m.slice_value,
        p.period_type_code,
        p.period_start_on,
        p.period_end_on,
        {%- for name, column in kpi_group_columns(group).items() %}
        cast(sum(m.{{ name }}) as {{ column.type }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from months_{{ loop.index }} as m
    {{ kpi_period_join('m', 'm.month_on', group.calendars) }}
    {%- if group.is_stock %}
    cross join {{ source('ops', 'run_context') }} as as_of
    {%- endif %}
    where {{ kpi_series_condition(group.series, 'm.level_code', 'm.slice_code', 'p.period_type_code') }}
        {%- if group.is_stock %}
        and m.month_on = {{ kpi_stock_month('p.period_end_on', 'as_of.as_of') }}
        {%- endif %}
    group by m.level_code, m.level_key, m.slice_code, m.slice_value,
        p.period_type_code, p.period_start_on, p.period_end_on
){{ "," if not loop.last }}
{% endif %}
{% else %}
nothing as (select 1 as placeholder)
{% endfor %}
{% for group in groups %}
{%- set own = kpi_group_columns(group) %}
select
    cast('{{ group.name }}' as string) as atom_group,
    level_code, level_key, slice_code, slice_value, period_type_code, period_start_on, period_end_on,
    {%- for name, type in columns.items() %}
    {% if name in own %}{{ name }}{% else %}cast(null as {{ type }}) as {{ name }}{% endif %}{{ "," if not loop.last }}
    {%- endfor %}
from group_{{ loop.index }}
{{ "union all" if not loop.last }}
{% else %}
select placeholder from nothing
{% endfor %}
