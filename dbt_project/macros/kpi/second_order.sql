{#-
    KPIs of the second order: counted from facts that are themselves made of KPIs (signals, outputs against targets). They
    are few and small, so each is summed straight from its fact. What does not belong here: KPIs of facts that come before
    any KPI (rollup.sql, measured.sql).
-#}

{#- Numerator and denominator of a KPI by entity of a level, base slice and period. -#}
{% macro kpi_second_order_sums(kpi, level) -%}
    {%- set measure = kpi.denominator -%}
    {%- set base = kpi.base_slice or 'all' -%}
    select
        {{ kpi_constants(kpi) }},
        cast('{{ level }}' as string) as level_code,
        {{ kpi_level_key(level, measure.columns) }} as level_key,
        cast('{{ base }}' as string) as slice_code,
        {{ kpi_slice_value(base, measure.columns) }} as slice_value,
        p.period_type_code,
        p.period_start_on,
        p.period_end_on,
        cast(sum({{ kpi_row_value(kpi.numerator) }}) as decimal(28, 4)) as numerator,
        cast(sum({{ kpi_row_value(measure) }}) as decimal(28, 4)) as denominator
    from {{ ref(measure.fact) }} as f
    cross join {{ source('ops', 'region') }} as r
    cross join {{ source('ops', 'run_context') }} as as_of
    left join {{ ref('kpi_calendar') }} as c
        on c.level_code = '{{ level }}' and c.level_key = {{ kpi_level_key(level, measure.columns) }}
        and c.calendar_code = 'own'
    inner join {{ ref('kpi_period') }} as p
        on p.month_on = {{ first_of_month('f.' ~ measure.anchor_column) }}
        and p.period_type_code in ('{{ kpi.periods | join("', '") }}')
        and p.calendar_start_month in (0, coalesce(c.start_month, r.financial_year_start_month))
    where {{ kpi_level_key(level, measure.columns) }} is not null
        {%- if measure.is_stock %}
        and p.month_on = {{ kpi_stock_month('p.period_end_on', 'as_of.as_of') }}
        {%- endif %}
    group by all
{%- endmacro %}

{#- The periods that deliveries could speak for (kpi_scaffold), with the texts that its numbers stand for. -#}
{% macro kpi_frame() -%}
    (
        select
            s.domain_code,
            l.code as level_code,
            e.key_text as level_key,
            t.code as period_type_code,
            s.period_start_on,
            s.period_end_on,
            c.code as coverage_code,
            s.is_stale
        from {{ ref('kpi_scaffold') }} as s
        inner join {{ ref('kpi_code') }} as l on l.code_kind = 'level' and s.level_number = l.code_number
        inner join {{ ref('kpi_key') }} as e on s.key_number = e.key_number
        inner join {{ ref('kpi_code') }} as t on t.code_kind = 'period_type' and s.period_type_number = t.code_number
        inner join {{ ref('kpi_code') }} as c on c.code_kind = 'coverage' and s.coverage_number = c.code_number
        where s.calendar_code in ('any', 'own')
    )
{%- endmacro %}
