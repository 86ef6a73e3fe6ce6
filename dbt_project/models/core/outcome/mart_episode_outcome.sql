{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- First and last score of an outcome instrument within an episode. Follow-up scores belong to no episode's end. Change
-- is only between scores of one version and one basis: those comparable with the first one.
with administration as (
    select *
    from {{ ref('fct_assessment') }}
    where
        score is not null
        and episode_key is not null
        and use_code = 'outcome'
        and coalesce(timepoint_code, 'mid') <> 'follow_up'
        and {{ dirty_only('source_person_key') }}
    -- Of several on one day the last one counts.
    qualify row_number() over (
        partition by episode_key, instrument_code, instrument_version, score_basis_code, assessed_on
        order by assessed_at desc nulls last, assessment_key desc nulls last
    ) = 1
),

numbered as (
    select
        *,
        row_number() over (
            partition by episode_key, instrument_code
            order by assessed_on asc nulls last, assessed_at asc nulls last, assessment_key asc nulls last
        ) as first_rank
    from administration
),

first_score as (
    select * from numbered where first_rank = 1
),

last_score as (
    select n.*
    from numbered as n
    inner join first_score as f
        on n.episode_key = f.episode_key
        and n.instrument_code = f.instrument_code
        and n.instrument_version = f.instrument_version
        and n.score_basis_code = f.score_basis_code
        and n.assessed_on > f.assessed_on
    qualify row_number() over (
        partition by n.episode_key, n.instrument_code order by n.assessed_on desc nulls last
    ) = 1
),

paired as (
    select
        f.episode_key,
        f.source_person_key,
        f.instrument_code,
        f.instrument_version,
        f.assessment_key as first_assessment_key,
        f.assessed_on as first_assessed_on,
        f.score as first_score,
        l.assessment_key as last_assessment_key,
        l.assessed_on as last_assessed_on,
        l.score as last_score,
        cast(l.score - f.score as decimal(9, 4)) as change_score,
        -- Positive is better, whatever the direction of the instrument.
        cast(
            case i.direction_code
                when 'lower_better' then f.score - l.score when 'higher_better' then l.score - f.score
            end as decimal(9, 4)
        ) as gain_score,
        r.reliable_change,
        {{ is_case('f.score', 'r.caseness_operator', 'r.caseness_value') }} as is_case_at_start,
        {{ is_case('l.score', 'r.caseness_operator', 'r.caseness_value') }} as is_case_at_end
    from first_score as f
    left join last_score as l on f.episode_key = l.episode_key and f.instrument_code = l.instrument_code
    inner join {{ ref('ref_instrument') }} as i
        on f.instrument_code = i.instrument_code and f.instrument_version = i.instrument_version
    left join {{ ref('ref_instrument_rule') }} as r
        on f.instrument_code = r.instrument_code and f.instrument_version = r.instrument_version and r.is_default
)

select
    {{ hash_key(['o.episode_key', 'o.instrument_code']) }} as episode_instrument_key,
    o.episode_key,
    o.source_person_key,
    e.person_key,
    e.service_key,
    e.service_type_code,
    o.instrument_code,
    o.instrument_version,
    e.start_on,
    e.end_on,
    e.is_closed,
    o.first_assessment_key,
    o.first_assessed_on,
    o.first_score,
    o.last_assessment_key,
    o.last_assessed_on,
    o.last_score,
    {{ days_between('o.first_assessed_on', 'o.last_assessed_on') }} as days_between_count,
    o.change_score,
    o.gain_score,
    case when o.gain_score is not null then o.first_score end as compared_first_score,
    o.last_score is not null as is_paired,
    coalesce(o.gain_score > 0, false) as is_improved,
    o.is_case_at_start,
    o.is_case_at_end,
    o.gain_score >= o.reliable_change as is_reliably_improved,
    -o.gain_score >= o.reliable_change as is_reliably_deteriorated,
    o.is_case_at_start and not o.is_case_at_end as is_recovered,
    o.is_case_at_start and not o.is_case_at_end and o.gain_score >= o.reliable_change as is_reliably_recovered,
    e.age_band_code,
    e.sex_code,
    e.ethnicity_code,
    e.disability_code,
    {{ provenance('e') }}
from paired as o
inner join {{ ref('fct_episode') }} as e on o.episode_key = e.episode_key
