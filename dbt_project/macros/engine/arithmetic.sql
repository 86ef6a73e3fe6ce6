{#- A quotient as DOUBLE, NULL where the denominator is 0 or NULL (1/0 is inf in one engine and an error in another). -#}
{% macro ratio(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0))
{%- endmacro %}

{#- Deterministic key: md5 of the '|'-joined values, NULL as ''. The same input keeps its key across rebuilds. -#}
{% macro hash_key(columns) -%}
    md5(
        {%- for column in columns %}
        coalesce(cast({{ column }} as string), ''){% if not loop.last %} || '|' ||{% endif %}
        {%- endfor %}
    )
{%- endmacro %}
