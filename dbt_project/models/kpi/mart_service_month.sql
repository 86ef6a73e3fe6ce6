-- Staff of a service beside the work it does, for months and services whose staff is known. Contacts are held against
-- working days only where the service had begun to record contacts.
with staffed as (
    select
        service_key,
        max(service_type_code) as service_type_code,
        max(organisation_id) as organisation_id,
        max(month_end_on) as month_end_on,
        {{ first_of_month('month_end_on') }} as month_on,
        sum(fte_case_holding) as fte_case_holding,
        sum(available_fte_days) as available_fte_days
    from {{ ref('fct_staffing') }}
    where service_key is not null
    group by service_key, {{ first_of_month('month_end_on') }}
),

open_cases as (
    select s.service_key, s.month_on, count(e.episode_key) as open_case_count
    from staffed as s
    inner join {{ ref('fct_episode') }} as e on s.service_key = e.service_key
    where s.fte_case_holding > 0 and e.is_date_order_valid
        and e.start_on <= s.month_end_on and (e.end_on is null or e.end_on > s.month_end_on)
    group by s.service_key, s.month_on
),

contacts as (
    select service_key, {{ first_of_month('contact_on') }} as month_on, count(*) as contact_count
    from {{ ref('fct_contact') }}
    where is_counted
    group by service_key, {{ first_of_month('contact_on') }}
),

recording as (
    select service_key, min(month_on) as records_from_on
    from contacts
    group by service_key
)

select
    {{ hash_key(['s.service_key', 's.month_on']) }} as service_month_key,
    s.service_key,
    s.service_type_code,
    s.organisation_id,
    s.month_on,
    cast(s.fte_case_holding as decimal(18, 2)) as fte_case_holding,
    cast(coalesce(o.open_case_count, 0) as bigint) as open_case_count,
    cast(case when r.records_from_on <= s.month_on then s.available_fte_days end as decimal(18, 2)) as contact_fte_days,
    cast(coalesce(c.contact_count, 0) as bigint) as contact_count
from staffed as s
left join open_cases as o on s.service_key = o.service_key and s.month_on = o.month_on
left join contacts as c on s.service_key = c.service_key and s.month_on = c.month_on
left join recording as r on s.service_key = r.service_key
