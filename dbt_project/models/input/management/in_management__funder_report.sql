select
    {{ hash_key([
        'coalesce(named.organisation_id, source_config.organisation_id)', 'trim(r.award_code)', 'trim(r.report_code)',
    ]) }} as funder_report_key,
    {{ sheet_text('award_code') }} as award_code,
    {{ sheet_text('report_code') }} as report_code,
    {{ try_date('r.due_on') }} as due_on,
    {{ try_date('r.extended_due_on') }} as extended_due_on,
    {{ try_date('r.submitted_on') }} as submitted_on,
    {{ sheet_provenance() }}
{{ sheet_rows('funder_report', has_scheme=false) }}
-- The organisation itself may send what a region's plan has, too: one of them is enough.
qualify row_number() over (
    partition by funder_report_key
    order by (named.organisation_id is null) asc nulls last, r._source_id asc nulls last, r._file asc nulls last,
        r._row_number asc nulls last
) = 1
