-- The register as it stood at each month-end: who was on the staff, whose training in outcomes was still valid, and
-- whether it was followed up. Training once and never again is not counted as current.
with register as (
    select
        r.*,
        coalesce(r.joined_on, r.completed_on, {{ add_months('context.as_of', -12) }}) as on_staff_from,
        coalesce(r.left_on, {{ add_days('context.as_of', 1) }}) as on_staff_before
    from {{ ref('in_management__training') }} as r
    cross join {{ source('ops', 'run_context') }} as context
),

month_end as (
    select max(date_on) as month_end_on
    from {{ ref('dim_date') }}
    where date_on <= (select context.as_of from {{ source('ops', 'run_context') }} as context)
    group by month_on
),

-- One row a member of staff, month-end and course; a month counts once it is over.
standing as (
    select
        r.*,
        m.month_end_on,
        r.is_outcomes_course and r.completed_on <= m.month_end_on
            and (r.expires_on is null or r.expires_on > m.month_end_on) as is_current,
        r.follow_up_on > r.completed_on and r.follow_up_on <= m.month_end_on as is_followed_up
    from register as r
    inner join month_end as m on m.month_end_on >= r.on_staff_from and m.month_end_on < r.on_staff_before
    where m.month_end_on = {{ add_days(add_months(first_of_month('m.month_end_on'), 1), -1) }}
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
