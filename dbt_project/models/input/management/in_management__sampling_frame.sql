select
    {{ sheet_text('form_code') }} as form_code,
    {{ try_date('r.period_start_on') }} as period_start_on,
    {{ sheet_text('stratum_code') }} as stratum_code,
    cast({{ sheet_number('population_count', 18, 0) }} as bigint) as population_count,
    cast({{ sheet_number('invited_count', 18, 0) }} as bigint) as invited_count,
    {{ sheet_provenance() }}
{{ sheet_rows('sampling_frame', has_scheme=false) }}
