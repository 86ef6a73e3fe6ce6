select
    date_on,
    {{ first_of_month('date_on') }} as month_on,
    cast(extract(year from date_on) as int) as year_number,
    cast(extract(month from date_on) as int) as month_number,
    cast(extract(week from date_on) as int) as iso_week_number
from (select {{ add_days("date '2000-01-01'", 'n') }} as date_on from {{ numbers(14610) }} as numbers) as days
