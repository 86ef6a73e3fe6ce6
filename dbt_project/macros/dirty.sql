{#-
    Incremental facts about persons: what belongs to a dirty person is deleted and made again, the rest is left alone.
    `core.dirty_person` says who is dirty; see its model.
-#}
{% macro delete_dirty(relation) -%}
    {%- if is_incremental() -%}
        delete from {{ relation }} where source_person_key in (select source_person_key from {{ ref('dirty_person') }})
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}

{% macro dirty_only(column='source_person_key') -%}
    {%- if is_incremental() -%}
        {{ column }} in (select d.source_person_key from {{ ref('dirty_person') }} as d)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
