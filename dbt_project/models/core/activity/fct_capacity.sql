select
    c.capacity_key,
    c.service_key,
    coalesce(s.service_type_code, 'UNMAPPED') as service_type_code,
    c.household_type_code,
    c.unit_count,
    c.bed_count,
    c.start_on,
    c.end_on,
    {{ provenance('c') }}
from {{ ref('in_case__capacity') }} as c
left join {{ ref('dim_service') }} as s on c.service_key = s.service_key
