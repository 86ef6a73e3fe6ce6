{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- One administration of an instrument. A supplied total stands only where no item was sent; where both are there, the
-- computed one stands and a difference is flagged.
with administration as (
    select
        {{ hash_key(['a.response_key', 'a.repeat_path', 'a.instrument_code']) }} as assessment_key,
        a.response_key,
        a.instrument_code,
        max(case when a.role = 'total' then {{ try_decimal('a.answer_value', 18, 6) }} end) as supplied_total,
        max(case when a.role = 'score' then {{ try_decimal('a.answer_value', 9, 4) }} end) as supplied_score,
        cast(count(case when a.role in ('item', 'item_prereversed') then a.answer_value end) as int) as item_answer_count
    from {{ ref('in_survey__answer') }} as a
    inner join {{ ref('in_survey__response') }} as r on a.response_key = r.response_key
    where
        a.role in ('item', 'item_prereversed', 'total', 'score')
        and {{ dirty_only('r.source_person_key') }}
    group by a.response_key, a.repeat_path, a.instrument_code
),

invalid as (
    select assessment_key, cast(count(*) as int) as invalid_count
    from {{ ref('fct_assessment_item') }}
    where is_invalid and {{ dirty_only('source_person_key') }}
    group by assessment_key
),

computed as (
    select
        a.*,
        i.instrument_version,
        i.use_code,
        i.headline_scale_code,
        s.raw_total as computed_total,
        s.score as computed_score,
        s.score_basis_code as computed_basis_code,
        coalesce(s.answered_count, 0) as answered_count,
        coalesce(invalid.invalid_count, 0) as invalid_count,
        b.basis_code as full_basis_code,
        b.member_count,
        b.raw_min,
        b.raw_max,
        -- What a supplied total comes to; NULL where it is out of range or has no place in the table.
        case
            when a.supplied_total < b.raw_min or a.supplied_total > b.raw_max then null
            when b.has_lookup then l.score
            else cast(a.supplied_total * b.multiplier + b.score_offset as decimal(9, 4))
        end as score_of_total,
        case when a.supplied_score >= b.score_min and a.supplied_score <= b.score_max then a.supplied_score end
            as score_as_supplied
    from administration as a
    inner join {{ ref('ref_instrument') }} as i on a.instrument_code = i.instrument_code and i.is_current
    inner join {{ ref('ref_instrument_scale') }} as b
        on i.instrument_code = b.instrument_code
        and i.instrument_version = b.instrument_version
        and i.headline_scale_code = b.scale_code
        and b.basis_rank = 1
    left join {{ ref('ref_score_lookup') }} as l
        on i.instrument_code = l.instrument_code
        and i.instrument_version = l.instrument_version
        and i.headline_scale_code = l.scale_code
        and a.supplied_total = l.raw_total
    left join {{ ref('fct_assessment_score') }} as s
        on a.assessment_key = s.assessment_key and i.headline_scale_code = s.scale_code
    left join invalid on a.assessment_key = invalid.assessment_key
),

decided as (
    select
        *,
        case
            when computed_score is not null then 'computed'
            when item_answer_count > 0 then null
            when score_as_supplied is not null or score_of_total is not null then 'supplied'
        end as score_origin_code,
        coalesce(computed_total <> supplied_total, false)
        or coalesce(computed_score <> supplied_score, false) as is_total_mismatch
    from computed
),

scored as (
    select
        *,
        case score_origin_code
            when 'computed' then computed_score when 'supplied' then coalesce(score_as_supplied, score_of_total)
        end as score,
        case score_origin_code
            when 'computed' then computed_total
            when 'supplied' then case when score_of_total is not null then supplied_total end
        end as raw_total,
        case score_origin_code when 'computed' then computed_basis_code when 'supplied' then full_basis_code end
            as score_basis_code
    from decided
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
    s.answered_count,
    s.invalid_count,
    s.raw_total,
    s.score,
    s.score_basis_code,
    s.score_origin_code,
    band.band_code,
    s.is_total_mismatch,
    coalesce(s.score_origin_code = 'supplied', false) or s.answered_count = s.member_count as is_complete,
    r.source_id,
    coalesce(e.organisation_id, r.organisation_id) as organisation_id,
    r.delivery_id,
    r.file_name,
    r.row_number,
    r.line_number
from scored as s
inner join {{ ref('in_survey__response') }} as r on s.response_key = r.response_key
left join {{ ref('bridge_response_episode') }} as e on s.response_key = e.response_key
left join band on s.assessment_key = band.assessment_key
