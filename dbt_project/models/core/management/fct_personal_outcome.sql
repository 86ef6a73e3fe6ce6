-- What people want to achieve or to keep, with what came of it. A stated result comes before the last rating; without
-- either the goal was not reviewed.
with judged as (
    select
        g.*,
        last.rated_on,
        last.attainment_level,
        coalesce(last.rated_on, case when {{ is_goal_result('g.status_code') }} then g.closed_on end) as reviewed_on,
        case
            when {{ is_goal_result('g.status_code') }}
                then g.status_code = 'met' or (g.status_code = 'maintained' and g.intent_code = 'maintain')
            else last.is_met_as_intended
        end as is_met
    from {{ ref('in_case__goal') }} as g
    left join {{ ref('fct_goal_rating') }} as last on g.goal_key = last.goal_key and last.is_latest
)

select
    g.goal_key,
    g.source_person_key,
    x.person_key,
    g.episode_key,
    e.service_key,
    coalesce(e.service_type_code, 'UNMAPPED') as service_type_code,
    g.stated_on,
    g.holder_code,
    g.has_statement,
    g.framework_code,
    g.node_code,
    node.outcome_node_key,
    node.node_type_code,
    g.importance_score,
    g.intent_code,
    coalesce(g.weight, 1) as weight,
    g.baseline_level,
    g.status_code,
    g.closed_on,
    g.rated_on as last_rated_on,
    g.attainment_level as last_attainment_level,
    g.reviewed_on,
    {{ is_goal_countable('g.status_code') }} and g.reviewed_on is not null as is_counted,
    {{ is_goal_countable('g.status_code') }} and g.reviewed_on is not null and coalesce(g.is_met, false) as is_met_as_intended,
    {{ is_goal_countable('g.status_code') }} and coalesce(g.attainment_level between -2 and 2, false) as is_rated,
    {{ is_goal_countable('g.status_code') }} and coalesce(g.attainment_level between 0 and 2, false)
        as is_expected_level_reached,
    g.replaced_by_goal_key,
    {{ provenance('g') }}
from judged as g
left join {{ ref('person_xref') }} as x on g.source_person_key = x.source_person_key
left join {{ ref('fct_episode') }} as e
    on g.episode_key = e.episode_key and g.source_person_key = e.source_person_key
left join {{ ref('dim_outcome_node') }} as node
    on g.framework_code = node.framework_code and g.node_code = node.node_code and node.is_current
