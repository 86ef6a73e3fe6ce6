{#-
    From sums and statistics to numerators and denominators. KPIs of the same facts, domain and calendar share one join of
    the scaffold with what is computed (a base); each KPI is then a selection of its columns and series.
-#}

{#- The bases of a list of KPIs, each with the KPIs that read it and all their series. -#}
{% macro kpi_bases(kpis) -%}
    {%- set slots = {} -%}
    {%- for group in kpi_groups(kpis) -%}
        {%- for name, column in kpi_group_columns(group).items() -%}
            {%- do slots.update({name: column.slot}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set bases = {} -%}
    {%- for kpi in kpis -%}
        {%- set relation = kpi_relation(kpi) -%}
        {%- set source = kpi.numerator.group if relation == 'kpi_rollup' else kpi.numerator.name -%}
        {%- set key = [relation, source, kpi.denominator.group if kpi.denominator else source, kpi.domain, kpi.calendar,
            kpi.cohort_shift_days] | join('|') -%}
        {%- if key not in bases -%}
            {%- do bases.update({key: {'name': 'base_' ~ (bases | length + 1), 'kpi': kpi, 'kpis': [], 'dense': {},
                'sparse': {}, 'slots': slots}}) -%}
        {%- endif -%}
        {%- do bases[key].kpis.append(kpi) -%}
        {%- do kpi_merge_series(bases[key].dense, kpi_dense_series(kpi, true)) -%}
        {%- do kpi_merge_series(bases[key].sparse, kpi_dense_series(kpi, false)) -%}
    {%- endfor -%}
    {{ return(bases.values() | list) }}
{%- endmacro %}

{#-
    A base: rows of the scaffold with what was computed for them, and for series without a scaffold (slices, money, single
    sources) what was computed with its scaffold, if its level has one.
-#}
{% macro kpi_base(base) -%}
    {%- set kpi = base.kpi -%}
    {%- if base.dense %}
    select
        true as is_dense,
        s.level_number, s.key_number, {{ kpi_number('slice', 'all') }} as slice_number, {{ kpi_all_key() }} as slice_key_number,
        s.period_type_number, s.period_start_on, s.period_end_on,
        {{ kpi_coverage_number(kpi) }} as scaffold_coverage_number, s.is_stale,
        {{ kpi_base_columns(base) }}
    from {{ ref('kpi_scaffold') }} as s
    {%- for alias in kpi_sources(kpi) %}
    left join {{ ref(kpi_relation(kpi)) }} as {{ alias }}
        on s.level_number = {{ alias }}.level_number and s.key_number = {{ alias }}.key_number
        and s.period_type_number = {{ alias }}.period_type_number and s.period_start_on = {{ alias }}.period_start_on
        and {{ alias }}.slice_number = {{ kpi_number('slice', 'all') }} and {{ kpi_source_filter(kpi, alias) }}
    {%- endfor %}
    where s.domain_code = '{{ kpi.domain }}' and s.calendar_code in ('any', '{{ kpi.calendar }}')
        and {{ kpi_series_number_condition(base.dense, 's.level_number', kpi_number('slice', 'all'), 's.period_type_number') }}
    {%- endif %}
    {{ "union all" if base.dense and base.sparse }}
    {%- if base.sparse %}
    {%- set one = kpi_sources(kpi) | last %}
    select
        false as is_dense,
        {{ one }}.level_number, {{ one }}.key_number, {{ one }}.slice_number, {{ one }}.slice_key_number,
        {{ one }}.period_type_number, {{ one }}.period_start_on, {{ one }}.period_end_on,
        {{ kpi_coverage_number(kpi) }} as scaffold_coverage_number, coalesce(s.is_stale, false) as is_stale,
        {{ kpi_base_columns(base) }}
    from {{ ref(kpi_relation(kpi)) }} as {{ one }}
    {%- for alias in kpi_sources(kpi) if alias != one %}
    left join {{ ref(kpi_relation(kpi)) }} as {{ alias }}
        on {{ one }}.level_number = {{ alias }}.level_number and {{ one }}.key_number = {{ alias }}.key_number
        and {{ one }}.slice_number = {{ alias }}.slice_number and {{ one }}.slice_key_number = {{ alias }}.slice_key_number
        and {{ one }}.period_type_number = {{ alias }}.period_type_number
        and {{ one }}.period_start_on = {{ alias }}.period_start_on and {{ kpi_source_filter(kpi, alias) }}
    {%- endfor %}
    left join {{ ref('kpi_scaffold') }} as s
        on {{ one }}.level_number = s.level_number and {{ one }}.key_number = s.key_number
        and {{ one }}.period_type_number = s.period_type_number and {{ one }}.period_start_on = s.period_start_on
        and s.domain_code = '{{ kpi.domain }}' and s.calendar_code in ('any', '{{ kpi.calendar }}')
    where {{ kpi_series_number_condition(
        base.sparse, one ~ '.level_number', one ~ '.slice_number', one ~ '.period_type_number'
    ) }}
        and {{ kpi_source_filter(kpi, one) }}
        and (s.key_number is not null or {{ one }}.level_number in ({{ kpi_sparse_levels() | join(", ") }}))
    {%- endif %}
{%- endmacro %}

{#- The columns that the KPIs of a base need, by name: {name: alias it comes from}. -#}
{% macro kpi_base_columns(base) -%}
    {%- set columns = {} -%}
    {%- set relation = kpi_relation(base.kpi) -%}
    {%- if relation == 'kpi_person_count' -%}
        {%- do columns.update({'person_count': 'v'}) -%}
    {%- elif relation == 'kpi_quantile' -%}
        {%- do columns.update({'quantile': 'v', 'value_count': 'v'}) -%}
    {%- else -%}
        {%- for kpi in base.kpis -%}
            {%- do columns.update({kpi.numerator.name: 'v'}) -%}
            {%- if kpi.statistic == 'mean' -%}
                {%- do columns.update({kpi.numerator.name ~ '__squared': 'v'}) -%}
            {%- elif kpi.spread -%}
                {%- do columns.update({kpi.spread.name: 'v', kpi.spread.name ~ '__squared': 'v'}) -%}
            {%- endif -%}
            {%- if kpi.denominator -%}
                {%- do columns.update({kpi.denominator.name: kpi_sources(base.kpi) | last}) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for name, alias in columns.items() -%}
        {{ alias }}.{{ base.slots[name] ~ " as " ~ name if name in base.slots else name }}{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- One KPI from its base. -#}
{% macro kpi_measured(kpi, base) -%}
    {%- set dense = kpi_dense_series(kpi, true) -%}
    {%- set sparse = kpi_dense_series(kpi, false) -%}
    select
        cast({{ kpi.number }} as int) as kpi_number,
        b.level_number, b.key_number, b.slice_number, b.slice_key_number,
        b.period_type_number, b.period_start_on, b.period_end_on,
        b.scaffold_coverage_number, b.is_stale,
        {{ kpi_parts_columns(kpi) }}
    from {{ base.name }} as b
    where
        {%- if dense %}
        (b.is_dense and {{ kpi_series_number_condition(dense, 'b.level_number', 'b.slice_number', 'b.period_type_number') }})
        {%- endif %}
        {{ "or" if dense and sparse }}
        {%- if sparse %}
        (not b.is_dense and {{ kpi_has_data(kpi) }}
            and {{ kpi_series_number_condition(sparse, 'b.level_number', 'b.slice_number', 'b.period_type_number') }})
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
        {{ alias }}.group_number = {{ kpi_number('atom_group', (kpi.denominator if alias == "d" else kpi.numerator).group) }}
    {%- else -%}
        {{ alias }}.measure_name = '{{ kpi.numerator.name }}' and {{ alias }}.calendar_code = '{{ kpi.calendar }}'
    {%- endif -%}
{%- endmacro %}

{#- How far deliveries speak for a period; a cohort that lies further back must have been covered, too. -#}
{% macro kpi_coverage_number(kpi) -%}
    {%- if kpi.cohort_shift_days -%}
        case
            when {{ add_days('s.period_end_on', '-' ~ kpi.cohort_shift_days) }} < s.first_covered_from_on
                then {{ kpi_number('coverage', 'none') }}
            when {{ add_days('s.period_start_on', '-' ~ kpi.cohort_shift_days) }} < s.last_covered_from_on
                and s.coverage_number = {{ kpi_number('coverage', 'full') }}
                then {{ kpi_number('coverage', 'partial') }}
            else s.coverage_number
        end
    {%- else -%}
        s.coverage_number
    {%- endif -%}
{%- endmacro %}

{#- Numbers of the levels that have no scaffold. -#}
{% macro kpi_sparse_levels() -%}
    {%- set numbers = [] -%}
    {%- for name, level in kpi_levels().items() if not level.dense -%}
        {%- do numbers.append(kpi_numbers()['level'][name]) -%}
    {%- endfor -%}
    {{ return(numbers) }}
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
        b.person_count > 0
    {%- elif kpi_relation(kpi) == 'kpi_quantile' -%}
        b.value_count > 0
    {%- elif kpi.denominator -%}
        b.{{ kpi.denominator.name }} is not null
    {%- else -%}
        b.{{ kpi.numerator.name }} is not null
    {%- endif -%}
{%- endmacro %}

{#- numerator, denominator, square_total, spread_total and quantile of a KPI, NULL where its statistic has none. -#}
{% macro kpi_parts_columns(kpi) -%}
    {%- set relation = kpi_relation(kpi) -%}
    {%- set numerator = {'kpi_person_count': 'b.person_count', 'kpi_quantile': 'null'}.get(
        relation, 'b.' ~ kpi.numerator.name) -%}
    {%- set denominator = {'kpi_person_count': 'null', 'kpi_quantile': 'b.value_count'}.get(
        relation, 'b.' ~ kpi.denominator.name if kpi.denominator else 'null') -%}
    {%- set squared = {'mean': kpi.numerator, 'effect_size': kpi.spread}.get(kpi.statistic) -%}
    {%- set squares = 'b.' ~ squared.name ~ '__squared' if squared else 'null' -%}
    cast({{ numerator }} as decimal(28, 4)) as numerator,
        cast({{ denominator }} as decimal(28, 4)) as denominator,
        cast({{ squares }} as double) as square_total,
        cast({{ 'b.' ~ kpi.spread.name if kpi.spread else 'null' }} as double) as spread_total,
        cast({{ 'b.quantile' if relation == 'kpi_quantile' else 'null' }} as double) as quantile
{%- endmacro %}
