{#-
    Group of a rank among n when they are cut into k groups of equal size (quartiles, deciles), after PHE: ties share the
    lowest rank, group k holds the highest ranks. NULL with fewer members than groups.
-#}
{% macro quantile_group(rank, n, k) -%}
    (case when {{ n }} >= {{ k }} then greatest(1, cast(floor(
        {{ k + 1 }} - ceil({{ ratio("(" ~ n ~ " + 1 - " ~ rank ~ ") * " ~ k, n) }})
    ) as int)) end)
{%- endmacro %}

{#- Share of members below, ties counted half, in percent; 100 is best when the direction is applied. -#}
{% macro percentile_rank(below, equal, n, direction) -%}
    (case
        when {{ direction }} < 0 then 100e0 - 100e0 * {{ ratio(below ~ " + 0.5e0 * " ~ equal, n) }}
        else 100e0 * {{ ratio(below ~ " + 0.5e0 * " ~ equal, n) }}
    end)
{%- endmacro %}

{#- Where a proportion lies in a funnel: low998, low95, within, high95 or high998; NULL without a denominator. -#}
{% macro funnel_band(proportion, centre, n) -%}
    (case
        when {{ proportion }} is null or {{ centre }} is null then null
        when {{ proportion }} < {{ funnel_lower(centre, n, '99.8') }} then 'low998'
        when {{ proportion }} > {{ funnel_upper(centre, n, '99.8') }} then 'high998'
        when {{ proportion }} < {{ funnel_lower(centre, n, '95') }} then 'low95'
        when {{ proportion }} > {{ funnel_upper(centre, n, '95') }} then 'high95'
        else 'within'
    end)
{%- endmacro %}
