select
    {{ hash_key(['s.source_id', 's.capacity_code']) }} as capacity_key,
    {{ hash_key(['s.source_id', 's.service_code']) }} as service_key,
    s.household_type_code,
    s.unit_count,
    s.bed_count,
    s.start_on,
    s.end_on,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__inventory') }} as s
{{ input_source_join() }}
