-- Nights in beds and beds there were, by service and month, for the time that the sender's exports speak for. Services
-- that count nights are taken by their recorded nights, the others by stays: from entry (in permanent housing from
-- move-in) to the night before exit; nights that two stays of a person in one service share count once.
with spoken_for as (
    select
        source_id,
        min(scope_from) as from_on,
        max(least(coalesce(scope_to, cast(stated_at as date)), coalesce(cast(stated_at as date), scope_to))) as until_on
    from {{ source('ops', 'delivery') }}
    where status = 'loaded'
    group by source_id
),

month as (
    select
        period_start_on as month_on,
        {{ add_days('period_end_on', 1) }} as next_month_on
    from {{ ref('dim_period') }}
    where period_type_code = 'month' and calendar_code = 'fy10'
),

-- Half-open spans [from_on, until_on).
capacity as (
    select
        c.service_key,
        c.bed_count,
        greatest(c.start_on, s.from_on) as from_on,
        least(coalesce({{ add_days('c.end_on', 1) }}, s.until_on), s.until_on) as until_on
    from {{ ref('fct_capacity') }} as c
    inner join spoken_for as s on c.source_id = s.source_id
    where c.bed_count > 0 and c.start_on is not null
),

available as (
    select
        c.service_key,
        m.month_on,
        sum(
            c.bed_count
            * {{ days_between('greatest(c.from_on, m.month_on)', 'least(c.until_on, m.next_month_on)') }}
        ) as night_count
    from capacity as c
    inner join month as m on c.from_on < m.next_month_on and c.until_on > m.month_on
    where c.from_on < c.until_on
    group by c.service_key, m.month_on
),

stay as (
    select
        e.service_key,
        e.source_person_key,
        e.episode_key,
        greatest(
            case when e.service_type_code in {{ permanent_housing_types() }} then e.move_in_on else e.start_on end,
            s.from_on
        ) as from_on,
        least(coalesce(e.end_on, s.until_on), s.until_on) as until_on
    from {{ ref('fct_episode') }} as e
    inner join {{ ref('dim_service') }} as d on e.service_key = d.service_key
    inner join spoken_for as s on e.source_id = s.source_id
    where
        not d.is_night_by_night
        and e.is_date_order_valid
        and (
            e.service_type_code in ('emergency_shelter', 'safe_haven', 'transitional_housing')
            or (e.service_type_code in {{ permanent_housing_types() }} and e.move_in_on >= e.start_on)
        )
),

-- What earlier stays of the person in the service cover already is cut off.
apart as (
    select
        service_key,
        until_on,
        greatest(
            from_on,
            coalesce(
                max(until_on) over (
                    partition by service_key, source_person_key
                    order by from_on asc nulls last, until_on asc nulls last, episode_key asc nulls last
                    rows between unbounded preceding and 1 preceding
                ),
                from_on
            )
        ) as from_on
    from stay
    where from_on < until_on
),

stay_night as (
    select
        s.service_key,
        m.month_on,
        sum({{ days_between('greatest(s.from_on, m.month_on)', 'least(s.until_on, m.next_month_on)') }}) as night_count
    from apart as s
    inner join month as m on s.from_on < m.next_month_on and s.until_on > m.month_on
    where s.from_on < s.until_on
    group by s.service_key, m.month_on
),

recorded_night as (
    select n.service_key, {{ first_of_month('n.night_on') }} as month_on, count(*) as night_count
    from {{ ref('fct_bed_night') }} as n
    inner join {{ ref('dim_service') }} as d on n.service_key = d.service_key
    inner join spoken_for as s on n.source_id = s.source_id
    where d.is_night_by_night and n.night_on >= s.from_on and n.night_on < s.until_on
    group by n.service_key, {{ first_of_month('n.night_on') }}
),

occupied as (
    select service_key, month_on, sum(night_count) as night_count
    from (
        select * from stay_night
        union all
        select * from recorded_night
    ) as nights
    group by service_key, month_on
)

select
    {{ hash_key(['a.service_key', 'a.month_on']) }} as occupancy_key,
    a.service_key,
    d.service_type_code,
    a.month_on,
    cast(coalesce(o.night_count, 0) as bigint) as occupied_night_count,
    cast(a.night_count as bigint) as available_night_count,
    d.source_id,
    d.organisation_id
from available as a
inner join {{ ref('dim_service') }} as d on a.service_key = d.service_key
left join occupied as o on a.service_key = o.service_key and a.month_on = o.month_on
where a.night_count > 0
