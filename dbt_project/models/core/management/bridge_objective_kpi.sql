select
    l.objective_link_key,
    l.objective_key,
    o.objective_key is not null as is_objective_known,
    upper(l.linked_code) as kpi_id,
    kpi.kpi_id is not null as is_kpi_known,
    l.weight,
    l.valid_from_on,
    l.valid_to_on,
    {{ provenance('l') }}
from {{ ref('in_management__objective_link') }} as l
left join {{ ref('in_management__objective') }} as o on l.objective_key = o.objective_key
left join (select distinct kpi_id from {{ ref('kpi_definition') }}) as kpi on upper(l.linked_code) = kpi.kpi_id
where l.linked_type_code = 'kpi'
