-- How far an award is spent, month by month, beside how much of its time has passed.
with monthly as (
    select
        organisation_id,
        award_key,
        award_code,
        currency_code,
        month_start_on,
        sum(eligible_amount) as eligible_amount,
        sum(commitment_amount) as commitment_amount
    from {{ ref('fct_finance') }}
    where award_key is not null
    group by organisation_id, award_key, award_code, currency_code, month_start_on
),

running as (
    select
        *,
        {{ add_days(add_months('month_start_on', 1), -1) }} as month_end_on,
        sum(eligible_amount) over (
            partition by organisation_id, award_key, currency_code order by month_start_on asc nulls last
            rows between unbounded preceding and current row
        ) as eligible_amount_to_date,
        avg(eligible_amount) over (
            partition by organisation_id, award_key, currency_code order by month_start_on asc nulls last
            rows between 2 preceding and current row
        ) as pace_amount
    from monthly
),

timed as (
    select
        r.*,
        a.amount_awarded,
        a.planned_start_on,
        a.planned_end_on,
        -- Without days there is no share of time; greatest() alone would make it 0.
        case
            when a.planned_end_on >= a.planned_start_on then least(greatest({{ ratio(
                days_between('a.planned_start_on', add_days('r.month_end_on', 1)),
                days_between('a.planned_start_on', add_days('a.planned_end_on', 1))
            ) }}, 0e0), 1e0)
        end as elapsed_share,
        greatest({{ month_number('a.planned_end_on') }} - {{ month_number('r.month_start_on') }}, 0) as months_left
    from running as r
    inner join {{ ref('dim_award') }} as a on r.award_key = a.award_key and r.currency_code = a.currency_code
),

forecast as (
    select
        *,
        cast(
            coalesce(eligible_amount_to_date, 0) + cast(coalesce(pace_amount, 0) as decimal(18, 2)) * months_left
            as decimal(18, 2)
        ) as forecast_amount
    from timed
)

select
    {{ hash_key(['organisation_id', 'award_key', 'month_start_on']) }} as award_month_key,
    organisation_id,
    award_key,
    award_code,
    month_start_on,
    currency_code,
    cast(coalesce(eligible_amount, 0) as decimal(18, 2)) as eligible_amount,
    cast(coalesce(eligible_amount_to_date, 0) as decimal(18, 2)) as eligible_amount_to_date,
    cast(commitment_amount as decimal(18, 2)) as commitment_amount,
    amount_awarded,
    planned_start_on,
    planned_end_on,
    cast(cast(amount_awarded as double) * elapsed_share as decimal(18, 2)) as expected_amount_to_date,
    forecast_amount,
    cast(forecast_amount - amount_awarded as decimal(18, 2)) as forecast_gap_amount,
    elapsed_share,
    {{ ratio('coalesce(eligible_amount_to_date, 0)', 'amount_awarded') }} as spent_share
from forecast
