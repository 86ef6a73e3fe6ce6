-- depends_on: {{ ref('kpi_scaffold') }}, {{ ref('kpi_rollup') }}, {{ ref('kpi_person_count') }}, {{ ref('kpi_quantile') }}
-- Numerator beside denominator, and what follows from them. Every series without slices has a row for every period that
-- it is declared for; slices, money and single sources have rows where there are data. In numbers; fct_kpi has the texts.
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
        m.kpi_number, m.level_number, m.key_number, m.slice_number, m.slice_key_number,
        m.period_type_number, m.period_start_on, m.period_end_on,
        case when m.has_coverage and d.is_counted then coalesce(m.numerator, 0) end as numerator,
        case when m.has_coverage and d.is_divided then coalesce(m.denominator, 0) end as denominator,
        case when m.has_coverage then m.square_total end as square_total,
        case when m.has_coverage then m.spread_total end as spread_total,
        case when m.has_coverage then m.quantile end as quantile,
        case when m.has_coverage then e.proportion end as proportion,
        case when m.has_coverage then e.standard_error end as standard_error,
        d.statistic_code,
        d.interval_method_code,
        d.multiplier,
        d.is_divided,
        m.coverage_number,
        m.has_coverage,
        coalesce(m.period_end_on >= d.valid_from_on, true) and coalesce(m.period_end_on <= d.valid_to_on, true)
            as is_current_definition,
        coalesce(m.denominator, m.numerator, 0) < d.min_denominator as is_below_minimum,
        {{ add_days('m.period_end_on', 'd.maturity_lag_days') }} > a.as_of_on as is_provisional,
        m.is_stale
    from (
        select
            measured.*,
            coalesce(
                measured.scaffold_coverage_number,
                case
                    when measured.period_end_on <= as_of.as_of_on then {{ kpi_number('coverage', 'full') }}
                    else {{ kpi_number('coverage', 'partial') }}
                end
            ) as coverage_number,
            coalesce(measured.scaffold_coverage_number <> {{ kpi_number('coverage', 'none') }}, true) as has_coverage
        from measured
        cross join as_of
    ) as m
    inner join definitions as d on m.kpi_number = d.kpi_number
    left join {{ ref('kpi_stratified') }} as e
        on m.kpi_number = e.kpi_number and m.level_number = e.level_number and m.key_number = e.key_number
        and m.period_type_number = e.period_type_number and m.period_start_on = e.period_start_on
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
    kpi_number,
    level_number,
    key_number,
    slice_number,
    slice_key_number,
    period_type_number,
    period_start_on,
    period_end_on,
    numerator,
    denominator,
    case
        when statistic_code in ('median', 'quantile') then quantile
        when statistic_code = 'effect_size' then effect
        when statistic_code = 'stratified' then proportion * multiplier
        when denominator is null then x * multiplier
        else {{ ratio('x', 'n') }} * multiplier
    end as value,
    {%- for name, confidence in [('ci95', '95'), ('ci998', '99.8')] %}
    {%- for side in ['lower', 'upper'] %}
    multiplier * case interval_method_code
        when 'wilson' then {{ wilson_lower('x', 'n', confidence) if side == 'lower' else wilson_upper('x', 'n', confidence) }}
        when 'byar' then {{ ratio(count_lower('x', confidence) if side == 'lower' else count_upper('x', confidence), 'n') }}
        when 't' then {{ ratio('x', 'n') }} {{ '-' if side == 'lower' else '+' }} {{ mean_half_width('n', 'x', 'square_total', confidence) }}
        when 'stratified' then case
            when standard_error is not null then {{ 'greatest(0e0, proportion -' if side == 'lower' else 'least(1e0, proportion +' }} {{ z_quantile(confidence) }} * standard_error)
        end
    end as {{ name }}_{{ side }},
    {%- endfor %}
    {%- endfor %}
    case
        when not has_coverage then {{ kpi_number('status', 'no_data') }}
        when is_divided and n = 0 then {{ kpi_number('status', 'no_denominator') }}
        -- Pairs that all began alike, or fewer than two, have no spread to divide by.
        when statistic_code = 'effect_size' and effect is null then {{ kpi_number('status', 'no_denominator') }}
        else {{ kpi_number('status', 'computed') }}
    end as status_number,
    coverage_number,
    is_provisional,
    is_stale,
    is_below_minimum,
    is_current_definition
from numbers
