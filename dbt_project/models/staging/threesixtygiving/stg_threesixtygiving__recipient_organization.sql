select
    {{ grant_record() }},
    cast(r.arrayIndex as int) as position_number,
    {{ grant_text('r.id') }} as recipient_code,
    {{ grant_text('r.name') }} as recipient_name,
    {{ grant_provenance() }}
from {{ source('raw', 'threesixtygiving__recipient_organization') }} as r
{{ grant_parts_once() }}
