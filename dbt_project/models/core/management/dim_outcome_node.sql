select
    {{ hash_key(['n.framework_code', 'n.version', 'n.node_code']) }} as outcome_node_key,
    n.framework_code,
    n.version,
    n.node_code,
    n.framework_code || ':' || n.node_code as outcome_code,
    case
        when n.parent_node_code is not null then {{ hash_key(['n.framework_code', 'n.version', 'n.parent_node_code']) }}
    end as parent_outcome_node_key,
    parent.node_label as parent_label,
    n.level_number,
    n.node_label,
    n.node_type_code,
    n.sort_number,
    n.is_verified,
    f.framework_name,
    f.owner_name,
    f.licence,
    f.valid_from_on,
    f.valid_to_on,
    f.is_current
from {{ ref('ref_framework_node') }} as n
inner join {{ ref('ref_framework') }} as f on n.framework_code = f.framework_code and n.version = f.version
left join {{ ref('ref_framework_node') }} as parent
    on n.framework_code = parent.framework_code and n.version = parent.version and n.parent_node_code = parent.node_code
