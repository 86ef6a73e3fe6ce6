{#-
    HMIS code lists: from a sender's code to ours, by the format of the delivery.

    The lists are the seeds ref_hmis_*; these macros only look them up. A blank code is `not_collected`; a code that the
    format's list does not have is `UNMAPPED`, so that it shows and is never taken for something else.
-#}

{#- Joins the list for `column` of the raw row `r` under the name `map_<column>`, unless given another. -#}
{% macro hmis_code_join(list_code, column, alias=none) -%}
    {%- set map = alias or 'map_' ~ (column | lower) -%}
    left join {{ ref('ref_hmis_code') }} as {{ map }}
        on {{ map }}.list_code = '{{ list_code }}'
        and {{ map }}.format_version = r._format_version
        and {{ map }}.source_code = trim(r.{{ column }})
{%- endmacro %}

{#- The conformed code of `column`, for which `hmis_code_join` joined the list. -#}
{% macro hmis_conformed(column, alias=none) -%}
    case
        when coalesce(trim(r.{{ column }}), '') = '' then 'not_collected'
        else coalesce({{ alias or 'map_' ~ (column | lower) }}.conformed_code, 'UNMAPPED')
    end
{%- endmacro %}

{#- Blank text as NULL, without surrounding blanks: keys and sender's codes that are passed on. -#}
{% macro hmis_text(column) -%}
    nullif(trim(r.{{ column }}), '')
{%- endmacro %}

{#- Where a staged row comes from; the last columns of every HMIS staging view. -#}
{% macro hmis_provenance() -%}
    r._format_version as format_version,
    r._source_id as source_id,
    r._delivery_id as delivery_id,
    r._file as file_name,
    r._row_number as row_number,
    r._line as line_number
{%- endmacro %}

{#- The rows of a raw table that are in force. -#}
{% macro hmis_current(table) -%}
    {{ source('raw', 'hmis_csv__' ~ table) }} as r
{%- endmacro %}
