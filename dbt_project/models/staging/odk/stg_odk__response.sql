with replaced as (
    select distinct _source_id, deprecated_code
    from {{ source('raw', 'odk__response') }}
    where _status = 'current' and deprecated_code <> response_code
)

select
    {{ survey_text('response_code') }} as response_code,
    {{ survey_text('form_code') }} as form_code,
    {{ survey_text('form_version') }} as form_version,
    cast(null as string) as record_code,
    {{ survey_text('person_reference') }} as person_reference,
    {{ survey_text('person_scheme') }} as person_scheme,
    {{ try_date('r.assessed_on') }} as assessed_on,
    {{ survey_moment('submitted_at') }} as submitted_at,
    {{ survey_moment('started_at') }} as started_at,
    {{ survey_text('timepoint_code') }} as timepoint_code,
    case {{ survey_text('review_state') }}
        when 'hasIssues' then 'has_issues'
        else coalesce({{ survey_text('review_state') }}, 'received')
    end as review_state_code,
    {{ survey_text('status') }} is null as is_complete,
    replaced.deprecated_code is not null as is_replaced,
    {{ survey_provenance() }}
from {{ source('raw', 'odk__response') }} as r
left join replaced
    on r._source_id = replaced._source_id and r.response_code = replaced.deprecated_code
where r._status = 'current'
