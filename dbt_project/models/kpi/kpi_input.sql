-- What each KPI is made of: the measures that it names, and the raw tables that their facts come from.
{%- set known = {} %}
{%- for kpi in kpi_in_use() %}
{%- for table in kpi_raw_tables(kpi, known) %}
select {{ kpi_constants(kpi) }}, 'table' as input_code, {{ sql_text(table.replace('__', '.', 1)) }} as input_name
union all
{%- endfor %}
{%- for measure in kpi_measures_of(kpi) %}
select {{ kpi_constants(kpi) }}, 'measure' as input_code, {{ sql_text(measure.name) }} as input_name
union all
{%- endfor %}
{%- endfor %}
select cast(null as string), cast(null as int), cast(null as string), cast(null as string)
where 1 = 0
