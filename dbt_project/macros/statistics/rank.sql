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

{#- Distance from the median in units of the median absolute deviation, as Oflog publishes it: no factor 1.4826, not signed
    by direction. NULL where more than half of the values are the same. -#}
{% macro mad_score(value, median, mad) -%}
    {{ ratio(value ~ " - " ~ median, mad) }}
{%- endmacro %}
