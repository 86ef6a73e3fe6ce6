select
    {{ survey_text('response_code') }} as response_code,
    {{ survey_text('form_code') }} as form_code,
    cast(null as string) as form_version,
    {{ survey_text('record_code') }} as record_code,
    {{ survey_text('person_reference') }} as person_reference,
    {{ survey_text('person_scheme') }} as person_scheme,
    {{ try_date('r.assessed_on') }} as assessed_on,
    {{ survey_moment('submitted_at') }} as submitted_at,
    cast(null as timestamp) as started_at,
    {{ survey_text('timepoint_code') }} as timepoint_code,
    'received' as review_state_code,
    coalesce({{ survey_text('complete_code') }} = '2', false) as is_complete,
    cast({{ try_int('r.answer_count') }} as int) as answer_count,
    {{ survey_provenance() }}
from {{ source('raw', 'redcap__response') }} as r
where r._status = 'current'
