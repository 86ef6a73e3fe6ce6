select
    {{ hash_key(['r._source_id', 'r.goal_code', 'r.rated_on']) }} as goal_rating_key,
    {{ hash_key(['r._source_id', 'r.goal_code']) }} as goal_key,
    {{ try_date('r.rated_on') }} as rated_on,
    cast({{ try_int('r.attainment_level') }} as int) as attainment_level,
    {{ sheet_code('rated_by', 'rated_by_code') }} as rated_by_code,
    {{ sheet_provenance() }}
{{ sheet_rows('goal_review', has_scheme=false) }}
