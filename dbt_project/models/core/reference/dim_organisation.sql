select
    organisation_id,
    organisation_name,
    {{ calendar_code('coalesce(organisation.financial_year_start_month, region.financial_year_start_month)') }}
        as calendar_code
from {{ source('ops', 'organisation') }} as organisation
left join {{ source('ops', 'region') }} as region on true
