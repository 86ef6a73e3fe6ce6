-- Which months make up which period of dim_period, up to the month of the as-of date. Months and rolling years are the
-- same in every calendar and stand here once (start month 0).
with as_of as (
    select {{ first_of_month('as_of') }} as month_on from {{ source('ops', 'run_context') }}
),

months as (
    select period_start_on as month_on, {{ add_months('as_of.month_on', '1') }} as next_month_on
    from {{ ref('dim_period') }}
    cross join as_of
    where period_type_code = 'month' and calendar_code = {{ calendar_code(hud_start_month()) }}
        and period_start_on <= as_of.month_on
)

select
    cast(
        case when p.period_type_code in ('month', 'rolling12') then 0 else cast(substr(p.calendar_code, 3, 2) as int) end
        as int
    ) as calendar_start_month,
    p.period_type_code,
    t.code_number as period_type_number,
    p.period_start_on,
    p.period_end_on,
    m.month_on
from {{ ref('dim_period') }} as p
inner join months as m on p.period_start_on <= m.month_on and p.period_end_on >= m.month_on
inner join {{ ref('kpi_code') }} as t on t.code_kind = 'period_type' and p.period_type_code = t.code
where p.period_type_code in ('quarter', 'financial_year')
    or (
        p.calendar_code = {{ calendar_code(hud_start_month()) }}
        and p.period_end_on < m.next_month_on
    )
