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
    left join {{ ref(kpi_relation(kpi)) }} as v
        on s.level_code = v.level_code and s.level_key = v.level_key
        and s.period_type_code = v.period_type_code and s.period_start_on = v.period_start_on
        and v.slice_code = 'all'
        {{- kpi_relation_filter(kpi) }}
    where s.domain_code = '{{ kpi.domain }}' and s.calendar_code in ('any', '{{ kpi.calendar }}')
        and {{ kpi_series_condition(dense, 's.level_code', "'all'", 's.period_type_code') }}
    {%- endif %}
    {{ "union all" if dense and sparse }}
    {%- if sparse %}
    select
        {{ kpi_constants(kpi) }},
        v.level_code, v.level_key, v.slice_code, v.slice_value,
        v.period_type_code, v.period_start_on, v.period_end_on,
        {{ kpi_coverage_code(kpi) }} as scaffold_coverage_code, coalesce(s.is_stale, false) as is_stale,
        {{ kpi_parts_columns(kpi) }}
    from {{ ref(kpi_relation(kpi)) }} as v
    left join {{ ref('kpi_scaffold') }} as s
        on v.level_code = s.level_code and v.level_key = s.level_key
        and v.period_type_code = s.period_type_code and v.period_start_on = s.period_start_on
        and s.domain_code = '{{ kpi.domain }}' and s.calendar_code in ('any', '{{ kpi.calendar }}')
    where {{ kpi_series_condition(sparse, 'v.level_code', 'v.slice_code', 'v.period_type_code') }}
        and {{ kpi_has_data(kpi) }}
        {{- kpi_relation_filter(kpi) }}
        and (s.level_key is not null or v.level_code in ('{{ kpi_sparse_levels() | join("', '") }}'))
    {%- endif %}
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

{% macro kpi_relation_filter(kpi) -%}
    {%- if kpi_relation(kpi) == 'kpi_person_count' %} and v.measure_name = '{{ kpi.numerator.name }}' and v.calendar_code = '{{ kpi.calendar }}'
    {%- elif kpi_relation(kpi) == 'kpi_quantile' %} and v.measure_name = '{{ kpi.numerator.name }}' and v.calendar_code = '{{ kpi.calendar }}'
    {%- endif -%}
{%- endmacro %}

{% macro kpi_has_data(kpi) -%}
    {%- if kpi_relation(kpi) == 'kpi_person_count' -%} v.person_count > 0
    {%- elif kpi_relation(kpi) == 'kpi_quantile' -%} v.value_count > 0
    {%- else -%} coalesce(v.{{ kpi_parts(kpi) | map(attribute='name') | join(', v.') }}) is not null
    {%- endif -%}
{%- endmacro %}

{#- numerator, denominator, square_total and quantile of a KPI, NULL where its statistic has none. -#}
{% macro kpi_parts_columns(kpi) -%}
    {%- set relation = kpi_relation(kpi) -%}
    {%- set numerator = {'kpi_person_count': 'v.person_count', 'kpi_quantile': 'null'}.get(
        relation, 'v.' ~ kpi.numerator.name) -%}
    {%- set denominator = {'kpi_person_count': 'null', 'kpi_quantile': 'v.value_count'}.get(
        relation, 'v.' ~ kpi.denominator.name if kpi.denominator else 'null') -%}
    {%- set squares = 'v.' ~ kpi.numerator.name ~ '__squared' if kpi.statistic == 'mean' else 'null' -%}
    cast({{ numerator }} as decimal(28, 4)) as numerator,
        cast({{ denominator }} as decimal(28, 4)) as denominator,
        cast({{ squares }} as double) as square_total,
        cast({{ 'v.quantile' if relation == 'kpi_quantile' else 'null' }} as double) as quantile
{%- endmacro %}
