{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Returns to homelessness within two years of an exit to permanent housing (HUD SPM 2). One row a person, level and
-- period: the person's first such exit in the period shifted back by 730 days. A return is the next entry to outreach,
-- shelter, safe haven, transitional or permanent housing anywhere in the region, by the day count 0-180, 181-365,
-- 366-730. Entering permanent housing is a return only more than 14 days after the exit, and not as a transfer: not
-- during, or within 14 days of, another stay in permanent housing.
with stay as (
    select
        person_key,
        organisation_id,
        episode_key,
        start_on,
        end_on,
        is_exit_to_permanent,
        service_type_code in {{ permanent_housing_types() }} as is_permanent_housing
    from {{ ref('fct_episode') }}
    where
        {{ dirty_only('source_person_key') }}
        and is_date_order_valid
        and (
            service_type_code in ('street_outreach', 'emergency_shelter', 'safe_haven', 'transitional_housing')
            or service_type_code in {{ permanent_housing_types() }}
        )
),

transfer as (
    select distinct entry.episode_key
    from stay as entry
    inner join stay as other
        on entry.person_key = other.person_key
        and entry.episode_key <> other.episode_key
        and other.is_permanent_housing
        and entry.start_on > other.start_on
        and (other.end_on is null or entry.start_on <= {{ add_days('other.end_on', 14) }})
    where entry.is_permanent_housing
),

housed_exit as (
    select * from stay where is_exit_to_permanent
),

first_return as (
    select x.episode_key, min(entry.start_on) as returned_on
    from housed_exit as x
    inner join stay as entry
        on x.person_key = entry.person_key
        and x.episode_key <> entry.episode_key
        and x.end_on <= entry.start_on
    left join transfer on entry.episode_key = transfer.episode_key
    where
        not entry.is_permanent_housing
        or (entry.start_on > {{ add_days('x.end_on', 14) }} and transfer.episode_key is null)
    group by x.episode_key
),

level_exit as (
    {{ by_level('housed_exit') }}
),

period_month as (
    {{ rolled_period_months() }}
),

first_exit as (
    select s.*, p.calendar_code, p.period_type_code, p.period_start_on, p.period_end_on
    from level_exit as s
    inner join period_month as p
        on s.level_code = p.level_code
        and s.level_key = p.level_key
        and p.month_on = {{ first_of_month(add_days('s.end_on', 730)) }}
    qualify row_number() over (
        partition by s.level_code, s.level_key, p.calendar_code, p.period_type_code, p.period_start_on, s.person_key
        order by s.end_on asc nulls last, s.start_on asc nulls last, s.episode_key asc nulls last
    ) = 1
),

counted as (
    select x.*, r.returned_on, {{ days_between('x.end_on', 'r.returned_on') }} as days_to_return
    from first_exit as x
    left join first_return as r on x.episode_key = r.episode_key
)

select
    {{ rolled_key('c') }} as return_key,
    c.level_code,
    c.level_key,
    c.calendar_code,
    c.period_type_code,
    c.period_start_on,
    c.period_end_on,
    c.person_key,
    e.source_person_key,
    c.episode_key,
    e.service_key,
    e.service_type_code,
    c.end_on,
    c.returned_on,
    c.days_to_return,
    true as is_in_cohort,
    coalesce(c.days_to_return <= 180, false) as is_returned_0_180,
    coalesce(c.days_to_return between 181 and 365, false) as is_returned_181_365,
    coalesce(c.days_to_return between 366 and 730, false) as is_returned_366_730,
    coalesce(c.days_to_return <= 730, false) as is_returned_0_730,
    e.age_band_code,
    e.sex_code,
    e.ethnicity_code,
    e.disability_code,
    {{ provenance('e') }}
from counted as c
inner join {{ ref('fct_episode') }} as e on c.episode_key = e.episode_key
