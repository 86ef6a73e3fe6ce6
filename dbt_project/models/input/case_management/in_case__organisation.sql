select
    s.sender_organisation_code,
    s.sender_organisation_name,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__organization') }} as s
{{ input_source_join() }}
