{#-
    Difference of two proportions x1/n1 - x2/n2 with Newcombe's interval (from the Wilson intervals of both), as a
    fraction. Overlapping intervals are no test of a difference; this is.
-#}
{% macro difference_lower(x1, n1, x2, n2, confidence) -%}
    ({{ ratio(x1, n1) }} - {{ ratio(x2, n2) }} - sqrt(
        power({{ ratio(x1, n1) }} - {{ wilson_lower(x1, n1, confidence) }}, 2)
        + power({{ wilson_upper(x2, n2, confidence) }} - {{ ratio(x2, n2) }}, 2)
    ))
{%- endmacro %}

{% macro difference_upper(x1, n1, x2, n2, confidence) -%}
    ({{ ratio(x1, n1) }} - {{ ratio(x2, n2) }} + sqrt(
        power({{ wilson_upper(x1, n1, confidence) }} - {{ ratio(x1, n1) }}, 2)
        + power({{ ratio(x2, n2) }} - {{ wilson_lower(x2, n2, confidence) }}, 2)
    ))
{%- endmacro %}

{#- Ratio of two independent counts or rates, by the logarithm (normal); NULL where one of them is 0. `side`: -1 or 1. -#}
{% macro rate_ratio_limit(x1, n1, x2, n2, confidence, side) -%}
    (case when {{ x1 }} > 0 and {{ x2 }} > 0 then
        {{ ratio(ratio(x1, n1), ratio(x2, n2)) }}
        * exp({{ side }} * {{ z_quantile(confidence) }} * sqrt({{ ratio(1, x1) }} + {{ ratio(1, x2) }}))
    end)
{%- endmacro %}

{#-
    Adjusted p after Benjamini and Hochberg, among the tests of a family: the least p × tests / rank of this and all
    higher p. `key` makes the order total.
-#}
{% macro adjusted_p(p, tests, p_rank, family, key) -%}
    least(1e0, min({{ ratio(p ~ " * " ~ tests, p_rank) }}) over (
        partition by {{ family }} order by {{ p_rank }} desc nulls last, {{ key }} asc nulls last
        rows between unbounded preceding and current row
    ))
{%- endmacro %}
