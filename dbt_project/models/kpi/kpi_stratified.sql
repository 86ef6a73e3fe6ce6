-- depends_on: {{ ref('mart_weighted_response') }}, {{ ref('kpi_period') }}, {{ ref('kpi_calendar') }}, {{ ref('kpi_key') }}
-- Proportions weighted by the people of strata, from the answers themselves: estimates of parts do not add up to the
-- estimate of the whole.
{%- set kpis = kpi_catalogue() | selectattr('statistic', 'equalto', 'stratified') | list %}
with strata as (
    {%- for kpi in kpis %}
    {%- set last_kpi = loop.last %}
    {%- for one in kpi_series(kpi).values() %}
    {%- set last_series = loop.last %}
    {%- for period_type in one.periods %}
    {{ kpi_strata(kpi, one, period_type) }}
    {{ "union all" if not (loop.last and last_series and last_kpi) }}
    {%- endfor %}
    {%- endfor %}
    {%- else %}
    select 1 as placeholder
    {%- endfor %}
)

select
    e.kpi_number,
    e.level_number,
    k.key_number,
    e.period_type_number,
    e.period_start_on,
    e.period_end_on,
    e.proportion,
    e.standard_error
from {{ stratified_proportion(
    'strata', ['kpi_number', 'level_number', 'level_key', 'period_type_number', 'period_start_on', 'period_end_on']
) }} as e
inner join {{ ref('kpi_key') }} as k on e.level_key = k.key_text
