select
    {{ hmis_text('ServicesID') }} as service_event_code,
    {{ hmis_text('EnrollmentID') }} as episode_code,
    {{ hmis_text('PersonalID') }} as person_code,
    {{ try_date('r.DateProvided') }} as provided_on,
    {{ hmis_conformed('RecordType') }} as event_type_code,
    {{ hmis_text('RecordType') }} as source_record_type_code,
    {{ hmis_text('TypeProvided') }} as source_type_code,
    {{ try_decimal('r.FAAmount') }} as amount,
    {{ try_timestamp('r.DateCreated') }} as created_at,
    {{ try_timestamp('r.DateUpdated') }} as updated_at,
    {{ hmis_provenance() }}
from {{ hmis_current('services') }}
{{ hmis_code_join('record_type', 'RecordType') }}
where r._status = 'current'
