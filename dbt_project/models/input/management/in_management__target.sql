-- A target without an entity is for the organisation that the row speaks for.
select
    {{ sheet_text('target_code') }} as target_code,
    upper({{ sheet_text('kpi_id') }}) as kpi_id,
    coalesce({{ sheet_code('target_level', 'level_code') }}, 'internal') as target_level_code,
    coalesce({{ sheet_code('target_entity', 'entity_type_code') }}, 'organisation') as entity_type_code,
    {{ sheet_text('entity_code') }} as entity_code,
    {{ sheet_text('award_code') }} as award_code,
    {{ sheet_code('period_type', 'period_type_code') }} as period_type_code,
    {{ try_date('r.period_start_on') }} as period_start_on,
    {{ sheet_number('target_value', 18, 6) }} as target_value,
    {{ sheet_number('tolerance_pct', 9, 4) }} as tolerance_pct,
    {{ sheet_number('baseline_value', 18, 6) }} as baseline_value,
    {{ sheet_text('origin') }} as origin,
    {{ try_date('r.set_on') }} as set_on,
    {{ sheet_provenance() }}
{{ sheet_rows('target', has_scheme=false) }}
-- The same target, spelt in two ways, is one.
qualify row_number() over (
    partition by
        r._source_id, named.organisation_id, kpi_id, target_level_code, entity_type_code, entity_code, award_code,
        period_type_code, period_start_on, set_on
    order by r._file desc nulls last, r._row_number desc nulls last
) = 1
