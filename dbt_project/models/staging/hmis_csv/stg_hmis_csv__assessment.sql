select
    {{ hmis_text('AssessmentID') }} as assessment_code,
    {{ hmis_text('EnrollmentID') }} as episode_code,
    {{ hmis_text('PersonalID') }} as person_code,
    {{ try_date('r.AssessmentDate') }} as assessed_on,
    {{ hmis_conformed('AssessmentType') }} as assessment_type_code,
    {{ hmis_conformed('AssessmentLevel') }} as assessment_level_code,
    {{ try_timestamp('r.DateCreated') }} as created_at,
    {{ try_timestamp('r.DateUpdated') }} as updated_at,
    {{ hmis_provenance() }}
from {{ hmis_current('assessment') }}
{{ hmis_code_join('assessment_type', 'AssessmentType') }}
{{ hmis_code_join('assessment_level', 'AssessmentLevel') }}
where r._status = 'current'
