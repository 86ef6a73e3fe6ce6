-- depends_on: {{ ref('mart_signal_action') }}, {{ ref('mart_award_output') }}, {{ ref('fct_kpi') }}, {{ ref('kpi_scaffold') }}
-- depends_on: {{ ref('kpi_definition') }}, {{ ref('kpi_calendar') }}, {{ ref('kpi_period') }}
-- depends_on: {{ ref('kpi_code') }}, {{ ref('kpi_key') }}
-- KPIs of KPIs: counted from facts that are made of KPIs (signals that were answered, outputs against targets), and
-- differences of two KPIs. A stage of its own, because those facts come after fct_kpi; nothing that fct_kpi or a chart
-- reads comes from here, so none of these raises a signal. Columns and meaning are those of fct_kpi.
{%- set dense_levels = [] %}
{%- for name, level in kpi_levels().items() if level.dense %}{% do dense_levels.append(name) %}{% endfor %}
{%- set counted = kpi_second_order() %}
{%- set differences = kpi_differences() %}
with as_of as (
    select as_of as as_of_on from {{ source('ops', 'run_context') }}
),

summed as (
    {%- for kpi in counted %}
    {%- set is_last = loop.last %}
    {%- for level in kpi.levels %}
    {{ kpi_second_order_sums(kpi, level) }}
    {{ "union all" if not (loop.last and is_last) }}
    {%- endfor %}
    {%- else %}
    select 1 as placeholder
    {%- endfor %}
),

-- Without slices a row for every period that deliveries could speak for, else where there are data: the region file
-- sets targets for organisations that send no sheets, too.
framed as (
    {%- for kpi in counted %}
    {%- set dense = [] if kpi.base_slice else kpi.levels | select('in', dense_levels) | list %}
    {%- set sparse = kpi.levels | reject('in', dense) | list %}
    {%- if dense %}
    select
        {{ kpi_constants(kpi) }},
        s.level_code, s.level_key, 'all' as slice_code, 'all' as slice_value,
        s.period_type_code, s.period_start_on, s.period_end_on,
        f.numerator, f.denominator, s.coverage_code, s.is_stale
    from {{ kpi_frame() }} as s
    left join summed as f
        on f.kpi_id = '{{ kpi.kpi_id }}' and f.version = {{ kpi.version }}
        and s.level_code = f.level_code and s.level_key = f.level_key
        and s.period_type_code = f.period_type_code and s.period_start_on = f.period_start_on
    where s.domain_code = '{{ kpi.domain }}'
        and s.level_code in ('{{ dense | join("', '") }}') and s.period_type_code in ('{{ kpi.periods | join("', '") }}')
    {%- endif %}
    {{ "union all" if dense and sparse }}
    {%- if sparse %}
    select
        {{ kpi_constants(kpi) }},
        f.level_code, f.level_key, f.slice_code, f.slice_value,
        f.period_type_code, f.period_start_on, f.period_end_on,
        f.numerator, f.denominator,
        coalesce(s.coverage_code, case when f.period_end_on <= as_of.as_of_on then 'full' else 'partial' end)
            as coverage_code,
        coalesce(s.is_stale, false) as is_stale
    from summed as f
    cross join as_of
    left join {{ kpi_frame() }} as s
        on f.level_code = s.level_code and f.level_key = s.level_key
        and f.period_type_code = s.period_type_code and f.period_start_on = s.period_start_on
        and s.domain_code = '{{ kpi.domain }}'
    where f.kpi_id = '{{ kpi.kpi_id }}' and f.version = {{ kpi.version }}
        and f.level_code in ('{{ sparse | join("', '") }}')
    {%- endif %}
    {{ "union all" if not loop.last }}
    {%- else %}
    select * from summed
    {%- endfor %}
),

numbers as (
    select
        m.*,
        case when m.coverage_code <> 'none' then coalesce(m.numerator, 0) end as counted_numerator,
        case when m.coverage_code <> 'none' then coalesce(m.denominator, 0) end as counted_denominator,
        cast(case when m.coverage_code <> 'none' then coalesce(m.numerator, 0) end as double) as x,
        cast(case when m.coverage_code <> 'none' then coalesce(m.denominator, 0) end as double) as n,
        d.statistic_code,
        d.interval_method_code,
        d.multiplier,
        coalesce(m.period_end_on >= d.valid_from_on, true) and coalesce(m.period_end_on <= d.valid_to_on, true)
            as is_current_definition,
        coalesce(m.denominator, 0) < d.min_denominator as is_below_minimum,
        {{ add_days('m.period_end_on', 'd.maturity_lag_days') }} > as_of.as_of_on as is_provisional
    from framed as m
    inner join {{ ref('kpi_definition') }} as d on m.kpi_id = d.kpi_id and m.version = d.version
    cross join as_of
),

-- Both parts of a difference beside each other; it is as complete and as certain as the weaker of them.
paired as (
    {%- for kpi in differences %}
    select
        {{ kpi_constants(kpi) }},
        a.level_code, a.level_key, a.slice_code, a.slice_value, a.period_type_code, a.period_start_on, a.period_end_on,
        cast(a.numerator as double) as x1, cast(a.denominator as double) as n1,
        cast(b.numerator as double) as x2, cast(b.denominator as double) as n2,
        cast({{ kpi.multiplier }} as double) as multiplier,
        case
            when 'no_data' in (a.status_code, b.status_code) then 'no_data'
            when 'no_denominator' in (a.status_code, b.status_code) then 'no_denominator'
            else 'computed'
        end as status_code,
        a.coverage_code,
        a.is_period_complete and b.is_period_complete as is_period_complete,
        a.is_provisional or b.is_provisional as is_provisional,
        a.is_stale or b.is_stale as is_stale,
        coalesce(least(a.denominator, b.denominator), 0) < {{ kpi.min_denominator }} as is_below_minimum,
        a.is_current_definition
    from {{ ref('fct_kpi') }} as a
    inner join {{ ref('fct_kpi') }} as b
        on a.level_code = b.level_code and a.level_key = b.level_key and a.slice_value = b.slice_value
        and a.period_type_code = b.period_type_code and a.period_start_on = b.period_start_on
        and a.slice_code = b.slice_code and b.kpi_id = '{{ kpi.difference_of[1] }}' and b.is_current_definition
    where a.kpi_id = '{{ kpi.difference_of[0] }}' and a.is_current_definition and a.slice_code = 'all'
        and a.level_code in ('{{ kpi.levels | join("', '") }}') and a.period_type_code in ('{{ kpi.periods | join("', '") }}')
    {{ "union all" if not loop.last }}
    {%- else %}
    select 1 as placeholder
    {%- endfor %}
)

select
    kpi_id, version, level_code, level_key, slice_code, slice_value,
    period_type_code, period_start_on, period_end_on,
    cast(counted_numerator as decimal(28, 4)) as numerator,
    cast(counted_denominator as decimal(28, 4)) as denominator,
    cast(null as bigint) as person_count,
    {{ ratio('x', 'n') }} * multiplier as value,
    {%- for name, confidence in [('ci95', '95'), ('ci998', '99.8')] %}
    {%- for side in ['lower', 'upper'] %}
    multiplier * case interval_method_code
        when 'wilson' then {{ wilson_lower('x', 'n', confidence) if side == 'lower' else wilson_upper('x', 'n', confidence) }}
    end as {{ name }}_{{ side }},
    {%- endfor %}
    {%- endfor %}
    cast(statistic_code as string) as statistic_code,
    cast(interval_method_code as string) as interval_method_code,
    cast(case
        when coverage_code = 'none' then 'no_data'
        when n = 0 then 'no_denominator'
        else 'computed'
    end as string) as status_code,
    cast(coverage_code as string) as coverage_code,
    coverage_code = 'full' as is_period_complete,
    is_provisional,
    is_stale,
    is_below_minimum,
    is_current_definition
from numbers
union all
select
    kpi_id, version, level_code, level_key, slice_code, slice_value,
    period_type_code, period_start_on, period_end_on,
    cast(null as decimal(28, 4)),
    cast(null as decimal(28, 4)),
    cast(null as bigint),
    multiplier * ({{ ratio('x1', 'n1') }} - {{ ratio('x2', 'n2') }}),
    {%- for confidence in ['95', '99.8'] %}
    multiplier * {{ difference_lower('x1', 'n1', 'x2', 'n2', confidence) }},
    multiplier * {{ difference_upper('x1', 'n1', 'x2', 'n2', confidence) }},
    {%- endfor %}
    cast('difference' as string),
    cast('newcombe' as string),
    cast(status_code as string),
    cast(coverage_code as string),
    is_period_complete,
    is_provisional,
    is_stale,
    is_below_minimum,
    is_current_definition
from paired
