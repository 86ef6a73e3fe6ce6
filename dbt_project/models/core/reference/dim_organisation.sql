select
    organisation_id,
    organisation_name,
    {{ calendar_code('coalesce(organisation.financial_year_start_month, region.financial_year_start_month)') }}
        as calendar_code
from {{ source('ops', 'organisation') }} as organisation
cross join (
    select max(financial_year_start_month) as financial_year_start_month from {{ source('ops', 'region') }}
) as region
