{#-
    The KPI catalogue, read from dbt's own semantic models and metrics: models/kpi/catalogue/*.yml. Every model, test and
    page that needs a KPI's definition calls kpi_catalogue(); nothing else interprets the YAML.

    While dbt parses, there is no graph yet and the catalogue is empty; models that use it name the facts they read in a
    `-- depends_on:` line, and tests/unit/test_kpi_catalogue.py compares those lines with the facts used.
-#}

{#- What a metric's meta may hold. `one_of` limits values, `list_of` limits members, neither takes anything. -#}
{% macro kpi_fields() -%}
    {{ return({
        'kpi_id': {},
        'version': {},
        'question': {},
        'decision': {},
        'category': {'one_of': kpi_categories()},
        'level_of_outcome': {'one_of': ['personal', 'service', 'organisational', 'national']},
        'origin': {'one_of': ['personal', 'service', 'funder', 'statutory']},
        'headline': {'one_of': [true, false]},
        'unit': {'one_of': ['percent', 'days', 'hours', 'count', 'fte', 'currency', 'ratio', 'score', 'points']},
        'multiplier': {},
        'statistic': {'one_of': ['proportion', 'ratio', 'rate', 'mean', 'effect_size', 'median', 'quantile', 'count', 'sum',
                                 'distinct_count', 'difference', 'stratified']},
        'direction': {'one_of': [1, -1, 0]},
        'anchor': {},
        'maturity_lag_days': {},
        'min_denominator': {},
        'levels': {'list_of': kpi_levels().keys() | list},
        'periods': {'list_of': kpi_period_types()},
        'slices': {'list_of': none},
        'calendar': {'one_of': ['own', 'hud']},
        'additivity': {'one_of': ['none', 'place', 'place_and_time']},
        'interval_method': {'one_of': ['wilson', 'byar', 't', 'newcombe', 'stratified', 'none']},
        'chart': {'one_of': ['xmr', 'p', 'u', 'p_prime', 'u_prime', 'none']},
        'balancing_kpi': {},
        'owner': {},
        'references': {'list_of': none},
        'exclusions': {'list_of': none},
        'verified': {'one_of': [true, false]}
    }) }}
{%- endmacro %}

{#- The nine areas that a balanced scorecard covers. -#}
{% macro kpi_categories() -%}
    {{ return(['access', 'activity', 'outcomes', 'experience', 'efficiency', 'workforce', 'equity', 'funding',
               'data_quality']) }}
{%- endmacro %}

{#- Whose deliveries can cover a fact; `operations` is what the platform itself knows of every organisation. -#}
{% macro kpi_domains() -%}
    {{ return(['case_management', 'survey', 'funder', 'management', 'operations']) }}
{%- endmacro %}

{#-
    Fields that most KPIs do without. `withdrawn_because` says what was wrong with a version of which no figure may be
    made any more; it stays for the ledger. `computed_by` names the model of a KPI that is made of other KPIs' figures and not
    counted from facts: fct_kpi_second if it is the difference of the two KPIs of the metric. `spread_measure` is the measure whose standard deviation an effect is held against;
    `population_measure` has, on every row of the fact, how many people the row's stratum (dimension `stratum`) has.
-#}
{% macro kpi_optional_fields() -%}
    {{ return({
        'computed_by': none,
        'base_slice': none,
        'spread_measure': none,
        'population_measure': none,
        'cohort_shift_days': none,
        'slice_periods': ['quarter', 'financial_year'],
        'valid_from': none,
        'valid_to': none,
        'withdrawn_because': none
    }) }}
{%- endmacro %}

{#-
    Levels, from the whole region down. `person` names the entity by which people are distinct: within one organisation
    as its senders count them, across organisations by the matched person. `dense` levels have a row for every period
    that their deliveries cover, the others only where there are data. `sliced` levels may be broken down.
-#}
{% macro kpi_levels() -%}
    {{ return({
        'region': {'person': 'person', 'dense': true, 'sliced': true},
        'organisation': {'person': 'source_person', 'dense': true, 'sliced': true},
        'service_type': {'person': 'person', 'dense': true, 'sliced': true},
        'service': {'person': 'source_person', 'dense': true, 'sliced': false},
        'source': {'person': 'source_person', 'dense': false, 'sliced': false},
        'funder': {'person': 'person', 'dense': false, 'sliced': true},
        'programme': {'person': 'person', 'dense': false, 'sliced': true},
        'award': {'person': 'person', 'dense': false, 'sliced': false}
    }) }}
{%- endmacro %}

{% macro kpi_period_types() -%}
    {{ return(['month', 'quarter', 'financial_year', 'rolling12']) }}
{%- endmacro %}

{#-
    Raises when the catalogue is wrong; returns a list of KPIs sorted and numbered by id and version, empty while dbt parses. Read once
    an invocation: a dozen models ask for it, and the graph that it is read from is the one thing that they share.
-#}
{% macro kpi_definitions() -%}
    {%- if not execute -%}
        {{ return([]) }}
    {%- endif -%}
    {%- if 'kpi_definitions' not in graph -%}
        {%- do graph.update({'kpi_definitions': _kpi_read_catalogue()}) -%}
    {%- endif -%}
    {{ return(graph['kpi_definitions']) }}
{%- endmacro %}

{#- The KPIs of which there are figures: all but withdrawn ones. -#}
{% macro kpi_in_use() -%}
    {{ return(kpi_definitions() | selectattr('withdrawn_because', 'none') | list) }}
{%- endmacro %}

{#- The KPIs that are counted from facts which are made before any KPI. -#}
{% macro kpi_catalogue() -%}
    {{ return(kpi_in_use() | selectattr('computed_by', 'none') | rejectattr('is_second_order') | list) }}
{%- endmacro %}

{#- The KPIs that are counted from facts which are made of KPIs, such as signals. -#}
{% macro kpi_second_order() -%}
    {{ return(kpi_in_use() | selectattr('is_second_order') | list) }}
{%- endmacro %}

{#- The KPIs that are the difference of two others, which `difference_of` names. -#}
{% macro kpi_differences() -%}
    {{ return(kpi_in_use() | selectattr('computed_by', 'equalto', 'fct_kpi_second') | list) }}
{%- endmacro %}

{% macro _kpi_read_catalogue() -%}
    {%- set problems = [] -%}
    {%- set measures = _kpi_measures(problems) -%}
    {%- set components = {} -%}
    {%- for metric in graph.metrics.values() -%}
        {%- if metric.type == 'simple' -%}
            {%- do components.update({metric.name: metric.type_params.measure.name}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set kpis = [] -%}
    {%- for metric in graph.metrics.values() | sort(attribute='name') -%}
        {%- if metric.config.meta.get('kpi_id') is not none -%}
            {%- do kpis.append(_kpi_record(metric, measures, components, problems)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do _kpi_check_across(kpis, problems) -%}
    {%- if problems -%}
        {{ exceptions.raise_compiler_error("The KPI catalogue is wrong:\n  " ~ problems | sort | join("\n  ")) }}
    {%- endif -%}
    {%- set ordered = kpis | sort(attribute='order') -%}
    {%- for kpi in ordered -%}{%- do kpi.update({'number': loop.index}) -%}{%- endfor -%}
    {{ return(ordered) }}
{%- endmacro %}

{#- Measures by name, each with the fact, column, anchor, entities and dimensions of its semantic model. -#}
{% macro _kpi_measures(problems) -%}
    {%- set measures = {} -%}
    {%- for model in graph.semantic_models.values() | sort(attribute='name') -%}
        {%- set fact = graph.nodes[model.depends_on.nodes[0]] -%}
        {%- set columns = {} -%}
        {%- for dimension in model.dimensions -%}
            {%- do columns.update({dimension.name: dimension.expr or dimension.name}) -%}
        {%- endfor -%}
        {%- for entity in model.entities -%}
            {%- do columns.update({entity.name: entity.expr or entity.name}) -%}
        {%- endfor -%}
        {%- for name, column in columns.items() -%}
            {%- if column not in fact.columns -%}
                {%- do problems.append("semantic model '" ~ model.name ~ "' (" ~ model.original_file_path ~ "): '" ~ name
                    ~ "' reads column '" ~ column ~ "', which " ~ fact.name ~ " does not have. Correct `expr`, or add "
                    ~ "the column to " ~ fact.name ~ " and its yml.") -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set meta = model.config.meta -%}
        {%- if meta.get('domain') not in kpi_domains() -%}
            {%- do problems.append("semantic model '" ~ model.name ~ "' (" ~ model.original_file_path
                ~ "): meta.domain must be one of " ~ kpi_domains() | join(', ') ~ ".") -%}
        {%- endif -%}
        {%- for measure in model.measures -%}
            {%- set anchor = measure.agg_time_dimension or model.defaults.agg_time_dimension -%}
            {%- set measure_meta = (measure.config or {}).get('meta', {}) -%}
            {%- set is_stock = measure.non_additive_dimension is not none -%}
            {%- do measures.update({measure.name: {
                'name': measure.name,
                'agg': measure.agg,
                'column': measure.expr or measure.name,
                'percentile': (measure.agg_params or {}).get('percentile') if measure.agg == 'percentile' else 0.5,
                'sql_type': _kpi_measure_type(measure, fact),
                'fact': fact.name,
                'fact_id': fact.unique_id,
                'fact_columns': fact.columns.keys() | list,
                'semantic_model': model.name,
                'file': model.original_file_path,
                'anchor_column': columns[anchor],
                'group': model.name ~ '.' ~ columns[anchor] ~ ('.stock' if is_stock else ''),
                'is_stock': is_stock,
                'columns': columns,
                'member_key': (model.entities | selectattr('type', 'equalto', 'primary') | first).expr,
                'dimension_names': model.dimensions | map(attribute='name') | list,
                'person_attributes': _kpi_person_attributes(model),
                'interval': measure_meta.get('interval'),
                'disclosure': measure_meta.get('disclosure', 'person'),
                'domain': meta.get('domain'),
                'is_rolled': meta.get('grain') == 'rolled',
                'is_second_order': meta.get('order') == 'second'
            }}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(measures) }}
{%- endmacro %}

{#- Dimensions that the YAML marks as attributes of the person, the same on all rows of one person. -#}
{% macro _kpi_person_attributes(model) -%}
    {%- set names = [] -%}
    {%- for dimension in model.dimensions if ((dimension.config or {}).get('meta') or {}).get('attribute_of') == 'person' -%}
        {%- do names.append(dimension.name) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}

{#- Counts are BIGINT; sums are BIGINT over whole numbers and DECIMAL over anything else, never DOUBLE. -#}
{% macro _kpi_measure_type(measure, fact) -%}
    {%- set column_type = fact.columns.get(measure.expr or measure.name, {}).get('data_type') or '' -%}
    {%- set is_whole = column_type | lower in ['tinyint', 'smallint', 'int', 'integer', 'bigint', 'boolean'] -%}
    {{ return('bigint' if measure.agg != 'sum' or is_whole else 'decimal(28, 4)') }}
{%- endmacro %}

{#- One KPI: its meta, completed and checked, with the measures of its numerator and denominator. -#}
{% macro _kpi_record(metric, measures, components, problems) -%}
    {%- set meta = metric.config.meta -%}
    {%- set at = "KPI metric '" ~ metric.name ~ "' (" ~ metric.original_file_path ~ "): " -%}
    {#- dbt wants labels apart: that of a later version ends with its number, which is no part of the name. -#}
    {%- set name = metric.label | replace(' (version ' ~ meta.get('version') ~ ')', '') -%}
    {%- set kpi = {'metric': metric.name, 'name': name, 'description': metric.description,
                   'file': metric.original_file_path} -%}
    {%- for field, allowed in kpi_fields().items() -%}
        {%- if field not in meta -%}
            {%- do problems.append(at ~ "meta." ~ field ~ " is missing. State it"
                ~ (": one of " ~ allowed['one_of'] | join(', ') if 'one_of' in allowed else "") ~ ".") -%}
        {%- elif 'one_of' in allowed and meta[field] not in allowed['one_of'] -%}
            {%- do problems.append(at ~ "meta." ~ field ~ " is '" ~ meta[field] ~ "'. Use one of "
                ~ allowed['one_of'] | join(', ') ~ ".") -%}
        {%- elif 'list_of' in allowed and allowed['list_of'] is not none -%}
            {%- for value in meta[field] if value not in allowed['list_of'] -%}
                {%- do problems.append(at ~ "meta." ~ field ~ " names '" ~ value ~ "'. Use "
                    ~ allowed['list_of'] | join(', ') ~ ".") -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do kpi.update({field: meta.get(field, [] if 'list_of' in allowed else none)}) -%}
    {%- endfor -%}
    {%- for field, default in kpi_optional_fields().items() -%}
        {%- do kpi.update({field: meta.get(field, default)}) -%}
    {%- endfor -%}
    {%- for field in meta if field not in kpi_fields() and field not in kpi_optional_fields() -%}
        {%- do problems.append(at ~ "meta." ~ field ~ " is not a field of a KPI. Remove it or correct its spelling.") -%}
    {%- endfor -%}
    {%- if metric.type == 'ratio' -%}
        {%- do kpi.update({
            'numerator': measures[components[metric.type_params.numerator.name]],
            'denominator': measures[components[metric.type_params.denominator.name]]
        }) -%}
    {%- elif metric.type == 'simple' -%}
        {%- do kpi.update({'numerator': measures[metric.type_params.measure.name], 'denominator': none}) -%}
    {%- elif metric.type == 'derived' and kpi.computed_by -%}
        {%- if graph.nodes.values() | selectattr('name', 'equalto', kpi.computed_by) | list | length == 0 -%}
            {%- do problems.append(at ~ "meta.computed_by names '" ~ kpi.computed_by ~ "', which is no model. Name the model"
                ~ " that computes it.") -%}
        {%- endif -%}
        {%- set parts = [] -%}
        {%- for part in metric.type_params.metrics -%}
            {%- for other in graph.metrics.values() if other.name == part.name -%}
                {%- do parts.append(other.config.meta.kpi_id) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- do kpi.update({'numerator': none, 'denominator': none, 'spread': none, 'is_stock': false, 'domain': none,
            'population': none, 'is_second_order': false, 'difference_of': parts if kpi.computed_by == 'fct_kpi_second' else none,
            'order': '%s %06d' | format(kpi.kpi_id, (kpi.version or 0) | int)}) -%}
        {{ return(kpi) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error(at ~ "type " ~ metric.type ~ " is not used here. Use simple or ratio, or derived"
            ~ " with meta.computed_by.") }}
    {%- endif -%}
    {%- do kpi.update({
        'spread': measures.get(kpi.spread_measure),
        'population': measures.get(kpi.population_measure),
        'is_stock': (kpi.denominator or kpi.numerator).is_stock,
        'domain': (kpi.denominator or kpi.numerator).domain,
        'is_second_order': (kpi.denominator or kpi.numerator).is_second_order,
        'difference_of': none,
        'order': '%s %06d' | format(kpi.kpi_id, (kpi.version or 0) | int)
    }) -%}
    {%- do _kpi_check_measures(kpi, at, problems) -%}
    {{ return(kpi) }}
{%- endmacro %}

{#- The facts of a KPI have the columns, levels and slices that it asks for, and its statistic fits its measures. -#}
{% macro _kpi_check_measures(kpi, at, problems) -%}
    {%- set parts = [kpi.numerator] + ([kpi.denominator] if kpi.denominator else []) -%}
    {%- for measure in parts -%}
        {%- if measure.column not in measure.fact_columns -%}
            {%- do problems.append(at ~ "measure '" ~ measure.name ~ "' reads column '" ~ measure.column ~ "', which "
                ~ measure.fact ~ " does not have. Correct `expr` in " ~ measure.file ~ ", or add the column to "
                ~ measure.fact ~ " and its yml.") -%}
        {%- endif -%}
        {%- if not measure.is_rolled -%}
            {%- for level in kpi.levels if level != 'region' and level not in measure.columns -%}
                {%- do problems.append(at ~ "level '" ~ level ~ "' is neither an entity nor a dimension of semantic model '"
                    ~ measure.semantic_model ~ "'. Drop the level, or add it there.") -%}
            {%- endfor -%}
        {%- endif -%}
        {%- for slice in kpi.slices + ([kpi.base_slice] if kpi.base_slice else [])
            if slice not in measure.dimension_names -%}
            {%- do problems.append(at ~ "slice '" ~ slice ~ "' is not a dimension of semantic model '"
                ~ measure.semantic_model ~ "'. Drop the slice, or add the dimension there.") -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for exclusion in kpi.exclusions -%}
        {%- for field in ['code', 'column', 'when', 'text'] if field not in exclusion -%}
            {%- do problems.append(at ~ "meta.exclusions: exclusion '" ~ exclusion.get('code', '') ~ "' has no '" ~ field
                ~ "'. Give every exclusion a code, a column of the fact, the value (when) that excludes, and a text.") -%}
        {%- endfor -%}
        {%- if exclusion.get('column') is not none
            and exclusion.column not in (kpi.denominator or kpi.numerator).fact_columns -%}
            {%- do problems.append(at ~ "meta.exclusions: exclusion '" ~ exclusion.code ~ "' reads column '" ~ exclusion.column
                ~ "', which " ~ (kpi.denominator or kpi.numerator).fact ~ " does not have. Correct the column.") -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if kpi.headline and not kpi.balancing_kpi -%}
        {%- do problems.append(at ~ "meta.balancing_kpi is empty, and a headline KPI is never read alone. Name a KPI that would"
            ~ " show the harm of chasing this one.") -%}
    {%- endif -%}
    {%- if kpi.is_stock and kpi.additivity == 'place_and_time' -%}
        {%- do problems.append(at ~ "meta.additivity is 'place_and_time', but it counts a stock, which months must not be added"
            ~ " up of. Use place.") -%}
    {%- endif -%}
    {%- if kpi.denominator and kpi.numerator.is_stock != kpi.denominator.is_stock and kpi.statistic == 'proportion' -%}
        {%- do problems.append(at ~ "one of numerator and denominator is a stock and the other is not, so it is no proportion."
            ~ " Use statistic ratio, or measures of one kind.") -%}
    {%- endif -%}
    {%- if (kpi.statistic == 'effect_size') != (kpi.spread is not none) -%}
        {%- do problems.append(at ~ "meta.spread_measure must name a measure of the same fact for statistic effect_size, and"
            ~ " stay away for others.") -%}
    {%- elif kpi.spread and kpi.spread.group != kpi.numerator.group -%}
        {%- do problems.append(at ~ "meta.spread_measure '" ~ kpi.spread.name ~ "' is of another fact than the numerator. Use"
            ~ " a measure of " ~ kpi.numerator.fact ~ ".") -%}
    {%- endif -%}
    {%- do _kpi_check_stratified(kpi, at, problems) -%}
    {%- if kpi.is_second_order and (kpi.statistic not in ['proportion', 'ratio'] or kpi.calendar != 'own' or kpi.slices
        or kpi.numerator.group != kpi.denominator.group or kpi.chart != 'none') -%}
        {%- do problems.append(at ~ "it is counted from " ~ kpi.numerator.fact ~ ", which is made of KPIs. Such a KPI is a"
            ~ " proportion or ratio of measures of one fact and anchor, of the own calendar, without slices and chart.") -%}
    {%- endif -%}
    {%- set needs_denominator = kpi.statistic in ['proportion', 'ratio', 'rate', 'mean', 'effect_size', 'stratified'] -%}
    {%- if needs_denominator != (kpi.denominator is not none) -%}
        {%- do problems.append(at ~ "statistic '" ~ kpi.statistic ~ "' needs a metric of type "
            ~ ("ratio" if needs_denominator else "simple") ~ ".") -%}
    {%- endif -%}
    {%- set expected = {'median': ['median'], 'quantile': ['percentile'], 'distinct_count': ['count_distinct']}.get(
        kpi.statistic, ['sum', 'sum_boolean', 'count']) -%}
    {%- for measure in parts if measure.agg not in expected -%}
        {%- do problems.append(at ~ "statistic '" ~ kpi.statistic ~ "' does not go with measure '" ~ measure.name
            ~ "' of agg " ~ measure.agg ~ ". Use agg " ~ expected | join(' or ') ~ ".") -%}
    {%- endfor -%}
    {%- if kpi.statistic == 'distinct_count' and not kpi.numerator.interval -%}
        {%- do problems.append(at ~ "measure '" ~ kpi.numerator.name ~ "' counts distinct persons without saying when they"
            ~ " are active. Give it config.meta.interval: [from, to].") -%}
    {%- endif -%}
    {%- set fitting = {'proportion': ['wilson', 'none'], 'rate': ['byar', 'none'], 'mean': ['t', 'none'],
        'stratified': ['stratified', 'none']}.get(kpi.statistic, ['none']) -%}
    {%- if kpi.interval_method not in fitting -%}
        {%- do problems.append(at ~ "interval method '" ~ kpi.interval_method ~ "' does not go with statistic '"
            ~ kpi.statistic ~ "'. Use " ~ fitting | join(' or ') ~ ".") -%}
    {%- endif -%}
    {%- set charted = {'p': ['proportion'], 'p_prime': ['proportion'], 'u': ['rate', 'ratio'], 'u_prime': ['rate', 'ratio']} -%}
    {%- if kpi.statistic not in charted.get(kpi.chart, [kpi.statistic]) -%}
        {%- do problems.append(at ~ "chart '" ~ kpi.chart ~ "' is for a " ~ charted[kpi.chart] | join(" or ") ~ ", not for a "
            ~ kpi.statistic ~ ". Use xmr.") -%}
    {%- elif kpi.chart in ['u', 'u_prime'] and kpi.numerator.sql_type != 'bigint' -%}
        {%- do problems.append(at ~ "chart '" ~ kpi.chart ~ "' is for counts over an exposure, and measure '"
            ~ kpi.numerator.name ~ "' is no count. Use xmr.") -%}
    {%- endif -%}
{%- endmacro %}

{#- A stratified estimate has a population and a stratum on every row of its one fact, and is not broken down further. -#}
{% macro _kpi_check_stratified(kpi, at, problems) -%}
    {%- if (kpi.statistic == 'stratified') != (kpi.population is not none) -%}
        {%- do problems.append(at ~ "meta.population_measure must name a measure of the same fact for statistic stratified,"
            ~ " and stay away for others.") -%}
    {%- elif kpi.population and (kpi.population.agg != 'max' or kpi.population.group != kpi.numerator.group) -%}
        {%- do problems.append(at ~ "meta.population_measure '" ~ kpi.population.name ~ "' is no measure of agg max of "
            ~ kpi.numerator.fact ~ ". Use one that has the people of a stratum on each of its rows.") -%}
    {%- endif -%}
    {%- if kpi.statistic == 'stratified' -%}
        {%- if 'stratum' not in kpi.numerator.dimension_names -%}
            {%- do problems.append(at ~ "semantic model '" ~ kpi.numerator.semantic_model ~ "' has no dimension 'stratum', by"
                ~ " which a stratified estimate is weighted. Add it there.") -%}
        {%- endif -%}
        {%- if kpi.slices or kpi.base_slice or kpi.chart != 'none' or kpi.is_stock or kpi.is_second_order
            or kpi.numerator.is_rolled or not kpi.denominator or kpi.denominator.group != kpi.numerator.group
            or kpi.additivity != 'none' or kpi.numerator.agg != 'sum_boolean' or kpi.denominator.agg != 'sum_boolean' -%}
            {%- do problems.append(at ~ "a stratified estimate is made of two measures of agg sum_boolean of one fact and"
                ~ " anchor, one row an answer, without slices and chart, and never added up. Use additivity none, chart"
                ~ " none, and no slices.") -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Versions of one KPI may stand beside each other but not cover the same time twice, withdrawn ones apart, which cover
    none; balancing KPIs exist. -#}
{% macro _kpi_check_across(kpis, problems) -%}
    {%- set ids = kpis | selectattr('withdrawn_because', 'none') | map(attribute='kpi_id') | list -%}
    {%- for kpi in kpis -%}
        {%- if kpi.balancing_kpi and kpi.balancing_kpi not in ids -%}
            {%- do problems.append("KPI metric '" ~ kpi.metric ~ "' (" ~ kpi.file ~ "): balancing_kpi '" ~ kpi.balancing_kpi
                ~ "' is not in the catalogue. Name a KPI that is.") -%}
        {%- endif -%}
        {%- for other in kpis if other.kpi_id == kpi.kpi_id and other.metric > kpi.metric -%}
            {%- if other.version == kpi.version -%}
                {%- do problems.append("KPI metric '" ~ other.metric ~ "' (" ~ other.file ~ "): " ~ kpi.kpi_id ~ " version "
                    ~ kpi.version ~ " is already metric '" ~ kpi.metric ~ "'. Give the new definition a new version.") -%}
            {%- elif not (other.withdrawn_because or kpi.withdrawn_because)
                and (other.valid_from or '0000-00-00') | string <= (kpi.valid_to or '9999-12-31') | string
                and (kpi.valid_from or '0000-00-00') | string <= (other.valid_to or '9999-12-31') | string -%}
                {%- do problems.append("KPI metric '" ~ other.metric ~ "' (" ~ other.file ~ "): its validity overlaps that of '"
                    ~ kpi.metric ~ "', another version of " ~ kpi.kpi_id ~ ". End the older one with valid_to the day before"
                    ~ " valid_from of the newer.") -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}

{#- A text as an SQL literal, on one line; NULL for none. -#}
{% macro sql_text(text) -%}
    {%- if text is none or text == '' -%}
        cast(null as string)
    {%- else -%}
        cast('{{ (text | string).split() | join(" ") | replace("'", "''") }}' as string)
    {%- endif -%}
{%- endmacro %}

{#- A measure for readers: what is taken of which column. -#}
{% macro kpi_measure_text(measure) -%}
    {%- if measure is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set verb = {'sum_boolean': 'rows with', 'count': 'rows that have', 'sum': 'sum of', 'median': 'median of',
                    'percentile': 'quantile of', 'count_distinct': 'distinct persons of'}[measure.agg] -%}
    {{ return(verb ~ ' ' ~ measure.fact ~ '.' ~ measure.column) }}
{%- endmacro %}

{% macro kpi_exclusion_text(kpi) -%}
    {%- set texts = [] -%}
    {%- for exclusion in kpi.exclusions -%}
        {%- do texts.append(exclusion.code ~ ': ' ~ exclusion.text) -%}
    {%- endfor -%}
    {{ return(texts | join(' ')) }}
{%- endmacro %}
