{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Whether adults' monthly income rose (HUD SPM 4). One row a person, level and period, of those with an earlier and a
-- later figure: leavers of the period from entry to exit; stayers who had been there for 365 days at its end from the
-- assessment before (annual, else entry) to the annual one of the period. Of several stays the one that began last.
with adult_stay as (
    select person_key, organisation_id, service_key, episode_key, start_on, end_on
    from {{ ref('fct_episode') }}
    where is_adult and is_date_order_valid and {{ dirty_only('source_person_key') }}
),

income as (
    select
        income_key,
        episode_key,
        information_on,
        collection_stage_code,
        monthly_income,
        row_number() over (
            partition by episode_key, collection_stage_code
            order by information_on desc nulls last, income_key desc nulls last
        ) as stage_rank
    from {{ ref('fct_income') }}
    where monthly_income is not null and collection_stage_code in ('entry', 'annual', 'exit')
),

entry_income as (
    select * from income where collection_stage_code = 'entry' and stage_rank = 1
),

annual_income as (
    select
        i.*,
        lag(i.monthly_income) over (
            partition by i.episode_key order by i.information_on asc nulls first, i.income_key asc nulls first
        ) as previous_income
    from income as i
    where i.collection_stage_code = 'annual'
),

leaver as (
    select
        s.*, s.end_on as anchor_on, e.monthly_income as earlier_income, x.monthly_income as later_income,
        true as is_leaver, x.information_on as later_on, x.income_key as later_income_key
    from adult_stay as s
    inner join entry_income as e on s.episode_key = e.episode_key
    inner join income as x
        on s.episode_key = x.episode_key and x.collection_stage_code = 'exit' and x.stage_rank = 1
    where s.end_on is not null
),

stayer as (
    select
        s.*, a.information_on as anchor_on, coalesce(a.previous_income, e.monthly_income) as earlier_income,
        a.monthly_income as later_income, false as is_leaver, a.information_on as later_on,
        a.income_key as later_income_key
    from adult_stay as s
    inner join annual_income as a on s.episode_key = a.episode_key
    left join entry_income as e on s.episode_key = e.episode_key
    where coalesce(a.previous_income, e.monthly_income) is not null
),

change as (
    select * from leaver
    union all
    select * from stayer
),

level_change as (
    {{ by_level('change') }}
    union all
    select 'service', t.service_key, t.* from change as t
),

period_month as (
    select * from ({{ rolled_period_months() }}) as p where period_type_code = 'financial_year'
),

in_period as (
    select c.*, p.calendar_code, p.period_type_code, p.period_start_on, p.period_end_on
    from level_change as c
    inner join period_month as p
        on p.level_code = case when c.level_code = 'service' then 'organisation' else c.level_code end
        and p.level_key = case when c.level_code = 'service' then c.organisation_id else c.level_key end
        and p.month_on = {{ first_of_month('c.anchor_on') }}
    where
        c.is_leaver
        or (
            (c.end_on is null or c.end_on > p.period_end_on)
            and {{ days_between('c.start_on', 'p.period_end_on') }} + 1 >= 365
        )
    qualify row_number() over (
        partition by c.level_code, c.level_key, p.calendar_code, p.period_type_code, p.period_start_on, c.person_key
        order by
            c.start_on desc nulls last, c.episode_key desc nulls last,
            c.later_on desc nulls last, c.later_income_key desc nulls last
    ) = 1
)

select
    {{ rolled_key('i') }} as income_change_key,
    i.level_code,
    i.level_key,
    i.calendar_code,
    i.period_type_code,
    i.period_start_on,
    i.period_end_on,
    i.person_key,
    e.source_person_key,
    i.episode_key,
    e.service_key,
    e.service_type_code,
    i.earlier_income,
    i.later_income,
    i.later_on,
    i.is_leaver,
    true as has_both,
    i.later_income > i.earlier_income as is_gained,
    not i.is_leaver as has_both_stayer,
    not i.is_leaver and i.later_income > i.earlier_income as is_gained_stayer,
    i.is_leaver as has_both_leaver,
    i.is_leaver and i.later_income > i.earlier_income as is_gained_leaver,
    e.age_band_code,
    e.sex_code,
    e.ethnicity_code,
    e.disability_code,
    {{ provenance('e') }}
from in_period as i
inner join {{ ref('fct_episode') }} as e on i.episode_key = e.episode_key
