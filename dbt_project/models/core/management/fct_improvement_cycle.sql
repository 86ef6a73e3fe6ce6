-- Cycles of improvement with what they were expected to bring, what they brought, and what was decided.
with action as (
    select cycle_key, count(*) as action_count, sum(case when done_on is not null then 1 else 0 end) as done_action_count
    from {{ ref('fct_action') }}
    where cycle_key is not null
    group by cycle_key
)

select
    c.cycle_key,
    c.cycle_code,
    c.trigger_kpi_id,
    c.trigger_month_on,
    c.intervention_code,
    c.stage_code,
    c.started_on,
    c.review_due_on,
    c.reviewed_on,
    c.has_hypothesis,
    c.predicted_effect,
    c.observed_effect,
    c.decision_code,
    c.decided_on,
    cast(coalesce(action.action_count, 0) as int) as action_count,
    cast(coalesce(action.done_action_count, 0) as int) as done_action_count,
    c.review_due_on is not null as is_review_due,
    coalesce(c.reviewed_on <= c.review_due_on, false) as is_reviewed_on_time,
    -- As far as the effect that was predicted, in its direction.
    c.observed_effect is not null and c.predicted_effect is not null
    and c.predicted_effect <> 0
    and {{ ratio('c.observed_effect', 'c.predicted_effect') }} >= 1e0 as is_prediction_reached,
    {{ provenance('c') }}
from {{ ref('in_management__improvement_cycle') }} as c
left join action on c.cycle_key = action.cycle_key
