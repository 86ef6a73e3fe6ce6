{#-
    What cannot be summed: distinct persons, quantiles and estimates by stratum. All go back to the rows of the fact, for
    the series that a KPI declares and no others.
-#}

{#- Level key of a fact's row at a level: the region's id, or the column of that entity or dimension. -#}
{% macro kpi_level_key(level, columns) -%}
    {%- if level == 'region' -%} r.region_id {%- else -%} cast(f.{{ columns[level] }} as string) {%- endif -%}
{%- endmacro %}

{% macro kpi_slice_value(slice, columns) -%}
    {%- if slice == 'all' -%}
        cast('all' as string)
    {%- else -%}
        coalesce(cast(f.{{ columns[slice] }} as string), 'unknown')
    {%- endif -%}
{%- endmacro %}

{#-
    Spells of persons in months at one level, each with the last month that an earlier spell of the person reaches. A
    slice that is an attribute of the person comes along; one that may change from spell to spell (`one.slice` other than
    'all') is a level of its own.
-#}
{% macro kpi_spells(kpi, one) -%}
    {%- set measure = kpi.numerator -%}
    {%- set started = 'f.' ~ measure.interval[0] -%}
    {%- set ended = 'f.' ~ measure.interval[1] -%}
    {%- set person = measure.columns[kpi_levels()[one.level].person] -%}
    {%- set attributes = one.slices | reject('equalto', one.slice) | list -%}
    select
        entity_number,
        start_month,
        slice_value,
        {%- for slice in attributes %}
        slice_{{ slice }},
        {%- endfor %}
        from_month_number,
        to_month_number,
        max(to_month_number) over (
            partition by entity_number, {% if one.slice != 'all' %}slice_value, {% endif %}person
            order by from_month_number asc nulls last, to_month_number asc nulls last
            rows between unbounded preceding and 1 preceding
        ) as earlier_month_number
    from (
        select
            c.entity_number,
            c.start_month,
            {{ kpi_slice_value(one.slice, measure.columns) }} as slice_value,
            {%- for slice in attributes %}
            {{ kpi_slice_value(slice, measure.columns) }} as slice_{{ slice }},
            {%- endfor %}
            f.{{ person }} as person,
            cast({{ month_number(started) }} as int) as from_month_number,
            cast(least({{ month_number("coalesce(" ~ ended ~ ", as_of.as_of_on)") }}, as_of.month_number) as int)
                as to_month_number
        from {{ ref(measure.fact) }} as f
        cross join (
            select as_of as as_of_on, {{ month_number('as_of') }} as month_number from {{ source('ops', 'run_context') }}
        ) as as_of
        inner join {{ ref('kpi_calendar') }} as c
            on c.level_code = '{{ one.level }}' and c.calendar_code = '{{ kpi.calendar }}'
            {%- if one.level != 'region' %} and c.level_key = f.{{ measure.columns[one.level] }}{% endif %}
        where {{ started }} <= as_of.as_of_on
            and ({{ ended }} is null or {{ ended }} >= {{ started }})
            and f.{{ person }} is not null
    ) as spells
{%- endmacro %}

{#-
    Spells that do the same to the head count of a series, counted. An earlier spell that ended more than a year
    before is as good as none; one that reaches as far as this one leaves nothing to add.
-#}
{% macro kpi_spans(number, one, slice, spells) -%}
    select
        {{ number }} as series_number,
        entity_number,
        start_month,
        {{ 'slice_value' if slice == one.slice else 'slice_' ~ slice }} as slice_value,
        from_month_number,
        to_month_number,
        case when earlier_month_number >= from_month_number - 12 then earlier_month_number end as earlier_month_number,
        count(*) as person_count
    from {{ spells }}
    where to_month_number > coalesce(earlier_month_number, from_month_number - 1)
    group by all
{%- endmacro %}

{#- Slices of a distinct count by attributes of the person, the same in every spell. -#}
{% macro kpi_person_slices(kpi) -%}
    {{ return(kpi.slices | select('in', kpi.numerator.person_attributes) | list) }}
{%- endmacro %}

{#- Quantile measures grouped by fact and anchor, like kpi_groups. -#}
{% macro kpi_quantile_groups(kpis) -%}
    {%- set groups = {} -%}
    {%- for kpi in kpis if kpi.statistic in ['median', 'quantile'] -%}
        {%- set measure = kpi.numerator -%}
        {%- set name = measure.group ~ '.' ~ kpi.calendar -%}
        {%- if name not in groups -%}
            {%- do groups.update({name: {
                'name': name, 'fact': measure.fact, 'anchor_column': measure.anchor_column,
                'columns': measure.columns, 'calendar': kpi.calendar, 'is_rolled': measure.is_rolled,
                'measures': {}, 'series': {}
            }}) -%}
        {%- endif -%}
        {%- do groups[name].measures.update({measure.name: measure}) -%}
        {%- do kpi_merge_series(groups[name].series, kpi_series(kpi)) -%}
    {%- endfor -%}
    {{ return(groups.values() | sort(attribute='name')) }}
{%- endmacro %}

{#- Quantiles of a group's measures for one level, slice and period type, straight from the fact's rows. -#}
{% macro kpi_quantiles(group, one, period_type) -%}
    {%- if group.is_rolled -%}
        {{ return(kpi_rolled_quantiles(group, one, period_type)) }}
    {%- endif -%}
    select
        {{ kpi_number('level', one.level) }} as level_number,
        {{ kpi_level_key(one.level, group.columns) }} as level_key,
        {{ kpi_number('slice', one.slice) }} as slice_number,
        {{ kpi_slice_value(one.slice, group.columns) }} as slice_value,
        {{ kpi_number('period_type', period_type) }} as period_type_number,
        p.period_start_on,
        p.period_end_on,
        {%- for name, measure in group.measures.items() %}
        percentile_cont({{ measure.percentile }}) within group (order by f.{{ measure.column }} asc nulls last) as {{ name }},
        count(f.{{ measure.column }}) as {{ name }}__count{{ "," if not loop.last }}
        {%- endfor %}
    {{ kpi_rows_of_periods(group, one, period_type) }}
    group by all
{%- endmacro %}

{#- The rows of a fact at a level, each with the periods of a type that its anchor falls into: `f` and `p`. -#}
{% macro kpi_rows_of_periods(group, one, period_type) -%}
    {%- set is_of_calendar = period_type in ['quarter', 'financial_year'] -%}
    from {{ ref(group.fact) }} as f
    {%- if one.level == 'region' or (is_of_calendar and group.calendar == 'own') %}
    cross join {{ source('ops', 'region') }} as r
    {%- endif %}
    {%- if is_of_calendar and group.calendar == 'own' and one.level != 'region' %}
    left join {{ ref('kpi_calendar') }} as c
        on c.level_code = '{{ one.level }}' and c.level_key = f.{{ group.columns[one.level] }} and c.calendar_code = 'own'
    {%- endif %}
    inner join {{ ref('kpi_period') }} as p
        on p.month_on = {{ first_of_month('f.' ~ group.anchor_column) }}
        and p.period_type_code = '{{ period_type }}'
        {%- if is_of_calendar and group.calendar == 'hud' %}
        and p.calendar_start_month = {{ hud_start_month() }}
        {%- elif is_of_calendar and one.level == 'region' %}
        and p.calendar_start_month = r.financial_year_start_month
        {%- elif is_of_calendar %}
        and p.calendar_start_month = coalesce(c.start_month, r.financial_year_start_month)
        {%- endif %}
    {%- if one.level != 'region' %}
    where f.{{ group.columns[one.level] }} is not null
    {%- endif %}
{%- endmacro %}

{#- Answers and people of every stratum of a KPI, by entity of a level and period; who does not count is in none. -#}
{% macro kpi_strata(kpi, one, period_type) -%}
    {%- set measure = kpi.numerator -%}
    {%- set group = {'fact': measure.fact, 'anchor_column': measure.anchor_column, 'columns': measure.columns,
        'calendar': kpi.calendar} -%}
    select
        cast({{ kpi.number }} as int) as kpi_number,
        {{ kpi_number('level', one.level) }} as level_number,
        {{ kpi_level_key(one.level, measure.columns) }} as level_key,
        {{ kpi_number('period_type', period_type) }} as period_type_number,
        p.period_start_on,
        p.period_end_on,
        cast(f.{{ measure.columns.stratum }} as string) as stratum_key,
        count(case when f.{{ measure.column }} and f.{{ kpi.denominator.column }} then 1 end) as x,
        count(case when f.{{ kpi.denominator.column }} then 1 end) as n,
        max(f.{{ kpi.population.column }}) as population
    {{ kpi_rows_of_periods(group, one, period_type) }}
    group by all
{%- endmacro %}

{#- Quantiles of a fact that already has one row a person, level and period. -#}
{% macro kpi_rolled_quantiles(group, one, period_type) -%}
    select
        {{ kpi_number('level', one.level) }} as level_number,
        cast(f.level_key as string) as level_key,
        {{ kpi_number('slice', one.slice) }} as slice_number,
        {{ kpi_slice_value(one.slice, group.columns) }} as slice_value,
        {{ kpi_number('period_type', period_type) }} as period_type_number,
        f.period_start_on,
        f.period_end_on,
        {%- for name, measure in group.measures.items() %}
        percentile_cont({{ measure.percentile }}) within group (order by f.{{ measure.column }} asc nulls last) as {{ name }},
        count(f.{{ measure.column }}) as {{ name }}__count{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref(group.fact) }} as f
    {%- if group.calendar == 'own' %}
    inner join {{ ref('kpi_calendar') }} as c
        on c.level_code = f.level_code and c.level_key = f.level_key and c.calendar_code = 'own'
        and f.calendar_code = {{ calendar_code('c.start_month') }}
    {%- endif %}
    where f.level_code = '{{ one.level }}' and f.period_type_code = '{{ period_type }}'
        {%- if group.calendar == 'hud' %} and f.calendar_code = {{ calendar_code(hud_start_month()) }}{% endif %}
    group by all
{%- endmacro %}

{#-
    The window passes of all distinct counts: one a KPI and level, with the slices that come along, and one a KPI, level
    and other slice. Every slice of a pass is a numbered series.
-#}
{% macro kpi_spell_passes(kpis) -%}
    {%- set passes = [] -%}
    {%- set numbers = [] -%}
    {%- for kpi in kpis -%}
        {%- for one in kpi_series(kpi).values() if one.slice == 'all' or one.slice not in kpi_person_slices(kpi) -%}
            {%- set slices = [one.slice] -%}
            {%- if one.slice == 'all' and kpi_levels()[one.level].sliced -%}
                {%- do slices.extend(kpi_person_slices(kpi)) -%}
            {%- endif -%}
            {%- set series = [] -%}
            {%- for slice in slices -%}
                {%- do numbers.append(1) -%}
                {%- do series.append({'number': numbers | length, 'slice': slice,
                    'periods': kpi_series(kpi)[one.level ~ '|' ~ slice].periods}) -%}
            {%- endfor -%}
            {%- do passes.append({'kpi': kpi, 'level': one.level, 'slice': one.slice, 'slices': slices, 'series': series}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(passes) }}
{%- endmacro %}
