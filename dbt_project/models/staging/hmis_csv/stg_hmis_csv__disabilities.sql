select
    {{ hmis_text('DisabilitiesID') }} as health_status_code,
    {{ hmis_text('EnrollmentID') }} as episode_code,
    {{ hmis_text('PersonalID') }} as person_code,
    {{ try_date('r.InformationDate') }} as information_on,
    {{ hmis_conformed('DataCollectionStage') }} as collection_stage_code,
    {{ hmis_conformed('DisabilityType') }} as disability_type_code,
    -- The answers about substance use have a list of their own.
    case
        when coalesce(trim(r.DisabilityResponse), '') = '' then 'not_collected'
        else coalesce(response.conformed_code, 'UNMAPPED')
    end as response_code,
    {{ hmis_conformed('IndefiniteAndImpairs') }} as is_indefinite_code,
    {{ try_timestamp('r.DateCreated') }} as created_at,
    {{ try_timestamp('r.DateUpdated') }} as updated_at,
    {{ hmis_provenance() }}
from {{ hmis_current('disabilities') }}
{{ hmis_code_join('collection_stage', 'DataCollectionStage') }}
{{ hmis_code_join('disability_type', 'DisabilityType') }}
{{ hmis_code_join('yes_no', 'IndefiniteAndImpairs') }}
left join {{ ref('ref_hmis_code') }} as response
    on response.list_code
    = case when map_disabilitytype.conformed_code = 'substance_use' then 'substance_use_response' else 'yes_no' end
    and response.format_version = r._format_version
    and response.source_code = trim(r.DisabilityResponse)
where r._status = 'current'
