-- The tree of objectives of each organisation, from its mission to its teams. What is wrong with the tree is told of the
-- objective where it shows; an objective in a circle has no mission above it.
with objective as (
    select * from {{ ref('in_management__objective') }}
),

above as (
    select
        c.descendant_key,
        count(*) - 1 as above_count,
        max(case when o.objective_type_code = 'mission' then o.objective_key end) as mission_key
    from {{ ref('bridge_objective_closure') }} as c
    inner join objective as o on c.ancestor_key = o.objective_key
    group by c.descendant_key
),

child as (
    select organisation_id, parent_objective_code, count(*) as child_count
    from objective
    group by organisation_id, parent_objective_code
),

mission as (
    select
        organisation_id,
        sum(case when objective_type_code = 'mission' then 1 else 0 end) as mission_count
    from objective
    group by organisation_id
),

measured as (
    select objective_key, count(distinct kpi_id) as kpi_count
    from {{ ref('bridge_objective_kpi') }}
    where is_kpi_known
    group by objective_key
)

select
    o.objective_key,
    o.objective_code,
    parent.objective_key as parent_objective_key,
    above.mission_key,
    o.objective_type_code,
    o.objective_label,
    o.horizon_code,
    o.owner_role_code,
    o.status_code,
    o.start_on,
    o.end_on,
    cast(above.above_count as int) as depth_number,
    coalesce(child.child_count, 0) = 0 as is_leaf,
    cast(coalesce(measured.kpi_count, 0) as int) as kpi_count,
    o.status_code = 'active' as is_active,
    o.parent_objective_code is null or parent.objective_key is not null as is_parent_known,
    -- Above itself, or below nothing that ends: walking up never reaches an objective without a parent.
    parent.objective_key is not null and top.descendant_key is null as is_in_circle,
    cast(mission.mission_count as int) as organisation_mission_count,
    {{ provenance('o') }}
from objective as o
left join objective as parent
    on o.organisation_id = parent.organisation_id and o.parent_objective_code = parent.objective_code
left join above on o.objective_key = above.descendant_key
left join child on o.organisation_id = child.organisation_id and o.objective_code = child.parent_objective_code
left join mission on o.organisation_id = mission.organisation_id
left join measured on o.objective_key = measured.objective_key
left join (
    select distinct c.descendant_key
    from {{ ref('bridge_objective_closure') }} as c
    inner join objective as root on c.ancestor_key = root.objective_key
    left join objective as above_root
        on root.organisation_id = above_root.organisation_id and root.parent_objective_code = above_root.objective_code
    where above_root.objective_key is null
) as top on o.objective_key = top.descendant_key
