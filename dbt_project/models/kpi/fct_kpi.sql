{{ config(materialized='view') }}
-- The figures with the texts that their numbers stand for. A view: they are written once, in kpi_figure, and a reader
-- joins only the texts that it asks for.
select
    d.kpi_id,
    d.version,
    l.code as level_code,
    e.key_text as level_key,
    s.code as slice_code,
    v.key_text as slice_value,
    t.code as period_type_code,
    f.period_start_on,
    f.period_end_on,
    f.numerator,
    f.denominator,
    cast(case when d.statistic_code = 'distinct_count' then f.numerator end as bigint) as person_count,
    f.value,
    f.ci95_lower,
    f.ci95_upper,
    f.ci998_lower,
    f.ci998_upper,
    d.statistic_code,
    d.interval_method_code,
    u.code as status_code,
    c.code as coverage_code,
    f.coverage_number = {{ kpi_number('coverage', 'full') }} as is_period_complete,
    f.is_provisional,
    f.is_stale,
    f.is_below_minimum,
    f.is_current_definition
from {{ ref('kpi_figure') }} as f
inner join {{ ref('kpi_definition') }} as d on f.kpi_number = d.kpi_number
inner join {{ ref('kpi_code') }} as l on l.code_kind = 'level' and f.level_number = l.code_number
inner join {{ ref('kpi_key') }} as e on f.key_number = e.key_number
inner join {{ ref('kpi_code') }} as s on s.code_kind = 'slice' and f.slice_number = s.code_number
inner join {{ ref('kpi_key') }} as v on f.slice_key_number = v.key_number
inner join {{ ref('kpi_code') }} as t on t.code_kind = 'period_type' and f.period_type_number = t.code_number
inner join {{ ref('kpi_code') }} as u on u.code_kind = 'status' and f.status_number = u.code_number
inner join {{ ref('kpi_code') }} as c on c.code_kind = 'coverage' and f.coverage_number = c.code_number
