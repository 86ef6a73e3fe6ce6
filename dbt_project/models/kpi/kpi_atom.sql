-- depends_on: {{ ref('fct_episode') }}, {{ ref('mart_episode_course') }}, {{ ref('mart_episode_outcome') }}, {{ ref('fct_occupancy') }}
-- depends_on: {{ ref('fct_survey_response') }}, {{ ref('mart_episode_response') }}, {{ ref('fct_award_transaction') }}, {{ ref('fct_data_quality') }}
-- depends_on: {{ ref('fct_contact') }}, {{ ref('fct_referral') }}, {{ ref('fct_referral_snapshot') }}, {{ ref('mart_closed_episode') }}
-- depends_on: {{ ref('fct_submission') }}, {{ ref('fct_kpi_exclusion') }}
-- Every additive measure of event grain, summed at the finest grain that its KPIs need.
{#- Columns follow the catalogue, so this model has no contract; its readers go through the same macros. -#}
{%- set groups = kpi_groups(kpi_catalogue()) -%}
{%- set levels = kpi_atom_levels(groups) -%}
{%- set columns = kpi_all_columns(groups) %}
{% for group in groups if not group.is_rolled -%}
{{ kpi_atoms(group, levels, columns) }}
{{ "union all" if not loop.last }}
{% else -%}
select 1 as placeholder
{% endfor -%}
