select
    {{ hash_key([
        'r._source_id', 'r.organisation_code', 'r.instrument_code', 'r.wave_code', 'r.team_code', 'r.respondent_code',
        'r.statement_code',
    ]) }} as culture_response_key,
    {{ hash_key(['r._source_id', 'r.instrument_code', 'r.wave_code', 'r.team_code', 'r.respondent_code']) }}
        as respondent_key,
    {{ sheet_reference_key('service_code') }} as service_key,
    coalesce({{ sheet_code('culture_instrument', 'instrument_code') }}, 'culture_survey') as instrument_code,
    {{ sheet_text('wave_code') }} as wave_code,
    {{ try_date('r.answered_on') }} as answered_on,
    {{ sheet_text('team_code') }} as team_code,
    {{ sheet_text('domain_code') }} as domain_code,
    {{ sheet_text('statement_code') }} as statement_code,
    {{ within(sheet_number('score_current', 9, 4), 1, 5) }} as score_current,
    {{ within(sheet_number('score_ideal', 9, 4), 1, 5) }} as score_ideal,
    {{ sheet_provenance() }}
{{ sheet_rows('culture') }}
