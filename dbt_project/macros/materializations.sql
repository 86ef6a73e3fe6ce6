{#-
    Materialisations of the build database. dbt's own build beside the old relation and rename twice, so that readers
    never miss it; here nobody reads while a build runs (releases are what is read), so a relation is replaced in its
    transaction. That halves what a model costs beside its own query.

    No hooks and no grants: a DuckDB file has no roles.
-#}

{% materialization view, adapter='duckdb' -%}
    {%- set target = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and not existing.is_view -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {%- call statement('main') -%}
        {%- if config.get('contract').enforced -%}
            {{ get_assert_columns_equivalent(sql) }}
        {%- endif %}
        create or replace view {{ target }} as (
            {{ sql }}
        )
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmaterialization %}

{% materialization table, adapter='duckdb' -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- call statement('main') -%}
        {%- if existing is not none %}
            drop {{ 'view' if existing.is_view else 'table' }} if exists {{ target }};
        {%- endif %}
        {{ create_table_as(false, target, sql) }}
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmaterialization %}
