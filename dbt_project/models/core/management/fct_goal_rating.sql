-- Goals that people gave up or changed are neither success nor failure, and what was to be kept succeeds by being kept.
select
    r.goal_rating_key,
    r.goal_key,
    g.source_person_key,
    x.person_key,
    g.episode_key,
    e.service_key,
    coalesce(e.service_type_code, 'UNMAPPED') as service_type_code,
    r.rated_on,
    r.rated_by_code,
    case when r.attainment_level between -2 and 2 then r.attainment_level end as attainment_level,
    g.baseline_level,
    coalesce(g.weight, 1) as weight,
    g.intent_code,
    g.status_code,
    {{ is_goal_countable('g.status_code') }} and coalesce(r.attainment_level between -2 and 2, false) as is_counted,
    {{ is_goal_countable('g.status_code') }} and coalesce(r.attainment_level between 0 and 2, false)
        as is_expected_level_reached,
    {{ is_goal_countable('g.status_code') }}
    and {{ is_goal_met('g.intent_code', 'r.attainment_level', 'g.baseline_level') }} as is_met_as_intended,
    row_number() over (partition by r.goal_key order by r.rated_on desc nulls last, r.goal_rating_key asc nulls last) = 1
        as is_latest,
    {{ provenance('r') }}
from {{ ref('in_case__goal_review') }} as r
inner join {{ ref('in_case__goal') }} as g on r.goal_key = g.goal_key
left join {{ ref('person_xref') }} as x on g.source_person_key = x.source_person_key
left join {{ ref('fct_episode') }} as e
    on g.episode_key = e.episode_key and g.source_person_key = e.source_person_key
where r.rated_on is not null
