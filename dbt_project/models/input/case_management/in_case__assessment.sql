select
    {{ hash_key(['s.source_id', 's.assessment_code']) }} as assessment_key,
    {{ hash_key(['s.source_id', 's.person_code']) }} as source_person_key,
    {{ hash_key(['s.source_id', 's.episode_code']) }} as episode_key,
    s.assessed_on,
    s.assessment_type_code,
    s.assessment_level_code,
    s.created_at,
    s.updated_at,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__assessment') }} as s
{{ input_source_join() }}
