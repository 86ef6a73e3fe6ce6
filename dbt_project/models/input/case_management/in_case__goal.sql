-- The statement in the person's own words is in the vault; whether there is one is kept.
select
    {{ hash_key(['r._source_id', 'r.goal_code']) }} as goal_key,
    {{ sheet_text('goal_code') }} as goal_code,
    {{ sheet_reference_key('person_code') }} as source_person_key,
    {{ sheet_reference_key('episode_code') }} as episode_key,
    {{ try_date('r.stated_on') }} as stated_on,
    {{ sheet_code('goal_holder', 'holder_code') }} as holder_code,
    r.statement is not null as has_statement,
    {{ sheet_text('framework_code') }} as framework_code,
    {{ sheet_text('node_code') }} as node_code,
    cast({{ within(try_int('r.importance'), 0, 10) }} as int) as importance_score,
    {{ sheet_code('goal_intent', 'intent_code') }} as intent_code,
    {{ sheet_number('weight', 9, 4) }} as weight,
    cast({{ within(try_int('r.baseline_level'), -2, 2) }} as int) as baseline_level,
    {{ sheet_code('goal_status', 'status_code') }} as status_code,
    {{ try_date('r.closed_on') }} as closed_on,
    case
        when {{ sheet_text('replaced_by_goal_code') }} is not null
            then {{ hash_key(['r._source_id', 'r.replaced_by_goal_code']) }}
    end as replaced_by_goal_key,
    {{ sheet_provenance() }}
{{ sheet_rows('goal') }}
