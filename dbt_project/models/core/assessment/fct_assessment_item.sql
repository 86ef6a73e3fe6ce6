{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
with mapped as (
    select
        {{ hash_key(['a.response_key', 'a.repeat_path', 'a.instrument_code']) }} as assessment_key,
        r.source_person_key,
        i.instrument_version,
        a.*
    from {{ ref('in_survey__answer') }} as a
    inner join {{ ref('in_survey__response') }} as r on a.response_key = r.response_key
    inner join {{ ref('ref_instrument') }} as i
        on a.instrument_code = i.instrument_code and {{ is_version_of_day('i', 'r.answered_on') }}
    where
        a.role in ('item', 'item_prereversed', 'weight')
        and {{ dirty_only('r.source_person_key') }}
    -- One answer an item: the last of the file, if a form holds the item twice.
    qualify row_number() over (
        partition by
            a.response_key, a.repeat_path, a.instrument_code, a.item_number, case when a.role = 'weight' then 1 else 0 end
        order by a.row_number desc nulls last, a.question_code desc nulls last
    ) = 1
),

answer as (
    select
        a.assessment_key,
        a.response_key,
        a.source_person_key,
        a.instrument_code,
        a.instrument_version,
        a.item_number,
        a.answer_value,
        {{ try_decimal('w.answer_value', 12, 6) }} as answer_weight,
        a.missing_reason_code,
        a.role = 'item_prereversed' as is_prereversed,
        {{ provenance('a') }}
    from mapped as a
    left join mapped as w
        on a.assessment_key = w.assessment_key and a.item_number = w.item_number and w.role = 'weight'
    where a.role <> 'weight'
)

select
    {{ hash_key(['assessment_key', 'item_number']) }} as assessment_item_key,
    assessment_key,
    response_key,
    source_person_key,
    instrument_code,
    instrument_version,
    item_number,
    item_value,
    points,
    answer_weight,
    is_invalid,
    reason_code as missing_reason_code,
    {{ provenance('scored') }}
from ({{ scored_items('answer', ref('ref_instrument_item')) }}) as scored
