-- Personal outcomes by the outcomes of every framework that they reach. In crosswalks that allocate, the shares of a goal
-- add up to one, what is not mapped included; in crosswalks that tag, a goal may count more than once, and figures made
-- of them must not be added up.
with goal as (
    select
        g.goal_key,
        g.organisation_id,
        g.stated_on,
        n.framework_code,
        n.version,
        n.node_code
    from {{ ref('fct_personal_outcome') }} as g
    inner join {{ ref('dim_outcome_node') }} as n on g.outcome_node_key = n.outcome_node_key
),

crosswalk_set as (
    select distinct crosswalk_code, mode_code, from_framework_code, from_version, to_framework_code, to_version
    from {{ ref('ref_crosswalk') }}
    where superseded_on is null
),

mapped as (
    -- the framework that the goal was stated in
    select
        goal_key, organisation_id, 'stated' as crosswalk_code, 'allocate' as mode_code, framework_code, version,
        node_code, 'exact' as match_type_code, cast(1 as decimal(9, 6)) as weight
    from goal
    union all
    select
        g.goal_key,
        g.organisation_id,
        s.crosswalk_code,
        s.mode_code,
        s.to_framework_code,
        s.to_version,
        coalesce(x.to_node_code, 'UNMAPPED'),
        coalesce(x.match_type_code, 'unmapped'),
        case when s.mode_code = 'allocate' then coalesce(x.weight, 1) end
    from goal as g
    inner join crosswalk_set as s on g.framework_code = s.from_framework_code and g.version = s.from_version
    -- What held when the goal was stated.
    left join {{ ref('ref_crosswalk') }} as x
        on s.crosswalk_code = x.crosswalk_code and g.framework_code = x.from_framework_code
        and g.version = x.from_version and g.node_code = x.from_node_code
        and {{ crosswalk_holds('x', 'g.stated_on') }}
)

select
    {{ hash_key(['m.goal_key', 'm.crosswalk_code', 'm.framework_code', 'm.version', 'm.node_code']) }} as goal_outcome_key,
    m.goal_key,
    m.organisation_id,
    m.crosswalk_code,
    m.mode_code,
    m.mode_code = 'tag' as is_non_additive,
    m.framework_code,
    m.version,
    m.node_code,
    n.outcome_node_key,
    m.match_type_code,
    {{ crosswalk_carries_scores('m.match_type_code') }} as is_score_comparable,
    cast(m.weight as decimal(9, 6)) as weight
from mapped as m
left join {{ ref('dim_outcome_node') }} as n
    on m.framework_code = n.framework_code and m.version = n.version and m.node_code = n.node_code
