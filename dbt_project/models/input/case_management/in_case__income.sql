select
    {{ hash_key(['s.source_id', 's.income_code']) }} as income_key,
    {{ hash_key(['s.source_id', 's.person_code']) }} as source_person_key,
    {{ hash_key(['s.source_id', 's.episode_code']) }} as episode_key,
    s.information_on,
    s.collection_stage_code,
    s.has_income_code,
    s.total_monthly_income,
    s.income_source_count,
    s.has_earned_income_code,
    s.earned_amount,
    s.has_benefits_code,
    s.has_insurance_code,
    s.created_at,
    s.updated_at,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__income_benefits') }} as s
{{ input_source_join() }}
