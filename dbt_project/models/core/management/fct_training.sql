-- The register as it stood at each month-end: who was on the staff, whose training in outcomes was still valid, and
-- whether it was followed up. Training once and never again is not counted as current.
with delivered as (
    -- The register is known up to the day on which its source delivered last.
    select source_id, cast(max(stated_at) as date) as known_until_on
    from {{ source('ops', 'delivery') }}
    where status = 'loaded'
    group by source_id
),

register as (
    select
        r.*,
        coalesce(r.joined_on, r.completed_on, r.follow_up_on) as on_staff_from,
        coalesce(d.known_until_on, greatest(
            coalesce(r.joined_on, r.completed_on), coalesce(r.completed_on, r.joined_on)
        )) as known_until_on
    from {{ ref('in_management__training') }} as r
    left join delivered as d on r.source_id = d.source_id
),

month_end as (
    select max(date_on) as month_end_on
    from {{ ref('dim_date') }}
    group by month_on
),

-- One row a member of staff, month-end and course, for months that were over when the register was delivered.
standing as (
    select
        r.*,
        m.month_end_on,
        r.is_outcomes_course and r.completed_on <= m.month_end_on
            and (r.expires_on is null or r.expires_on > m.month_end_on) as is_current,
        r.follow_up_on > r.completed_on and r.follow_up_on <= m.month_end_on as is_followed_up
    from register as r
    inner join month_end as m
        on r.on_staff_from <= m.month_end_on
        and r.known_until_on >= m.month_end_on
        and (r.left_on is null or r.left_on > m.month_end_on)
),

by_staff as (
    select
        organisation_id,
        staff_key,
        month_end_on,
        max(service_key) as service_key,
        max(team_code) as team_code,
        max(role_code) as role_code,
        count(*) as course_count,
        max(case when is_current then 1 else 0 end) = 1 as is_current,
        max(case when is_current and is_followed_up then 1 else 0 end) = 1 as is_supported
    from standing
    group by organisation_id, staff_key, month_end_on
)

select
    {{ hash_key(['s.organisation_id', 's.staff_key', 's.month_end_on']) }} as training_key,
    s.staff_key,
    s.organisation_id,
    service.service_key,
    coalesce(service.service_type_code, 'UNMAPPED') as service_type_code,
    s.team_code,
    s.role_code,
    s.month_end_on,
    cast(s.course_count as int) as course_count,
    s.is_current as is_outcomes_training_current,
    s.is_supported as is_outcomes_training_supported
from by_staff as s
left join {{ ref('dim_service') }} as service on s.service_key = service.service_key
