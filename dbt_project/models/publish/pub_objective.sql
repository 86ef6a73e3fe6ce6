-- Objectives from the mission to the teams, with the KPIs that measure each; an objective without one has a row of its own.
-- Objectives of single members of staff stay out.
select distinct
    o.organisation_id,
    o.objective_code,
    parent.objective_code as parent_objective_code,
    o.objective_type_code,
    o.objective_label,
    o.horizon_code,
    o.status_code,
    o.depth_number as objective_depth_number,
    o.mission_key is not null as is_below_mission,
    k.kpi_id
from {{ ref('dim_objective') }} as o
left join {{ ref('dim_objective') }} as parent on o.parent_objective_key = parent.objective_key
left join {{ ref('bridge_objective_kpi') }} as k on o.objective_key = k.objective_key and k.is_kpi_known
where o.objective_type_code <> 'individual'
