select
    {{ hash_key(['f.funder_code']) }} as funder_key,
    f.funder_code,
    f.funder_name,
    {{ provenance('f') }}
from {{ ref('in_funder__funder') }} as f
qualify row_number() over (partition by f.funder_code order by f.source_id asc nulls last) = 1
