-- Answers to a statement about how it is and how it should be. A wave is dated by its last answer.
select
    c.culture_response_key,
    c.respondent_key,
    service.service_key,
    coalesce(service.service_type_code, 'UNMAPPED') as service_type_code,
    c.instrument_code,
    c.wave_code,
    max(c.answered_on) over (partition by c.organisation_id, c.instrument_code, c.wave_code) as wave_on,
    c.answered_on,
    c.team_code,
    c.domain_code,
    c.statement_code,
    c.instrument_code || '.' || c.statement_code as statement_slice_code,
    c.score_current,
    c.score_ideal,
    cast(c.score_ideal - c.score_current as decimal(9, 4)) as gap_score,
    c.score_current is not null and c.score_ideal is not null as is_gap_known,
    c.score_current >= 4 as is_favourable,
    c.instrument_code = 'culture_survey' as is_culture_answer,
    c.instrument_code = 'culture_survey' and c.score_current >= 4 as is_culture_favourable,
    case when c.instrument_code = 'culture_survey' then cast(c.score_ideal - c.score_current as decimal(9, 4)) end
        as culture_gap_score,
    case when c.instrument_code = 'maturity_rubric' then c.score_current end as maturity_level,
    {{ provenance('c') }}
from {{ ref('in_management__culture') }} as c
left join {{ ref('dim_service') }} as service on c.service_key = service.service_key
where c.score_current is not null
