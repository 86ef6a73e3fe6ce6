-- An objective may stand for single KPIs or for a whole category of them.
with kpi as (
    select distinct 'kpi' as linked_type_code, kpi_id as linked_code, kpi_id from {{ ref('kpi_definition') }}
    union all
    select distinct 'kpi_category' as linked_type_code, category_code as linked_code, kpi_id
    from {{ ref('kpi_definition') }}
),

link as (
    select
        *,
        case linked_type_code when 'kpi' then upper(linked_code) else lower(linked_code) end as known_code,
        case linked_type_code when 'kpi_category' then lower(linked_code) end as category_code
    from {{ ref('in_management__objective_link') }}
    where linked_type_code in ('kpi', 'kpi_category')
)

select
    {{ hash_key(['l.objective_link_key', 'kpi.kpi_id']) }} as objective_kpi_key,
    l.objective_key,
    o.objective_key is not null as is_objective_known,
    l.linked_type_code,
    coalesce(kpi.kpi_id, upper(l.linked_code)) as kpi_id,
    kpi.kpi_id is not null as is_kpi_known,
    l.weight,
    l.valid_from_on,
    l.valid_to_on,
    {{ provenance('l') }}
from link as l
left join {{ ref('in_management__objective') }} as o on l.objective_key = o.objective_key
left join kpi on l.linked_type_code = kpi.linked_type_code and l.known_code = kpi.linked_code
-- A category that no KPI is of yet is known all the same; there is nothing to show for it.
left join {{ ref('ref_measure_kind') }} as kind on l.category_code = kind.category_code
where kind.category_code is null or kpi.kpi_id is not null
