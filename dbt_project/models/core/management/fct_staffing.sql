-- Days on which someone could work are weekdays; leave and sickness come off with the people who are absent.
with month as (
    select
        month_on,
        sum(case when mod({{ days_between("date '2000-01-03'", 'date_on') }}, 7) < 5 then 1 else 0 end) as weekday_count
    from {{ ref('dim_date') }}
    group by month_on
)

select
    s.staffing_key,
    service.service_key,
    coalesce(service.service_type_code, 'UNMAPPED') as service_type_code,
    s.team_code,
    s.role_code,
    s.month_end_on,
    s.fte_established,
    s.fte_in_post,
    case
        when s.fte_established is not null
            then cast(greatest(s.fte_established - s.fte_in_post, 0) as decimal(9, 2))
    end as fte_vacant,
    coalesce(s.fte_absent, 0) as fte_absent,
    cast(s.fte_in_post - coalesce(s.fte_absent, 0) as decimal(9, 2)) as fte_available,
    s.fte_case_holding,
    cast((s.fte_in_post - coalesce(s.fte_absent, 0)) * month.weekday_count as decimal(18, 2)) as available_fte_days,
    coalesce(s.starters_fte, 0) as starters_fte,
    coalesce(s.leavers_fte, 0) as leavers_fte,
    coalesce(s.transfers_fte, 0) as transfers_fte,
    {{ provenance('s') }}
from {{ ref('in_case__staffing') }} as s
left join {{ ref('dim_service') }} as service on s.service_key = service.service_key
left join month on {{ first_of_month('s.month_end_on') }} = month.month_on
where s.month_end_on is not null
