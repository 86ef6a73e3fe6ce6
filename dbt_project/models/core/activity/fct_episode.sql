{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
select
    e.episode_key,
    e.episode_code,
    e.source_person_key,
    x.person_key,
    {{ hash_key(['e.source_id', 'e.household_code']) }} as household_key,
    e.service_key,
    coalesce(s.service_type_code, 'UNMAPPED') as service_type_code,
    e.relationship_to_head_code,
    e.start_on,
    e.end_on,
    e.end_on is null as is_open,
    e.end_on is not null as is_closed,
    coalesce(e.end_on >= e.start_on, true) as is_date_order_valid,
    case when e.end_on >= e.start_on then {{ days_between('e.start_on', 'e.end_on') }} end as los_days,
    e.destination_code,
    e.destination_class_code,
    coalesce(e.end_on is not null and e.destination_class_code = 'permanent', false) as is_exit_to_permanent,
    coalesce(e.is_destination_excluded, false) as is_destination_excluded,
    e.move_in_on,
    e.age_at_start_years,
    e.age_at_start_years >= 18 as is_adult,
    coalesce(b.age_band_code, 'unknown') as age_band_code,
    coalesce(p.sex_code, 'unknown') as sex_code,
    coalesce(p.ethnicity_code, 'unknown') as ethnicity_code,
    {{ known_code('e.disabling_condition_code') }} as disability_code,
    e.living_situation_code,
    e.living_situation_class_code,
    e.is_living_situation_homeless,
    e.date_to_street_on,
    e.disabling_condition_code,
    e.coc_code,
    e.created_at,
    e.exit_created_at,
    {{ provenance('e') }}
from {{ ref('in_case__episode') }} as e
left join {{ ref('person_xref') }} as x on e.source_person_key = x.source_person_key
left join {{ ref('dim_person') }} as p on x.person_key = p.person_key
left join {{ ref('in_case__service') }} as s on e.service_key = s.service_key
left join {{ ref('ref_age_band') }} as b
    on e.age_at_start_years >= b.lower_years and e.age_at_start_years <= b.upper_years
where {{ dirty_only('e.source_person_key') }}
