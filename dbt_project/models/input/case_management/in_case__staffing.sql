select
    {{ hash_key(['r._source_id', 'r.organisation_code', 'r.service_code', 'r.team_code', 'r.role_code', 'r.month_end_on']) }}
        as staffing_key,
    {{ sheet_reference_key('service_code') }} as service_key,
    {{ sheet_text('team_code') }} as team_code,
    {{ sheet_text('role_code') }} as role_code,
    {{ try_date('r.month_end_on') }} as month_end_on,
    {{ sheet_number('fte_established', 9, 2) }} as fte_established,
    {{ sheet_number('fte_in_post', 9, 2) }} as fte_in_post,
    {{ sheet_number('fte_absent', 9, 2) }} as fte_absent,
    {{ sheet_number('fte_case_holding', 9, 2) }} as fte_case_holding,
    {{ sheet_number('starters_fte', 9, 2) }} as starters_fte,
    {{ sheet_number('leavers_fte', 9, 2) }} as leavers_fte,
    {{ sheet_number('transfers_fte', 9, 2) }} as transfers_fte,
    {{ sheet_provenance() }}
{{ sheet_rows('staffing') }}
