select
    {{ hash_key(['coalesce(named.organisation_id, source_config.organisation_id)', 'trim(r.objective_code)']) }}
        as objective_key,
    {{ sheet_text('objective_code') }} as objective_code,
    {{ sheet_text('parent_objective_code') }} as parent_objective_code,
    {{ sheet_code('objective_type', 'objective_type_code') }} as objective_type_code,
    {{ sheet_text('label') }} as objective_label,
    {{ sheet_code('objective_horizon', 'horizon_code') }} as horizon_code,
    {{ sheet_text('owner_role_code') }} as owner_role_code,
    coalesce({{ sheet_code('objective_status', 'status_code') }}, 'active') as status_code,
    {{ try_date('r.start_on') }} as start_on,
    {{ try_date('r.end_on') }} as end_on,
    {{ sheet_provenance() }}
{{ sheet_rows('objective', has_scheme=false) }}
-- The organisation itself may send what a region's plan has, too: one of them is enough.
qualify row_number() over (
    partition by objective_key
    order by (named.organisation_id is null) asc nulls last, r._source_id asc nulls last, r._file asc nulls last,
        r._row_number asc nulls last
) = 1
