select
    f.finance_key,
    service.service_key,
    coalesce(service.service_type_code, 'UNMAPPED') as service_type_code,
    award.award_key,
    f.award_code,
    f.cost_centre_code,
    f.month_start_on,
    f.budget_amount,
    f.actual_amount,
    f.commitment_amount,
    f.eligible_amount,
    f.currency_code,
    {{ provenance('f') }}
from {{ ref('in_management__finance') }} as f
left join {{ ref('dim_service') }} as service on f.service_key = service.service_key
-- An identifier that a funder uses for several awards names none of them.
left join (
    select award_code, min(award_key) as award_key
    from {{ ref('dim_award') }}
    group by award_code
    having count(*) = 1
) as award on f.award_code = award.award_code
where f.month_start_on is not null
