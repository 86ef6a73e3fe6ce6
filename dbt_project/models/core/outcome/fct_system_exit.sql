{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Exits from the homelessness system (HUD SPM 7b.1), one a person, level and period: the latest. Counted are persons who
-- have no stay of that level still open at the end of the period, with a destination that is not excluded. A stay in
-- permanent housing other than rapid rehousing belongs here only if the person never moved in (else it is retention).
with stay as (
    select person_key, organisation_id, episode_key, start_on, end_on
    from {{ ref('fct_episode') }}
    where
        {{ dirty_only('source_person_key') }}
        and is_date_order_valid
        and (
            service_type_code in ('emergency_shelter', 'safe_haven', 'transitional_housing', 'rapid_rehousing')
            or (service_type_code in {{ permanent_housing_types() }} and move_in_on is null)
        )
),

level_stay as (
    {{ by_level('stay') }}
),

period_month as (
    {{ rolled_period_months() }}
),

latest_exit as (
    select s.*, p.calendar_code, p.period_type_code, p.period_start_on, p.period_end_on
    from level_stay as s
    inner join period_month as p
        on s.level_code = p.level_code and s.level_key = p.level_key and p.month_on = {{ first_of_month('s.end_on') }}
    qualify row_number() over (
        partition by s.level_code, s.level_key, p.calendar_code, p.period_type_code, p.period_start_on, s.person_key
        order by s.end_on desc nulls last, s.start_on desc nulls last, s.episode_key desc nulls last
    ) = 1
),

still_open as (
    select distinct
        x.level_code, x.level_key, x.calendar_code, x.period_type_code, x.period_start_on, x.person_key
    from latest_exit as x
    inner join level_stay as s
        on x.level_code = s.level_code
        and x.level_key = s.level_key
        and x.person_key = s.person_key
        and x.period_end_on >= s.start_on
        and (s.end_on is null or x.period_end_on < s.end_on)
)

select
    {{ rolled_key('x') }} as system_exit_key,
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
    x.end_on,
    e.destination_class_code,
    o.person_key is not null as has_open_stay,
    e.is_destination_excluded,
    o.person_key is null and not e.is_destination_excluded as is_counted,
    o.person_key is null and not e.is_destination_excluded and e.is_exit_to_permanent as is_exit_to_permanent,
    e.age_band_code,
    e.sex_code,
    e.ethnicity_code,
    e.disability_code,
    {{ provenance('e') }}
from latest_exit as x
inner join {{ ref('fct_episode') }} as e on x.episode_key = e.episode_key
left join still_open as o
    on x.level_code = o.level_code
    and x.level_key = o.level_key
    and x.calendar_code = o.calendar_code
    and x.period_type_code = o.period_type_code
    and x.period_start_on = o.period_start_on
    and x.person_key = o.person_key
