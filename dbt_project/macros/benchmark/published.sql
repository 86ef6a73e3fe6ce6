{#-
    How far the true number can lie from a published one that was rounded to a multiple of `base`: counts are whole, so
    a count rounded to 5 is within 2; a value rounded to 0.1 is within 0.05. 0 where nothing is known of rounding.
-#}
{% macro rounding_half_width(base, quantity) -%}
    coalesce(case when {{ quantity }} = 'count' then floor({{ base }} * 0.5) else {{ base }} * 0.5 end, 0)
{%- endmacro %}

{#-
    The numbers of one role (numerator, denominator) of a figure as their sum, by rows of parts with `role_code`, `sign`,
    `part_count`, and the `column` to add up: NULL unless every part is there. What is subtracted counts with its other
    bound.
-#}
{% macro sum_of_parts(role, plus, minus) -%}
    case
        when count(case when role_code = '{{ role }}' and sign > 0 then {{ plus }} when role_code = '{{ role }}' then {{ minus }} end)
            = max(case when role_code = '{{ role }}' then part_count end)
            then sum(case when role_code = '{{ role }}' and sign > 0 then {{ plus }} when role_code = '{{ role }}' then -{{ minus }} end)
    end
{%- endmacro %}

{#- The published number of a role that has one part alone. -#}
{% macro number_of_role(role, column) -%}
    max(case when role_code = '{{ role }}' then {{ column }} end)
{%- endmacro %}
