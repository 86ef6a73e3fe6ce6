-- depends_on: {{ ref('fct_episode') }}, {{ ref('kpi_calendar') }}, {{ ref('kpi_scaffold') }}
-- Distinct persons active in a period, by level and slice. A person's spells at one level are put in order, and each adds
-- only the stretch that no earlier one covers; a stretch is +1 where it begins and -1 after it ends, and the running sum
-- over periods is the head count. A rolling year takes a stretch in for eleven months longer than the month does.
{%- set kpis = kpi_catalogue() | selectattr('statistic', 'equalto', 'distinct_count') | list %}
with
-- Width of a period in months, and for how many months longer a stretch counts.
period_types as (
    select 'month' as period_type_code, 1 as width, 0 as tail
    union all
    select 'quarter', 3, 0
    union all
    select 'financial_year', 12, 0
    union all
    select 'rolling12', 1, 11
),

{% for kpi in kpis %}
{%- set kpi_number = loop.index %}
{%- for one in kpi_spell_series(kpi) %}
spells_{{ kpi_number }}_{{ loop.index }} as (
    {{ kpi_spells(kpi, one) }}
),
{% endfor %}
{%- endfor %}
spans as (
    {%- for kpi in kpis %}
    {%- set kpi_number = loop.index %}
    {%- set last_kpi = loop.last %}
    {%- for one in kpi_spell_series(kpi) %}
    {%- set spells = 'spells_' ~ kpi_number ~ '_' ~ loop.index %}
    {%- set last_pass = loop.last %}
    {%- for slice in one.slices %}
    {{ kpi_spans(kpi, one, slice, spells) }}
    {{ "union all" if not (loop.last and last_pass and last_kpi) }}
    {%- endfor %}
    {%- endfor %}
    {%- else %}
    select 1 as placeholder
    {%- endfor %}
),

-- A span adds to the periods after the last one that an earlier spell counts in.
stretches as (
    select
        s.measure_name,
        s.calendar_code,
        s.entity_number,
        s.slice_code,
        s.slice_value,
        t.period_type_code,
        greatest(
            {{ period_number('s.from_month_number', 's.start_month', 't.width') }},
            coalesce({{ period_number('s.earlier_month_number', 's.start_month', 't.width') }} + t.tail + 1, -1)
        ) as from_number,
        {{ period_number('s.to_month_number', 's.start_month', 't.width') }} + t.tail as to_number,
        s.person_count
    from spans as s
    inner join period_types as t
        on s.slice_code = 'all' or t.period_type_code in ('{{ kpi_slice_period_types(kpis) | join("', '") }}')
),

changes as (
    select measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code,
        from_number as period_number, sum(person_count) as change_count
    from stretches
    where from_number <= to_number
    group by measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code, from_number
    union all
    select measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code,
        to_number + 1 as period_number, -sum(person_count) as change_count
    from stretches
    where from_number <= to_number
    group by measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code, to_number
),

wanted as (
    select
        s.measure_name,
        s.calendar_code,
        s.entity_number,
        s.slice_code,
        s.slice_value,
        f.level_code,
        f.level_key,
        f.period_type_code,
        f.period_start_on,
        f.period_end_on,
        {{ period_number(
            month_number(add_months('f.period_start_on', 't.tail')), 'c.start_month', 't.width'
        ) }} as period_number
    from (select distinct measure_name, calendar_code, entity_number, slice_code, slice_value from changes) as s
    inner join {{ ref('kpi_calendar') }} as c
        on s.entity_number = c.entity_number and s.calendar_code = c.calendar_code
    inner join {{ ref('kpi_scaffold') }} as f
        on c.level_code = f.level_code and c.level_key = f.level_key and f.calendar_code in ('any', s.calendar_code)
        and f.domain_code = 'case_management'
    inner join period_types as t on f.period_type_code = t.period_type_code
    where {{ kpi_person_count_condition(kpis, 's', 'f.level_code', 'f.period_type_code') }}
),

-- Changes in periods that nobody asks for count in those that follow.
running as (
    select
        measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code, period_number,
        sum(change_count) over (
            partition by measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code
            order by period_number asc nulls last
            rows between unbounded preceding and current row
        ) as person_count
    from (
        select measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code, period_number,
            sum(change_count) as change_count
        from (
            select measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code,
                period_number, change_count
            from changes
            union all
            select measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code,
                period_number, 0 as change_count
            from wanted
        ) as every_change
        group by measure_name, calendar_code, entity_number, slice_code, slice_value, period_type_code, period_number
    ) as by_period
)

select
    w.measure_name,
    w.calendar_code,
    w.level_code,
    w.level_key,
    w.slice_code,
    w.slice_value,
    w.period_type_code,
    w.period_start_on,
    w.period_end_on,
    cast(r.person_count as bigint) as person_count
from wanted as w
inner join running as r
    on w.measure_name = r.measure_name and w.calendar_code = r.calendar_code and w.entity_number = r.entity_number
    and w.slice_code = r.slice_code and w.slice_value = r.slice_value
    and w.period_type_code = r.period_type_code and w.period_number = r.period_number
