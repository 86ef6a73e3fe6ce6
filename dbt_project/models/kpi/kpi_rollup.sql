-- depends_on: {{ ref('kpi_atom') }}, {{ ref('kpi_period') }}, {{ ref('kpi_calendar') }}, {{ ref('kpi_key') }}, {{ ref('kpi_code') }}
-- depends_on: {{ ref('fct_system_entry') }}, {{ ref('fct_system_exit') }}, {{ ref('fct_return') }}, {{ ref('fct_income_change') }}
-- depends_on: {{ ref('fct_homeless_time') }}
-- Sums of every additive measure by level, slice and period. A measure without a row is NULL here, not 0.
{#- The slots follow the catalogue, so this model has no contract; its readers go through the same macros. -#}
{%- set groups = kpi_groups(kpi_catalogue()) -%}
{%- set slots = kpi_slots(groups) -%}
{%- set rolled = groups | selectattr('is_rolled') | list -%}
{#- Facts that count few things, many, and those that sum amounts: most rows need neither many columns nor wide ones. -#}
{%- set parts = kpi_parts_by_slots(groups | rejectattr('is_rolled') | list) %}
{%- if groups %}
with
{% for part in parts %}
{%- set own_slots = kpi_slots(part) %}
series_{{ loop.index }} as (
    {{ kpi_series_rows(part) }}
),

-- From atoms to levels, by month.
months_{{ loop.index }} as (
    select
        s.series_number,
        case s.level_number
            when {{ kpi_number('level', 'region') }} then s.region_number
            when {{ kpi_number('level', 'organisation') }} then a.organisation_number
            {%- for level in kpi_atom_levels(groups) %}
            when {{ kpi_number('level', level) }} then a.{{ level }}_number
            {%- endfor %}
        end as key_number,
        a.slice_key_number,
        a.month_on,
        {%- for slot, type in own_slots.items() %}
        cast(sum(a.{{ slot }}) as {{ type }}) as {{ slot }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('kpi_atom') }} as a
    inner join (
        select distinct s.series_number, s.group_number, s.level_number, s.slice_number, k.key_number as region_number
        from series_{{ loop.index }} as s
        cross join {{ source('ops', 'region') }} as r
        inner join {{ ref('kpi_key') }} as k on r.region_id = k.key_text
    ) as s on a.group_number = s.group_number and a.slice_number = s.slice_number
    group by 1, 2, 3, 4
),

-- To periods: financial years and quarters of the entity's own calendar (the region's where an entity has none) or HUD's,
-- months and rolling years of any. Of a stock, the last month counts.
periods_{{ loop.index }} as (
    select
        m.series_number,
        m.key_number,
        m.slice_key_number,
        p.period_type_number,
        p.period_start_on,
        p.period_end_on,
        {%- for slot, type in own_slots.items() %}
        cast(sum(m.{{ slot }}) as {{ type }}) as {{ slot }}{{ "," if not loop.last }}
        {%- endfor %}
    from months_{{ loop.index }} as m
    inner join series_{{ loop.index }} as s on m.series_number = s.series_number
    cross join {{ source('ops', 'region') }} as region
    cross join {{ source('ops', 'run_context') }} as as_of
    left join {{ ref('kpi_calendar') }} as c
        on s.level_number = c.level_number and m.key_number = c.key_number and c.calendar_code = 'own'
    inner join {{ ref('kpi_period') }} as p
        on m.month_on = p.month_on and s.period_type_number = p.period_type_number
    where m.key_number is not null
        and (
            p.calendar_start_month = 0
            or (
                s.is_own_calendar
                and p.calendar_start_month = coalesce(c.start_month, region.financial_year_start_month)
            )
            or (s.is_hud_calendar and p.calendar_start_month = {{ hud_start_month() }})
        )
        and (not s.is_stock or m.month_on = {{ kpi_stock_month('p.period_end_on', 'as_of.as_of') }})
    group by
        m.series_number, m.key_number, m.slice_key_number, p.period_type_number, p.period_start_on, p.period_end_on
){{ "," if not loop.last }}
{% endfor %}
{%- for group in rolled %},

rolled_{{ loop.index }} as (
    {{ kpi_rolled_group(group) }}
)
{%- endfor %}

{% for part in parts %}
{%- set own_slots = kpi_slots(part) %}
select
    s.group_number, s.level_number, p.key_number, s.slice_number, p.slice_key_number,
    p.period_type_number, p.period_start_on, p.period_end_on,
    {%- for slot, type in slots.items() %}
    {% if slot in own_slots %}p.{{ slot }}{% else %}cast(null as {{ type }}) as {{ slot }}{% endif %}{{ "," if not loop.last }}
    {%- endfor %}
from periods_{{ loop.index }} as p
inner join (select distinct series_number, group_number, level_number, slice_number from series_{{ loop.index }}) as s
    on p.series_number = s.series_number
{{ "union all" if not loop.last }}
{%- endfor %}
{%- for group in rolled %}
{%- set own = kpi_by_slot(group) %}
union all
select
    {{ kpi_number('atom_group', group.name) }} as group_number,
    level_number, key_number, slice_number, slice_key_number, period_type_number, period_start_on, period_end_on,
    {%- for slot, type in slots.items() %}
    {% if slot in own %}{{ own[slot][0] }}{% else %}cast(null as {{ type }}){% endif %} as {{ slot }}{{ "," if not loop.last }}
    {%- endfor %}
from rolled_{{ loop.index }}
{%- endfor %}
{%- else %}
select 1 as placeholder
{%- endif %}
