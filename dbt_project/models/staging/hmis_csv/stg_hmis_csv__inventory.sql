select
    {{ hmis_text('InventoryID') }} as capacity_code,
    {{ hmis_text('ProjectID') }} as service_code,
    {{ hmis_conformed('HouseholdType') }} as household_type_code,
    cast({{ try_int('r.UnitInventory') }} as int) as unit_count,
    cast({{ try_int('r.BedInventory') }} as int) as bed_count,
    {{ try_date('r.InventoryStartDate') }} as start_on,
    {{ try_date('r.InventoryEndDate') }} as end_on,
    {{ hmis_provenance() }}
from {{ hmis_current('inventory') }}
{{ hmis_code_join('household_type', 'HouseholdType') }}
where r._status = 'current'
