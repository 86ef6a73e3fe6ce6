{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
select
    r.income_key,
    {{ episode_columns('e', 'x') }},
    r.information_on,
    r.collection_stage_code,
    r.has_income_code,
    case when r.has_income_code = 'no' then 0 else r.total_monthly_income end as monthly_income,
    r.earned_amount,
    coalesce(r.has_income_code = 'no' and r.total_monthly_income > 0, false)
    or coalesce(r.has_income_code = 'yes' and r.total_monthly_income = 0, false) as is_contradictory,
    coalesce(r.has_income_code = 'no' and r.income_source_count > 0, false)
    or coalesce(r.has_income_code = 'yes' and r.income_source_count = 0, false) as is_source_contradictory,
    {{ provenance('r') }}
from {{ ref('in_case__income') }} as r
{{ join_person_and_episode('r') }}
where {{ dirty_only('r.source_person_key') }}
