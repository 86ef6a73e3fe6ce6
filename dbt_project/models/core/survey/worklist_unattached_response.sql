-- Responses that should belong to a person and an episode and don't. Forms for which the region file names no person
-- are anonymous by design and are not listed.
with expected as (
    select distinct source_id, form_code
    from {{ source('ops', 'survey_form') }}
    where person_field is not null
),

judged as (
    select
        r.*,
        case
            when r.attach_status_code <> 'attached' then r.attach_status_code
            when r.answered_on is null then 'no_date'
            when b.episode_key is null then 'no_episode_on_date'
        end as reason_code
    from {{ ref('in_survey__response') }} as r
    inner join expected on r.source_id = expected.source_id and r.form_code = expected.form_code
    left join {{ ref('bridge_response_episode') }} as b on r.response_key = b.response_key
)

select
    response_key,
    form_code,
    response_code,
    person_reference,
    person_scheme,
    answered_on,
    timepoint_code,
    reason_code,
    case reason_code
        when 'no_reference' then 'Enter the code of the person in the survey.'
        when 'no_such_person' then 'Correct the code, or send the person with the next case-management export.'
        when 'no_date' then 'Enter the date of the answers, or name its question in the region file.'
        when 'no_episode_on_date' then 'Correct the date, or the start and end of the person''s stays.'
    end as how_to_fix,
    source_id,
    organisation_id,
    delivery_id,
    file_name,
    row_number,
    line_number
from judged
where reason_code is not null
