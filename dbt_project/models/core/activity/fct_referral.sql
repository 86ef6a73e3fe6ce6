{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
select
    r.referral_key,
    {{ episode_columns('e', 'x') }},
    r.referred_on,
    r.event_code,
    r.result_code,
    r.result_on,
    {{ provenance('r') }}
from {{ ref('in_case__referral') }} as r
{{ join_person_and_episode('r') }}
where {{ dirty_only('r.source_person_key') }}
