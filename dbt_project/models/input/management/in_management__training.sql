-- Members of staff are told apart, and never named, ranked or published.
select
    {{ hash_key(['r._source_id', 'r.organisation_code', 'r.staff_code', 'r.course_code']) }} as enrolment_key,
    {{ hash_key(['r._source_id', 'r.staff_code']) }} as staff_key,
    {{ sheet_reference_key('service_code') }} as service_key,
    {{ sheet_text('team_code') }} as team_code,
    {{ sheet_text('role_code') }} as role_code,
    {{ try_date('r.joined_on') }} as joined_on,
    {{ try_date('r.left_on') }} as left_on,
    {{ sheet_text('course_code') }} as course_code,
    coalesce({{ sheet_flag('is_outcomes_course') }}, false) as is_outcomes_course,
    {{ try_date('r.completed_on') }} as completed_on,
    {{ try_date('r.expires_on') }} as expires_on,
    {{ try_date('r.follow_up_on') }} as follow_up_on,
    {{ sheet_number('hours', 9, 2) }} as course_hours,
    {{ sheet_provenance() }}
{{ sheet_rows('training') }}
