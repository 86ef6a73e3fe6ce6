-- The hypothesis is in the vault; whether there is one is kept.
select
    {{ hash_key(['coalesce(named.organisation_id, source_config.organisation_id)', 'trim(r.cycle_code)']) }} as cycle_key,
    {{ sheet_text('cycle_code') }} as cycle_code,
    upper({{ sheet_text('trigger_kpi_id') }}) as trigger_kpi_id,
    {{ try_date('r.trigger_month_on') }} as trigger_month_on,
    {{ sheet_text('intervention_code') }} as intervention_code,
    {{ sheet_code('cycle_stage', 'stage_code') }} as stage_code,
    {{ try_date('r.started_on') }} as started_on,
    {{ try_date('r.review_due_on') }} as review_due_on,
    {{ try_date('r.reviewed_on') }} as reviewed_on,
    r.hypothesis is not null as has_hypothesis,
    {{ sheet_number('predicted_effect', 18, 4) }} as predicted_effect,
    {{ sheet_number('observed_effect', 18, 4) }} as observed_effect,
    {{ sheet_code('cycle_decision', 'decision_code') }} as decision_code,
    {{ try_date('r.decided_on') }} as decided_on,
    {{ sheet_provenance() }}
{{ sheet_rows('improvement_cycle', has_scheme=false) }}
-- The organisation itself may send what a region's plan has, too: one of them is enough.
qualify row_number() over (
    partition by cycle_key
    order by (named.organisation_id is null) asc nulls last, r._source_id asc nulls last, r._file asc nulls last,
        r._row_number asc nulls last
) = 1
