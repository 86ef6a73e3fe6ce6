{{ config(materialized='view') }}
-- depends_on: {{ ref('fct_episode') }}, {{ ref('mart_episode_course') }}, {{ ref('mart_episode_outcome') }}
-- depends_on: {{ ref('fct_occupancy') }}, {{ ref('fct_survey_response') }}, {{ ref('mart_episode_response') }}
-- depends_on: {{ ref('fct_award_transaction') }}, {{ ref('fct_data_quality') }}, {{ ref('fct_system_exit') }}
-- depends_on: {{ ref('fct_return') }}, {{ ref('fct_income_change') }}, {{ ref('kpi_calendar') }}, {{ ref('fct_contact') }}
-- depends_on: {{ ref('fct_referral') }}, {{ ref('fct_referral_snapshot') }}, {{ ref('mart_closed_episode') }}
-- depends_on: {{ ref('fct_submission') }}, {{ ref('fct_kpi_exclusion') }}, {{ ref('fct_system_entry') }}
-- depends_on: {{ ref('fct_staffing') }}, {{ ref('fct_staff_turnover') }}, {{ ref('fct_supervision') }}
-- depends_on: {{ ref('fct_training') }}, {{ ref('fct_culture_response') }}, {{ ref('fct_review') }}
-- depends_on: {{ ref('fct_personal_outcome') }}, {{ ref('fct_goal_attainment') }}, {{ ref('fct_personal_outcome_measure') }}
-- depends_on: {{ ref('mart_service_month') }}, {{ ref('mart_service_cost') }}, {{ ref('fct_award_month') }}
-- depends_on: {{ ref('bridge_award_objective') }}, {{ ref('fct_action') }}, {{ ref('fct_funder_report') }}
-- depends_on: {{ ref('fct_homeless_time') }}
-- depends_on: {{ ref('mart_expected_death') }}, {{ ref('mart_episode_scale_change') }}
-- depends_on: {{ ref('mart_weighted_response') }}, {{ ref('mart_sampling_stratum') }}
-- Who and what was counted: the rows of the facts with what each adds to numerator and denominator, made from the same
-- catalogue as the KPIs, so that the sum over members is the KPI. Restricted; never published.
{%- for kpi in kpi_catalogue() %}
{{ kpi_members(kpi) }}
{{ "union all" if not loop.last }}
{%- else %}
select 1 as placeholder
{%- endfor %}
