-- Turnover needs twelve months of leavers and thirteen month-ends of people in post: at the organisation, because people
-- who change teams leave none. Months that are not there make no figure.
with monthly as (
    select
        organisation_id,
        month_end_on,
        {{ first_of_month('month_end_on') }} as month_on,
        sum(leavers_fte) as leavers_fte,
        sum(fte_in_post) as fte_in_post
    from {{ ref('fct_staffing') }}
    group by organisation_id, month_end_on
),

numbered as (
    select
        *,
        cast(extract(year from month_on) * 12 + extract(month from month_on) as int) as month_number
    from monthly
)

select
    {{ hash_key(['m.organisation_id', 'm.month_end_on']) }} as staff_turnover_key,
    m.organisation_id,
    m.month_end_on,
    cast(
        sum(case when earlier.month_number > m.month_number - 12 then earlier.leavers_fte end) as decimal(18, 2)
    ) as leavers_fte_12_months,
    cast(avg(earlier.fte_in_post) as decimal(18, 4)) as mean_fte_13_months
from numbered as m
inner join numbered as earlier
    on m.organisation_id = earlier.organisation_id
    and earlier.month_number between m.month_number - 12 and m.month_number
group by m.organisation_id, m.month_end_on
having count(*) = 13
