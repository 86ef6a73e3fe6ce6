select
    {{ hash_key([
        'coalesce(named.organisation_id, source_config.organisation_id)', 'trim(r.objective_code)',
        'r.linked_type_code', 'r.linked_code',
    ]) }} as objective_link_key,
    {{ hash_key(['coalesce(named.organisation_id, source_config.organisation_id)', 'trim(r.objective_code)']) }}
        as objective_key,
    {{ sheet_text('objective_code') }} as objective_code,
    {{ sheet_code('linked_type', 'linked_type_code') }} as linked_type_code,
    {{ sheet_text('linked_code') }} as linked_code,
    {{ sheet_number('weight', 9, 6) }} as weight,
    {{ try_date('r.valid_from_on') }} as valid_from_on,
    {{ try_date('r.valid_to_on') }} as valid_to_on,
    {{ sheet_provenance() }}
{{ sheet_rows('objective_link', has_scheme=false) }}
-- The organisation itself may send what a region's plan has, too: one of them is enough.
qualify row_number() over (
    partition by objective_link_key
    order by (named.organisation_id is null) asc nulls last, r._source_id asc nulls last, r._file asc nulls last,
        r._row_number asc nulls last
) = 1
