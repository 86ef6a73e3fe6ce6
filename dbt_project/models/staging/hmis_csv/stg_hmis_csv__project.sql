select
    {{ hmis_text('ProjectID') }} as service_code,
    {{ hmis_text('OrganizationID') }} as sender_organisation_code,
    {{ hmis_text('ProjectName') }} as service_name,
    {{ hmis_text('ProjectType') }} as source_service_type_code,
    coalesce(project_type.service_type_code, 'UNMAPPED') as service_type_code,
    -- A shelter counts nights or stays; until FY2022 the tracking method said which, since FY2024 the project type does.
    coalesce(
        project_type.stay_basis_code = 'nights'
        or (project_type.stay_basis_code = 'tracking_method' and trim(r.TrackingMethod) = '3'),
        false
    ) as is_night_by_night,
    {{ try_date('r.OperatingStartDate') }} as operating_start_on,
    {{ try_date('r.OperatingEndDate') }} as operating_end_on,
    {{ hmis_provenance() }}
from {{ hmis_current('project') }}
left join {{ ref('ref_hmis_project_type') }} as project_type
    on r._format_version = project_type.format_version
    and trim(r.ProjectType) = project_type.project_type_code
where r._status = 'current'
