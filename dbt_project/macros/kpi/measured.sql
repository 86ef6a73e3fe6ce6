{#-
    One KPI's sums or statistics by level, slice and period, from wherever its statistic is computed, on the scaffold of
    the levels that have one.
-#}
{% macro kpi_measured(kpi) -%}
    {%- set dense = kpi_dense_series(kpi, true) -%}
    {%- set sparse = kpi_dense_series(kpi, false) -%}
    {%- if dense %}
    select
        {{ kpi_constants(kpi) }},
        s.level_code, s.level_key, 'all' as slice_code, 'all' as slice_value,
        s.period_type_code, s.period_start_on, s.period_end_on,
        {{ kpi_coverage_code(kpi) }} as scaffold_coverage_code, s.is_stale,
        {{ kpi_parts_columns(kpi) }}
    from {{ ref('kpi_scaffold') }} as s
    {%- for alias in kpi_sources(kpi) %}
    left join {{ ref(kpi_relation(kpi)) }} as {{ alias }}
        on s.level_code = {{ alias }}.level_code and s.level_key = {{ alias }}.level_key
        and s.period_type_code = {{ alias }}.period_type_code and s.period_start_on = {{ alias }}.period_start_on
        and {{ alias }}.slice_code = 'all' and {{ kpi_source_filter(kpi, alias) }}
    {%- endfor %}
    where s.domain_code = '{{ kpi.domain }}' and s.calendar_code in ('any', '{{ kpi.calendar }}')
        and {{ kpi_series_condition(dense, 's.level_code', "'all'", 's.period_type_code') }}
    {%- endif %}
    {{ "union all" if dense and sparse }}
    {%- if sparse %}
    {%- set base = kpi_sources(kpi) | last %}
    select
        {{ kpi_constants(kpi) }},
        {{ base }}.level_code, {{ base }}.level_key, {{ base }}.slice_code, {{ base }}.slice_value,
        {{ base }}.period_type_code, {{ base }}.period_start_on, {{ base }}.period_end_on,
        {{ kpi_coverage_code(kpi) }} as scaffold_coverage_code, coalesce(s.is_stale, false) as is_stale,
        {{ kpi_parts_columns(kpi) }}
    from {{ ref(kpi_relation(kpi)) }} as {{ base }}
    {%- for alias in kpi_sources(kpi) if alias != base %}
    left join {{ ref(kpi_relation(kpi)) }} as {{ alias }}
        on {{ base }}.level_code = {{ alias }}.level_code and {{ base }}.level_key = {{ alias }}.level_key
        and {{ base }}.slice_code = {{ alias }}.slice_code and {{ base }}.slice_value = {{ alias }}.slice_value
        and {{ base }}.period_type_code = {{ alias }}.period_type_code
        and {{ base }}.period_start_on = {{ alias }}.period_start_on and {{ kpi_source_filter(kpi, alias) }}
    {%- endfor %}
    left join {{ ref('kpi_scaffold') }} as s
        on {{ base }}.level_code = s.level_code and {{ base }}.level_key = s.level_key
        and {{ base }}.period_type_code = s.period_type_code and {{ base }}.period_start_on = s.period_start_on
        and s.domain_code = '{{ kpi.domain }}' and s.calendar_code in ('any', '{{ kpi.calendar }}')
    where {{ kpi_series_condition(sparse, base ~ '.level_code', base ~ '.slice_code', base ~ '.period_type_code') }}
        and {{ kpi_source_filter(kpi, base) }}
        and {{ kpi_has_data(kpi) }}
        and (s.level_key is not null or {{ base }}.level_code in ('{{ kpi_sparse_levels() | join("', '") }}'))
    {%- endif %}
{%- endmacro %}

{#- Aliases of what a KPI is read from: v for the numerator, and d for a denominator that another fact or anchor gives. -#}
{% macro kpi_sources(kpi) -%}
    {%- if kpi.denominator and kpi.denominator.group != kpi.numerator.group -%}
        {{ return(['v', 'd']) }}
    {%- endif -%}
    {{ return(['v']) }}
{%- endmacro %}

{#- The rows of the relation that belong to the KPI. -#}
{% macro kpi_source_filter(kpi, alias) -%}
    {%- if kpi_relation(kpi) == 'kpi_rollup' -%}
        {{ alias }}.atom_group = '{{ (kpi.denominator if alias == "d" else kpi.numerator).group }}'
    {%- else -%}
        {{ alias }}.measure_name = '{{ kpi.numerator.name }}' and {{ alias }}.calendar_code = '{{ kpi.calendar }}'
    {%- endif -%}
{%- endmacro %}

{#- How far deliveries speak for a period; a cohort that lies further back must have been covered, too. -#}
{% macro kpi_coverage_code(kpi) -%}
    {%- if kpi.cohort_shift_days -%}
        case
            when {{ add_days('s.period_end_on', '-' ~ kpi.cohort_shift_days) }} < s.first_covered_from_on then 'none'
            when {{ add_days('s.period_start_on', '-' ~ kpi.cohort_shift_days) }} < s.last_covered_from_on
                and s.coverage_code = 'full' then 'partial'
            else s.coverage_code
        end
    {%- else -%}
        s.coverage_code
    {%- endif -%}
{%- endmacro %}

{% macro kpi_sparse_levels() -%}
    {%- set names = [] -%}
    {%- for name, level in kpi_levels().items() if not level.dense -%}{%- do names.append(name) -%}{%- endfor -%}
    {{ return(names) }}
{%- endmacro %}

{% macro kpi_constants(kpi) -%}
    cast('{{ kpi.kpi_id }}' as string) as kpi_id, cast({{ kpi.version }} as int) as version
{%- endmacro %}

{#- The model that holds the values of a KPI's statistic. -#}
{% macro kpi_relation(kpi) -%}
    {%- if kpi.statistic == 'distinct_count' -%}
        {{ return('kpi_person_count') }}
    {%- elif kpi.statistic in ['median', 'quantile'] -%}
        {{ return('kpi_quantile') }}
    {%- endif -%}
    {{ return('kpi_rollup') }}
{%- endmacro %}

{#- True for rows that say anything about the KPI; measures of other KPIs share them. -#}
{% macro kpi_has_data(kpi) -%}
    {%- if kpi_relation(kpi) == 'kpi_person_count' -%}
        v.person_count > 0
    {%- elif kpi_relation(kpi) == 'kpi_quantile' -%}
        v.value_count > 0
    {%- elif kpi.denominator -%}
        {{ kpi_sources(kpi) | last }}.{{ kpi.denominator.name }} is not null
    {%- else -%}
        v.{{ kpi.numerator.name }} is not null
    {%- endif -%}
{%- endmacro %}

{#- numerator, denominator, square_total and quantile of a KPI, NULL where its statistic has none. -#}
{% macro kpi_parts_columns(kpi) -%}
    {%- set relation = kpi_relation(kpi) -%}
    {%- set numerator = {'kpi_person_count': 'v.person_count', 'kpi_quantile': 'null'}.get(
        relation, 'v.' ~ kpi.numerator.name) -%}
    {%- set denominator = {'kpi_person_count': 'null', 'kpi_quantile': 'v.value_count'}.get(
        relation, (kpi_sources(kpi) | last) ~ '.' ~ kpi.denominator.name if kpi.denominator else 'null') -%}
    {%- set squares = 'v.' ~ kpi.numerator.name ~ '__squared' if kpi.statistic == 'mean' else 'null' -%}
    cast({{ numerator }} as decimal(28, 4)) as numerator,
        cast({{ denominator }} as decimal(28, 4)) as denominator,
        cast({{ squares }} as double) as square_total,
        cast({{ 'v.quantile' if relation == 'kpi_quantile' else 'null' }} as double) as quantile
{%- endmacro %}
