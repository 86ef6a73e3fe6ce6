{#-
    Landed 360Giving text: blanks, dates, and the parts of a grant. `r` is the raw row.
-#}

{#- Text without surrounding blanks; blank, and what went to the vault, is NULL. -#}
{% macro grant_text(column) -%}
    case when trim({{ column }}) not in ('', '[vault]') then trim({{ column }}) end
{%- endmacro %}

{#-
    The day of an ISO date or time. Other forms are NULL, never guessed: 03/04/2014 is March here and April there; the
    mapping of a source can say which (`dates`), and then landing holds ISO dates already.
-#}
{% macro grant_date(column) -%}
    case
        when trim({{ column }}) like '____-__-__%' then try_cast(substr(trim({{ column }}), 1, 10) as date)
    end
{%- endmacro %}

{#- Three capital letters, or UNMAPPED for anything else that was written. -#}
{% macro grant_currency(column) -%}
    case
        when coalesce(trim({{ column }}), '') = '' then null
        when length(trim({{ column }})) = 3 then upper(trim({{ column }}))
        else 'UNMAPPED'
    end
{%- endmacro %}

{#- The record that a row belongs to: identifier (or its substitute), which of the records with it, and its content. -#}
{% macro grant_record() -%}
    r.grantKey as grant_code,
    cast(r.occurrence as int) as occurrence_number,
    r.recordHash as record_hash
{%- endmacro %}

{#- Where a staged row comes from. -#}
{% macro grant_provenance() -%}
    r._source_id as source_id,
    r._delivery_id as delivery_id,
    r._file as file_name,
    r._row_number as row_number,
    r._line as line_number
{%- endmacro %}

{#-
    The parts of a grant with the same content are the same parts, whichever delivery they came with. So parts are found
    by the content of their grant, not by their own status: if a newer version of a grant is in quarantine, the version
    in force keeps its parts although newer ones were loaded.
-#}
{% macro grant_parts_once() -%}
    qualify row_number() over (
        partition by r._source_id, r.grantKey, r.occurrence, r.recordHash, r.arrayName, r.arrayIndex
        order by r._loaded_seq desc nulls last, r._delivery_id asc nulls last, r._file asc nulls last, r._row_number asc nulls last
    ) = 1
{%- endmacro %}

{#- Condition that a staged part belongs to a staged grant. -#}
{% macro is_part_of(part, grant) -%}
    {{ part }}.source_id = {{ grant }}.source_id
    and {{ part }}.grant_code = {{ grant }}.grant_code
    and {{ part }}.occurrence_number = {{ grant }}.occurrence_number
    and {{ part }}.record_hash = {{ grant }}.record_hash
{%- endmacro %}
