-- What a service costs beside what it ended with, by month and currency. Costs of no service are spread over those of the
-- organisation by what these spent in the month themselves; where none spent anything, they stay with the organisation.
with spent as (
    select
        organisation_id,
        service_key,
        max(service_type_code) as service_type_code,
        month_start_on as month_on,
        currency_code,
        sum(actual_amount) as amount
    from {{ ref('fct_finance') }}
    where actual_amount is not null
    group by organisation_id, service_key, month_start_on, currency_code
),

direct as (
    select
        *,
        sum(amount) over (partition by organisation_id, month_on, currency_code) as organisation_amount
    from spent
    where service_key is not null
),

shared as (
    select organisation_id, month_on, currency_code, amount
    from spent
    where service_key is null
),

full_cost as (
    select
        d.organisation_id,
        d.service_key,
        d.service_type_code,
        d.month_on,
        d.currency_code,
        cast(d.amount as decimal(18, 4)) as direct_amount,
        cast(
            coalesce(cast(s.amount as double) * {{ ratio('d.amount', 'd.organisation_amount') }}, 0) as decimal(18, 4)
        ) as apportioned_amount
    from direct as d
    left join shared as s
        on d.organisation_id = s.organisation_id and d.month_on = s.month_on and d.currency_code = s.currency_code
    union all
    select
        s.organisation_id,
        cast(null as string) as service_key,
        cast('UNMAPPED' as string) as service_type_code,
        s.month_on,
        s.currency_code,
        cast(0 as decimal(18, 4)) as direct_amount,
        cast(s.amount as decimal(18, 4)) as apportioned_amount
    from shared as s
    left join (
        select organisation_id, month_on, currency_code, sum(amount) as amount
        from direct
        group by organisation_id, month_on, currency_code
    ) as d
        on s.organisation_id = d.organisation_id and s.month_on = d.month_on and s.currency_code = d.currency_code
    where coalesce(d.amount, 0) = 0
),

ended as (
    select
        service_key,
        {{ first_of_month('end_on') }} as month_on,
        count(*) as ended_episode_count,
        count(case when is_exit_to_permanent then 1 end) as permanent_exit_count
    from {{ ref('fct_episode') }}
    where is_closed and is_date_order_valid
    group by service_key, {{ first_of_month('end_on') }}
),

improved as (
    select
        service_key,
        {{ first_of_month('end_on') }} as month_on,
        count(*) as improved_course_count
    from {{ ref('mart_episode_course') }}
    where is_reliably_improved
    group by service_key, {{ first_of_month('end_on') }}
)

select
    {{ hash_key(['f.organisation_id', 'f.service_key', 'f.month_on', 'f.currency_code']) }} as service_cost_key,
    f.service_key,
    f.service_type_code,
    f.organisation_id,
    f.month_on,
    f.currency_code,
    f.direct_amount,
    f.apportioned_amount,
    cast(f.direct_amount + f.apportioned_amount as decimal(18, 4)) as cost_amount,
    coalesce(e.ended_episode_count, 0) as ended_episode_count,
    coalesce(e.permanent_exit_count, 0) as permanent_exit_count,
    coalesce(i.improved_course_count, 0) as improved_course_count
from full_cost as f
left join ended as e on f.service_key = e.service_key and f.month_on = e.month_on
left join improved as i on f.service_key = i.service_key and f.month_on = i.month_on
