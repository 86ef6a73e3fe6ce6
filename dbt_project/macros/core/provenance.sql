{#- Where a row of a fact comes from: the last columns of every fact that stems from one input row. -#}
{% macro provenance(alias) -%}
    {{ alias }}.source_id,
    {{ alias }}.organisation_id,
    {{ alias }}.delivery_id,
    {{ alias }}.file_name,
    {{ alias }}.row_number,
    {{ alias }}.line_number
{%- endmacro %}
