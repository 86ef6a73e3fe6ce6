-- Household type of all members together, by their ages at the start of their stays (HUD): an adult and a child make it
-- one with children; else a member of unknown age makes it unknown.
with household as (
    select
        household_key,
        source_id,
        organisation_id,
        min(service_key) as service_key,
        min(start_on) as start_on,
        count(distinct source_person_key) as member_count,
        count(distinct case when is_adult then source_person_key end) as adult_count,
        count(distinct case when not is_adult then source_person_key end) as child_count,
        count(distinct case when is_adult is null then source_person_key end) as unknown_age_count,
        count(distinct case when relationship_to_head_code = 'head' then source_person_key end) as head_count
    from {{ ref('fct_episode') }}
    group by household_key, source_id, organisation_id
)

select
    household_key,
    service_key,
    start_on,
    cast(member_count as int) as member_count,
    cast(adult_count as int) as adult_count,
    cast(child_count as int) as child_count,
    cast(unknown_age_count as int) as unknown_age_count,
    cast(head_count as int) as head_count,
    case
        when adult_count > 0 and child_count > 0 then 'with_children'
        when unknown_age_count > 0 then 'unknown'
        when adult_count > 0 then 'without_children'
        else 'only_children'
    end as household_type_code,
    source_id,
    organisation_id
from household
