select
    coalesce({{ sheet_code('population_of', 'population_of_code') }}, 'organisation') as population_of_code,
    {{ sheet_text('area') }} as area,
    {{ sheet_code('population_dimension', 'dimension_code') }} as dimension_code,
    {{ sheet_code('population_group', 'group_code') }} as group_code,
    cast({{ try_int('r.reference_year') }} as int) as reference_year,
    cast({{ sheet_number('person_count', 18, 0) }} as bigint) as person_count,
    {{ sheet_text('origin') }} as origin,
    {{ sheet_provenance() }}
{{ sheet_rows('reference_population', has_scheme=false) }}
