with final_exit as (
    -- A sender may close an enrolment twice: the exit that was changed last counts.
    select *
    from {{ ref('stg_hmis_csv__exit') }}
    qualify row_number() over (
        partition by source_id, episode_code order by updated_at desc nulls last, exit_code desc nulls last
    ) = 1
),

first_coc as (
    select source_id, episode_code, coc_code
    from {{ ref('stg_hmis_csv__enrollment_coc') }}
    qualify row_number() over (
        partition by source_id, episode_code
        order by
            case when collection_stage_code = 'entry' then 0 else 1 end asc nulls last,
            information_on asc nulls last,
            enrollment_coc_code asc nulls last
    ) = 1
)

select
    {{ hash_key(['s.source_id', 's.episode_code']) }} as episode_key,
    s.episode_code,
    {{ hash_key(['s.source_id', 's.person_code']) }} as source_person_key,
    s.person_code,
    {{ hash_key(['s.source_id', 's.service_code']) }} as service_key,
    -- Without a household id a person is a household of one.
    coalesce(s.household_code, 'episode:' || s.episode_code) as household_code,
    s.relationship_to_head_code,
    s.start_on,
    final_exit.end_on,
    final_exit.destination_code,
    final_exit.destination_detail_code,
    final_exit.destination_class_code,
    coalesce(final_exit.is_destination_excluded, false) as is_destination_excluded,
    s.move_in_on,
    {{ age_if_known('person.birth_date_quality_code', 'age.birth_relation', 'age.age_years') }} as age_at_start_years,
    age.birth_relation as birth_relation_at_start,
    s.disabling_condition_code,
    s.living_situation_code,
    s.living_situation_class_code,
    s.living_situation_class_code = 'homeless' as is_living_situation_homeless,
    s.living_situation_class_code = 'institutional' as is_living_situation_institutional,
    s.length_of_stay_code,
    s.is_los_under_threshold_code,
    s.previous_street_es_sh_code,
    s.date_to_street_on,
    s.times_homeless_code,
    s.months_homeless_code,
    coalesce(s.coc_code, first_coc.coc_code) as coc_code,
    s.created_at,
    s.updated_at,
    final_exit.created_at as exit_created_at,
    final_exit.updated_at as exit_updated_at,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__enrollment') }} as s
{{ input_source_join() }}
left join final_exit
    on final_exit.source_id = s.source_id and final_exit.episode_code = s.episode_code
left join first_coc
    on first_coc.source_id = s.source_id and first_coc.episode_code = s.episode_code
left join {{ ref('stg_hmis_csv__client') }} as person
    on person.source_id = s.source_id and person.person_code = s.person_code
left join {{ source('raw_common', 'person_age') }} as age
    on age.source_id = s.source_id and age.person_code = s.person_code and age.on_date = s.start_on
