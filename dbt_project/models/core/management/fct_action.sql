-- Actions, whether they were closed in time, and the signal that each answers. An action that was given up is no failure.
select
    a.action_key,
    a.action_code,
    a.has_title,
    a.owner_role_code,
    a.opened_on,
    a.due_on,
    a.done_on,
    a.status_code,
    a.signal_kpi_id,
    a.signal_month_on,
    a.signal_kpi_id is not null as is_answer_to_signal,
    objective.objective_key,
    cycle.cycle_key,
    coalesce(a.status_code <> 'cancelled' and a.due_on is not null, false) as is_due,
    coalesce(a.status_code <> 'cancelled' and a.done_on <= a.due_on, false) as is_closed_on_time,
    {{ days_between('a.opened_on', 'a.done_on') }} as days_to_close,
    {{ provenance('a') }}
from {{ ref('in_management__action') }} as a
left join {{ ref('in_management__objective') }} as objective
    on a.organisation_id = objective.organisation_id and a.objective_code = objective.objective_code
left join {{ ref('in_management__improvement_cycle') }} as cycle
    on a.organisation_id = cycle.organisation_id and a.cycle_code = cycle.cycle_code
