{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Nights that services recorded. A person sleeps in one bed a night: of several records the one of the stay that began
-- last counts.
select
    {{ hash_key(['source_person_key', 'provided_on']) }} as bed_night_key,
    source_person_key,
    person_key,
    provided_on as night_on,
    episode_key,
    service_key,
    service_type_code,
    service_event_key,
    record_count,
    {{ provenance('ranked') }}
from (
    select
        n.*,
        cast(count(*) over (partition by n.source_person_key, n.provided_on) as int) as record_count,
        row_number() over (
            partition by n.source_person_key, n.provided_on
            order by e.start_on desc nulls last, n.episode_key desc nulls last, n.service_event_key desc nulls last
        ) as record_rank
    from {{ ref('fct_service_event') }} as n
    left join {{ ref('fct_episode') }} as e on n.episode_key = e.episode_key
    where n.is_countable_night and {{ dirty_only('n.source_person_key') }}
) as ranked
where record_rank = 1
