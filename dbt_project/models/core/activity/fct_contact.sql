{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Contacts, and where in its episode an attended one stands: of two on one day only the first counts as the next day of
-- contact.
with contact as (
    select
        r.contact_key,
        {{ episode_columns('e', 'x') }},
        r.contact_on,
        r.attended_status_code,
        coalesce(r.attended_status_code = 'attended', false) as is_attended,
        r.living_situation_code,
        {{ episode_traits('e') }},
        {{ provenance('r') }}
    from {{ ref('in_case__contact') }} as r
    {{ join_person_and_episode('r') }}
    where {{ dirty_only('r.source_person_key') }}
),

numbered as (
    select
        *,
        min(contact_on) over (partition by episode_key, is_attended) as first_contact_on,
        dense_rank() over (partition by episode_key, is_attended order by contact_on asc nulls last) as day_rank,
        row_number() over (
            partition by episode_key, is_attended, contact_on order by contact_key asc nulls last
        ) as rank_in_day
    from contact
)

select
    contact_key,
    source_person_key,
    person_key,
    episode_key,
    service_key,
    service_type_code,
    contact_on,
    attended_status_code,
    is_attended,
    is_attended and episode_key is not null and day_rank = 2 and rank_in_day = 1 as is_second,
    is_attended and episode_key is not null and day_rank = 2 and rank_in_day = 1
    and {{ days_between('first_contact_on', 'contact_on') }} > 90 as is_second_late,
    living_situation_code,
    age_band_code,
    sex_code,
    ethnicity_code,
    disability_code,
    {{ provenance('numbered') }}
from numbered
