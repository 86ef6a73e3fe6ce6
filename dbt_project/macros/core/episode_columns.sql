{#-
    What facts that hang on an episode repeat of it, so that they can be cut like episodes. An event is joined to its
    episode by episode and person: an event that names somebody else's episode keeps its person and has no episode.
-#}
{% macro episode_columns(alias, person_alias) -%}
    {{ person_alias }}.source_person_key,
    {{ person_alias }}.person_key,
    {{ alias }}.episode_key,
    {{ alias }}.service_key,
    coalesce({{ alias }}.service_type_code, 'UNMAPPED') as service_type_code
{%- endmacro %}

{% macro join_person_and_episode(alias) -%}
    left join {{ ref('person_xref') }} as x on x.source_person_key = {{ alias }}.source_person_key
    left join {{ ref('fct_episode') }} as e
        on e.episode_key = {{ alias }}.episode_key and e.source_person_key = {{ alias }}.source_person_key
{%- endmacro %}

{#- What an event's person is cut by, as of the episode it belongs to; unknown without one. -#}
{% macro episode_traits(alias) -%}
    coalesce({{ alias }}.age_band_code, 'unknown') as age_band_code,
    coalesce({{ alias }}.sex_code, 'unknown') as sex_code,
    coalesce({{ alias }}.ethnicity_code, 'unknown') as ethnicity_code,
    coalesce({{ alias }}.disability_code, 'unknown') as disability_code
{%- endmacro %}
