-- depends_on: {{ ref('fct_episode') }}, {{ ref('kpi_calendar') }}, {{ ref('kpi_scaffold') }}, {{ ref('kpi_key') }}
-- Distinct persons active in a period, by level and slice. A person's spells at one level are put in order, and each adds
-- only the stretch that no earlier one covers; a stretch is +1 where it begins and -1 after it ends, and the running sum
-- over periods is the head count. A rolling year takes a stretch in for eleven months longer than the month does.
{%- set passes = kpi_spell_passes(kpi_catalogue() | selectattr('statistic', 'equalto', 'distinct_count') | list) %}
{#- Number of a period type, its width in months, and for how many months longer a stretch counts. -#}
{%- set types = {'month': [1, 1, 0], 'quarter': [2, 3, 0], 'financial_year': [3, 12, 0], 'rolling12': [4, 1, 11]} %}
with
{% for pass in passes %}
spells_{{ loop.index }} as (
    {{ kpi_spells(pass.kpi, pass) }}
),
{% endfor %}
series as (
    {%- for pass in passes %}
    {%- set last_pass = loop.last %}
    {%- for one in pass.series %}
    {%- set last_one = loop.last %}
    {%- for period_type in one.periods %}
    select
        {{ one.number }} as series_number,
        '{{ pass.kpi.numerator.name }}' as measure_name,
        '{{ pass.kpi.calendar }}' as calendar_code,
        {{ kpi_number('slice', one.slice) }} as slice_number,
        {{ kpi_number('period_type', period_type) }} as period_type_number,
        {{ types[period_type][0] }} as type_number,
        {{ types[period_type][1] }} as width,
        {{ types[period_type][2] }} as tail
    {{ "union all" if not (loop.last and last_one and last_pass) }}
    {%- endfor %}
    {%- endfor %}
    {%- else %}
    select 1 as placeholder
    {%- endfor %}
),

spans as (
    {%- for pass in passes %}
    {%- set spells = 'spells_' ~ loop.index %}
    {%- set last_pass = loop.last %}
    {%- for one in pass.series %}
    {{ kpi_spans(one.number, pass, one.slice, spells) }}
    {{ "union all" if not (loop.last and last_pass) }}
    {%- endfor %}
    {%- else %}
    select 1 as placeholder
    {%- endfor %}
),

-- A span adds to the periods after the last one that an earlier spell counts in.
stretches as (
    select
        s.series_number,
        s.entity_number,
        s.slice_value,
        t.type_number,
        greatest(
            {{ period_number('s.from_month_number', 's.start_month', 't.width') }},
            coalesce({{ period_number('s.earlier_month_number', 's.start_month', 't.width') }} + t.tail + 1, -1)
        ) as from_number,
        {{ period_number('s.to_month_number', 's.start_month', 't.width') }} + t.tail as to_number,
        s.person_count
    from spans as s
    inner join series as t on s.series_number = t.series_number
),

changes as (
    select series_number, entity_number, slice_value, type_number,
        from_number as period_number, sum(person_count) as change_count
    from stretches
    where from_number <= to_number
    group by series_number, entity_number, slice_value, type_number, from_number
    union all
    select series_number, entity_number, slice_value, type_number,
        to_number + 1 as period_number, -sum(person_count) as change_count
    from stretches
    where from_number <= to_number
    group by series_number, entity_number, slice_value, type_number, to_number
),

wanted as (
    select
        t.series_number,
        k.entity_number,
        s.slice_value,
        t.type_number,
        {{ period_number(
            month_number(add_months('f.period_start_on', 't.tail')), 'k.start_month', 't.width'
        ) }} as period_number,
        t.measure_name,
        t.calendar_code,
        t.slice_number,
        f.level_number,
        f.key_number,
        f.period_type_number,
        f.period_start_on,
        f.period_end_on
    from (select distinct series_number, entity_number, slice_value from spans) as s
    inner join series as t on s.series_number = t.series_number
    inner join {{ ref('kpi_calendar') }} as k
        on s.entity_number = k.entity_number and t.calendar_code = k.calendar_code
    inner join {{ ref('kpi_scaffold') }} as f
        on k.level_number = f.level_number and k.key_number = f.key_number and t.period_type_number = f.period_type_number
    where f.domain_code = 'case_management' and f.calendar_code in ('any', t.calendar_code)
),

-- Changes in periods that nobody asks for count in those that follow.
by_period as (
    select series_number, entity_number, slice_value, type_number, period_number, sum(change_count) as change_count
    from (
        select series_number, entity_number, slice_value, type_number, period_number, change_count
        from changes
        union all
        select series_number, entity_number, slice_value, type_number, period_number, 0 as change_count
        from wanted
    ) as every_change
    group by series_number, entity_number, slice_value, type_number, period_number
),

running as (
    select
        series_number, entity_number, slice_value, type_number, period_number,
        sum(change_count) over (
            partition by series_number, entity_number, slice_value, type_number
            order by period_number asc nulls last
            rows between unbounded preceding and current row
        ) as person_count
    from by_period
)

select
    cast(w.measure_name as string) as measure_name,
    cast(w.calendar_code as string) as calendar_code,
    w.level_number,
    w.key_number,
    w.slice_number,
    v.key_number as slice_key_number,
    w.period_type_number,
    w.period_start_on,
    w.period_end_on,
    cast(r.person_count as bigint) as person_count
from wanted as w
inner join running as r
    on w.series_number = r.series_number and w.entity_number = r.entity_number and w.slice_value = r.slice_value
    and w.type_number = r.type_number and w.period_number = r.period_number
inner join {{ ref('kpi_key') }} as v on w.slice_value = v.key_text
