-- Monthly series of KPIs as XmR charts. Points that can't be compared (incomplete, stale, too few, provisional) are left
-- out; limits are fixed after the first twelve points, so that later signals don't move them.
with series as (
    select
        k.kpi_id,
        k.version,
        k.level_code,
        k.level_key,
        k.period_start_on as point_on,
        k.value,
        d.direction
    from {{ ref('fct_kpi') }} as k
    inner join {{ ref('kpi_definition') }} as d on k.kpi_id = d.kpi_id and k.version = d.version
    where d.chart_code = 'xmr'
        and k.slice_code = 'all'
        and k.period_type_code = 'month'
        and k.level_code in ('region', 'organisation', 'service_type')
        and k.value is not null
        and k.is_period_complete
        and not k.is_provisional
        and not k.is_below_minimum
),

charted as (
    select * from {{ xmr('series', ['kpi_id', 'version', 'level_code', 'level_key'], fix_after=12) }} as chart
),

-- A target holds from its period on, and only if it was set before the month began.
targeted as (
    select c.kpi_id, c.version, c.level_code, c.level_key, c.point_on, cast(t.target_value as double) as target
    from charted as c
    inner join {{ ref('fct_target') }} as t
        on c.kpi_id = t.kpi_id
        and c.level_code = t.level_code
        and c.level_key = t.level_key
        and c.point_on >= t.period_start_on
        and c.point_on >= t.set_on
    qualify row_number() over (
        partition by c.kpi_id, c.version, c.level_code, c.level_key, c.point_on
        order by t.period_start_on desc nulls last, t.set_on desc nulls last, t.period_type_code asc nulls last,
            t.target_value asc nulls last
    ) = 1
)

select
    c.kpi_id,
    c.version,
    c.level_code,
    c.level_key,
    c.point_on as period_start_on,
    cast(c.point_number as int) as point_number,
    c.value,
    c.moving_range,
    c.is_baseline,
    c.mean,
    c.mean_moving_range,
    c.lower_limit,
    c.upper_limit,
    c.near_lower_limit,
    c.near_upper_limit,
    sum(case when c.is_baseline then 1 else 0 end) over (
        partition by c.kpi_id, c.version, c.level_code, c.level_key
    ) < 12 as is_trial,
    cast(c.rule_code as string) as rule_code,
    cast({{ xmr_variation('c.rule_sign', 'c.direction') }} as string) as variation_code,
    t.target,
    cast({{ xmr_assurance('c.lower_limit', 'c.upper_limit', 't.target', 'c.direction') }} as string) as assurance_code
from charted as c
left join targeted as t
    on c.kpi_id = t.kpi_id and c.version = t.version and c.level_code = t.level_code and c.level_key = t.level_key
    and c.point_on = t.point_on
