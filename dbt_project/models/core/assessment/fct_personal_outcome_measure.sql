{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Decisions of the Personal Outcome Measures, one row an interview and indicator: whether the outcome is present, and
-- whether the support for it is (item number + 21). What was not decided counts in neither.
with decision as (
    select
        i.assessment_key,
        i.source_person_key,
        i.instrument_version,
        case when i.item_number > 21 then i.item_number - 21 else i.item_number end as indicator_number,
        max(case when i.item_number <= 21 then i.points end) as outcome_points,
        max(case when i.item_number > 21 then i.points end) as support_points
    from {{ ref('fct_assessment_item') }} as i
    where i.instrument_code = 'pom' and {{ dirty_only('i.source_person_key') }}
    group by
        i.assessment_key, i.source_person_key, i.instrument_version,
        case when i.item_number > 21 then i.item_number - 21 else i.item_number end
),

factor as (
    select distinct
        instrument_version,
        cast(member_code as int) as indicator_number,
        replace(scale_code, '_outcomes', '') as factor_code
    from {{ ref('ref_instrument_member') }}
    where instrument_code = 'pom' and scale_code like '%_outcomes' and stage = 1
)

select
    {{ hash_key(['d.assessment_key', 'd.indicator_number']) }} as personal_outcome_measure_key,
    d.assessment_key,
    d.source_person_key,
    a.person_key,
    a.episode_key,
    a.service_key,
    a.service_type_code,
    a.assessed_on,
    cast('POM' || lpad(cast(d.indicator_number as string), 2, '0') as string) as indicator_code,
    f.factor_code,
    d.outcome_points is not null as is_outcome_decided,
    coalesce(d.outcome_points = 1, false) as is_outcome_present,
    d.support_points is not null as is_support_decided,
    coalesce(d.support_points = 1, false) as is_support_present,
    d.outcome_points is not null and coalesce(d.support_points = 1, false) as is_decided_with_support,
    coalesce(d.outcome_points = 1 and d.support_points = 1, false) as is_present_with_support,
    d.outcome_points is not null and coalesce(d.support_points = 0, false) as is_decided_without_support,
    coalesce(d.outcome_points = 1 and d.support_points = 0, false) as is_present_without_support,
    {{ provenance('a') }}
from decision as d
inner join {{ ref('fct_assessment') }} as a on d.assessment_key = a.assessment_key
left join factor as f on d.instrument_version = f.instrument_version and d.indicator_number = f.indicator_number
