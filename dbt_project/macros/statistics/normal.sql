{#-
    Quantiles of the standard normal for the two-sided confidences in use, correctly rounded. Everything that needs a z
    takes it from here; an error of 1e-9 would move a limit per 100,000 in its fifth decimal. `decimals` gives the rounded
    one that some publications used (1.959964), to agree with their figures.
-#}
{% macro z_quantile(confidence, decimals=none) -%}
    {%- set known = {'95': '1.959963984540054e0', '99.8': '3.0902323061678136e0'} -%}
    {%- if (confidence | string) not in known -%}
        {{ exceptions.raise_compiler_error(
            "z_quantile: no quantile for a confidence of " ~ confidence ~ " %. Known: " ~ known.keys() | join(", ")
            ~ ". Add the correctly rounded constant to macros/statistics/normal.sql."
        ) }}
    {%- endif -%}
    {{ known[confidence | string] if decimals is none else (known[confidence | string] | float | round(decimals)) ~ 'e0' }}
{%- endmacro %}
