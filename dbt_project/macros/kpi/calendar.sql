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

{#-
    The join from rows with level and month to the periods that the month is part of: financial years and quarters of the
    entity's own calendar (the region's where an entity has none) or HUD's, months and rolling years of any.
-#}
{% macro kpi_period_join(rows, month_on, calendars) -%}
    cross join {{ source('ops', 'region') }} as region
    left join {{ ref('kpi_calendar') }} as c
        on {{ rows }}.level_code = c.level_code and {{ rows }}.level_key = c.level_key and c.calendar_code = 'own'
    inner join {{ ref('kpi_period') }} as p
        on {{ month_on }} = p.month_on
        and (
            p.calendar_start_month = 0
            {%- if 'own' in calendars %}
            or p.calendar_start_month = coalesce(c.start_month, region.financial_year_start_month)
            {%- endif %}
            {%- if 'hud' in calendars %}
            or p.calendar_start_month = {{ hud_start_month() }}
            {%- endif %}
        )
{%- endmacro %}
