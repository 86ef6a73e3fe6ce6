select
    s.supervision_key,
    s.staff_key,
    service.service_key,
    coalesce(service.service_type_code, 'UNMAPPED') as service_type_code,
    s.team_code,
    s.role_code,
    s.month_end_on,
    s.is_eligible,
    s.is_eligible and coalesce(s.session_count, 0) >= 1 as is_supervised,
    s.session_count,
    s.session_hours,
    {{ provenance('s') }}
from {{ ref('in_management__supervision') }} as s
left join {{ ref('dim_service') }} as service on s.service_key = service.service_key
where s.month_end_on is not null
