{#-
    From landed text to types. A value that does not parse becomes NULL here and a check result in the landing gate;
    it never loses the row.
-#}

{#- ISO dates with or without a time, one-digit months and days, US m/d/yyyy, surrounding white space. -#}
{% macro try_date(text) -%}
    {%- set day = "split_part(split_part(" ~ trimmed(text) ~ ", ' ', 1), 'T', 1)" -%}
    try_cast(case when {{ day }} like '%/%/____' then {{ iso_of_american(day) }} else {{ day }} end as date)
{%- endmacro %}

{#- As try_date, with the time of day where there is one. -#}
{% macro try_timestamp(text) -%}
    {%- set moment = trimmed(text) -%}
    {%- set day = "split_part(" ~ moment ~ ", ' ', 1)" -%}
    try_cast(
        case
            when {{ day }} like '%/%/____' then trim({{ iso_of_american(day) }} || ' ' || split_part({{ moment }}, ' ', 2))
            else {{ moment }}
        end as timestamp
    )
{%- endmacro %}

{#- Without surrounding blanks and tabs. (Two-argument trim takes its arguments in another order on Spark.) -#}
{% macro trimmed(text) -%}
    trim(both ' 	' from {{ text }})
{%- endmacro %}

{% macro iso_of_american(day) -%}
    split_part({{ day }}, '/', 3) || '-' || lpad(split_part({{ day }}, '/', 1), 2, '0')
    || '-' || lpad(split_part({{ day }}, '/', 2), 2, '0')
{%- endmacro %}

{#- Whole numbers, also when written as 1.0. -#}
{% macro try_int(text) -%}
    cast(try_cast({{ trimmed(text) }} as decimal(18, 4)) as bigint)
{%- endmacro %}

{% macro try_decimal(text, precision=18, scale=2) -%}
    try_cast({{ trimmed(text) }} as decimal({{ precision }}, {{ scale }}))
{%- endmacro %}
