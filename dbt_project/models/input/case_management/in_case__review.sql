select
    {{ hash_key(['r._source_id', 'r.review_code']) }} as review_key,
    {{ sheet_reference_key('person_code') }} as source_person_key,
    {{ sheet_reference_key('episode_code') }} as episode_key,
    {{ sheet_reference_key('service_code') }} as service_key,
    {{ try_date('r.due_on') }} as due_on,
    {{ try_date('r.done_on') }} as done_on,
    {{ sheet_code('conversation', 'outcomes_discussed_code') }} as outcomes_discussed_code,
    {{ sheet_code('conversation', 'outcomes_revisited_code') }} as outcomes_revisited_code,
    {{ sheet_flag('is_action_agreed') }} as is_action_agreed,
    {{ sheet_provenance() }}
{{ sheet_rows('review') }}
