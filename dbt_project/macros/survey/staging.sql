{#- What the staging views of survey kinds share. `r` is the raw row. -#}

{#- Blank text as NULL, without surrounding blanks. -#}
{% macro survey_text(column) -%}
    nullif(trim(r.{{ column }}), '')
{%- endmacro %}

{#- Date and time as written, to the second: ODK writes UTC, REDCap the server's clock; an offset is left off. -#}
{% macro survey_moment(column) -%}
    {{ try_timestamp("replace(substr(trim(r." ~ column ~ "), 1, 19), 'T', ' ')") }}
{%- endmacro %}

{#- Where a staged row comes from; the last columns of every survey staging view. -#}
{% macro survey_provenance() -%}
    r._source_id as source_id,
    r._delivery_id as delivery_id,
    r._file as file_name,
    r._row_number as row_number,
    r._line as line_number
{%- endmacro %}
