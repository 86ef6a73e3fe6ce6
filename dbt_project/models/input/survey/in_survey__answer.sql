-- Answers of the responses that count. What the region file maps to an item of an instrument carries instrument, item
-- number and role; a question maps to at most one.
with staged as (
    select
        a.source_id, a.response_code, a.form_code, a.question_code, a.question_path, a.repeat_path, a.choice_code,
        a.answer_value, a.missing_reason_code, a.delivery_id, a.file_name, a.row_number, a.line_number
    from {{ ref('stg_odk__answer') }} as a
    inner join {{ ref('stg_odk__response') }} as r
        on a.source_id = r.source_id and a.response_code = r.response_code
    where r.review_state_code <> 'rejected' and not r.is_replaced
    union all
    select
        a.source_id, a.response_code, a.form_code, a.question_code, a.question_path, a.repeat_path, a.choice_code,
        a.answer_value, a.missing_reason_code, a.delivery_id, a.file_name, a.row_number, a.line_number
    from {{ ref('stg_redcap__answer') }} as a
    inner join {{ ref('stg_redcap__response') }} as r
        on a.source_id = r.source_id and a.response_code = r.response_code
    where r.answer_count > 0
)

select
    {{ hash_key(['s.source_id', 's.response_code', 's.question_path', 's.repeat_path']) }} as answer_key,
    {{ hash_key(['s.source_id', 's.response_code']) }} as response_key,
    s.form_code,
    s.question_code,
    s.repeat_path,
    s.choice_code,
    case when s.missing_reason_code is null then s.answer_value end as answer_value,
    s.missing_reason_code,
    item.instrument_code,
    item.item_number,
    item.role,
    {{ input_provenance() }}
from staged as s
{{ input_source_join() }}
left join {{ source('ops', 'survey_item') }} as item
    on item.source_id = s.source_id
    and item.form_code = s.form_code
    and item.question_code = s.question_code
    and s.choice_code is null
