{#- The federal year of HUD's reports begins in October. -#}
{% macro hud_start_month() -%} 10 {%- endmacro %}

{#- Months counted through: January of year 0 is 0. -#}
{% macro month_number(date_on) -%}
    (year({{ date_on }}) * 12 + month({{ date_on }}) - 1)
{%- endmacro %}

{#- Number of the period of `width` months that a month falls in, periods counted from a calendar's first month. -#}
{% macro period_number(month_number, start_month, width) -%}
    cast(floor({{ ratio("(" ~ month_number ~ " - " ~ start_month ~ " + 1)", width) }}) as int)
{%- endmacro %}

{#- The month whose stock a period has: its last one, or that of the as-of date while it goes on. -#}
{% macro kpi_stock_month(period_end_on, as_of) -%}
    least({{ first_of_month(period_end_on) }}, {{ first_of_month(as_of) }})
{%- endmacro %}
