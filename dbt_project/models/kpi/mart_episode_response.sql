-- A service asks about experience from the day of its first rating on: of every episode that ends after it, one expects
-- an answer. Nothing that is delivered says who was invited.
with asking as (
    select service_key, min(answered_on) as asks_from_on
    from {{ ref('fct_survey_response') }}
    where has_rating and service_key is not null
    group by service_key
),

answered as (
    select distinct episode_key
    from {{ ref('fct_survey_response') }}
    where has_rating and episode_key is not null
)

select
    e.episode_key,
    e.source_person_key,
    e.person_key,
    e.service_key,
    e.service_type_code,
    e.end_on,
    e.end_on >= q.asks_from_on as is_asked,
    e.end_on >= q.asks_from_on and a.episode_key is not null as is_answered,
    e.age_band_code,
    e.sex_code,
    e.ethnicity_code,
    e.disability_code,
    {{ provenance('e') }}
from {{ ref('fct_episode') }} as e
inner join asking as q on e.service_key = q.service_key
left join answered as a on e.episode_key = a.episode_key
where e.is_closed and e.is_date_order_valid
