select
    {{ hash_key(['s.source_id', 's.contact_code']) }} as contact_key,
    {{ hash_key(['s.source_id', 's.person_code']) }} as source_person_key,
    {{ hash_key(['s.source_id', 's.episode_code']) }} as episode_key,
    cast(null as string) as service_key,
    s.contact_on,
    'met' as contact_kind_code,
    -- HMIS records a contact by the living situation found at it, so it took place.
    'attended' as attended_status_code,
    cast(null as date) as cancelled_on,
    cast(null as string) as problem_code,
    s.living_situation_code,
    s.created_at,
    s.updated_at,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__current_living_situation') }} as s
{{ input_source_join() }}
union all
select
    {{ hash_key(['r._source_id', 'r.appointment_code']) }} as contact_key,
    {{ sheet_reference_key('person_code') }} as source_person_key,
    {{ sheet_reference_key('episode_code') }} as episode_key,
    {{ sheet_reference_key('service_code') }} as service_key,
    {{ try_date('r.appointed_on') }} as contact_on,
    'appointment' as contact_kind_code,
    {{ sheet_code('attendance', 'attendance_code') }} as attended_status_code,
    {{ try_date('r.cancelled_on') }} as cancelled_on,
    {{ sheet_code('problem', 'problem_code') }} as problem_code,
    cast(null as string) as living_situation_code,
    cast(null as timestamp) as created_at,
    cast(null as timestamp) as updated_at,
    {{ sheet_provenance() }}
{{ sheet_rows('appointment') }}
