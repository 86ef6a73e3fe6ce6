{#-
    From landed text to types. A value that does not parse becomes NULL here and a check result in the landing gate;
    it never loses the row.
-#}

{#- ISO dates with or without a time, one-digit months and days, US m/d/yyyy, trailing white space. -#}
{% macro try_date(text) -%}
    try_cast(
        case
            when trim({{ text }}, ' 	') like '%/%/%' then
                split_part(split_part(trim({{ text }}, ' 	'), ' ', 1), '/', 3) || '-'
                || lpad(split_part({{ text }}, '/', 1), 2, '0') || '-' || lpad(split_part({{ text }}, '/', 2), 2, '0')
            else split_part(split_part(trim({{ text }}, ' 	'), ' ', 1), 'T', 1)
        end as date
    )
{%- endmacro %}

{% macro try_timestamp(text) -%}
    try_cast(trim({{ text }}, ' 	') as timestamp)
{%- endmacro %}

{#- Whole numbers, also when written as 1.0. -#}
{% macro try_int(text) -%}
    cast(try_cast(trim({{ text }}, ' 	') as decimal(18, 4)) as bigint)
{%- endmacro %}

{% macro try_decimal(text, precision=18, scale=2) -%}
    try_cast(trim({{ text }}, ' 	') as decimal({{ precision }}, {{ scale }}))
{%- endmacro %}
