select
    {{ hash_key([
        'r._source_id', 'r.organisation_code', 'r.set_code', 'r.from_level_code', 'r.from_code', 'r.to_level_code',
        'r.to_code', 'r.valid_from_on',
    ]) }} as outcome_link_key,
    {{ sheet_text('set_code') }} as set_code,
    {{ sheet_code('link_mode', 'mode_code') }} as mode_code,
    {{ sheet_code('link_level', 'from_level_code') }} as from_level_code,
    {{ sheet_text('from_code') }} as from_code,
    {{ sheet_code('link_level', 'to_level_code') }} as to_level_code,
    {{ sheet_text('to_code') }} as to_code,
    {{ sheet_number('weight', 9, 6) }} as weight,
    {{ sheet_text('asserted_by_role_code') }} as asserted_by_role_code,
    {{ try_date('r.asserted_on') }} as asserted_on,
    {{ sheet_text('origin') }} as origin,
    {{ try_date('r.valid_from_on') }} as valid_from_on,
    {{ try_date('r.valid_to_on') }} as valid_to_on,
    {{ sheet_provenance() }}
{{ sheet_rows('outcome_link', has_scheme=false) }}
