{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- A response belongs to the episode of its person in whose window it was answered; of several the one that began last.
-- What is marked as an end-of-episode response may come up to 14 days after the end.
with response as (
    select * from {{ ref('in_survey__response') }} where source_person_key is not null and {{ dirty_only('source_person_key') }}
),

-- An inner join on the person alone, then the window: a left join by the window would compare everyone with everyone.
attached as (
    select r.response_key, e.*
    from response as r
    inner join {{ ref('fct_episode') }} as e on r.source_person_key = e.source_person_key
    where
        e.is_date_order_valid
        and e.start_on <= r.answered_on
        and (
            e.end_on is null
            or r.answered_on <= e.end_on
            or (r.timepoint_code = 'end' and r.answered_on <= {{ add_days('e.end_on', 14) }})
        )
    qualify row_number() over (
        partition by r.response_key
        order by e.start_on desc nulls last, e.end_on desc nulls first, e.episode_key desc nulls last
    ) = 1
)

select
    r.response_key,
    r.source_person_key,
    x.person_key,
    e.episode_key,
    e.service_key,
    coalesce(e.service_type_code, 'UNMAPPED') as service_type_code,
    r.answered_on,
    r.timepoint_code,
    coalesce(e.age_band_code, 'unknown') as age_band_code,
    coalesce(p.sex_code, 'unknown') as sex_code,
    coalesce(p.ethnicity_code, 'unknown') as ethnicity_code,
    coalesce(e.disability_code, 'unknown') as disability_code,
    r.source_id,
    coalesce(e.organisation_id, x.organisation_id) as organisation_id,
    r.delivery_id,
    r.file_name,
    r.row_number,
    r.line_number
from response as r
left join {{ ref('person_xref') }} as x on r.source_person_key = x.source_person_key
left join {{ ref('dim_person') }} as p on x.person_key = p.person_key
left join attached as e on r.response_key = e.response_key
