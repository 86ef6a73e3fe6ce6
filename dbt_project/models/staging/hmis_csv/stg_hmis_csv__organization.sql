select
    {{ hmis_text('OrganizationID') }} as sender_organisation_code,
    {{ hmis_text('OrganizationName') }} as sender_organisation_name,
    {{ hmis_provenance() }}
from {{ hmis_current('organization') }}
where r._status = 'current'
