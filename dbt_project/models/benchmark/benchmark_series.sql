-- Own KPIs and figures that others published as one long list of series, for charts, funnels, peers and gaps alike. What
-- differs between the two is settled here and nowhere after: names, what may be compared, and how limits are made.
{#- A view: keys are made where they are asked for, and nothing is written twice. -#}
{{ config(materialized='view') }}
{%- set own = ["'own'", "'own'", 'k.kpi_id', 'k.version', 'k.level_code', 'k.slice_code', 'k.slice_value', 'k.period_type_code'] %}
{%- set external = ["'external'", 'e.publication_code', 'e.measure_id', 'e.method_version', 'e.level_code', 'e.slice_type_code', 'e.slice_code', 'e.period_type_code'] %}
-- Limits of own series are fixed after twelve points, so that later signals don't move them.
select
    {{ hash_key(own + ['k.level_key']) }} as series_key,
    {{ hash_key(own) }} as comparison_key,
    cast('own' as string) as origin_code,
    cast('own' as string) as publication_code,
    k.kpi_id as measure_id,
    cast(k.version as string) as method_version,
    k.kpi_id,
    k.version,
    k.level_code,
    k.level_key,
    k.slice_code,
    k.slice_value,
    k.period_type_code,
    k.period_start_on,
    k.period_end_on,
    k.statistic_code,
    cast(case when k.period_type_code = 'month' then d.chart_code else 'none' end as string) as chart_code,
    12 as limit_point_count,
    d.direction,
    d.unit_code,
    d.multiplier,
    k.numerator,
    k.denominator,
    k.value,
    coalesce(k.value is not null and k.is_period_complete and not k.is_below_minimum, false) as is_comparable,
    k.is_period_complete,
    k.is_provisional,
    d.additivity_code = 'place_and_time' and not d.is_stock as is_flow
from {{ ref('fct_kpi') }} as k
inner join {{ ref('kpi_definition') }} as d on k.kpi_id = d.kpi_id and k.version = d.version
where k.slice_code = 'all' and k.level_code in ('region', 'organisation', 'service_type')
union all
-- Published series are over: their limits come of all their points. What is hidden or was not published has no value
-- and stands beside nothing, and neither do quotients of fewer than ten. Of a figure that two sources bring, the
-- source whose name comes last counts.
select
    {{ hash_key(external + ['e.organisation_code']) }},
    {{ hash_key(external) }},
    cast('external' as string),
    e.publication_code,
    e.measure_id,
    e.method_version,
    cast(null as string),
    cast(null as int),
    e.level_code,
    e.organisation_code,
    e.slice_type_code,
    e.slice_code,
    e.period_type_code,
    e.period_start_on,
    e.period_end_on,
    e.statistic_code,
    cast(case when e.period_type_code in ('month', 'quarter') then 'xmr' else 'none' end as string),
    cast(null as int),
    e.direction,
    e.unit_code,
    e.multiplier,
    e.numerator,
    e.denominator,
    e.value,
    e.value is not null and coalesce(e.denominator >= 10, true),
    true,
    false,
    false
from {{ ref('fct_benchmark_external') }} as e
qualify row_number() over (
    partition by
        e.publication_code, e.measure_id, e.method_version, e.level_code, e.organisation_code, e.slice_type_code,
        e.slice_code, e.period_type_code, e.period_start_on, e.period_end_on
    order by e.source_id desc nulls last
) = 1
