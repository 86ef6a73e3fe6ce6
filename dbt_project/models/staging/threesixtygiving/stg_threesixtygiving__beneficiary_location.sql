select
    {{ grant_record() }},
    cast(r.arrayIndex as int) as position_number,
    {{ grant_text('r.name') }} as location_name,
    coalesce(upper(trim(r.geoCodeType)) in ('RGN', 'GOR', 'RGN/GOR'), false) as is_region,
    {{ grant_provenance() }}
from {{ source('raw', 'threesixtygiving__beneficiary_location') }} as r
{{ grant_parts_once() }}
