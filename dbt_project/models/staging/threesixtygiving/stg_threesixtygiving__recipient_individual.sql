select
    {{ grant_record() }},
    cast(r.arrayIndex as int) as position_number,
    {{ grant_text('r.id') }} as recipient_code,
    {{ grant_provenance() }}
from {{ source('raw', 'threesixtygiving__recipient_individual') }} as r
{{ grant_parts_once() }}
