{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
with item as (
    select * from {{ ref('fct_assessment_item') }} where {{ dirty_only('source_person_key') }}
),

person as (
    select distinct assessment_key, source_person_key from item
),

score as (
    {{ all_scale_scores('item', ref('ref_instrument_scale'), ref('ref_instrument_member'), ref('ref_score_lookup')) }}
)

select
    {{ hash_key(['s.assessment_key', 's.scale_code']) }} as assessment_score_key,
    s.assessment_key,
    p.source_person_key,
    s.instrument_code,
    s.instrument_version,
    s.scale_code,
    s.basis_code as score_basis_code,
    s.answered_count,
    s.member_count,
    s.raw_total,
    s.score
from score as s
inner join person as p on s.assessment_key = p.assessment_key
