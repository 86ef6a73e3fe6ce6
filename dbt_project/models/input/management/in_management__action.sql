-- What is to be done is in the vault; whether it is said is kept.
select
    {{ hash_key(['coalesce(named.organisation_id, source_config.organisation_id)', 'trim(r.action_code)']) }} as action_key,
    {{ sheet_text('action_code') }} as action_code,
    r.title is not null as has_title,
    {{ sheet_text('owner_role_code') }} as owner_role_code,
    {{ try_date('r.opened_on') }} as opened_on,
    {{ try_date('r.due_on') }} as due_on,
    {{ try_date('r.done_on') }} as done_on,
    {{ sheet_code('action_status', 'status_code') }} as status_code,
    upper({{ sheet_text('signal_kpi_id') }}) as signal_kpi_id,
    {{ try_date('r.signal_month_on') }} as signal_month_on,
    {{ sheet_text('objective_code') }} as objective_code,
    {{ sheet_text('cycle_code') }} as cycle_code,
    {{ sheet_provenance() }}
{{ sheet_rows('action', has_scheme=false) }}
-- The organisation itself may send what a region's plan has, too: one of them is enough.
qualify row_number() over (
    partition by action_key
    order by (named.organisation_id is null) asc nulls last, r._source_id asc nulls last, r._file asc nulls last,
        r._row_number asc nulls last
) = 1
