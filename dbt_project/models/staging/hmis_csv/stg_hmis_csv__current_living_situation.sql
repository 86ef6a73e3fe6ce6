select
    {{ hmis_text('CurrentLivingSitID') }} as contact_code,
    {{ hmis_text('EnrollmentID') }} as episode_code,
    {{ hmis_text('PersonalID') }} as person_code,
    {{ try_date('r.InformationDate') }} as contact_on,
    {{ hmis_text('CurrentLivingSituation') }} as living_situation_code,
    {{ try_timestamp('r.DateCreated') }} as created_at,
    {{ try_timestamp('r.DateUpdated') }} as updated_at,
    {{ hmis_provenance() }}
from {{ hmis_current('current_living_situation') }}
where r._status = 'current'
