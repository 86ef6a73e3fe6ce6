{#-
    Sheets: from landed text to the input layer. The connector has brought days, months, numbers and codes into one form
    already; what it could not read becomes NULL here and a result in the landing gate. `r` is the raw row.
-#}

{#- Blank text as NULL, without surrounding blanks. -#}
{% macro sheet_text(column) -%}
    nullif(trim(r.{{ column }}), '')
{%- endmacro %}

{% macro sheet_number(column, precision=18, scale=4) -%}
    {{ try_decimal('r.' ~ column, precision, scale) }}
{%- endmacro %}

{#- A number if it lies on its scale, else NULL: it is never turned into the nearest one. -#}
{% macro within(number, lowest, highest) -%}
    case when {{ number }} between {{ lowest }} and {{ highest }} then {{ number }} end
{%- endmacro %}

{#- yes, true, y or 1; no, false, n or 0; anything else, and nothing, is not known. -#}
{% macro sheet_flag(column) -%}
    case
        when lower(trim(r.{{ column }})) in ('yes', 'true', 'y', '1') then true
        when lower(trim(r.{{ column }})) in ('no', 'false', 'n', '0') then false
    end
{%- endmacro %}

{#- A code of the list; UNMAPPED where it has no such code, NULL where nothing is said. -#}
{% macro sheet_code(list_code, column) -%}
    case
        when {{ sheet_text(column) }} is null then cast(null as string)
        when trim(r.{{ column }}) in (
            select codes.code from {{ ref('ref_sheet_code') }} as codes where codes.list_code = '{{ list_code }}'
        ) then trim(r.{{ column }})
        else 'UNMAPPED'
    end
{%- endmacro %}

{#- Where a row comes from. The organisation is the one that the row names, else the source's. -#}
{% macro sheet_provenance() -%}
    r._source_id as source_id,
    coalesce(named.organisation_id, source_config.organisation_id) as organisation_id,
    r._delivery_id as delivery_id,
    r._file as file_name,
    r._row_number as row_number,
    r._line as line_number
{%- endmacro %}

{#- Whose codes of people and services a row uses: as it says, else the organisation's only case-management source. -#}
{% macro sheet_scheme() -%}
    coalesce({{ sheet_text('scheme_code') }}, cases.source_id)
{%- endmacro %}

{#- Key of a record of another source, by its code there; NULL without a code. -#}
{% macro sheet_reference_key(column) -%}
    case
        when {{ sheet_text(column) }} is not null
            then {{ hash_key([sheet_scheme(), sheet_text(column)]) }}
    end
{%- endmacro %}

{#-
    The rows of an entity that are in force, or those that `condition` chooses. Rows for an organisation that the region does not have are left out (and
    reported) until it has: they are nobody else's.
-#}
{% macro sheet_rows(entity, has_scheme=true, condition="r._status = 'current'") -%}
    from {{ source('raw', 'sheet__' ~ entity) }} as r
    inner join {{ source('ops', 'source_config') }} as source_config on r._source_id = source_config.source_id
    left join {{ source('ops', 'organisation') }} as named on named.organisation_id = {{ sheet_text('organisation_code') }}
    {%- if has_scheme %}
    left join (
        select c.organisation_id, min(c.source_id) as source_id
        from {{ source('ops', 'source_config') }} as c
        where c.domain = 'case_management'
        group by c.organisation_id
        having count(*) = 1
    ) as cases on cases.organisation_id = coalesce(named.organisation_id, source_config.organisation_id)
    {%- endif %}
    where {{ condition }}
        and ({{ sheet_text('organisation_code') }} is null or named.organisation_id is not null)
{%- endmacro %}
