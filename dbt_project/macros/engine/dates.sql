{#-
    Date arithmetic that DuckDB and Spark spell differently. Models call these and never the engines' own spelling.
    All take and give DATE; `days_between` gives INTEGER.
-#}

{% macro days_between(start_on, end_on) -%}
    {{ return(adapter.dispatch('days_between')(start_on, end_on)) }}
{%- endmacro %}
{% macro duckdb__days_between(start_on, end_on) -%}
    cast(date_diff('day', {{ start_on }}, {{ end_on }}) as int)
{%- endmacro %}
{% macro spark__days_between(start_on, end_on) -%}
    datediff({{ end_on }}, {{ start_on }})
{%- endmacro %}

{% macro add_days(date_on, days) -%}
    {{ return(adapter.dispatch('add_days')(date_on, days)) }}
{%- endmacro %}
{% macro duckdb__add_days(date_on, days) -%}
    cast(date_add({{ date_on }}, to_days(cast({{ days }} as int))) as date)
{%- endmacro %}
{% macro spark__add_days(date_on, days) -%}
    date_add({{ date_on }}, cast({{ days }} as int))
{%- endmacro %}

{% macro add_months(date_on, months) -%}
    {{ return(adapter.dispatch('add_months')(date_on, months)) }}
{%- endmacro %}
{% macro duckdb__add_months(date_on, months) -%}
    cast(date_add({{ date_on }}, to_months(cast({{ months }} as int))) as date)
{%- endmacro %}
{% macro spark__add_months(date_on, months) -%}
    add_months({{ date_on }}, cast({{ months }} as int))
{%- endmacro %}

{% macro first_of_month(date_on) -%}
    cast(date_trunc('month', {{ date_on }}) as date)
{%- endmacro %}

{#- One row a number from 0 to `below` - 1, in a column `n`. -#}
{% macro numbers(below) -%}
    {{ return(adapter.dispatch('numbers')(below)) }}
{%- endmacro %}
{% macro duckdb__numbers(below) -%}
    (select cast(range as int) as n from range({{ below }}))
{%- endmacro %}
{% macro spark__numbers(below) -%}
    (select cast(id as int) as n from range({{ below }}))
{%- endmacro %}

{#- Whole seconds from one timestamp to another, BIGINT. -#}
{% macro seconds_between(started_at, ended_at) -%}
    {{ return(adapter.dispatch('seconds_between')(started_at, ended_at)) }}
{%- endmacro %}
{% macro duckdb__seconds_between(started_at, ended_at) -%}
    cast(date_diff('second', {{ started_at }}, {{ ended_at }}) as bigint)
{%- endmacro %}
{% macro spark__seconds_between(started_at, ended_at) -%}
    (unix_timestamp({{ ended_at }}) - unix_timestamp({{ started_at }}))
{%- endmacro %}
