{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Scores of every scale. An index states the value set and the mapping that it rests on: indices of different ones are
-- different scales and never mix. Tables that may not be shipped come from the region file (ops.value_set).
with item as (
    select * from {{ ref('fct_assessment_item') }} where {{ dirty_only('source_person_key') }}
),

person as (
    select distinct assessment_key, source_person_key from item
),

lookup as (
    select instrument_code, instrument_version, scale_code, member_code, raw_total, score
    from {{ ref('ref_score_lookup') }}
    union all
    select
        b.instrument_code, b.instrument_version, b.scale_code, cast(null as string), cast(v.state as decimal(18, 6)),
        cast(v.index_value as decimal(9, 4))
    from {{ source('ops', 'value_set') }} as v
    inner join {{ ref('ref_instrument_scale') }} as b
        on v.instrument_code = b.instrument_code and v.value_set_code = b.value_set_code and b.has_lookup
),

score as (
    {{ all_scale_scores('item', ref('ref_instrument_scale'), ref('ref_instrument_member'), 'lookup') }}
)

select
    {{ hash_key(['s.assessment_key', 's.scale_code']) }} as assessment_score_key,
    s.assessment_key,
    p.source_person_key,
    s.instrument_code,
    s.instrument_version,
    s.scale_code,
    b.value_set_code,
    b.mapping_code,
    s.basis_code as score_basis_code,
    s.answered_count,
    s.member_count,
    s.raw_total,
    s.score
from score as s
inner join person as p on s.assessment_key = p.assessment_key
inner join {{ ref('ref_instrument_scale') }} as b
    on s.instrument_code = b.instrument_code
    and s.instrument_version = b.instrument_version
    and s.scale_code = b.scale_code
    and b.basis_rank = 1
