select
    {{ hmis_text('ExitID') }} as exit_code,
    {{ hmis_text('EnrollmentID') }} as episode_code,
    {{ try_date('r.ExitDate') }} as end_on,
    {{ hmis_text('Destination') }} as destination_code,
    case
        when coalesce(trim(r.Destination), '') = '' then 'not_collected'
        else coalesce(situation.situation_detail_code, 'UNMAPPED')
    end as destination_detail_code,
    case
        when coalesce(trim(r.Destination), '') = '' then 'not_collected'
        else coalesce(situation.situation_class_code, 'UNMAPPED')
    end as destination_class_code,
    coalesce(situation.is_destination_excluded, false) as is_destination_excluded,
    {{ try_timestamp('r.DateCreated') }} as created_at,
    {{ try_timestamp('r.DateUpdated') }} as updated_at,
    {{ hmis_provenance() }}
from {{ hmis_current('exit') }}
left join {{ ref('ref_hmis_situation') }} as situation
    on r._format_version = situation.format_version
    and trim(r.Destination) = situation.situation_code
where r._status = 'current'
