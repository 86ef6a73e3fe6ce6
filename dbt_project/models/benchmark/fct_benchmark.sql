-- Groups of peers by KPI and period: how many, where the middle lies, how far they spread. A median needs five members,
-- quartiles need eight, and no group is shown that one member dominates.
select
    kpi_id,
    version,
    peer_group_code,
    period_type_code,
    period_start_on,
    period_end_on,
    cast(count(*) as int) as peer_count,
    cast(sum(numerator) as decimal(28, 4)) as numerator,
    cast(sum(denominator) as decimal(28, 4)) as denominator,
    max(centre) as centre,
    case when count(*) >= 8 then percentile_cont(0.1) within group (order by value asc nulls last) end as p10,
    case when count(*) >= 8 then percentile_cont(0.25) within group (order by value asc nulls last) end as q1,
    case when count(*) >= 5 then percentile_cont(0.5) within group (order by value asc nulls last) end as median,
    case when count(*) >= 8 then percentile_cont(0.75) within group (order by value asc nulls last) end as q3,
    case when count(*) >= 8 then percentile_cont(0.9) within group (order by value asc nulls last) end as p90,
    max(case when is_group_dominated then 1 else 0 end) = 1 as is_dominated
from {{ ref('fct_benchmark_member') }}
group by kpi_id, version, peer_group_code, period_type_code, period_start_on, period_end_on
