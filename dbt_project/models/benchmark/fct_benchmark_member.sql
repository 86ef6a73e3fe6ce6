-- Organisations beside their peers, by measure and period: rank, quartile, median of the others, place in the funnel, and
-- change since the year before.
{%- set peers = "partition by comparison_key, peer_group_code, subject_code, period_start_on, period_end_on" %}
with ranked as (
    select
        m.*,
        count(*) over ({{ peers }}) as peer_count,
        rank() over ({{ peers }} order by value asc nulls last) as value_rank,
        row_number() over ({{ peers }} order by value asc nulls last, level_key asc nulls last) as value_position,
        count(*) over ({{ peers }}, value) as tie_count
    from {{ compared_figures() }} as m
),

-- The values in the middle of the list; without the organisation itself the middle is one of them or between two.
middled as (
    select
        r.*,
        floor({{ ratio('peer_count', 2) }}) as half,
        mod(peer_count, 2) = 0 as is_even,
        {%- for offset in [0, 1, 2] %}
        max(case when value_position = floor({{ ratio('peer_count', 2) }}) + {{ offset }} then value end) over ({{ peers }})
            as middle_{{ offset }}{{ "," if not loop.last }}
        {%- endfor %}
    from ranked as r
),

-- Of a group that was found for one organisation only that one is shown.
grouped as (
    select
        m.*,
        g.benchmark_key,
        g.median as group_median,
        g.mad,
        g.is_dominated as is_group_dominated,
        {{ ratio('g.centre', 'm.multiplier') }} as centre,
        case when g.is_over_dispersed then g.tau_squared end as tau_squared,
        case
            when is_even then case when value_position > half then middle_0 else middle_1 end
            else {{ ratio(
                "(case when value_position > half then middle_0 else middle_1 end"
                ~ " + case when value_position > half + 1 then middle_1 else middle_2 end)", 2
            ) }}
        end as median_of_others
    from middled as m
    inner join {{ ref('fct_benchmark') }} as g
        on m.comparison_key = g.comparison_key and m.peer_group_code = g.peer_group_code
        and m.subject_code = g.subject_code and m.period_start_on = g.period_start_on
        and m.period_end_on = g.period_end_on
    where m.subject_code in ('all', m.level_key)
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
    {{ hash_key(['l.benchmark_key', 'l.level_key']) }} as benchmark_member_key,
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
