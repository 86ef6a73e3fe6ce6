select
    {{ grant_record() }},
    {{ grant_text('r.id') }} as award_code,
    {{ grant_text('r.id') }} is not null
    and count(*) over (partition by r._source_id, r.grantKey) > 1 as is_identifier_repeated,
    {{ grant_text('r.title') }} as title,
    {{ try_decimal('r.amountAwarded') }} as amount_awarded,
    {{ try_decimal('r.amountDisbursed') }} as amount_disbursed,
    {{ grant_currency('r.currency') }} as currency_code,
    {{ grant_date('r.awardDate') }} as awarded_on,
    {{ grant_date('r.plannedDates_startDate') }} as planned_start_on,
    {{ grant_date('r.plannedDates_endDate') }} as planned_end_on,
    coalesce(
        {{ grant_text('r.fundingOrganization_id') }},
        'name:' || lower({{ grant_text('r.fundingOrganization_name') }}),
        'unstated'
    ) as funder_code,
    {{ grant_text('r.fundingOrganization_name') }} as funder_name,
    {{ try_timestamp('r.modifiedAt') }} as modified_at,
    {{ grant_provenance() }}
from {{ source('raw', 'threesixtygiving__grant') }} as r
where r._status = 'current'
