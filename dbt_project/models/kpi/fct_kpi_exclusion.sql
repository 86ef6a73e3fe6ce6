-- depends_on: {{ ref('mart_episode_course') }}, {{ ref('mart_episode_outcome') }}, {{ ref('mart_closed_episode') }}
-- depends_on: {{ ref('fct_survey_response') }}, {{ ref('mart_episode_response') }}, {{ ref('fct_personal_outcome') }}
-- depends_on: {{ ref('fct_personal_outcome_measure') }}, {{ ref('mart_episode_scale_change') }}
-- depends_on: {{ ref('fct_goal_attainment') }}, {{ ref('mart_weighted_response') }}
-- What KPIs of outcomes and experience count and leave out, by KPI, service and month: from the same members as the KPIs
-- themselves. KPIs of rolled facts or of two facts are left out, whose members have no month of their own.
{%- set kpis = [] %}
{%- for kpi in kpi_catalogue() if kpi_is_watched_for_exclusions(kpi) %}{% do kpis.append(kpi) %}{% endfor %}
with member as (
    {%- for kpi in kpis %}
    select kpi_id, organisation_id, service_key, anchor_on, in_denominator, exclusion_code
    from (
        {{ kpi_members(kpi) }}
    ) as members_{{ loop.index }}
    {{ "union all" if not loop.last }}
    {%- else %}
    select 1 as placeholder
    {%- endfor %}
),

counted as (
    select
        kpi_id as counted_kpi_id,
        organisation_id,
        service_key,
        {{ first_of_month('anchor_on') }} as month_on,
        count(*) as eligible_count,
        count(case when not in_denominator then 1 end) as excluded_count
    from member
    where in_denominator or exclusion_code is not null
    group by kpi_id, organisation_id, service_key, {{ first_of_month('anchor_on') }}
)

select
    {{ hash_key(['counted_kpi_id', 'organisation_id', 'service_key', 'month_on']) }} as exclusion_key,
    counted_kpi_id,
    organisation_id,
    service_key,
    month_on,
    eligible_count,
    excluded_count
from counted
