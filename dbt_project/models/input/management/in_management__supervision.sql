-- Members of staff are told apart, and never named, ranked or published.
select
    {{ hash_key(['r._source_id', 'r.organisation_code', 'r.staff_code', 'r.month_end_on']) }} as supervision_key,
    {{ hash_key(['r._source_id', 'r.staff_code']) }} as staff_key,
    {{ sheet_reference_key('service_code') }} as service_key,
    {{ sheet_text('team_code') }} as team_code,
    {{ sheet_text('role_code') }} as role_code,
    {{ try_date('r.month_end_on') }} as month_end_on,
    coalesce({{ sheet_flag('is_eligible') }}, true) as is_eligible,
    cast({{ try_int('r.session_count') }} as int) as session_count,
    {{ sheet_number('hours', 9, 2) }} as session_hours,
    {{ sheet_provenance() }}
{{ sheet_rows('supervision') }}
