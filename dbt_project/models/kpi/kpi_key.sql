-- depends_on: {{ ref('fct_episode') }}, {{ ref('mart_episode_course') }}, {{ ref('mart_episode_outcome') }}
-- depends_on: {{ ref('fct_occupancy') }}, {{ ref('fct_survey_response') }}, {{ ref('mart_episode_response') }}
-- depends_on: {{ ref('fct_award_transaction') }}, {{ ref('fct_data_quality') }}, {{ ref('fct_system_exit') }}
-- depends_on: {{ ref('fct_return') }}, {{ ref('fct_income_change') }}, {{ ref('fct_contact') }}
-- depends_on: {{ ref('fct_referral') }}, {{ ref('fct_referral_snapshot') }}, {{ ref('mart_closed_episode') }}
-- depends_on: {{ ref('fct_submission') }}, {{ ref('fct_kpi_exclusion') }}, {{ ref('fct_system_entry') }}
-- depends_on: {{ ref('fct_staffing') }}, {{ ref('fct_staff_turnover') }}, {{ ref('fct_supervision') }}
-- depends_on: {{ ref('fct_training') }}, {{ ref('fct_culture_response') }}, {{ ref('fct_review') }}
-- depends_on: {{ ref('fct_personal_outcome') }}, {{ ref('fct_goal_attainment') }}
-- depends_on: {{ ref('fct_personal_outcome_measure') }}, {{ ref('mart_service_month') }}
-- depends_on: {{ ref('mart_service_cost') }}, {{ ref('fct_award_month') }}, {{ ref('bridge_award_objective') }}
-- depends_on: {{ ref('fct_action') }}, {{ ref('fct_funder_report') }}, {{ ref('fct_homeless_time') }}
-- depends_on: {{ ref('mart_expected_death') }}, {{ ref('mart_episode_scale_change') }}
-- depends_on: {{ ref('mart_weighted_response') }}, {{ ref('mart_sampling_stratum') }}
-- Every key of an entity and every value of a slice that a fact has, numbered, so that the KPI tables hold numbers.
-- Entities that deliver without a row of any fact come from the region file and the services.
with found as (
    {%- for fact, columns in kpi_key_columns(kpi_catalogue()).items() if columns %}
    select coalesce({% for column in columns %}cast(f.{{ column }} as string){{ ", " if not loop.last }}{% endfor %}) as key_text
    from {{ ref(fact) }} as f
    group by grouping sets ({% for column in columns %}(f.{{ column }}){{ ", " if not loop.last }}{% endfor %})
    union all
    {%- endfor %}
    select region_id as key_text from {{ source('ops', 'region') }}
    union all
    select organisation_id as key_text from {{ source('ops', 'source_config') }}
    union all
    select organisation_id as key_text from {{ ref('dim_service') }}
    union all
    select service_key as key_text from {{ ref('dim_service') }}
    union all
    select service_type_code as key_text from {{ ref('dim_service') }}
    union all
    select 'unknown' as key_text
)

select {{ kpi_all_key() }} as key_number, cast('all' as string) as key_text
union all
select
    cast(row_number() over (order by key_text asc nulls last) as int) as key_number,
    cast(key_text as string) as key_text
from (select distinct key_text from found where key_text <> 'all') as keys
