-- Organisations beside their peers, by measure and period: rank, quartile, median of the others, place in the funnel, and
-- change since the year before.
with benchmark as (
    select
        b.*,
        row_number() over (order by benchmark_key asc nulls last) as group_number
    from {{ ref('fct_benchmark') }} as b
),

member as (
    select
        m.*,
        g.group_number,
        g.benchmark_key,
        g.peer_count,
        g.median as group_median,
        g.mad,
        g.is_dominated as is_group_dominated,
        {{ ratio('g.centre', 'm.multiplier') }} as centre,
        case when g.is_over_dispersed then g.tau_squared end as tau_squared,
        floor({{ ratio('g.peer_count', 2) }}) as half
    from {{ compared_figures() }} as m
    inner join benchmark as g
        on m.comparison_key = g.comparison_key and m.peer_group_code = g.peer_group_code
        and m.subject_code = g.subject_code and m.period_start_on = g.period_start_on
        and m.period_end_on = g.period_end_on
),

-- What ranks need and no more: the rest is joined again afterwards, rather than sorted along.
ranked as (
    select
        m.*,
        rank() over (partition by group_number order by value asc nulls last) as value_rank,
        count(*) over (
            partition by group_number order by value asc nulls last range between current row and current row
        ) as tie_count
    from (select group_number, series_key, value, half from member) as m
),

-- The values in the middle of the list; without the organisation itself the middle is one of them or between two.
middle as (
    select
        group_number
        {%- for offset in [0, 1, 2] %},
        max(case when half + {{ offset }} >= value_rank and half + {{ offset }} < value_rank + tie_count then value end)
            as middle_{{ offset }}
        {%- endfor %}
    from ranked
    group by group_number
),

-- Of a group that was found for one organisation only that one is shown.
grouped as (
    select
        g.*,
        r.value_rank,
        r.tie_count,
        case
            when mod(g.peer_count, 2) = 0 then case when r.value_rank > g.half then m.middle_0 else m.middle_1 end
            else {{ ratio(
                "(case when r.value_rank > g.half then m.middle_0 else m.middle_1 end"
                ~ " + case when r.value_rank > g.half + 1 then m.middle_1 else m.middle_2 end)", 2
            ) }}
        end as median_of_others
    from member as g
    inner join ranked as r on g.group_number = r.group_number and g.series_key = r.series_key
    inner join middle as m on g.group_number = m.group_number
    where g.subject_code in ('all', g.level_key)
),

limited as (
    select
        g.*,
        {%- for name, confidence in [('95', '95'), ('998', '99.8')] %}
        {%- for side, proportion_limit, ratio_limit in [
            ('lower', funnel_lower, ratio_funnel_lower), ('upper', funnel_upper, ratio_funnel_upper)
        ] %}
        multiplier * case
            when funnel_code = 'proportion' then {{ proportion_limit('centre', 'n', confidence, tau_squared='tau_squared') }}
            when funnel_code = 'ratio' then
                centre * {{ ratio_limit('(n * centre)', confidence, tau_squared='tau_squared') }}
        end as funnel{{ name }}_{{ side }},
        {%- endfor %}
        {%- endfor %}
        multiplier * {{ ratio('x', 'n') }} as counted_value
    from grouped as g
),

year_before as (
    select
        series_key,
        {{ add_months('period_start_on', 12) }} as next_start_on,
        {{ add_days(add_months(add_days('period_end_on', 1), 12), -1) }} as next_end_on,
        value,
        cast(numerator as double) as x,
        cast(denominator as double) as n
    from {{ ref('benchmark_series') }}
    where is_comparable
)

select
    l.benchmark_key,
    l.series_key,
    l.origin_code,
    l.publication_code,
    l.measure_id,
    l.method_version,
    l.kpi_id,
    l.version,
    l.level_code,
    l.level_key,
    case when l.origin_code = 'own' then l.level_key end as organisation_id,
    l.slice_code,
    l.slice_value,
    l.peer_group_code,
    l.subject_code,
    l.period_type_code,
    l.period_start_on,
    l.period_end_on,
    l.is_last_period,
    l.direction,
    l.value,
    l.numerator,
    l.denominator,
    cast(l.peer_count as int) as peer_count,
    -- Five peers for a median, eight for quartiles (domain §5.8); the organisation itself is no peer of its own.
    case when l.peer_count - 1 >= 5 then l.median_of_others end as median_of_others,
    case when l.peer_count - 1 >= 8 then
        case
            when l.direction < 0 then 5 - cast({{ quantile_group('l.value_rank', 'l.peer_count', 4) }} as int)
            else cast({{ quantile_group('l.value_rank', 'l.peer_count', 4) }} as int)
        end
    end as quartile_number,
    case when l.peer_count - 1 >= 8 then
        {{ percentile_rank('(l.value_rank - 1)', 'l.tie_count', 'l.peer_count', 'l.direction') }}
    end as percentile_rank,
    {{ mad_score('l.value', 'l.group_median', 'l.mad') }} as mad_score,
    l.multiplier * l.centre as centre,
    l.funnel95_lower,
    l.funnel95_upper,
    l.funnel998_lower,
    l.funnel998_upper,
    cast({{ funnel_band(
        'l.counted_value', 'l.funnel998_lower', 'l.funnel95_lower', 'l.funnel95_upper', 'l.funnel998_upper'
    ) }} as string) as funnel_band_code,
    l.tau_squared is not null as is_over_dispersed,
    l.is_group_dominated,
    b.value as value_before,
    l.value - b.value as change,
    case when l.funnel_code = 'proportion' then
        l.multiplier * {{ difference_lower('l.x', 'l.n', 'b.x', 'b.n', '95') }}
    end as change95_lower,
    case when l.funnel_code = 'proportion' then
        l.multiplier * {{ difference_upper('l.x', 'l.n', 'b.x', 'b.n', '95') }}
    end as change95_upper
from limited as l
left join year_before as b
    on l.series_key = b.series_key and l.period_start_on = b.next_start_on and l.period_end_on = b.next_end_on
