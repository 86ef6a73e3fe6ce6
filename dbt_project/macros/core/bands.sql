{#- A conformed code for slicing: what was not asked, not known or not in the code list is `unknown`. -#}
{% macro known_code(code) -%}
    case
        when coalesce({{ code }}, 'not_collected') in ('unknown', 'not_collected', 'UNMAPPED') then 'unknown'
        else {{ code }}
    end
{%- endmacro %}

{#- Service types by their part in a homelessness system (HUD system performance measures). -#}
{% macro permanent_housing_types() -%}
    ('rapid_rehousing', 'permanent_supportive_housing', 'permanent_housing_only', 'permanent_housing_with_services')
{%- endmacro %}

{#- Code of the calendar whose financial year starts in `month`: fy01 … fy12. -#}
{% macro calendar_code(month) -%}
    'fy' || lpad(cast({{ month }} as string), 2, '0')
{%- endmacro %}
