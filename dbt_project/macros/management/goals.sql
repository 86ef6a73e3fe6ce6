{#- Goals and reviews: what counts, and what counts as success. -#}

{#- Goals that were given up or replaced leave every denominator. -#}
{% macro is_goal_countable(status) -%}
    (coalesce({{ status }}, '') not in ('withdrawn', 'changed'))
{%- endmacro %}

{#- The status is itself a result, not just a stage. -#}
{% macro is_goal_result(status) -%}
    (coalesce({{ status }}, '') in ('met', 'partly_met', 'not_met', 'maintained'))
{%- endmacro %}

{#-
    Reached as intended: something that is to get better at the expected level (0) or above; something that is to be kept
    at its level of the start or above (the expected level where no start is recorded).
-#}
{% macro is_goal_met(intent, level, baseline) -%}
    coalesce(
        {{ level }} between -2 and 2
        and {{ level }} >= case when {{ intent }} = 'maintain' then coalesce({{ baseline }}, 0) else 0 end,
        false
    )
{%- endmacro %}

{#- T = 50 + 10 Σwx / √((1 − ρ) Σw² + ρ (Σw)²) with ρ = 0.3 (Kiresuk and Sherman). -#}
{% macro gas_t_score(weighted_level, weight, squared_weight) -%}
    50e0 + {{ ratio(
        '10e0 * cast(' ~ weighted_level ~ ' as double)',
        'sqrt(0.7e0 * cast(' ~ squared_weight ~ ' as double) + 0.3e0 * cast(' ~ weight ~ ' as double) * cast('
        ~ weight ~ ' as double))'
    ) }}
{%- endmacro %}

{#-
    Why a review is not counted as fallen due: the stay ended before. A review that was done is counted all the same. One
    that is still to come falls due in a period that is not over.
-#}
{% macro review_exclusion(due_on, done_on, end_on) -%}
    case
        when {{ done_on }} is null and {{ end_on }} < {{ due_on }} then 'ended_before_due'
    end
{%- endmacro %}
