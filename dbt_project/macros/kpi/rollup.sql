{#-
    How KPIs are computed: additive measures are summed once at the finest grain that their KPIs need (kpi_atom), rolled
    up to levels and periods from there (kpi_rollup), and put beside each other as numerator and denominator (fct_kpi).
    Rates are made from rolled-up sums; a rate is never averaged.
-#}

{% macro is_additive(measure) -%}
    {{ return(measure.agg in ['sum', 'sum_boolean', 'count']) }}
{%- endmacro %}

{#- Numerator, denominator and spread of a KPI, as a list of one to three measures. -#}
{% macro kpi_parts(kpi) -%}
    {{ return([kpi.numerator] + ([kpi.denominator] if kpi.denominator else []) + ([kpi.spread] if kpi.spread else [])) }}
{%- endmacro %}

{#- The series of a KPI: a dict from 'level|slice' to level, slice ('all' for none) and period types. -#}
{% macro kpi_series(kpi) -%}
    {%- set series = {} -%}
    {%- for level in kpi.levels -%}
        {%- set base = kpi.base_slice or 'all' -%}
        {%- do series.update({level ~ '|' ~ base: {'level': level, 'slice': base, 'periods': kpi.periods}}) -%}
        {%- for slice in kpi.slices if kpi_levels()[level].sliced -%}
            {%- do series.update({level ~ '|' ~ slice: {
                'level': level, 'slice': slice,
                'periods': kpi.slice_periods | select('in', kpi.periods) | list
            }}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(series) }}
{%- endmacro %}

{#-
    Additive measures grouped by fact and anchor, each group with the series that any of its KPIs asks for. Squares are
    summed for the numerators of means and for spreads.
-#}
{% macro kpi_groups(kpis) -%}
    {%- set groups = {} -%}
    {%- for kpi in kpis -%}
        {%- for measure in kpi_parts(kpi) if is_additive(measure) -%}
            {%- if measure.group not in groups -%}
                {%- do groups.update({measure.group: {
                    'name': measure.group, 'fact': measure.fact, 'domain': measure.domain,
                    'anchor_column': measure.anchor_column, 'columns': measure.columns,
                    'is_rolled': measure.is_rolled, 'is_stock': measure.is_stock, 'measures': {}, 'squares': {}, 'series': {}, 'calendars': {}
                }}) -%}
            {%- endif -%}
            {%- set group = groups[measure.group] -%}
            {%- do group.measures.update({measure.name: measure}) -%}
            {%- if (kpi.statistic == 'mean' and loop.first) or (kpi.spread and measure.name == kpi.spread.name) -%}
                {%- do group.squares.update({measure.name: measure}) -%}
            {%- endif -%}
            {%- do group.calendars.update({kpi.calendar: true}) -%}
            {%- do kpi_merge_series(group.series, kpi_series(kpi)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(groups.values() | sort(attribute='name')) }}
{%- endmacro %}

{% macro kpi_merge_series(into, series) -%}
    {%- for key, one in series.items() -%}
        {%- if key in into -%}
            {%- set periods = into[key].periods + (one.periods | reject('in', into[key].periods) | list) -%}
            {%- do into[key].update({'periods': periods}) -%}
        {%- else -%}
            {%- do into.update({key: {'level': one.level, 'slice': one.slice, 'periods': one.periods}}) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{#-
    Measures and sums of squares of a group as output columns: name to {sql, type, slot}. What is stored has a few columns
    that all groups share (`whole_1`, `amount_1`, …), each measure in the slot of its own number: one column a measure
    would be mostly empty, and a hundred of them in every branch take the engine longer to plan than to sum.
-#}
{% macro kpi_group_columns(group) -%}
    {%- set columns = {} -%}
    {%- for name, measure in group.measures.items() -%}
        {%- if measure.agg == 'sum_boolean' -%}
            {%- set sql = "count(case when f." ~ measure.column ~ " then 1 end)" -%}
        {%- elif measure.agg == 'count' -%}
            {%- set sql = "count(f." ~ measure.column ~ ")" -%}
        {%- else -%}
            {%- set sql = "sum(f." ~ measure.column ~ ")" -%}
        {%- endif -%}
        {%- do columns.update({name: {'sql': sql, 'type': measure.sql_type}}) -%}
    {%- endfor -%}
    {%- for name, measure in group.squares.items() -%}
        {%- set factor = "cast(f." ~ measure.column ~ " as " ~ ("bigint" if measure.sql_type == "bigint" else "decimal(14, 4)") ~ ")" -%}
        {%- do columns.update({name ~ '__squared': {
            'sql': "sum(" ~ factor ~ " * " ~ factor ~ ")",
            'type': 'bigint' if measure.sql_type == 'bigint' else 'decimal(28, 8)'
        }}) -%}
    {%- endfor -%}
    {%- set used = {} -%}
    {%- for column in columns.values() -%}
        {%- set kind = {'bigint': 'whole', 'decimal(28, 4)': 'amount', 'decimal(28, 8)': 'square'}[column.type] -%}
        {%- do used.update({kind: used.get(kind, 0) + 1}) -%}
        {%- do column.update({'slot': kind ~ '_' ~ used[kind]}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{#- The columns that the groups share, in one order: slot to type. -#}
{% macro kpi_slots(groups) -%}
    {%- set slots = {} -%}
    {%- for group in groups -%}
        {%- for column in kpi_group_columns(group).values() -%}
            {%- do slots.update({column.slot: column.type}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set ordered = {} -%}
    {%- for slot in slots | sort -%}{%- do ordered.update({slot: slots[slot]}) -%}{%- endfor -%}
    {{ return(ordered) }}
{%- endmacro %}

{#-
    Groups with few whole numbers, with many, and with amounts: lists that are not empty. What a row of sums takes follows
    from the widest group of a list, so the many that count two or three things stay apart.
-#}
{% macro kpi_parts_by_slots(groups) -%}
    {%- set narrow, wide, mixed = [], [], [] -%}
    {%- for group in groups -%}
        {%- set types = kpi_group_columns(group).values() | map(attribute='type') | list -%}
        {%- set part = mixed if types | unique | list != ['bigint'] else wide if types | length > 4 else narrow -%}
        {%- do part.append(group) -%}
    {%- endfor -%}
    {{ return([narrow, wide, mixed] | select | list) }}
{%- endmacro %}

{#- A group's columns by slot: slot to [name, column]. -#}
{% macro kpi_by_slot(group) -%}
    {%- set by_slot = {} -%}
    {%- for name, column in kpi_group_columns(group).items() -%}
        {%- do by_slot.update({column.slot: [name, column]}) -%}
    {%- endfor -%}
    {{ return(by_slot) }}
{%- endmacro %}

{#- Names of the levels that any event-grain group uses, but the region and the organisation: every atom has those. -#}
{% macro kpi_atom_levels(groups) -%}
    {%- set levels = [] -%}
    {%- for group in groups if not group.is_rolled -%}
        {%- for one in group.series.values() if one.level not in ['region', 'organisation'] + levels -%}
            {%- do levels.append(one.level) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(levels | sort) }}
{%- endmacro %}

{#-
    A group of event grain, summed at the finest grain: month and levels, once without and once for every slice. Slices
    are never crossed with each other, so neither are the sums; and a slice leaves out levels that it is not used at. The
    sets are summed in one scan: one branch a slice would hold twice as much in memory before it is written.
-#}
{% macro kpi_atoms(group, levels, slots) -%}
    {%- set own = kpi_by_slot(group) -%}
    {%- set month = first_of_month('f.' ~ group.anchor_column) -%}
    {%- set organisation = "cast(f." ~ group.columns.organisation ~ " as string)" if 'organisation' in group.columns else none -%}
    {%- set slices = group.series.values() | map(attribute='slice') | unique | list -%}
    {%- set slice_values, level_keys, sets = {}, {}, [] -%}
    {%- for slice in slices -%}
        {%- set parts = [month] + ([organisation] if organisation else []) -%}
        {%- for one in group.series.values() if one.slice == slice and one.level in levels -%}
            {%- do level_keys.update({one.level: "cast(f." ~ group.columns[one.level] ~ " as string)"}) -%}
            {%- do parts.append(level_keys[one.level]) -%}
        {%- endfor -%}
        {%- if slice != 'all' -%}
            {%- do slice_values.update({slice: kpi_slice_value(slice, group.columns)}) -%}
            {%- do parts.append(slice_values[slice]) -%}
        {%- endif -%}
        {%- do sets.append("(" ~ parts | unique | join(", ") ~ ")") -%}
    {%- endfor %}
    select
        {{ kpi_number('atom_group', group.name) }} as group_number,
        {{ kpi_number('domain', group.domain) }} as domain_number,
        {%- if slice_values %}
        case
            {%- for slice in slice_values %}
            when slice_{{ slice }} is not null then {{ kpi_number('slice', slice) }}
            {%- endfor %}
            else {{ kpi_number('slice', 'all') }}
        end as slice_number,
        {%- else %}
        {{ kpi_number('slice', 'all') }} as slice_number,
        {%- endif %}
        month_on,
        organisation_id,
        {%- for level in levels %}
        {{ level ~ '_key' if level in level_keys else 'cast(null as string) as ' ~ level ~ '_key' }},
        {%- endfor %}
        coalesce({% for slice in slice_values %}slice_{{ slice }}, {% endfor %}'all') as slice_value,
        {%- for slot, type in slots.items() %}
        {{ slot if slot in own else 'cast(null as ' ~ type ~ ') as ' ~ slot }}{{ "," if not loop.last }}
        {%- endfor %}
    from (
        select
            {{ month }} as month_on,
            {{ organisation or 'cast(null as string)' }} as organisation_id,
            {%- for level, key in level_keys.items() %}
            {{ key }} as {{ level }}_key,
            {%- endfor %}
            {%- for slice, value in slice_values.items() %}
            {{ value }} as slice_{{ slice }},
            {%- endfor %}
            {%- for slot, (name, column) in own.items() %}
            cast({{ column.sql }} as {{ column.type }}) as {{ slot }}{{ "," if not loop.last }}
            {%- endfor %}
        from {{ ref(group.fact) }} as f
        where f.{{ group.anchor_column }} is not null
        group by grouping sets ({{ sets | join(", ") }})
    ) as summed
{%- endmacro %}

{#-
    What the groups of event grain are rolled up to, as rows of numbers: group, level and slice (and one for all three, to
    group by), period type, by which calendars, and whether months add up or the last one counts.
-#}
{% macro kpi_series_rows(groups) -%}
    {%- set rows, numbers, codes = [], [], kpi_numbers() -%}
    {%- for group in groups if not group.is_rolled -%}
        {%- for one in group.series.values() -%}
            {%- do numbers.append(1) -%}
            {%- for period_type in one.periods -%}
                {%- do rows.append("(" ~ [numbers | length, codes['atom_group'][group.name], codes['level'][one.level],
                    codes['slice'][one.slice], codes['period_type'][period_type], ('own' in group.calendars) | lower,
                    ('hud' in group.calendars) | lower, group.is_stock | lower] | join(", ") ~ ")") -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    select
        cast(series_number as int) as series_number,
        cast(group_number as int) as group_number,
        cast(level_number as int) as level_number,
        cast(slice_number as int) as slice_number,
        cast(period_type_number as int) as period_type_number,
        is_own_calendar,
        is_hud_calendar,
        is_stock
    from (values {{ rows | join(", ") }}) as series (
        series_number, group_number, level_number, slice_number, period_type_number, is_own_calendar, is_hud_calendar,
        is_stock
    )
{%- endmacro %}

{#- True where a row's level, slice and period type belong to one of the series. -#}
{% macro kpi_series_condition(series, level, slice, period_type) -%}
    (
        {%- for one in series.values() %}
        ({{ level }} = '{{ one.level }}' and {{ slice }} = '{{ one.slice }}'
            and {{ period_type }} in ('{{ one.periods | join("', '") }}')){{ " or" if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{#- The same where rows hold numbers instead of codes. -#}
{% macro kpi_series_number_condition(series, level, slice, period_type) -%}
    {%- set codes = kpi_numbers() -%}
    (
        {%- for one in series.values() %}
        {%- set types = [] %}
        {%- for code in one.periods %}{% do types.append(codes['period_type'][code]) %}{% endfor %}
        ({{ level }} = {{ codes['level'][one.level] }} and {{ slice }} = {{ codes['slice'][one.slice] }}
            and {{ period_type }} in ({{ types | join(", ") }})){{ " or" if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{#- A KPI's series for which its level has rows for every period; and the rest, which have rows where there are data. -#}
{% macro kpi_dense_series(kpi, is_dense) -%}
    {%- set chosen = {} -%}
    {%- for key, one in kpi_series(kpi).items()
        if (one.slice == 'all' and kpi_levels()[one.level].dense) == is_dense -%}
        {%- do chosen.update({key: one}) -%}
    {%- endfor -%}
    {{ return(chosen) }}
{%- endmacro %}

{#-
    A group whose fact already has one row a person, level and period: only counted, never rolled up. Calendars that share
    a period count the same persons in it, so one of them is as good as another.
-#}
{% macro kpi_rolled_group(group) -%}
    {%- set columns = kpi_group_columns(group) -%}
    {%- set by_slice = {} -%}
    {%- for one in group.series.values() -%}
        {%- do by_slice.setdefault(one.slice, {}).update({one.level ~ '|' ~ one.slice: one}) -%}
    {%- endfor -%}
    select
        l.code_number as level_number,
        e.key_number,
        by_calendar.slice_number,
        v.key_number as slice_key_number,
        t.code_number as period_type_number,
        by_calendar.period_start_on,
        by_calendar.period_end_on,
        {%- for name in columns %}
        max(by_calendar.{{ name }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from (
        {%- for slice, series in by_slice.items() %}
        select
            cast(f.level_code as string) as level_code,
            cast(f.level_key as string) as level_key,
            {{ kpi_number('slice', slice) }} as slice_number,
            {{ kpi_slice_value(slice, group.columns) }} as slice_value,
            cast(f.period_type_code as string) as period_type_code,
            f.period_start_on,
            f.period_end_on,
            f.calendar_code,
            {%- for name, column in columns.items() %}
            cast({{ column.sql }} as {{ column.type }}) as {{ name }}{{ "," if not loop.last }}
            {%- endfor %}
        from {{ ref(group.fact) }} as f
        where {{ kpi_series_condition(series, 'f.level_code', "'" ~ slice ~ "'", 'f.period_type_code') }}
        group by all
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as by_calendar
    inner join {{ ref('kpi_code') }} as l on l.code_kind = 'level' and by_calendar.level_code = l.code
    inner join {{ ref('kpi_code') }} as t on t.code_kind = 'period_type' and by_calendar.period_type_code = t.code
    inner join {{ ref('kpi_key') }} as e on by_calendar.level_key = e.key_text
    inner join {{ ref('kpi_key') }} as v on by_calendar.slice_value = v.key_text
    group by
        l.code_number, e.key_number, by_calendar.slice_number, v.key_number, t.code_number, by_calendar.period_start_on,
        by_calendar.period_end_on
{%- endmacro %}
