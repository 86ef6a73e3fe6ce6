{#-
    DuckDB's own threads, fitted to the data: on few rows a statement spends more on handing out work than on the work,
    and models are built side by side anyway. Global to the process, so one statement at the start is enough.
-#}
{% macro fit_threads() -%}
    {%- if execute and adapter.type() == 'duckdb' -%}
        {%- set rows = run_query("select coalesce(sum(loaded_count), 0) from ops.row_account").columns[0].values()[0] -%}
        {%- if rows < 1000000 -%}
            set threads = 1
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
