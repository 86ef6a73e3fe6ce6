{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- First and last score of a measure within an episode: of the headline of an outcome instrument, or of each scale that
-- its definition measures by itself. Follow-up scores belong to no episode's end. Change is only between scores of one
-- version and one basis: those comparable with the first one.
with administration as (
    select *
    from {{ ref('fct_assessment') }}
    where
        episode_key is not null
        and use_code = 'outcome'
        and coalesce(timepoint_code, 'mid') <> 'follow_up'
        and {{ dirty_only('source_person_key') }}
),

scale as (
    select s.*, s.scale_code = i.headline_scale_code as is_headline
    from {{ ref('ref_instrument_scale') }} as s
    inner join {{ ref('ref_instrument') }} as i
        on s.instrument_code = i.instrument_code and s.instrument_version = i.instrument_version
    where s.is_measure and s.basis_rank = 1
),

-- A headline may have been supplied; other scales are computed.
measured as (
    select
        a.*, s.scale_code, s.direction_code, a.score as measure_score, a.raw_total as measure_total,
        a.score_basis_code as measure_basis_code
    from administration as a
    inner join scale as s
        on a.instrument_code = s.instrument_code and a.instrument_version = s.instrument_version and s.is_headline
    union all
    select
        a.*, s.scale_code, s.direction_code, f.score as measure_score, f.raw_total as measure_total,
        f.score_basis_code as measure_basis_code
    from administration as a
    inner join scale as s
        on a.instrument_code = s.instrument_code and a.instrument_version = s.instrument_version
        and not coalesce(s.is_headline, false)
    inner join {{ ref('fct_assessment_score') }} as f
        on a.assessment_key = f.assessment_key and s.scale_code = f.scale_code
),

-- Of several on one day the last one counts.
daily as (
    select *
    from measured
    where measure_score is not null or (direction_code = 'profile' and measure_total is not null)
    qualify row_number() over (
        partition by episode_key, instrument_code, instrument_version, scale_code, measure_basis_code, assessed_on
        order by assessed_at desc nulls last, assessment_key desc nulls last
    ) = 1
),

numbered as (
    select
        *,
        row_number() over (
            partition by episode_key, instrument_code, scale_code
            order by assessed_on asc nulls last, assessed_at asc nulls last, assessment_key asc nulls last
        ) as first_rank
    from daily
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
        and n.scale_code = f.scale_code
        and n.measure_basis_code = f.measure_basis_code
        and n.assessed_on > f.assessed_on
    qualify row_number() over (
        partition by n.episode_key, n.instrument_code, n.scale_code order by n.assessed_on desc nulls last
    ) = 1
),

paired as (
    select
        f.episode_key,
        f.source_person_key,
        f.instrument_code,
        f.instrument_version,
        f.scale_code,
        f.assessment_key as first_assessment_key,
        f.assessed_on as first_assessed_on,
        f.measure_score as first_score,
        l.assessment_key as last_assessment_key,
        l.assessed_on as last_assessed_on,
        l.measure_score as last_score,
        cast(l.measure_score - f.measure_score as decimal(9, 4)) as change_score,
        cast({{ gain('f.measure_score', 'l.measure_score', 'f.direction_code') }} as decimal(9, 4)) as gain_score,
        case when f.direction_code = 'profile' then {{ paretian_class('f.measure_total', 'l.measure_total') }} end
            as profile_change_code,
        {{ reliable_change('r') }} as reliable_change,
        {{ is_case('f.measure_score', 'r.caseness_operator', 'r.caseness_value') }} as is_case_at_start,
        {{ is_case('l.measure_score', 'r.caseness_operator', 'r.caseness_value') }} as is_case_at_end
    from first_score as f
    left join last_score as l
        on f.episode_key = l.episode_key and f.instrument_code = l.instrument_code and f.scale_code = l.scale_code
    left join {{ ref('ref_instrument_rule') }} as r
        on f.instrument_code = r.instrument_code
        and f.instrument_version = r.instrument_version
        and f.scale_code = r.scale_code
        and r.is_default
)

select
    {{ hash_key(['o.episode_key', 'o.instrument_code', 'o.scale_code']) }} as episode_instrument_key,
    o.episode_key,
    o.source_person_key,
    e.person_key,
    e.service_key,
    e.service_type_code,
    o.instrument_code,
    o.instrument_version,
    o.scale_code,
    o.instrument_code || case when o.scale_code = 'total' then '' else '.' || o.scale_code end as measure_code,
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
    o.profile_change_code,
    case when o.gain_score is not null then o.first_score end as compared_first_score,
    o.last_assessment_key is not null as is_paired,
    coalesce(o.gain_score > 0 or o.profile_change_code = 'better', false) as is_improved,
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
