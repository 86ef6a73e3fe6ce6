{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Entries to the homelessness system (HUD SPM 5.2), one a person, level and period: the earliest. It is a first time if no
-- stay of the person anywhere in the region touches the 730 days before.
with stay as (
    select person_key, organisation_id, episode_key, start_on, end_on
    from {{ ref('fct_episode') }}
    where
        {{ dirty_only('source_person_key') }}
        and is_date_order_valid
        and (
            service_type_code in ('emergency_shelter', 'safe_haven', 'transitional_housing')
            or service_type_code in {{ permanent_housing_types() }}
        )
),

known as (
    select distinct x.episode_key
    from stay as x
    inner join stay as before on x.person_key = before.person_key
    where
        x.episode_key <> before.episode_key
        and before.start_on < x.start_on
        and (before.end_on is null or before.end_on >= {{ add_days('x.start_on', -730) }})
),

level_stay as (
    {{ by_level('stay') }}
),

period_month as (
    {{ rolled_period_months() }}
),

earliest as (
    select s.*, p.calendar_code, p.period_type_code, p.period_start_on, p.period_end_on
    from level_stay as s
    inner join period_month as p
        on s.level_code = p.level_code and s.level_key = p.level_key and p.month_on = {{ first_of_month('s.start_on') }}
    qualify row_number() over (
        partition by s.level_code, s.level_key, p.calendar_code, p.period_type_code, p.period_start_on, s.person_key
        order by s.start_on asc nulls last, s.end_on asc nulls last, s.episode_key asc nulls last
    ) = 1
)

select
    {{ rolled_key('x') }} as system_entry_key,
    x.level_code,
    x.level_key,
    x.calendar_code,
    x.period_type_code,
    x.period_start_on,
    x.period_end_on,
    x.person_key,
    e.source_person_key,
    x.episode_key,
    e.service_key,
    e.service_type_code,
    x.start_on,
    true as is_entry,
    k.episode_key is null as is_first_time,
    e.age_band_code,
    e.sex_code,
    e.ethnicity_code,
    e.disability_code,
    {{ provenance('e') }}
from earliest as x
inner join {{ ref('fct_episode') }} as e on x.episode_key = e.episode_key
left join known as k on x.episode_key = k.episode_key
