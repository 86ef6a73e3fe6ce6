-- depends_on: {{ ref('kpi_scaffold') }}, {{ ref('kpi_rollup') }}, {{ ref('kpi_person_count') }}, {{ ref('kpi_quantile') }}
-- Numerator beside denominator, and what follows from them. Every series without slices has a row for every period that
-- it is declared for; slices, money and single sources have rows where there are data.
{%- set bases = kpi_bases(kpi_catalogue()) %}
with as_of as (
    select as_of as as_of_on from {{ source('ops', 'run_context') }}
),

{% for base in bases %}
{{ base.name }} as (
    {{ kpi_base(base) }}
),
{% endfor %}
measured as (
    {%- for base in bases %}
    {%- set last_base = loop.last %}
    {%- for kpi in base.kpis %}
    {{ kpi_measured(kpi, base) }}
    {{ "union all" if not (loop.last and last_base) }}
    {%- endfor %}
    {%- else %}
    select 1 as placeholder
    {%- endfor %}
),

definitions as (
    select
        *,
        statistic_code not in ('median', 'quantile') as is_counted,
        statistic_code not in ('count', 'sum', 'distinct_count') as is_divided
    from {{ ref('kpi_definition') }}
),

-- Where nothing was delivered there is nothing to count; where something was, no row means 0.
counted as (
    select
        m.kpi_id, m.version, m.level_code, m.level_key, m.slice_code, m.slice_value,
        m.period_type_code, m.period_start_on, m.period_end_on,
        case when m.coverage_code <> 'none' and d.is_counted then coalesce(m.numerator, 0) end as numerator,
        case when m.coverage_code <> 'none' and d.is_divided then coalesce(m.denominator, 0) end as denominator,
        case when m.coverage_code <> 'none' then m.square_total end as square_total,
        case when m.coverage_code <> 'none' then m.spread_total end as spread_total,
        case when m.coverage_code <> 'none' then m.quantile end as quantile,
        d.statistic_code,
        d.interval_method_code,
        d.multiplier,
        m.coverage_code,
        coalesce(m.period_end_on >= d.valid_from_on, true) and coalesce(m.period_end_on <= d.valid_to_on, true)
            as is_current_definition,
        coalesce(m.denominator, m.numerator, 0) < d.min_denominator as is_below_minimum,
        {{ add_days('m.period_end_on', 'd.maturity_lag_days') }} > a.as_of_on as is_provisional,
        m.is_stale
    from (
        select
            measured.*,
            coalesce(measured.scaffold_coverage_code, case when measured.period_end_on <= as_of.as_of_on then 'full' else 'partial' end)
                as coverage_code
        from measured
        cross join as_of
    ) as m
    inner join definitions as d on m.kpi_id = d.kpi_id and m.version = d.version
    cross join as_of as a
),

numbers as (
    select
        counted.*,
        cast(numerator as double) as x,
        cast(denominator as double) as n,
        case when statistic_code = 'effect_size' then
            {{ effect_size('cast(numerator as double)', 'cast(denominator as double)', 'spread_total', 'square_total') }}
        end as effect
    from counted
)

select
    kpi_id, version, level_code, level_key, slice_code, slice_value,
    period_type_code, period_start_on, period_end_on,
    numerator,
    denominator,
    cast(case when statistic_code = 'distinct_count' then numerator end as bigint) as person_count,
    case
        when statistic_code in ('median', 'quantile') then quantile
        when statistic_code = 'effect_size' then effect
        when denominator is null then x * multiplier
        else {{ ratio('x', 'n') }} * multiplier
    end as value,
    {%- for name, confidence in [('ci95', '95'), ('ci998', '99.8')] %}
    {%- for side in ['lower', 'upper'] %}
    multiplier * case interval_method_code
        when 'wilson' then {{ wilson_lower('x', 'n', confidence) if side == 'lower' else wilson_upper('x', 'n', confidence) }}
        when 'byar' then {{ ratio(count_lower('x', confidence) if side == 'lower' else count_upper('x', confidence), 'n') }}
        when 't' then {{ ratio('x', 'n') }} {{ '-' if side == 'lower' else '+' }} {{ mean_half_width('n', 'x', 'square_total', confidence) }}
    end as {{ name }}_{{ side }},
    {%- endfor %}
    {%- endfor %}
    cast(statistic_code as string) as statistic_code,
    cast(interval_method_code as string) as interval_method_code,
    cast(case
        when coverage_code = 'none' then 'no_data'
        when statistic_code in ('proportion', 'ratio', 'rate', 'mean', 'effect_size', 'median', 'quantile') and n = 0 then 'no_denominator'
        -- Pairs that all began alike, or fewer than two, have no spread to divide by.
        when statistic_code = 'effect_size' and effect is null then 'no_denominator'
        else 'computed'
    end as string) as status_code,
    cast(coverage_code as string) as coverage_code,
    coverage_code = 'full' as is_period_complete,
    is_provisional,
    is_stale,
    is_below_minimum,
    is_current_definition
from numbers
