select
    {{ hash_key(['s.source_id', 's.person_code']) }} as source_person_key,
    s.person_code,
    s.national_id_token,
    s.national_id_scheme,
    s.national_id_status,
    s.name_birth_token,
    s.birth_month,
    s.is_born_on_first,
    s.birth_status,
    s.birth_date_quality_code,
    s.national_id_quality_code,
    s.name_quality_code,
    s.sex_code,
    s.ethnicity_code,
    s.veteran_status_code,
    s.created_at,
    s.updated_at,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__client') }} as s
{{ input_source_join() }}
