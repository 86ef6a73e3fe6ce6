{#-
    From the outcomes of one framework to those of another. Crosswalks are never chained: a chain would multiply weights
    and weaken matches without anybody having said so.

    `crosswalk_holds` is the condition that a mapping applies on a day, by what was asserted up to another day (by what is
    asserted last, without one): both times are kept, so that what was said before can be worked out again.
-#}
{% macro crosswalk_holds(alias, valid_on, asserted_by_on=none) -%}
    (
        coalesce({{ alias }}.valid_from_on, date '0001-01-01') <= {{ valid_on }}
        and coalesce({{ alias }}.valid_to_on, date '9999-12-31') >= {{ valid_on }}
        {%- if asserted_by_on is none %}
        and {{ alias }}.superseded_on is null
        {%- else %}
        and {{ alias }}.asserted_on <= {{ asserted_by_on }}
        and ({{ alias }}.superseded_on is null or {{ alias }}.superseded_on > {{ asserted_by_on }})
        {%- endif %}
    )
{%- endmacro %}

{#- What a match may carry: scores only where the outcomes are (nearly) the same. -#}
{% macro crosswalk_carries_scores(match_type) -%}
    ({{ match_type }} in ('exact', 'close'))
{%- endmacro %}
