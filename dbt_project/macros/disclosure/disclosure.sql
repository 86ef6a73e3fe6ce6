{#-
    Small numbers. What is hidden and how the rest is rounded is data (ref_disclosure_profile); these macros are the only
    place that interprets it. They expect the active profile as a relation named `profile` in the query.
-#}

{#- The active profile, for a cross join. -#}
{% macro active_profile() -%}
    (select * from {{ ref('ref_disclosure_profile') }} where is_active)
{%- endmacro %}

{#- True where a count of persons must be hidden. -#}
{% macro is_small(count) -%}
    coalesce({{ count }} > 0 and {{ count }} >= profile.suppress_from and {{ count }} <= profile.suppress_to, false)
{%- endmacro %}

{#- A count as it may be shown. -#}
{% macro disclosed_count(count) -%}
    case
        when {{ is_small(count) }} then null
        when profile.round_to > 0 then
            floor({{ ratio(count ~ " + " ~ ratio("profile.round_to", "2"), "profile.round_to") }}) * profile.round_to
        else {{ count }}
    end
{%- endmacro %}

{#- What happened to a count: shown (also every 0), rounded, suppressed, or no_data where there is none. -#}
{% macro disclosure_status(count) -%}
    case
        when {{ count }} is null then 'no_data'
        when {{ count }} = 0 then 'shown'
        when {{ is_small(count) }} then 'suppressed'
        when profile.round_to > 1 then 'rounded'
        else 'shown'
    end
{%- endmacro %}

{#- Rounded half up to a number of decimals that is itself a column (one engine's round() takes constants only). -#}
{% macro rounded(value, decimals) -%}
    {{ ratio("floor(" ~ value ~ " * power(10e0, " ~ decimals ~ ") + 0.5e0)", "power(10e0, " ~ decimals ~ ")") }}
{%- endmacro %}
