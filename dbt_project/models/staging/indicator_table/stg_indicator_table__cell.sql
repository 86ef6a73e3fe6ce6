with typed as (
    select
        r.*,
        {{ try_decimal('r.number', 28, 10) }} as number_decimal,
        {{ try_decimal('r.mark_from', 28, 10) }} as mark_from_decimal,
        {{ try_decimal('r.mark_to', 28, 10) }} as mark_to_decimal,
        {{ rounding_half_width(try_decimal('r.rounding_base', 28, 10), 'r.quantity_code') }} as half_width
    from {{ source('raw', 'indicator_table__cell') }} as r
    where r._status = 'current' and r.is_mapped = '1'
)

select
    cell_code,
    level_code,
    organisation_code,
    organisation_name,
    period_type_code,
    {{ try_date('period_start_on') }} as period_start_on,
    {{ try_date('period_end_on') }} as period_end_on,
    period_label,
    slice_type_code,
    slice_code,
    status_code,
    rounding_base is not null as is_rounding_known,
    -- Through DECIMAL, which knows neither infinity nor what is not a number.
    case when number_decimal is not null then try_cast(number as double) end as number,
    number_decimal,
    case
        when status_code = 'suppressed' then mark_from_decimal
        when quantity_code = 'count' and number_decimal >= 0 then greatest(number_decimal - half_width, 0)
        else number_decimal - half_width
    end as number_lower,
    case when status_code = 'suppressed' then mark_to_decimal else number_decimal + half_width end as number_upper,
    _source_id as source_id,
    _delivery_id as delivery_id,
    _file as file_name,
    _row_number as row_number,
    _line as line_number
from typed
