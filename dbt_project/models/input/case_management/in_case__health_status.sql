select
    {{ hash_key(['s.source_id', 's.health_status_code']) }} as health_status_key,
    {{ hash_key(['s.source_id', 's.person_code']) }} as source_person_key,
    {{ hash_key(['s.source_id', 's.episode_code']) }} as episode_key,
    s.information_on,
    s.collection_stage_code,
    s.disability_type_code,
    s.response_code,
    s.is_indefinite_code,
    s.created_at,
    s.updated_at,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__disabilities') }} as s
{{ input_source_join() }}
