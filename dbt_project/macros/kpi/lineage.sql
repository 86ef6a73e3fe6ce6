{#-
    What a KPI is made of, read from dbt's own graph: the measures that it names, and the raw tables behind their facts.
    What does not belong here: definitions (catalogue.sql), and anything about the rows of these tables.

    The way back from a fact ends at the models of core/identity: whose records belong together has a quality of its own
    (DQ-04), and every fact would seem to rest on everything that names a person.
-#}

{#- The measures that a KPI names, each once; none where a model computes it from other KPIs. -#}
{% macro kpi_measures_of(kpi) -%}
    {{ return(([kpi.numerator, kpi.denominator, kpi.spread, kpi.population] | select | list)) }}
{%- endmacro %}

{#- Names of the raw tables (`kind__table`) that a KPI's figures come from, sorted. -#}
{% macro kpi_raw_tables(kpi, known) -%}
    {%- set found = {} -%}
    {%- if kpi.computed_by -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == kpi.computed_by -%}
            {%- do found.update(_raw_tables_behind(node.unique_id, known)) -%}
        {%- endfor -%}
    {%- else -%}
        {%- for measure in kpi_measures_of(kpi) -%}
            {%- do found.update(_raw_tables_behind(measure.fact_id, known)) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found.keys() | sort) }}
{%- endmacro %}

{#- `known` holds what was found for other models: facts share most of their way back. -#}
{% macro _raw_tables_behind(node_id, known) -%}
    {%- if node_id not in known -%}
        {%- set found = {} -%}
        {%- for parent in graph.nodes[node_id].depends_on.nodes -%}
            {%- if parent in graph.sources and graph.sources[parent].source_name == 'raw' -%}
                {%- do found.update({graph.sources[parent].name: true}) -%}
            {%- elif parent in graph.nodes and graph.nodes[parent].resource_type == 'model'
                and 'identity' not in graph.nodes[parent].fqn -%}
                {%- do found.update(_raw_tables_behind(parent, known)) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do known.update({node_id: found}) -%}
    {%- endif -%}
    {{ return(known[node_id]) }}
{%- endmacro %}
