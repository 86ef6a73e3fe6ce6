select
    {{ hash_key(['s.source_id', 's.contact_code']) }} as contact_key,
    {{ hash_key(['s.source_id', 's.person_code']) }} as source_person_key,
    {{ hash_key(['s.source_id', 's.episode_code']) }} as episode_key,
    s.contact_on,
    -- HMIS records a contact by the living situation found at it, so it took place.
    'attended' as attended_status_code,
    s.living_situation_code,
    s.created_at,
    s.updated_at,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__current_living_situation') }} as s
{{ input_source_join() }}
