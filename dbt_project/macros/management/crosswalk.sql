{#-
    From the outcomes of one framework to those of another, by one version of a crosswalk.

    `crosswalk_rows` gives what held on a day (`valid_on`) as it was asserted by a day (`asserted_by_on`): both times are
    kept, so that an old release can be made again after a mapping was changed. Crosswalks are never chained: a chain
    would multiply weights and weaken matches without anybody having said so.
-#}
{% macro crosswalk_rows(valid_on, asserted_by_on) -%}
    (
        select *
        from {{ ref('ref_crosswalk') }}
        where (valid_from_on is null or valid_from_on <= {{ valid_on }})
            and (valid_to_on is null or valid_to_on >= {{ valid_on }})
            and asserted_on <= {{ asserted_by_on }}
            and (superseded_on is null or superseded_on > {{ asserted_by_on }})
    )
{%- endmacro %}

{#- What a match may carry: scores only where the outcomes are (nearly) the same. -#}
{% macro crosswalk_carries_scores(match_type) -%}
    ({{ match_type }} in ('exact', 'close'))
{%- endmacro %}
