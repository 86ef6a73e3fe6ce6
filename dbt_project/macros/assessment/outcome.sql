{#- Whether a score is at caseness; NULL without a score or without a rule. -#}
{% macro is_case(score, operator, value) -%}
    case {{ operator }} when '>=' then {{ score }} >= {{ value }} when '<=' then {{ score }} <= {{ value }} end
{%- endmacro %}
