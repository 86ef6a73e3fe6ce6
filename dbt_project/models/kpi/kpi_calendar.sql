-- In which month the periods of an entity begin, by calendar: its own, HUD's, or (0) any, for months and rolling years.
with entity as (
    select
        level_code,
        level_key,
        max(start_month) as start_month,
        cast(row_number() over (order by level_code asc nulls last, level_key asc nulls last) as int) as entity_number
    from {{ ref('kpi_entity') }}
    group by level_code, level_key
)

select
    e.level_code,
    e.level_key,
    e.entity_number,
    l.code_number as level_number,
    k.key_number,
    cast(c.calendar_code as string) as calendar_code,
    cast(case c.calendar_code when 'any' then 0 when 'own' then e.start_month else {{ hud_start_month() }} end as int)
        as start_month
from entity as e
inner join {{ ref('kpi_code') }} as l on l.code_kind = 'level' and e.level_code = l.code
inner join {{ ref('kpi_key') }} as k on e.level_key = k.key_text
cross join (
    select 'any' as calendar_code
    union all
    select 'own'
    union all
    select 'hud'
) as c
