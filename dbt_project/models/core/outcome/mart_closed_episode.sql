-- Episodes that ended: what happened in them, and after them. Attended contacts are counted where the service had begun
-- to record contacts by the end. A stay in shelter, safe haven or transitional housing is followed for 30 days over all
-- senders: another such stay that goes on at its end, or begins by the day after, makes it a transfer; one that begins
-- later within the 30 days makes it a readmission. No source says whether a stay was planned.
with closed as (
    select
        *,
        service_type_code in ('emergency_shelter', 'safe_haven', 'transitional_housing') as is_residential,
        coalesce(destination_class_code = 'deceased', false) as is_death
    from {{ ref('fct_episode') }}
    where is_closed and is_date_order_valid
),

attended as (
    select episode_key, service_key, contact_on
    from {{ ref('fct_contact') }}
    where is_counted and episode_key is not null
),

recording as (
    select service_key, min(contact_on) as records_from_on
    from attended
    group by service_key
),

contacts as (
    select episode_key, count(*) as contact_count
    from attended
    group by episode_key
),

next_stay as (
    select
        x.episode_key,
        max(case when o.start_on <= {{ add_days('x.end_on', 1) }} then 1 else 0 end) = 1 as is_transfer,
        max(case when o.start_on > {{ add_days('x.end_on', 1) }} then 1 else 0 end) = 1 as is_followed
    from closed as x
    inner join {{ ref('fct_episode') }} as o on x.person_key = o.person_key
    where x.is_residential
        and o.service_type_code in ('emergency_shelter', 'safe_haven', 'transitional_housing')
        and x.episode_key <> o.episode_key
        and o.is_date_order_valid
        and o.start_on <= {{ add_days('x.end_on', 30) }}
        and (o.end_on is null or o.end_on > x.end_on)
    group by x.episode_key
)

select
    c.episode_key,
    c.source_person_key,
    c.person_key,
    c.service_key,
    c.service_type_code,
    c.end_on,
    coalesce(r.records_from_on <= c.end_on, false) as is_recording_contacts,
    cast(case when r.records_from_on <= c.end_on then coalesce(n.contact_count, 0) else 0 end as bigint) as contact_count,
    c.is_death,
    c.is_residential,
    coalesce(c.is_residential and s.is_transfer, false) as is_transfer,
    c.is_residential and not c.is_death and not coalesce(s.is_transfer, false) as is_index,
    c.is_residential and not c.is_death and not coalesce(s.is_transfer, false) and coalesce(s.is_followed, false)
        as is_readmitted,
    c.age_band_code,
    c.sex_code,
    c.ethnicity_code,
    c.disability_code,
    {{ provenance('c') }}
from closed as c
left join recording as r on c.service_key = r.service_key
left join contacts as n on c.episode_key = n.episode_key
left join next_stay as s on c.episode_key = s.episode_key
