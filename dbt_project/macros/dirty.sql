{#-
    Incremental facts about persons: what belongs to a dirty person is deleted and made again, the rest is left alone.
    `core.dirty_person` says who is dirty; see its model. Rows of nobody (responses that no person is known for) are always
    made again: they may have found their person.
-#}
{% macro delete_dirty(relation) -%}
    {#- Outside the condition, so that dbt sees the dependency when it parses. -#}
    {%- set dirty = ref('dirty_person') -%}
    {%- if is_incremental() -%}
        delete from {{ relation }}
        where source_person_key is null or source_person_key in (select source_person_key from {{ dirty }})
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}

{% macro dirty_only(column='source_person_key') -%}
    {%- set dirty = ref('dirty_person') -%}
    {%- if is_incremental() -%}
        ({{ column }} is null or {{ column }} in (select d.source_person_key from {{ dirty }} as d))
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
