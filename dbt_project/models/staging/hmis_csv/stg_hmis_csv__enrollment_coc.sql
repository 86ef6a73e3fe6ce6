select
    {{ hmis_text('EnrollmentCoCID') }} as enrollment_coc_code,
    {{ hmis_text('EnrollmentID') }} as episode_code,
    {{ try_date('r.InformationDate') }} as information_on,
    {{ hmis_conformed('DataCollectionStage') }} as collection_stage_code,
    {{ hmis_text('CoCCode') }} as coc_code,
    {{ hmis_provenance() }}
from {{ hmis_current('enrollment_coc') }}
{{ hmis_code_join('collection_stage', 'DataCollectionStage') }}
where r._status = 'current'
