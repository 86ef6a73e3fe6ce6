with calendar as (
    select distinct start_month, {{ calendar_code('start_month') }} as calendar_code
    from (
        select financial_year_start_month as start_month from {{ source('ops', 'region') }}
        union all
        select financial_year_start_month from {{ source('ops', 'organisation') }}
        union all
        select 10  -- the United States federal year, by which HUD's measures are defined
    ) as months
    where start_month is not null
),

start_of as (
    select
        calendar_code,
        start_month,
        start_on,
        cast(extract(year from start_on) as int) as start_year,
        cast(extract(month from start_on) as int) as month_number,
        -- months since the financial year began
        cast(extract(month from start_on) + 12 - start_month as int) % 12 as month_of_year
    from calendar
    cross join (select {{ add_months("date '2000-01-01'", 'n') }} as start_on from {{ numbers(480) }} as numbers) as months
),

financial as (
    select
        *,
        case when month_number >= start_month then start_year else start_year - 1 end as year_began
    from start_of
),

named as (
    select
        *,
        cast(year_began as string)
        || case when start_month = 1 then '' else '-' || substr(cast(year_began + 1 as string), 3, 2) end as year_label,
        cast(start_year as string) || '-' || lpad(cast(month_number as string), 2, '0') as month_label
    from financial
),

period as (
    select
        calendar_code, 'month' as period_type_code, start_on, 1 as month_count, month_label as label
    from named
    union all
    select
        calendar_code, 'quarter', start_on, 3,
        year_label || ' Q' || cast(cast(floor(month_of_year / 3.0) as int) + 1 as string)
    from named
    where month_of_year % 3 = 0
    union all
    select calendar_code, 'financial_year', start_on, 12, year_label
    from named
    where month_of_year = 0
    union all
    select calendar_code, 'rolling12', start_on, 12, '12 months from ' || month_label
    from named
)

select
    {{ hash_key(['calendar_code', 'period_type_code', 'start_on']) }} as period_key,
    calendar_code,
    period_type_code,
    start_on as period_start_on,
    {{ add_days(add_months('start_on', 'month_count'), -1) }} as period_end_on,
    label
from period
where {{ add_months('start_on', 'month_count') }} <= date '2040-01-01'
