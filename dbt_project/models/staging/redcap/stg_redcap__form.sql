select
    {{ survey_text('form_code') }} as form_code,
    cast(null as string) as form_version,
    {{ survey_text('form_title') }} as form_title,
    cast({{ try_int('r.question_count') }} as int) as question_count,
    {{ survey_provenance() }}
from {{ source('raw', 'redcap__form') }} as r
where r._status = 'current'
