{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- One administration of an instrument, by the version of its day. A supplied total stands only where no item was sent;
-- where both are there, the computed one stands and a difference is flagged.
with administration as (
    select
        {{ hash_key(['a.response_key', 'a.repeat_path', 'a.instrument_code']) }} as assessment_key,
        a.response_key,
        a.instrument_code,
        i.instrument_version,
        max(case when a.role = 'total' then {{ try_decimal('a.answer_value', 18, 6) }} end) as supplied_total,
        max(case when a.role = 'score' then {{ try_decimal('a.answer_value', 9, 4) }} end) as supplied_score,
        cast(count(case when a.role in ('item', 'item_prereversed') then a.answer_value end) as int) as item_answer_count
    from {{ ref('in_survey__answer') }} as a
    inner join {{ ref('in_survey__response') }} as r on a.response_key = r.response_key
    inner join {{ ref('ref_instrument') }} as i
        on a.instrument_code = i.instrument_code and {{ is_version_of_day('i', 'r.answered_on') }}
    where
        a.role in ('item', 'item_prereversed', 'total', 'score')
        and {{ dirty_only('r.source_person_key') }}
    group by a.response_key, a.repeat_path, a.instrument_code, i.instrument_version
),

item as (
    select
        assessment_key,
        cast(count(points) as int) as answered_count,
        cast(count(case when is_invalid then 1 end) as int) as invalid_count
    from {{ ref('fct_assessment_item') }}
    where {{ dirty_only('source_person_key') }}
    group by assessment_key
),

scored as (
    {{ headline_scores(
        'administration', ref('ref_instrument'), ref('ref_instrument_scale'), ref('ref_score_lookup'),
        ref('fct_assessment_score')
    ) }}
),

band as (
    select s.assessment_key, b.band_code
    from scored as s
    inner join {{ ref('ref_instrument_band') }} as b
        on s.instrument_code = b.instrument_code
        and s.instrument_version = b.instrument_version
        and s.headline_scale_code = b.scale_code
        and s.score >= b.score_from
    qualify row_number() over (partition by s.assessment_key order by b.score_from desc nulls last) = 1
)

select
    s.assessment_key,
    s.response_key,
    r.source_person_key,
    e.person_key,
    e.episode_key,
    e.service_key,
    coalesce(e.service_type_code, 'UNMAPPED') as service_type_code,
    s.instrument_code,
    s.instrument_version,
    s.use_code,
    r.answered_on as assessed_on,
    coalesce(r.submitted_at, r.started_at) as assessed_at,
    r.timepoint_code,
    coalesce(s.answered_count, item.answered_count, 0) as answered_count,
    coalesce(item.invalid_count, 0) as invalid_count,
    s.raw_total,
    s.score,
    s.score_basis_code,
    s.score_origin_code,
    band.band_code,
    s.is_total_mismatch,
    s.is_supplied_invalid,
    coalesce(
        s.score_basis_code <> 'prorated', coalesce(s.answered_count, item.answered_count) = s.member_count, false
    ) as is_complete,
    r.source_id,
    coalesce(e.organisation_id, r.organisation_id) as organisation_id,
    r.delivery_id,
    r.file_name,
    r.row_number,
    r.line_number
from scored as s
inner join {{ ref('in_survey__response') }} as r on s.response_key = r.response_key
left join {{ ref('bridge_response_episode') }} as e on s.response_key = e.response_key
left join item on s.assessment_key = item.assessment_key
left join band on s.assessment_key = band.assessment_key
