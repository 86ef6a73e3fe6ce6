{#-
    What every model of the input layer ends with: where a row comes from. `s` is the staged row, `source_config` the
    source of the region file (joined by `input_source_join`), so that any number leads back to a line of a file.
-#}
{% macro input_provenance() -%}
    s.source_id,
    source_config.organisation_id,
    s.delivery_id,
    s.file_name,
    s.row_number,
    s.line_number
{%- endmacro %}

{% macro input_source_join() -%}
    inner join {{ source('ops', 'source_config') }} as source_config on source_config.source_id = s.source_id
{%- endmacro %}

{#- A view without rows: an entity that no kind of source feeds yet. `columns` maps names to types. -#}
{% macro empty_input(columns) -%}
    {%- set provenance = {
        'source_id': 'string', 'organisation_id': 'string', 'delivery_id': 'string', 'file_name': 'string',
        'row_number': 'bigint', 'line_number': 'bigint',
    } -%}
    select
        {%- for name, type in (columns.items() | list) + (provenance.items() | list) %}
        cast(null as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    where 1 = 0
{%- endmacro %}
