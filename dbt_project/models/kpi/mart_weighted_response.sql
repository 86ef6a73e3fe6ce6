-- Ratings of surveys that a sampling frame speaks for, each with the stratum that it is weighted with. Who gives no stratum,
-- or one that the frame does not have, is in no stratum and counts in none.
with frame as (
    select distinct organisation_id, form_code, year_start_on, year_end_on, period_start_on
    from {{ ref('mart_sampling_stratum') }}
)

select
    r.response_key,
    r.source_person_key,
    r.person_key,
    r.service_key,
    r.service_type_code,
    r.form_code,
    r.answered_on,
    f.period_start_on,
    r.stratum_code,
    s.collapsed_stratum_key,
    s.collapsed_population_count,
    r.is_rated,
    r.stratum_code is not null as has_stratum,
    s.sampling_stratum_key is not null as is_in_frame,
    r.is_rated and s.collapsed_stratum_key is not null as is_weighted,
    r.is_positive and r.is_rated and s.collapsed_stratum_key is not null as is_weighted_positive,
    {{ provenance('r') }}
from {{ ref('fct_survey_response') }} as r
inner join frame as f
    on r.organisation_id = f.organisation_id and r.form_code = f.form_code
    and r.answered_on >= f.year_start_on and r.answered_on <= f.year_end_on
left join {{ ref('mart_sampling_stratum') }} as s
    on f.organisation_id = s.organisation_id and f.form_code = s.form_code and f.year_start_on = s.year_start_on
    and r.stratum_code = s.stratum_code
where r.has_rating
