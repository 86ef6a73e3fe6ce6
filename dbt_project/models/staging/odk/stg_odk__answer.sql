select
    {{ survey_text('response_code') }} as response_code,
    {{ survey_text('form_code') }} as form_code,
    {{ survey_text('question_code') }} as question_code,
    {{ survey_text('question_path') }} as question_path,
    case when r.repeat_path = '/' then '' else r.repeat_path end as repeat_path,
    {{ survey_text('choice_code') }} as choice_code,
    coalesce(r.value, r.free_text) as answer_value,
    r.missing_reason as missing_reason_code,
    {{ survey_provenance() }}
from {{ source('raw', 'odk__answer') }} as r
where r._status = 'current'
