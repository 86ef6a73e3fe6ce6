{#-
    Formulas of `dbt_project/macros/statistics` where sqlfluff renders the models: a call of their name. Written out they
    are pages of nested polynomials, which take sqlfluff minutes to parse and have no style; whether they are SQL is
    checked on the compiled models (`tests.checks.sql`).
-#}
{% macro funnel_lower() %}funnel_lower({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro funnel_upper() %}funnel_upper({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro ratio_funnel_lower() %}ratio_funnel_lower({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro ratio_funnel_upper() %}ratio_funnel_upper({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro difference_lower() %}difference_lower({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro difference_upper() %}difference_upper({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro p_of_chi_square() %}p_of_chi_square({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro mean_half_width() %}mean_half_width({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro count_lower() %}count_lower({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro count_upper() %}count_upper({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro wilson_lower() %}wilson_lower({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
{% macro wilson_upper() %}wilson_upper({{ ((varargs | list) + (kwargs.values() | list)) | join(", ") }}){% endmacro %}
