-- The numbers that stand for codes in the KPI tables: levels, slices, period types, facts and what a figure says of itself.
{%- for kind, numbers in kpi_numbers().items() %}
{%- set last_kind = loop.last %}
{%- for code, number in numbers.items() %}
select cast('{{ kind }}' as string) as code_kind, cast({{ number }} as int) as code_number, cast('{{ code }}' as string) as code
{{ "union all" if not (loop.last and last_kind) }}
{%- endfor %}
{%- else %}
select 1 as placeholder
{%- endfor %}
