{#- What one row of a fact adds to a measure. -#}
{% macro kpi_row_value(measure) -%}
    {%- if measure.agg == 'sum_boolean' -%}
        case when f.{{ measure.column }} then 1 else 0 end
    {%- elif measure.agg in ['count', 'count_distinct'] -%}
        case when f.{{ measure.column }} is not null then 1 else 0 end
    {%- else -%}
        f.{{ measure.column }}
    {%- endif -%}
{%- endmacro %}

{#-
    Rows of a KPI's facts. Numerator and denominator from one fact and anchor share a row; from two, each has its own. Of
    a median, the row's own value stands as numerator and 1 as denominator.
-#}
{% macro kpi_members(kpi) -%}
    {%- if kpi.denominator and kpi.denominator.group != kpi.numerator.group -%}
        {{ kpi_member_rows(kpi, kpi.numerator, kpi_row_value(kpi.numerator), '0') }}
        union all
        {{ kpi_member_rows(kpi, kpi.denominator, '0', kpi_row_value(kpi.denominator)) }}
    {%- elif kpi.denominator -%}
        {{ kpi_member_rows(kpi, kpi.numerator, kpi_row_value(kpi.numerator), kpi_row_value(kpi.denominator)) }}
    {%- elif kpi.statistic in ['median', 'quantile'] -%}
        {{ kpi_member_rows(kpi, kpi.numerator, kpi_row_value(kpi.numerator),
            'case when f.' ~ kpi.numerator.column ~ ' is not null then 1 else 0 end') }}
    {%- else -%}
        {{ kpi_member_rows(kpi, kpi.numerator, kpi_row_value(kpi.numerator), 'null') }}
    {%- endif -%}
{%- endmacro %}

{#- The column that has a member's key at a level; the region has none, as everybody is of it. -#}
{% macro kpi_member_level(level) -%}
    {{ return('organisation_id' if level == 'organisation' else level ~ '_key') }}
{%- endmacro %}

{#- Slices that any KPI declares beside its base slice; each is a column of members, empty where the KPI does without. -#}
{% macro kpi_member_slices() -%}
    {%- set slices = [] -%}
    {%- for kpi in kpi_definitions() -%}
        {%- do slices.extend(kpi.slices | reject('in', slices)) -%}
    {%- endfor -%}
    {{ return(slices | sort) }}
{%- endmacro %}

{% macro kpi_member_rows(kpi, measure, numerator, denominator) -%}
    {%- set columns = measure.fact_columns -%}
    {%- set anchor = measure.interval[0] if measure.interval else measure.anchor_column -%}
    select
        {{ kpi_constants(kpi) }},
        {%- for level in kpi_levels() if level != 'region' %}
        cast({{ 'f.' ~ measure.columns[level] if level in measure.columns else 'null' }} as string)
            as {{ kpi_member_level(level) }},
        {%- endfor %}
        {%- for name in ['source_person_key', 'person_key'] %}
        cast({{ 'f.' ~ name if name in columns else 'null' }} as string) as {{ name }},
        {%- endfor %}
        cast('{{ measure.fact }}' as string) as fact_name,
        cast(f.{{ measure.member_key }} as string) as member_key,
        {{ kpi_slice_value(kpi.base_slice or 'all', measure.columns) }} as base_slice_value,
        {%- for slice in kpi_member_slices() %}
        {{ kpi_slice_value(slice, measure.columns) if slice in kpi.slices else 'cast(null as string)' }} as slice_{{ slice }},
        {%- endfor %}
        f.{{ anchor }} as anchor_on,
        {{ 'f.' ~ measure.interval[1] if measure.interval else 'f.' ~ anchor }} as anchor_end_on,
        {%- for name in ['level_code', 'level_key', 'period_type_code'] %}
        cast({{ 'f.' ~ name if measure.is_rolled else 'null' }} as string) as {{ name }},
        {%- endfor %}
        {%- for name in ['period_start_on', 'period_end_on'] %}
        cast({{ 'f.' ~ name if measure.is_rolled else 'null' }} as date) as {{ name }},
        {%- endfor %}
        cast(coalesce({{ numerator }}, 0) as decimal(28, 4)) as numerator_value,
        cast({{ denominator }} as decimal(28, 4)) as denominator_value,
        coalesce({{ numerator }}, 0) <> 0 as in_numerator,
        coalesce({{ denominator if denominator != 'null' else numerator }}, 0) <> 0 as in_denominator,
        {{ kpi_exclusion(kpi, measure, denominator if denominator != 'null' else numerator) }} as exclusion_code,
        {%- for name, type in [('delivery_id', 'string'), ('file_name', 'string'), ('row_number', 'bigint'),
                               ('line_number', 'bigint')] %}
        cast({{ 'f.' ~ name if name in columns else 'null' }} as {{ type }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref(measure.fact) }} as f
    {%- if measure.is_rolled and kpi.calendar == 'own' %}
    inner join {{ ref('kpi_calendar') }} as c
        on f.level_code = c.level_code and f.level_key = c.level_key and c.calendar_code = 'own'
        and f.calendar_code = {{ calendar_code('c.start_month') }}
    {%- endif %}
    cross join {{ source('ops', 'run_context') }} as as_of
    where f.{{ anchor }} is not null
        {%- if not measure.is_rolled %}
        and {{ first_of_month('f.' ~ anchor) }} <= as_of.as_of
        {%- endif %}
        {%- if measure.is_rolled %}
        and f.level_code in ('{{ kpi.levels | join("', '") }}') and f.period_type_code in ('{{ kpi.periods | join("', '") }}')
        {%- endif %}
        {%- if measure.is_rolled and kpi.calendar == 'hud' %}
        and f.calendar_code = {{ calendar_code(hud_start_month()) }}
        {%- endif %}
        {%- if measure.interval %}
        and (f.{{ measure.interval[1] }} is null or f.{{ measure.interval[1] }} >= f.{{ anchor }})
        {%- endif %}
{%- endmacro %}

{#- The first exclusion that applies to a row that does not count; NULL for one that does. -#}
{% macro kpi_exclusion(kpi, measure, counted) -%}
    {%- set usable = [] -%}
    {%- for exclusion in kpi.exclusions if exclusion.column in measure.fact_columns -%}
        {%- do usable.append(exclusion) -%}
    {%- endfor -%}
    {%- if usable -%}
        cast(case
            when coalesce({{ counted }}, 0) <> 0 then null
            {%- for exclusion in usable %}
            when {{ 'f.' ~ exclusion.column if exclusion.when else 'not f.' ~ exclusion.column }} then '{{ exclusion.code }}'
            {%- endfor %}
        end as string)
    {%- else -%}
        cast(null as string)
    {%- endif -%}
{%- endmacro %}

{#- KPIs whose exclusions are counted: of outcomes and experience, with members of one fact that have a day each. -#}
{% macro kpi_is_watched_for_exclusions(kpi) -%}
    {{ return(
        kpi.category in ['outcomes', 'experience'] and kpi.exclusions | length > 0 and not kpi.numerator.is_rolled
        and (kpi.denominator is none or kpi.denominator.group == kpi.numerator.group)
        and kpi.numerator.fact != 'fct_kpi_exclusion'
    ) }}
{%- endmacro %}
