select
    {{ hash_key(['s.source_id', 's.service_event_code']) }} as service_event_key,
    {{ hash_key(['s.source_id', 's.person_code']) }} as source_person_key,
    {{ hash_key(['s.source_id', 's.episode_code']) }} as episode_key,
    s.provided_on,
    s.event_type_code,
    s.source_record_type_code,
    s.source_type_code,
    s.amount,
    s.created_at,
    s.updated_at,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__services') }} as s
{{ input_source_join() }}
