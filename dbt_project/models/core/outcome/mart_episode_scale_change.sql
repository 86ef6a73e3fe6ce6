-- Closed episodes by instrument of several scales that has no score for the whole (stars): which of the scales got better
-- and which got worse between their first and last scores. A scale that was not read twice is neither. All are of the
-- version of the first reading: scales are not compared across versions, so none of another one counts beside them.
with scale as (
    select o.*
    from {{ ref('mart_episode_outcome') }} as o
    inner join {{ ref('ref_instrument_scale') }} as s
        on o.instrument_code = s.instrument_code
        and o.instrument_version = s.instrument_version
        and o.scale_code = s.scale_code
        and s.is_outcome_part
        and s.basis_rank = 1
    where o.is_closed
),

first_version as (
    select episode_key, instrument_code, instrument_version
    from scale
    qualify row_number() over (
        partition by episode_key, instrument_code
        order by
            first_assessed_on asc nulls last, first_assessment_key asc nulls last, instrument_version asc nulls last
    ) = 1
),

counted as (
    select
        s.episode_key,
        s.instrument_code,
        s.instrument_version,
        min(s.first_assessed_on) as first_assessed_on,
        max(s.last_assessed_on) as last_assessed_on,
        count(*) as scale_count,
        count(s.gain_score) as compared_scale_count,
        count(case when s.gain_score > 0 then 1 end) as improved_scale_count,
        count(case when s.gain_score < 0 then 1 end) as worsened_scale_count
    from scale as s
    inner join first_version as v
        on s.episode_key = v.episode_key
        and s.instrument_code = v.instrument_code
        and s.instrument_version = v.instrument_version
    group by s.episode_key, s.instrument_code, s.instrument_version
)

select
    {{ hash_key(['c.episode_key', 'c.instrument_code']) }} as episode_scale_change_key,
    c.episode_key,
    e.source_person_key,
    e.person_key,
    e.service_key,
    e.service_type_code,
    c.instrument_code,
    c.instrument_version,
    e.start_on,
    e.end_on,
    c.first_assessed_on,
    c.last_assessed_on,
    cast(c.scale_count as int) as scale_count,
    cast(c.compared_scale_count as int) as compared_scale_count,
    cast(c.improved_scale_count as int) as improved_scale_count,
    cast(c.worsened_scale_count as int) as worsened_scale_count,
    c.compared_scale_count > 0 as is_compared,
    c.improved_scale_count > 0 as is_any_scale_improved,
    c.worsened_scale_count > 0 as is_any_scale_worsened,
    {{ provenance('e') }}
from counted as c
inner join {{ ref('fct_episode') }} as e on c.episode_key = e.episode_key
