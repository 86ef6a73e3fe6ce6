{{ config(materialized='view') }}
-- depends_on: {{ ref('mart_signal_action') }}, {{ ref('mart_award_output') }}
-- What the KPIs of fct_kpi_second count, as fct_kpi_member has it of the others: signals, and targets beside outputs.
-- Restricted; never published.
{%- for kpi in kpi_second_order() %}
{{ kpi_members(kpi) }}
{{ "union all" if not loop.last }}
{%- else %}
select 1 as placeholder
{%- endfor %}
