-- A response belongs to the person whose code it names, by the id scheme that the region file states. A REDCap record
-- is one person: where one of its forms names the code, all of them have it, unless they contradict each other.
with staged as (
    select
        source_id, response_code, form_code, form_version, record_code, person_reference, person_scheme, assessed_on,
        submitted_at, started_at, timepoint_code, review_state_code, is_complete,
        delivery_id, file_name, row_number, line_number
    from {{ ref('stg_odk__response') }}
    where review_state_code <> 'rejected' and not is_replaced
    union all
    select
        source_id, response_code, form_code, form_version, record_code, person_reference, person_scheme, assessed_on,
        submitted_at, started_at, timepoint_code, review_state_code, is_complete,
        delivery_id, file_name, row_number, line_number
    from {{ ref('stg_redcap__response') }}
),

record_person as (
    select source_id, record_code, max(person_reference) as person_reference, max(person_scheme) as person_scheme
    from staged
    where record_code is not null and person_reference is not null
    group by source_id, record_code
    having min(person_reference) = max(person_reference) and min(person_scheme) = max(person_scheme)
),

instrument as (
    select source_id, form_code, case when count(*) = 1 then max(instrument_code) end as instrument_code
    from {{ source('ops', 'survey_form') }}
    group by source_id, form_code
),

referring as (
    select
        staged.*,
        coalesce(staged.person_reference, record_person.person_reference) as known_reference,
        case when staged.person_reference is null then record_person.person_scheme else staged.person_scheme end
            as known_scheme
    from staged
    left join record_person
        on staged.source_id = record_person.source_id and staged.record_code = record_person.record_code
)

select
    {{ hash_key(['s.source_id', 's.response_code']) }} as response_key,
    s.response_code,
    s.form_code,
    s.form_version,
    p.source_person_key,
    s.known_reference as person_reference,
    s.known_scheme as person_scheme,
    case
        when s.known_reference is null then 'no_reference'
        when p.source_person_key is null then 'no_such_person'
        else 'attached'
    end as attach_status_code,
    coalesce(s.assessed_on, cast(s.submitted_at as date)) as answered_on,
    s.submitted_at,
    s.started_at,
    s.timepoint_code,
    s.review_state_code,
    s.is_complete,
    instrument.instrument_code,
    {{ input_provenance() }}
from referring as s
{{ input_source_join() }}
left join instrument on instrument.source_id = s.source_id and instrument.form_code = s.form_code
left join {{ ref('in_case__person') }} as p
    on p.source_id = s.known_scheme and p.person_code = s.known_reference
