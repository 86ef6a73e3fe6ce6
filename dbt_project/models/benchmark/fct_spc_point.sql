-- Series over time as control charts. Points that can't be compared (incomplete, stale, too few, provisional) are left
-- out. Limits begin anew only where somebody decided so.
with decision as (
    select
        measure_id,
        entity_code,
        rebased_on,
        max(reason) as reason,
        row_number() over (partition by measure_id, entity_code order by rebased_on asc nulls last) as decision_number,
        lead(rebased_on) over (partition by measure_id, entity_code order by rebased_on asc nulls last) as next_rebased_on
    from {{ source('ops', 'spc_rebase') }}
    group by measure_id, entity_code, rebased_on
),

series as (
    select
        s.*,
        s.period_start_on as point_on,
        coalesce(d.decision_number, 0) + 1 as segment_number,
        d.reason as segment_reason
    from {{ ref('benchmark_series') }} as s
    left join decision as d
        on s.measure_id = d.measure_id and s.level_key = d.entity_code
        and s.period_start_on >= d.rebased_on and s.period_start_on < coalesce(d.next_rebased_on, date '9999-12-31')
    where s.chart_code <> 'none' and s.is_comparable and not s.is_provisional
),

-- What a chart needs and no more: the rest is joined again afterwards, rather than sorted along.
point as (
    select
        series_key, segment_number, point_on, value, numerator, denominator, multiplier, chart_code, limit_point_count
    from series
),

charted as (
    select *
    from {{ spc(
        'point', ['series_key', 'segment_number'], charts=['xmr', 'p', 'u', 'p_prime', 'u_prime'],
        fix_after='limit_point_count'
    ) }} as chart
),

-- A target holds from its period on, and only if it was set before the month began.
targeted as (
    select c.series_key, c.point_on, cast(t.target_value as double) as target
    from series as c
    inner join {{ ref('fct_target') }} as t
        on c.kpi_id = t.kpi_id
        and c.level_code = t.level_code
        and c.level_key = t.level_key
        and c.point_on >= t.period_start_on
        and c.point_on >= t.set_on
        and t.award_code is null
    qualify row_number() over (
        partition by c.series_key, c.point_on
        order by t.period_start_on desc nulls last, t.set_on desc nulls last, t.period_type_code asc nulls last,
            t.target_value asc nulls last
    ) = 1
)

select
    s.series_key,
    s.origin_code,
    s.publication_code,
    s.measure_id,
    s.method_version,
    s.kpi_id,
    s.version,
    s.level_code,
    s.level_key,
    s.slice_code,
    s.slice_value,
    s.period_type_code,
    s.period_start_on,
    s.period_end_on,
    cast(s.segment_number as int) as segment_number,
    s.segment_reason,
    cast(c.point_number as int) as point_number,
    s.value,
    cast(s.chart_code as string) as chart_code,
    c.moving_range,
    c.is_baseline,
    c.mean,
    c.mean_moving_range,
    c.sigma_z,
    c.lower_limit,
    c.upper_limit,
    c.near_lower_limit,
    c.near_upper_limit,
    c.is_near as is_near_limit,
    c.baseline_count < 12 as is_trial,
    cast(c.rule_code as string) as rule_code,
    cast(c.rule_sign as int) as rule_sign,
    cast({{ spc_variation('c.rule_sign', 's.direction') }} as string) as variation_code,
    cast({{ spc_variation('c.sign_at_once', 's.direction') }} as string) as variation_at_once_code,
    t.target,
    cast({{ spc_assurance('c.lower_limit', 'c.upper_limit', 't.target', 's.direction') }} as string) as assurance_code
from charted as c
inner join series as s on c.series_key = s.series_key and c.point_on = s.point_on
left join targeted as t on c.series_key = t.series_key and c.point_on = t.point_on
