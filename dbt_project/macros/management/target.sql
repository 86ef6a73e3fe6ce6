{#-
    green: the target is reached; amber: missed by no more than the tolerance, in per cent of the target; red: missed by
    more. `gap` is signed so that minus is a miss, and not rounded. NULL where the figure may not be judged. Without a
    tolerance, or against a target of zero, there is no amber.
-#}
{% macro target_rag(gap, target, tolerance_pct, is_judged) -%}
    case
        when not {{ is_judged }} then null
        when {{ gap }} >= 0 then 'green'
        when -({{ gap }}) * 100e0 <= coalesce({{ tolerance_pct }}, 0e0) * abs({{ target }}) then 'amber'
        else 'red'
    end
{%- endmacro %}
