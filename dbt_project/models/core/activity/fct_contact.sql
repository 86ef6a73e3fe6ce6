{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
select
    r.contact_key,
    {{ episode_columns('e', 'x') }},
    r.contact_on,
    r.attended_status_code,
    r.living_situation_code,
    {{ provenance('r') }}
from {{ ref('in_case__contact') }} as r
{{ join_person_and_episode('r') }}
where {{ dirty_only('r.source_person_key') }}
