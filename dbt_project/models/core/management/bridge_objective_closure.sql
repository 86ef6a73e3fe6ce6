-- Objectives with everything above them. An objective that is above itself at a distance is part of a circle.
with node as (
    select
        o.objective_key as node_key,
        parent.objective_key as parent_key,
        o.organisation_id
    from {{ ref('in_management__objective') }} as o
    left join {{ ref('in_management__objective') }} as parent
        on o.organisation_id = parent.organisation_id and o.parent_objective_code = parent.objective_code
)

select
    c.ancestor_key,
    c.descendant_key,
    cast(min(c.depth_number) as int) as depth_number,
    max(n.organisation_id) as organisation_id
from {{ closure('node') }} as c
inner join node as n on c.descendant_key = n.node_key
where c.depth_number = 0 or c.ancestor_key <> c.descendant_key
group by c.ancestor_key, c.descendant_key
