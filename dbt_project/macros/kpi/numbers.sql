{#-
    Numbers in place of texts. The KPI tables have millions of rows that say the same few codes and keys over and over:
    writing and comparing them as text costs more than the sums. What the catalogue decides (levels, slices, period types,
    facts) is numbered here, what the data bring (entities, values of slices) in kpi_key; fct_kpi joins the texts again.
-#}

{#- Kind of code → code → number. The same within a build; a changed catalogue may number anew. -#}
{% macro kpi_numbers() -%}
    {%- if not execute -%}
        {{ return({}) }}
    {%- endif -%}
    {%- if 'kpi_numbers' not in graph -%}
        {%- set kpis = kpi_catalogue() -%}
        {%- set slices = ['all'] -%}
        {%- for kpi in kpis -%}
            {%- do slices.extend(([kpi.base_slice] if kpi.base_slice else []) + kpi.slices) -%}
        {%- endfor -%}
        {%- set codes = {
            'level': kpi_levels().keys(),
            'period_type': kpi_period_types(),
            'domain': kpi_domains(),
            'coverage': ['none', 'partial', 'full'],
            'status': ['computed', 'no_denominator', 'no_data'],
            'slice': slices | unique | sort,
            'atom_group': kpi_groups(kpis) | map(attribute='name')
        } -%}
        {%- set numbers = {} -%}
        {%- for kind, texts in codes.items() -%}
            {%- set numbered = {} -%}
            {%- for text in texts -%}{%- do numbered.update({text: loop.index}) -%}{%- endfor -%}
            {%- do numbers.update({kind: numbered}) -%}
        {%- endfor -%}
        {%- do graph.update({'kpi_numbers': numbers}) -%}
    {%- endif -%}
    {{ return(graph['kpi_numbers']) }}
{%- endmacro %}

{#- A code's number as SQL. -#}
{% macro kpi_number(kind, code) -%}
    cast({{ kpi_numbers()[kind][code] if execute else 'null' }} as int)
{%- endmacro %}

{#- Number of the key 'all' in kpi_key: the slice value of what is not sliced. -#}
{% macro kpi_all_key() -%} cast(0 as int) {%- endmacro %}

{#- Columns of facts that hold keys of entities or values of slices, for some KPI: fact → list of columns. -#}
{% macro kpi_key_columns(kpis) -%}
    {%- set by_fact = {} -%}
    {%- for kpi in kpis -%}
        {%- for measure in kpi_parts(kpi) -%}
            {%- set columns = by_fact.setdefault(measure.fact, []) -%}
            {%- for one in kpi_series(kpi).values() -%}
                {%- if measure.is_rolled -%}
                    {%- do columns.append('level_key') -%}
                {%- elif one.level != 'region' -%}
                    {%- do columns.append(measure.columns[one.level]) -%}
                {%- endif -%}
                {%- if one.slice != 'all' -%}{%- do columns.append(measure.columns[one.slice]) -%}{%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set sorted = {} -%}
    {%- for fact in by_fact | sort -%}
        {%- do sorted.update({fact: by_fact[fact] | unique | sort}) -%}
    {%- endfor -%}
    {{ return(sorted) }}
{%- endmacro %}
