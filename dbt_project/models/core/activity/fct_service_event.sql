{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
select
    r.service_event_key,
    {{ episode_columns('e', 'x') }},
    r.provided_on,
    r.event_type_code,
    r.source_record_type_code,
    r.source_type_code,
    r.amount,
    -- A night on the day of exit, or outside the stay, can't have been spent there.
    r.event_type_code = 'bed_night' as is_bed_night,
    coalesce(
        r.event_type_code = 'bed_night'
        and r.provided_on >= e.start_on
        and (e.end_on is null or r.provided_on < e.end_on),
        false
    ) as is_countable_night,
    {{ provenance('r') }}
from {{ ref('in_case__service_event') }} as r
{{ join_person_and_episode('r') }}
where {{ dirty_only('r.source_person_key') }}
