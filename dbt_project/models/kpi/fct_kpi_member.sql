{{ config(materialized='view') }}
-- depends_on: {{ ref('fct_episode') }}, {{ ref('mart_episode_course') }}, {{ ref('mart_episode_outcome') }}
-- depends_on: {{ ref('fct_occupancy') }}, {{ ref('fct_survey_response') }}, {{ ref('mart_episode_response') }}
-- depends_on: {{ ref('fct_award_transaction') }}, {{ ref('fct_data_quality') }}, {{ ref('fct_system_exit') }}
-- depends_on: {{ ref('fct_return') }}, {{ ref('fct_income_change') }}, {{ ref('kpi_calendar') }}, {{ ref('fct_contact') }}
-- depends_on: {{ ref('fct_referral') }}, {{ ref('fct_referral_snapshot') }}, {{ ref('mart_closed_episode') }}
-- depends_on: {{ ref('fct_submission') }}, {{ ref('fct_kpi_exclusion') }}, {{ ref('fct_system_entry') }}
-- Who and what was counted: the rows of the facts with what each adds to numerator and denominator, made from the same
-- catalogue as the KPIs, so that the sum over members is the KPI. Restricted; never published.
{%- for kpi in kpi_catalogue() %}
{{ kpi_members(kpi) }}
{{ "union all" if not loop.last }}
{%- else %}
select 1 as placeholder
{%- endfor %}
