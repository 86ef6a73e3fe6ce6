{#-
    Every pair of a node and one of its ancestors, itself included, with the distance: `ancestor_key, descendant_key,
    depth_number`. `relation` has `node_key` and `parent_key`. Trees are walked down to a fixed depth rather than by a
    recursive query, which one of the engines does not have; a node that meets itself again is its own ancestor at a
    distance above 0, and is not walked further.
-#}
{% macro tree_depth() -%}8{%- endmacro %}

{% macro closure(relation) -%}
    {%- set depth = tree_depth() | int -%}
    (
        with level_0 as (
            select node_key as ancestor_key, node_key as descendant_key, parent_key as next_key, 0 as depth_number
            from {{ relation }}
        )
        {%- for level in range(1, depth + 1) %},
        level_{{ level }} as (
            select below.next_key as ancestor_key, below.descendant_key, node.parent_key as next_key,
                {{ level }} as depth_number
            from level_{{ level - 1 }} as below
            inner join {{ relation }} as node on below.next_key = node.node_key
            {%- if level > 1 %}
            where below.ancestor_key <> below.descendant_key
            {%- endif %}
        )
        {%- endfor %}
        {%- for level in range(depth + 1) %}
        select ancestor_key, descendant_key, depth_number from level_{{ level }}
        {{ "union all" if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
