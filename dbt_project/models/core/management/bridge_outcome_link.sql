-- Links from personal outcomes to those of a service, an organisation and the nation, as organisations assert them. A
-- code is a goal (personal), an objective (service, organisation) or an outcome of a framework, such as nhwo:NHWO2.
{%- set levels = ['personal', 'service', 'organisation', 'national'] %}
with known as (
    select organisation_id, 'goal' as known_as, goal_code as known_code, goal_key as known_key
    from {{ ref('in_case__goal') }}
    union all
    select organisation_id, 'objective', objective_code, objective_key
    from {{ ref('in_management__objective') }}
),

link as (
    select
        l.*,
        {%- for end in ['from', 'to'] %}
        case l.{{ end }}_level_code
            {%- for level in levels %}
            when '{{ level }}' then {{ loop.index }}
            {%- endfor %}
        end as {{ end }}_level_number,
        {%- endfor %}
        sum(case when l.mode_code = 'allocate' then coalesce(l.weight, 0) end) over (
            partition by l.organisation_id, l.set_code, l.from_level_code, l.from_code, l.valid_from_on
        ) as weight_sum
    from {{ ref('in_management__outcome_link') }} as l
)

select
    l.outcome_link_key,
    l.set_code,
    l.mode_code,
    l.mode_code = 'tag' as is_non_additive,
    {%- for end in ['from', 'to'] %}
    l.{{ end }}_level_code,
    l.{{ end }}_code,
    coalesce(
        {{ end }}_goal.known_key, {{ end }}_objective.known_key, {{ end }}_node.outcome_node_key
    ) as {{ end }}_key,
    coalesce({{ end }}_goal.known_key, {{ end }}_objective.known_key, {{ end }}_node.outcome_node_key) is not null
        as is_{{ end }}_known,
    {%- endfor %}
    coalesce(l.to_level_number > l.from_level_number, false) as is_upward,
    l.weight,
    l.mode_code <> 'allocate' or abs(l.weight_sum - 1) <= 0.000001 as is_weight_sum_valid,
    l.asserted_by_role_code,
    l.asserted_on,
    l.origin,
    l.valid_from_on,
    l.valid_to_on,
    {{ provenance('l') }}
from link as l
{%- for end in ['from', 'to'] %}
left join known as {{ end }}_goal
    on l.{{ end }}_level_code = 'personal' and {{ end }}_goal.known_as = 'goal'
    and l.organisation_id = {{ end }}_goal.organisation_id and l.{{ end }}_code = {{ end }}_goal.known_code
left join known as {{ end }}_objective
    on l.{{ end }}_level_code in ('service', 'organisation') and {{ end }}_objective.known_as = 'objective'
    and l.organisation_id = {{ end }}_objective.organisation_id and l.{{ end }}_code = {{ end }}_objective.known_code
left join {{ ref('dim_outcome_node') }} as {{ end }}_node
    on l.{{ end }}_code = {{ end }}_node.outcome_code and {{ end }}_node.is_current
{%- endfor %}
