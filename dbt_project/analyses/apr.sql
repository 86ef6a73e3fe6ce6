{#-
    The annual performance report of services: one row a cell of its tables, by macros/hmis/apr_tables.sql. Variables:
    apr_start (the first of a month) and apr_end, both included; apr_service_key for one service (default: all).
-#}
with universe as (
    select * from {{ apr_universe(
        var('apr_start', '2020-10-01'), var('apr_end', '2021-09-30'), var('apr_service_key', '')
    ) }} as people
)
{%- for table in [
    apr_q5a(), apr_q6a(), apr_q6b(), apr_q6c(), apr_q6d(), apr_q7a(), apr_q8a(),
    apr_q10('a'), apr_q10('b'), apr_q10('c'), apr_q10('d'), apr_q11(), apr_q22a1(), apr_q22a2(), apr_q22b(),
    apr_q22d(), apr_q23c(),
] %}
{{ 'union all' if not loop.first }}
{{ table }}
{%- endfor %}
order by
    source_id asc nulls last,
    service_key asc nulls last,
    table_code asc nulls last,
    row_number asc nulls last,
    column_number asc nulls last
