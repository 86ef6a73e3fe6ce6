select
    {{ grant_record() }},
    cast(r.arrayIndex as int) as position_number,
    coalesce({{ grant_text('r.code') }}, {{ grant_text('r.title') }}) as programme_code,
    coalesce({{ grant_text('r.title') }}, {{ grant_text('r.code') }}) as programme_name,
    {{ grant_provenance() }}
from {{ source('raw', 'threesixtygiving__grant_programme') }} as r
{{ grant_parts_once() }}
