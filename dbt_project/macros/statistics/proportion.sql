{#-
    Wilson score interval of a proportion x of n, as a fraction in [0, 1]; NULL where n is 0 or NULL, and where x is no
    part of n. The ends are exact at x = 0 and x = n, where floating point would leave 0.9999999.
-#}
{% macro wilson_lower(x, n, confidence) -%}
    {%- set z = z_quantile(confidence) -%}
    (case
        when {{ n }} > 0 and {{ x }} = 0 then 0e0
        when {{ n }} > 0 and {{ x }} >= 0 and {{ x }} <= {{ n }} then {{ ratio(
            "2e0 * " ~ x ~ " + " ~ z ~ " * " ~ z ~ " - " ~ z ~ " * sqrt(" ~ z ~ " * " ~ z ~ " + 4e0 * " ~ x
            ~ " * (1e0 - " ~ ratio(x, n) ~ "))",
            "2e0 * (" ~ n ~ " + " ~ z ~ " * " ~ z ~ ")"
        ) }}
    end)
{%- endmacro %}

{% macro wilson_upper(x, n, confidence) -%}
    {%- set z = z_quantile(confidence) -%}
    (case
        when {{ n }} > 0 and {{ x }} = {{ n }} then 1e0
        when {{ n }} > 0 and {{ x }} >= 0 and {{ x }} <= {{ n }} then {{ ratio(
            "2e0 * " ~ x ~ " + " ~ z ~ " * " ~ z ~ " + " ~ z ~ " * sqrt(" ~ z ~ " * " ~ z ~ " + 4e0 * " ~ x
            ~ " * (1e0 - " ~ ratio(x, n) ~ "))",
            "2e0 * (" ~ n ~ " + " ~ z ~ " * " ~ z ~ ")"
        ) }}
    end)
{%- endmacro %}
