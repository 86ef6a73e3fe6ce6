{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
select
    r.health_status_key,
    {{ episode_columns('e', 'x') }},
    r.information_on,
    r.collection_stage_code,
    r.disability_type_code,
    r.response_code,
    r.is_indefinite_code,
    {{ provenance('r') }}
from {{ ref('in_case__health_status') }} as r
{{ join_person_and_episode('r') }}
where {{ dirty_only('r.source_person_key') }}
