select
    {{ hash_key(['s.source_id', 's.service_code']) }} as service_key,
    s.service_code,
    s.sender_organisation_code,
    s.service_name,
    s.service_type_code,
    s.source_service_type_code,
    s.operating_start_on,
    s.operating_end_on,
    s.is_night_by_night,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__project') }} as s
{{ input_source_join() }}
