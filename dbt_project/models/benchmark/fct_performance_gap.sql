-- KPIs, and figures that others publish, against their targets for the same period. A gap is signed so that minus is a
-- problem. Figures are compared as they are, not rounded. Shown but never judged are targets that were set after their
-- period began, and figures of data whose quality has the grade D. Beside it stands what the process can be expected to
-- do: a gap that lies within the noise of a chart is not yet a signal.
with figure as (
    select * from {{ ref('fct_kpi') }} where slice_code = 'all'
    union all
    select * from {{ ref('fct_kpi_second') }} where slice_code = 'all'
),

graded as (
    select kpi_id, version, organisation_id, grade_code from {{ ref('mart_kpi_quality') }} where is_weakest
),

judged as (
    select
        'own' as origin_code,
        'own' as publication_code,
        k.kpi_id as measure_id,
        cast(k.version as string) as method_version,
        k.kpi_id,
        k.version,
        k.level_code,
        k.level_key,
        k.period_type_code,
        k.period_start_on,
        k.period_end_on,
        k.value,
        cast(t.target_value as double) as target,
        cast(t.tolerance_pct as double) as tolerance_pct,
        t.target_key,
        t.target_level_code,
        t.set_on,
        t.is_retrospective,
        d.direction,
        d.direction * (k.value - cast(t.target_value as double)) as gap,
        not t.is_retrospective and d.direction <> 0 and not k.is_below_minimum and not k.is_provisional
            and k.is_period_complete and coalesce(q.grade_code, '') <> 'D' as is_judged
    from {{ ref('fct_target') }} as t
    inner join figure as k
        on t.kpi_id = k.kpi_id
        and t.period_type_code = k.period_type_code
        and t.period_start_on = k.period_start_on
        and t.level_code = k.level_code
        and t.level_key = k.level_key
    inner join {{ ref('kpi_definition') }} as d on k.kpi_id = d.kpi_id and k.version = d.version
    left join graded as q
        on k.kpi_id = q.kpi_id and k.version = q.version and k.level_key = q.organisation_id
        and k.level_code = 'organisation'
    -- What an award asks for is held against all that was brought since it began (FN-02).
    where t.is_in_force and t.award_code is null and k.value is not null
    union all
    select
        s.origin_code,
        s.publication_code,
        s.measure_id,
        s.method_version,
        s.kpi_id,
        s.version,
        s.level_code,
        s.level_key,
        s.period_type_code,
        s.period_start_on,
        s.period_end_on,
        s.value,
        cast(t.target_value as double),
        cast(t.tolerance_pct as double),
        t.target_key,
        t.target_level_code,
        t.set_on,
        t.is_retrospective,
        s.direction,
        s.direction * (s.value - cast(t.target_value as double)),
        not t.is_retrospective and s.direction <> 0 and s.is_comparable
    from {{ ref('fct_target') }} as t
    inner join {{ ref('benchmark_series') }} as s
        on t.measure_id = s.measure_id
        and t.level_key = s.level_key
        and t.period_type_code = s.period_type_code
        and t.period_start_on = s.period_start_on
    where t.is_in_force and s.origin_code = 'external' and s.slice_code = 'all' and s.value is not null
),

-- What the chart of the months says at the end of the period.
charted as (
    select
        j.origin_code,
        j.publication_code,
        j.measure_id,
        j.method_version,
        j.level_code,
        j.level_key,
        j.period_type_code,
        j.period_start_on,
        c.assurance_code,
        c.variation_code
    from (
        select distinct
            origin_code, publication_code, measure_id, method_version, level_code, level_key, period_type_code,
            period_start_on, period_end_on
        from judged
    ) as j
    inner join {{ ref('fct_spc_point') }} as c
        on j.origin_code = c.origin_code and j.publication_code = c.publication_code and j.measure_id = c.measure_id
        and j.method_version = c.method_version and j.level_code = c.level_code and j.level_key = c.level_key
        and c.slice_code = 'all' and c.period_type_code in ('month', 'quarter')
        and c.period_start_on between j.period_start_on and j.period_end_on
    qualify row_number() over (
        partition by
            j.origin_code, j.publication_code, j.measure_id, j.method_version, j.level_code, j.level_key,
            j.period_type_code, j.period_start_on
        order by c.period_start_on desc nulls last, c.assurance_code asc nulls last
    ) = 1
)

select
    cast(j.origin_code as string) as origin_code,
    cast(j.publication_code as string) as publication_code,
    j.measure_id,
    j.method_version,
    j.kpi_id,
    j.version,
    j.level_code,
    j.level_key,
    j.period_type_code,
    j.period_start_on,
    j.period_end_on,
    j.target_key,
    j.target_level_code,
    -- Of targets that several set, the one nearest to the work is the one that the figure is read against.
    row_number() over (
        partition by
            j.origin_code, j.publication_code, j.measure_id, j.method_version, j.level_code, j.level_key,
            j.period_type_code, j.period_start_on
        order by
            j.is_retrospective asc nulls last,
            case j.target_level_code
                when 'internal' then 1 when 'local' then 2 when 'funder' then 3 when 'regional' then 4 else 5
            end asc nulls last,
            j.target_key asc nulls last
    ) = 1 as is_leading_target,
    j.value,
    j.target,
    j.tolerance_pct,
    j.set_on,
    j.is_retrospective,
    j.gap,
    100e0 * {{ ratio('j.gap', 'abs(j.target)') }} as gap_pct,
    j.is_judged,
    case when j.is_judged then j.gap < 0 end as is_problem,
    cast({{ target_rag('j.gap', 'j.target', 'j.tolerance_pct', 'j.is_judged') }} as string) as rag_code,
    c.assurance_code,
    c.variation_code
from judged as j
left join charted as c
    on j.origin_code = c.origin_code and j.publication_code = c.publication_code and j.measure_id = c.measure_id
    and j.method_version = c.method_version and j.level_code = c.level_code and j.level_key = c.level_key
    and j.period_type_code = c.period_type_code and j.period_start_on = c.period_start_on
