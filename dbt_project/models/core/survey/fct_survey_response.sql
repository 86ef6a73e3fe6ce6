{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Every response that counts, also of nobody known. Ratings are the items of instruments that ask about experience; a
-- rating is positive from the point where the instrument's positive band begins.
with experience as (
    select
        i.instrument_code,
        i.instrument_version,
        min(case when b.band_code = 'positive' then b.score_from end) as positive_from
    from {{ ref('ref_instrument') }} as i
    left join {{ ref('ref_instrument_band') }} as b
        on i.instrument_code = b.instrument_code
        and i.instrument_version = b.instrument_version
        and i.headline_scale_code = b.scale_code
    where i.use_code = 'experience'
    group by i.instrument_code, i.instrument_version
),

rating as (
    select
        a.response_key,
        cast(sum(a.points) as decimal(18, 4)) as rating_sum,
        cast(count(a.points) as int) as rating_count,
        cast(count(case when a.points >= experience.positive_from then 1 end) as int) as positive_count
    from {{ ref('fct_assessment_item') }} as a
    inner join experience
        on a.instrument_code = experience.instrument_code
        and a.instrument_version = experience.instrument_version
    where {{ dirty_only('a.source_person_key') }}
    group by a.response_key
),

-- A form that asks more than once counts by its lowest score.
verdict as (
    select
        a.response_key,
        min(a.score) as rating_score,
        min(case when a.band_code = 'positive' then 1 else 0 end) = 1 as is_positive
    from {{ ref('fct_assessment') }} as a
    where a.use_code = 'experience' and a.score is not null and {{ dirty_only('a.source_person_key') }}
    group by a.response_key
),

-- Friends and family: don't know is an answer and has no score. Net promoter: only the score.
recommendation as (
    select
        a.response_key,
        max(case when a.instrument_code = 'fft' then 1 else 0 end) = 1 as is_recommendation_given,
        max(case when a.instrument_code = 'fft' and a.band_code = 'positive' then 1 else 0 end) = 1 as is_recommended,
        max(case
            when a.instrument_code <> 'nps' then null
            when a.band_code = 'positive' then 1
            when a.band_code = 'negative' then -1
            else 0
        end) as net_promoter_points
    from {{ ref('fct_assessment') }} as a
    left join (
        select assessment_key, max(case when missing_reason_code = 'unknown' then 1 else 0 end) = 1 as is_unknown
        from {{ ref('fct_assessment_item') }}
        where instrument_code = 'fft' and {{ dirty_only('source_person_key') }}
        group by assessment_key
    ) as dont_know on a.assessment_key = dont_know.assessment_key
    where a.use_code = 'recommendation'
        and (a.score is not null or dont_know.is_unknown)
        and {{ dirty_only('a.source_person_key') }}
    group by a.response_key
),

-- Which stratum of the sampling frame it belongs to: what a question says, or a band of the person.
stratified_form as (
    select source_id, form_code, min(stratum_field) as stratum_field, min(stratum_of_person) as stratum_of_person
    from {{ source('ops', 'survey_form') }}
    group by source_id, form_code
),

said as (
    select a.response_key, max(nullif(trim(a.answer_value), '')) as stratum_code
    from {{ ref('in_survey__answer') }} as a
    inner join stratified_form as f
        on a.source_id = f.source_id and a.form_code = f.form_code and a.question_code = f.stratum_field
    where a.choice_code is null
    group by a.response_key
)

select
    r.response_key,
    r.source_person_key,
    b.person_key,
    b.episode_key,
    b.service_key,
    coalesce(b.service_type_code, 'UNMAPPED') as service_type_code,
    r.form_code,
    r.form_version,
    r.instrument_code,
    r.answered_on,
    r.timepoint_code,
    r.is_complete,
    -- From opening to sending, where both are known and it was sent within two hours.
    cast(case
        when {{ seconds_between('r.started_at', 'r.submitted_at') }} between 0 and 7200
            then {{ ratio(seconds_between('r.started_at', 'r.submitted_at'), 3600) }}
    end as decimal(9, 4)) as answering_hours,
    case f.stratum_of_person
        when 'age_band' then coalesce(b.age_band_code, 'unknown')
        when 'sex' then coalesce(b.sex_code, 'unknown')
        when 'ethnicity' then coalesce(b.ethnicity_code, 'unknown')
        when 'disability' then coalesce(b.disability_code, 'unknown')
        else said.stratum_code
    end as stratum_code,
    b.episode_key is not null as is_attached,
    coalesce(rating.rating_count, 0) > 0 as has_rating,
    coalesce(rating.rating_sum, 0) as rating_sum,
    coalesce(rating.rating_count, 0) as rating_count,
    coalesce(rating.positive_count, 0) as positive_count,
    verdict.rating_score,
    verdict.rating_score is not null as is_rated,
    coalesce(verdict.is_positive, false) as is_positive,
    coalesce(recommendation.is_recommendation_given, false) as is_recommendation_given,
    coalesce(recommendation.is_recommended, false) as is_recommended,
    cast(recommendation.net_promoter_points as int) as net_promoter_points,
    coalesce(b.age_band_code, 'unknown') as age_band_code,
    coalesce(b.sex_code, 'unknown') as sex_code,
    coalesce(b.ethnicity_code, 'unknown') as ethnicity_code,
    coalesce(b.disability_code, 'unknown') as disability_code,
    r.source_id,
    coalesce(b.organisation_id, r.organisation_id) as organisation_id,
    r.delivery_id,
    r.file_name,
    r.row_number,
    r.line_number
from {{ ref('in_survey__response') }} as r
left join {{ ref('bridge_response_episode') }} as b on r.response_key = b.response_key
left join rating on r.response_key = rating.response_key
left join verdict on r.response_key = verdict.response_key
left join recommendation on r.response_key = recommendation.response_key
left join stratified_form as f on r.source_id = f.source_id and r.form_code = f.form_code
left join said on r.response_key = said.response_key
where {{ dirty_only('r.source_person_key') }}
