-- Counts for the data quality KPIs, by source, element and month. Every count of an element that has another kind is 0.
{% set elements = dq_elements() %}
with income as (
    select
        episode_key,
        max(case when collection_stage_code = 'entry' then has_income_code end) as income_at_start_code,
        max(case when collection_stage_code = 'exit' then has_income_code end) as income_at_exit_code
    from {{ ref('fct_income') }}
    where collection_stage_code in ('entry', 'exit')
    group by episode_key
),

night as (
    select
        episode_key,
        count(*) as night_count,
        count(case when is_countable_night then 1 end) as countable_night_count
    from {{ ref('fct_service_event') }}
    where is_bed_night and episode_key is not null
    group by episode_key
),

record as (
    select
        e.source_id,
        e.organisation_id,
        e.start_on,
        e.end_on,
        e.is_date_order_valid,
        e.is_adult,
        e.is_adult or e.relationship_to_head_code = 'head' as is_adult_or_head,
        e.relationship_to_head_code,
        e.disabling_condition_code,
        e.living_situation_class_code,
        e.destination_class_code,
        e.created_at,
        e.exit_created_at,
        p.national_id_quality_code,
        p.national_id_status,
        p.national_id_token,
        p.name_birth_token,
        p.birth_date_quality_code,
        p.birth_status,
        p.name_quality_code,
        p.sex_code,
        p.ethnicity_code,
        p.veteran_status_code,
        i.income_at_start_code,
        i.income_at_exit_code,
        h.head_count,
        n.night_count,
        n.countable_night_count,
        -- The stays before, in order of start, have not all ended when this one starts.
        coalesce(
            max(coalesce(e.end_on, date '9999-12-31')) over (
                partition by e.source_person_key, e.service_key
                order by e.start_on asc nulls last, e.episode_key asc nulls last
                rows between unbounded preceding and 1 preceding
            ) > e.start_on,
            false
        ) as is_overlapping
    from {{ ref('fct_episode') }} as e
    left join {{ ref('in_case__person') }} as p on e.source_person_key = p.source_person_key
    left join {{ ref('dim_household') }} as h on e.household_key = h.household_key
    left join income as i on e.episode_key = i.episode_key
    left join night as n on e.episode_key = n.episode_key
)
{% for anchor in ['start_on', 'end_on'] %}
,

counted_by_{{ anchor }} as (
    select
        source_id,
        organisation_id,
        {{ first_of_month(anchor) }} as month_on
        {%- for e in elements if e['at'] == anchor %}
        {%- set applies = e.get('when', 'true') -%}
        {%- if 'value' in e %},
        count(case when {{ applies }} then 1 end) as {{ e['code'] }}__applicable,
        count(case when {{ applies }} and {{ e['value'] }} in ('known', 'unknown') then 1 end) as {{ e['code'] }}__complete,
        count(case when {{ applies }} and {{ e['value'] }} <> 'missing' then 1 end) as {{ e['code'] }}__supplied
        {%- elif 'recorded' in e %},
        {%- set lag = days_between(anchor, 'cast(' ~ e['recorded'] ~ ' as date)') %}
        count({{ lag }}) as {{ e['code'] }}__timed,
        count(case when {{ lag }} < 0 then 1 end) as {{ e['code'] }}__lag_negative,
        count(case when {{ lag }} = 0 then 1 end) as {{ e['code'] }}__lag_0,
        count(case when {{ lag }} between 1 and 3 then 1 end) as {{ e['code'] }}__lag_1_3,
        count(case when {{ lag }} between 4 and 6 then 1 end) as {{ e['code'] }}__lag_4_6,
        count(case when {{ lag }} between 7 and 10 then 1 end) as {{ e['code'] }}__lag_7_10,
        count(case when {{ lag }} > 10 then 1 end) as {{ e['code'] }}__lag_11_plus
        {%- elif 'resolves' in e %},
        count(case when {{ applies }} then 1 end) as {{ e['code'] }}__identifiable,
        count(case when {{ applies }} and {{ e['resolves'] }} then 1 end) as {{ e['code'] }}__identified
        {%- else %},
        count(case when {{ applies }} then 1 end) as {{ e['code'] }}__checked,
        count(case when {{ applies }} and {{ e['passes'] }} then 1 end) as {{ e['code'] }}__consistent
        {%- endif %}
        {%- endfor %}
    from record
    where {{ anchor }} is not null
    group by source_id, organisation_id, {{ first_of_month(anchor) }}
)
{%- endfor %},

element as (
    {%- for e in elements %}
    {%- set own = {
        'value': ['applicable', 'complete', 'supplied'],
        'recorded': ['timed', 'lag_negative', 'lag_0', 'lag_1_3', 'lag_4_6', 'lag_7_10', 'lag_11_plus'],
        'resolves': ['identifiable', 'identified'],
        'passes': ['checked', 'consistent'],
    }[['value', 'recorded', 'resolves', 'passes'] | select('in', e) | first] %}
    select
        source_id, organisation_id, month_on, '{{ e['code'] }}' as element_code
        {%- for count in [
            'applicable', 'complete', 'supplied', 'timed', 'lag_negative', 'lag_0', 'lag_1_3', 'lag_4_6', 'lag_7_10',
            'lag_11_plus', 'identifiable', 'identified', 'checked', 'consistent',
        ] %},
        {% if count in own %}{{ e['code'] }}__{{ count }}{% else %}cast(0 as bigint){% endif %} as {{ count }}_count
        {%- endfor %}
    from counted_by_{{ e['at'] }}
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
)

select
    {{ hash_key(['source_id', 'element_code', 'month_on']) }} as data_quality_key,
    element_code,
    month_on,
    applicable_count,
    complete_count,
    supplied_count,
    -- What was supplied and is in the code list is what makes a record complete.
    complete_count as valid_count,
    timed_count,
    lag_negative_count + lag_0_count + lag_1_3_count as timely_count,
    lag_negative_count,
    lag_0_count,
    lag_1_3_count,
    lag_4_6_count,
    lag_7_10_count,
    lag_11_plus_count,
    identifiable_count,
    identified_count,
    checked_count,
    consistent_count,
    source_id,
    organisation_id
from element
where applicable_count + timed_count + identifiable_count + checked_count > 0
