select
    s.funder_code,
    coalesce(s.funder_name, 'Not stated') as funder_name,
    {{ input_provenance() }}
from {{ ref('stg_threesixtygiving__grant') }} as s
{{ input_source_join() }}
qualify row_number() over (
    partition by s.source_id, s.funder_code
    order by
        (s.funder_name is null) asc nulls last, s.modified_at desc nulls last, s.funder_name asc nulls last,
        s.grant_code asc nulls last, s.occurrence_number asc nulls last
) = 1
