select
    s.service_key,
    s.service_code,
    s.service_name,
    s.service_type_code,
    s.source_service_type_code,
    s.sender_organisation_code,
    o.sender_organisation_name,
    s.operating_start_on,
    s.operating_end_on,
    coalesce(s.is_night_by_night, false) as is_night_by_night,
    {{ provenance('s') }}
from {{ ref('in_case__service') }} as s
left join {{ ref('in_case__organisation') }} as o
    on s.source_id = o.source_id and s.sender_organisation_code = o.sender_organisation_code
