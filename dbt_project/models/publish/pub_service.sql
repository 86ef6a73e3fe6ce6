-- Services, by the keys that figures of services carry.
select
    service_key,
    service_name,
    service_type_code,
    organisation_id,
    operating_start_on,
    operating_end_on,
    is_night_by_night
from {{ ref('dim_service') }}
