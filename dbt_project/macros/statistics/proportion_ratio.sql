{#-
    Limit of the ratio of two independent proportions, by the logarithm (Katz); NULL where one of the counts is 0.
    `side`: -1 for the lower, 1 for the upper.
-#}
{% macro proportion_ratio_limit(x1, n1, x2, n2, confidence, side) -%}
    (case when {{ x1 }} > 0 and {{ x2 }} > 0 then
        {{ ratio(ratio(x1, n1), ratio(x2, n2)) }} * exp({{ side }} * {{ z_quantile(confidence) }} * sqrt(greatest(
            0e0, {{ ratio(1, x1) }} - {{ ratio(1, n1) }} + {{ ratio(1, x2) }} - {{ ratio(1, n2) }}
        )))
    end)
{%- endmacro %}
