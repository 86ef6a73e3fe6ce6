-- KPIs against the targets of the region file for the same period. A gap is signed so that minus is a problem. Figures
-- are compared as they are, not rounded; a target set after its period began is shown but never judged.
select
    k.kpi_id,
    k.version,
    k.level_code,
    k.level_key,
    k.period_type_code,
    k.period_start_on,
    k.period_end_on,
    k.value,
    cast(t.target as double) as target,
    t.set_on,
    t.set_on > t.period_start as is_retrospective,
    d.direction * (k.value - cast(t.target as double)) as gap,
    t.set_on <= t.period_start and d.direction <> 0 and not k.is_below_minimum and not k.is_provisional
        and k.is_period_complete as is_judged,
    case
        when t.set_on <= t.period_start and d.direction <> 0 and not k.is_below_minimum and not k.is_provisional
            and k.is_period_complete
            then d.direction * (k.value - cast(t.target as double)) < 0
    end as is_problem
from {{ source('ops', 'kpi_target') }} as t
inner join {{ ref('fct_kpi') }} as k
    on t.kpi_id = k.kpi_id
    and t.period_type = k.period_type_code
    and t.period_start = k.period_start_on
    and k.slice_code = 'all'
    and (
        (k.level_code = 'organisation' and t.organisation_id = k.level_key)
        or (k.level_code = 'region' and t.organisation_id is null)
    )
inner join {{ ref('kpi_definition') }} as d on k.kpi_id = d.kpi_id and k.version = d.version
where k.value is not null
qualify row_number() over (
    partition by k.kpi_id, k.version, k.level_code, k.level_key, k.period_type_code, k.period_start_on
    order by t.set_on desc nulls last, t.target asc nulls last
) = 1
