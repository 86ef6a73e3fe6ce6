-- Quality of the data behind each KPI that an organisation has figures of, part by part.
with figured as (
    select distinct kpi_id, version, level_key as organisation_id
    from {{ ref('pub_kpi_timeseries') }}
    where level_code = 'organisation'
)

select
    q.kpi_id,
    q.version,
    q.organisation_id,
    o.organisation_name,
    q.part_code,
    q.subject_code,
    q.subject_name,
    q.reason,
    -- Rounded down: what is short of a grade must not look as if it had reached it.
    {{ ratio('floor(q.share_pct * 10 + 1e-9)', '10') }} as share_pct,
    q.period_start_on,
    q.period_end_on,
    q.is_weakest,
    q.part_grade_code,
    q.grade_code
from {{ ref('mart_kpi_quality') }} as q
inner join {{ source('ops', 'organisation') }} as o on q.organisation_id = o.organisation_id
inner join figured as f on q.kpi_id = f.kpi_id and q.version = f.version and q.organisation_id = f.organisation_id
