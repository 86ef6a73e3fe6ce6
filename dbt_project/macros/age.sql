{#-
    Ages. An age is unknown where the birth date is blank, stated to be unknown (quality `unknown`: the person does not
    know or refuses) or after the date. A date whose quality was not collected is a known age (domain §12.1).
-#}
{% macro age_if_known(quality_code, birth_relation, age_years) -%}
    case when {{ quality_code }} <> 'unknown' and {{ birth_relation }} <> 'after' then {{ age_years }} end
{%- endmacro %}

{#-
    Completed years on the first day of a month. Exact from the birth month alone, if one knows who was born on a first:
    all others of that month have not had their birthday yet.
-#}
{% macro age_on_first_of_month(birth_month, is_born_on_first, month_on) -%}
    cast(
        year({{ month_on }}) - year({{ birth_month }})
        - case
            when month({{ birth_month }}) > month({{ month_on }}) then 1
            when month({{ birth_month }}) = month({{ month_on }}) and not {{ is_born_on_first }} then 1
            else 0
        end as int
    )
{%- endmacro %}
