-- depends_on: {{ ref('fct_episode') }}, {{ ref('mart_episode_course') }}, {{ ref('mart_episode_outcome') }}, {{ ref('fct_occupancy') }}
-- depends_on: {{ ref('fct_survey_response') }}, {{ ref('mart_episode_response') }}, {{ ref('fct_award_transaction') }}, {{ ref('fct_data_quality') }}
-- depends_on: {{ ref('fct_contact') }}, {{ ref('fct_referral') }}, {{ ref('fct_referral_snapshot') }}, {{ ref('mart_closed_episode') }}
-- depends_on: {{ ref('fct_submission') }}, {{ ref('fct_kpi_exclusion') }}
-- depends_on: {{ ref('fct_staffing') }}, {{ ref('fct_staff_turnover') }}, {{ ref('fct_supervision') }}
-- depends_on: {{ ref('fct_training') }}, {{ ref('fct_culture_response') }}, {{ ref('fct_review') }}
-- depends_on: {{ ref('fct_personal_outcome') }}, {{ ref('fct_goal_attainment') }}, {{ ref('fct_personal_outcome_measure') }}
-- depends_on: {{ ref('mart_service_month') }}, {{ ref('mart_service_cost') }}, {{ ref('fct_award_month') }}
-- depends_on: {{ ref('bridge_award_objective') }}, {{ ref('fct_action') }}, {{ ref('fct_funder_report') }}
-- depends_on: {{ ref('mart_expected_death') }}, {{ ref('mart_episode_scale_change') }}
-- depends_on: {{ ref('mart_weighted_response') }}, {{ ref('mart_sampling_stratum') }}
-- depends_on: {{ ref('kpi_key') }}
-- Every additive measure of event grain, summed at the finest grain that its KPIs need.
{#- The slots follow the catalogue, so this model has no contract; its readers go through the same macros. -#}
{%- set groups = kpi_groups(kpi_catalogue()) -%}
{%- set levels = kpi_atom_levels(groups) -%}
{%- set slots = kpi_slots(groups) %}
{%- if groups %}
with summed as (
    {%- for group in groups if not group.is_rolled %}
    {{ kpi_atoms(group, levels, slots) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    s.group_number,
    s.domain_number,
    s.slice_number,
    s.month_on,
    organisation.key_number as organisation_number,
    {%- for level in levels %}
    of_{{ level }}.key_number as {{ level }}_number,
    {%- endfor %}
    v.key_number as slice_key_number,
    {%- for slot in slots %}
    s.{{ slot }}{{ "," if not loop.last }}
    {%- endfor %}
from summed as s
left join {{ ref('kpi_key') }} as organisation on s.organisation_id = organisation.key_text
{%- for level in levels %}
left join {{ ref('kpi_key') }} as of_{{ level }} on s.{{ level }}_key = of_{{ level }}.key_text
{%- endfor %}
left join {{ ref('kpi_key') }} as v on s.slice_value = v.key_text
{%- else %}
select 1 as placeholder
{%- endif %}
