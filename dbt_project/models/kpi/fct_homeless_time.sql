-- How long people had been homeless at their last night in shelter of a period (HUD SPM 1a, line 1). One row a person, level
-- and federal year: the nights of the spells up to that night, from 365 days before it on; a spell that holds the night
-- 365 days before counts from its own start. A period that goes on counts to the as-of date.
with entity as (
    select 'region' as level_code, region_id as level_key from {{ source('ops', 'region') }}
    union all
    select 'organisation', organisation_id from {{ ref('dim_organisation') }}
),

period as (
    select
        e.level_code,
        e.level_key,
        p.calendar_code,
        p.period_type_code,
        p.period_start_on,
        p.period_end_on,
        least(p.period_end_on, c.as_of) as counted_to_on
    from entity as e
    cross join {{ source('ops', 'run_context') }} as c
    inner join {{ ref('dim_period') }} as p
        on c.as_of >= p.period_start_on and p.calendar_code = {{ calendar_code(hud_start_month()) }}
        and p.period_type_code = 'financial_year'
),

spell as (
    select *, coalesce({{ add_days('until_on', -1) }}, date '9999-12-31') as last_night_on
    from {{ ref('fct_homeless_spell') }}
),

last_night as (
    select
        p.level_code,
        p.level_key,
        p.calendar_code,
        p.period_type_code,
        p.period_start_on,
        p.period_end_on,
        s.counted_person_key,
        max(least(s.last_night_on, p.counted_to_on)) as last_on
    from period as p
    inner join spell as s
        on p.level_code = s.level_code and p.level_key = s.level_key
        and p.counted_to_on >= s.from_on and p.period_start_on <= s.last_night_on
    group by
        p.level_code, p.level_key, p.calendar_code, p.period_type_code, p.period_start_on, p.period_end_on,
        s.counted_person_key
),

counted as (
    select
        n.level_code, n.level_key, n.calendar_code, n.period_type_code, n.period_start_on, n.period_end_on,
        n.counted_person_key, n.last_on,
        sum({{ days_between('s.from_on', 'least(s.last_night_on, n.last_on)') }} + 1) as homeless_days
    from last_night as n
    inner join spell as s
        on n.level_code = s.level_code and n.level_key = s.level_key and n.counted_person_key = s.counted_person_key
        and n.last_on >= s.from_on and {{ add_days('n.last_on', -365) }} <= s.last_night_on
    group by
        n.level_code, n.level_key, n.calendar_code, n.period_type_code, n.period_start_on, n.period_end_on,
        n.counted_person_key, n.last_on
),

-- The stay of the last night stands for the person: with its traits, and its line of a file.
sheltered as (
    select 'region' as level_code, e.person_key as counted_person_key, e.*
    from {{ ref('fct_episode') }} as e
    where e.service_type_code in ('emergency_shelter', 'safe_haven') and e.is_date_order_valid
    union all
    select 'organisation', e.source_person_key, e.*
    from {{ ref('fct_episode') }} as e
    where e.service_type_code in ('emergency_shelter', 'safe_haven') and e.is_date_order_valid
)

select
    {{ hash_key(['c.level_code', 'c.level_key', 'c.period_type_code', 'c.period_start_on', 'c.counted_person_key']) }}
        as homeless_time_key,
    c.level_code,
    c.level_key,
    c.calendar_code,
    c.period_type_code,
    c.period_start_on,
    c.period_end_on,
    e.person_key,
    e.source_person_key,
    e.episode_key,
    e.service_key,
    e.service_type_code,
    c.last_on,
    cast(c.homeless_days as int) as homeless_days,
    e.age_band_code,
    e.sex_code,
    e.ethnicity_code,
    e.disability_code,
    {{ provenance('e') }}
from counted as c
inner join sheltered as e
    on c.level_code = e.level_code and c.counted_person_key = e.counted_person_key and c.last_on >= e.start_on
qualify row_number() over (
    partition by c.level_code, c.level_key, c.period_type_code, c.period_start_on, c.counted_person_key
    order by e.start_on desc nulls last, e.episode_key desc nulls last
) = 1
