-- A review falls due unless the stay had ended by then. What was not asked for a reason (declined, not applicable, not
-- known) is no answer, and counts neither for nor against.
with reviewed as (
    select
        r.*,
        e.end_on as episode_end_on,
        coalesce(e.service_key, service.service_key) as of_service_key,
        coalesce(e.service_type_code, service.service_type_code, 'UNMAPPED') as service_type_code,
        x.person_key
    from {{ ref('in_case__review') }} as r
    left join {{ ref('person_xref') }} as x on r.source_person_key = x.source_person_key
    left join {{ ref('fct_episode') }} as e
        on r.episode_key = e.episode_key and r.source_person_key = e.source_person_key
    left join {{ ref('dim_service') }} as service on r.service_key = service.service_key
    where r.due_on is not null
)

select
    review_key,
    source_person_key,
    person_key,
    episode_key,
    of_service_key as service_key,
    service_type_code,
    due_on,
    done_on,
    {{ review_exclusion('due_on', 'done_on', 'episode_end_on') }} as exclusion_code,
    {{ review_exclusion('due_on', 'done_on', 'episode_end_on') }} is null as is_counted,
    {{ review_exclusion('due_on', 'done_on', 'episode_end_on') }} is null
    and coalesce(done_on <= due_on, false) as is_on_time,
    {{ days_between('due_on', 'done_on') }} as days_late,
    done_on is not null as is_done,
    outcomes_discussed_code,
    done_on is not null and coalesce(outcomes_discussed_code, '') in ('yes', 'no') as is_discussion_known,
    done_on is not null and coalesce(outcomes_discussed_code, '') = 'yes' as is_outcomes_discussed,
    outcomes_revisited_code,
    done_on is not null and coalesce(outcomes_revisited_code, '') in ('yes', 'no') as is_revisit_known,
    done_on is not null and coalesce(outcomes_revisited_code, '') = 'yes' as is_revisited,
    is_action_agreed,
    source_id,
    organisation_id,
    delivery_id,
    file_name,
    row_number,
    line_number
from reviewed
