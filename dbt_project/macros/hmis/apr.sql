{#-
    The people of an HMIS annual performance report (APR, CAPER) and what its tables ask of each of them, by the rules of
    domain.md §12.2. One row a person and service, for the report period `start_on` to `end_on` (both included), of one
    service or, without `service_key`, of all.

    `start_on` must be the first day of a month: the age of who entered before it is then exact without a birth date.
    It reads the core facts and, because it counts people as the sender does, the sender's own record of each of them.
    A person with several stays in the period is reported by the latest one; households are looked at with all members.
-#}
{% macro apr_universe(start_on, end_on, service_key='') -%}
{%- if start_on[-2:] != '01' -%}
    {{ exceptions.raise_compiler_error("apr_universe: the report period must start on the first of a month, not " ~ start_on) }}
{%- endif -%}
{%- set period_start = "date '" ~ start_on ~ "'" -%}
{%- set period_end = "date '" ~ end_on ~ "'" -%}
(
    with stay as (
        select
            e.source_id,
            e.organisation_id,
            e.service_key,
            e.service_type_code,
            e.episode_key,
            e.episode_code,
            e.source_person_key,
            e.household_key,
            e.relationship_to_head_code,
            e.relationship_to_head_code = 'head' as is_head,
            e.start_on,
            e.end_on,
            e.is_date_order_valid,
            coalesce(d.is_night_by_night, false) as is_night_by_night,
            coalesce(e.end_on <= {{ period_end }}, false) as is_leaver,
            case when e.move_in_on >= e.start_on then e.move_in_on end as move_in_on,
            e.destination_class_code,
            e.is_destination_excluded,
            e.living_situation_class_code,
            e.date_to_street_on,
            e.disabling_condition_code,
            e.coc_code,
            i.destination_detail_code,
            i.length_of_stay_code,
            i.times_homeless_code,
            i.months_homeless_code,
            i.birth_relation_at_start,
            i.is_los_under_threshold_code = 'yes' and i.previous_street_es_sh_code = 'yes' as is_short_stay_from_street,
            p.birth_date_quality_code,
            p.birth_status,
            p.national_id_quality_code,
            p.national_id_status,
            p.name_quality_code,
            p.is_name_given,
            p.gender_code,
            p.race_answer_code,
            p.is_hispanic_code,
            p.veteran_status_code,
            case
                when e.start_on >= {{ period_start }} then e.age_at_start_years
                when e.age_at_start_years is not null
                    then {{ age_on_first_of_month('p.birth_month', 'p.is_born_on_first', period_start) }}
            end as age_years,
            coalesce(
                max(coalesce(e.end_on, date '9999-12-31')) over (
                    partition by e.service_key, e.source_person_key
                    order by e.start_on asc nulls last, e.episode_code asc nulls last
                    rows between unbounded preceding and 1 preceding
                ) > e.start_on,
                false
            ) as overlaps_earlier_stay
        from {{ ref('fct_episode') }} as e
        inner join {{ ref('in_case__episode') }} as i on e.episode_key = i.episode_key
        inner join {{ ref('in_case__person') }} as p on e.source_person_key = p.source_person_key
        left join {{ ref('dim_service') }} as d on e.service_key = d.service_key
        where
            e.start_on <= {{ period_end }}
            and (e.end_on is null or e.end_on >= {{ period_start }})
            {%- if service_key %}
            and e.service_key = '{{ service_key }}'
            {%- endif %}
    ),

    judged as (
        select
            *,
            coalesce(age_years >= 18, false) as is_adult,
            {{ is_chronically_homeless() }} as is_chronic_by_own_answers
        from stay
    ),

    household as (
        select
            service_key,
            household_key,
            max(age_years) as oldest_years,
            sum(case when age_years >= 18 then 1 else 0 end) as adult_count,
            sum(case when age_years < 18 then 1 else 0 end) as child_count,
            sum(case when age_years is null then 1 else 0 end) as unknown_age_count,
            sum(case when relationship_to_head_code = 'child' then 1 else 0 end) as child_of_head_count,
            count(distinct case when is_head then source_person_key end) as head_count,
            min(case when is_head then start_on end) as head_start_on,
            min(case when is_head then move_in_on end) as head_move_in_on,
            max(case when is_chronic_by_own_answers and (is_adult or is_head) then 1 else 0 end) = 1 as is_chronic
        from judged
        group by service_key, household_key
    ),

    income as (
        select
            stay.episode_key,
            {%- for stage, condition in [
                ('entry', 'i.information_on = stay.start_on'),
                ('exit', 'i.information_on = stay.end_on'),
                ('annual', within_days_of_anniversary('i.information_on', 'household.head_start_on', period_end, 30)),
            ] %}
            max(
                case
                    when
                        i.collection_stage_code = '{{ stage }}'
                        and {{ condition }}
                        and i.has_income_code in ('yes', 'no')
                        and not i.is_source_contradictory
                        then 1
                    else 0
                end
            ) = 1 as has_income_at_{{ stage }}{{ ',' if not loop.last }}
            {%- endfor %}
        from stay
        inner join household
            on stay.service_key = household.service_key and stay.household_key = household.household_key
        inner join {{ ref('fct_income') }} as i on stay.episode_key = i.episode_key
        group by stay.episode_key
    ),

    night as (
        select episode_key, count(*) as night_count
        from {{ ref('fct_bed_night') }}
        where night_on <= {{ period_end }}
        group by episode_key
    ),

    -- A condition of long duration, whatever the answer about disabling conditions.
    health as (
        select distinct episode_key
        from {{ ref('fct_health_status') }}
        where
            (disability_type_code in ('developmental', 'hiv') and response_code = 'yes')
            or (
                response_code in ('yes', 'alcohol', 'drug', 'alcohol_and_drug')
                and is_indefinite_code = 'yes'
            )
    )

    select
        judged.*,
        coalesce(judged.age_years < 18, false) as is_child,
        judged.age_years is null as is_age_unknown,
        judged.age_years is null and judged.birth_date_quality_code = 'unknown' as is_age_not_told,
        judged.is_adult or judged.is_head as is_adult_or_head,
        case
            when household.adult_count > 0 and household.child_count > 0 then 'with_children'
            when household.unknown_age_count > 0 then 'unknown'
            when household.adult_count > 0 then 'without_children'
            else 'only_children'
        end as household_type_code,
        judged.is_adult and judged.veteran_status_code = 'veteran' as is_veteran,
        household.is_chronic,
        coalesce(judged.age_years between 12 and 24 and household.oldest_years < 25, false) as is_youth,
        coalesce(
            judged.age_years between 12 and 24
            and judged.is_head
            and household.oldest_years < 25
            and household.unknown_age_count = 0
            and household.child_of_head_count > 0,
            false
        ) as is_parenting_youth,
        greatest(
            case
                when judged.is_leaver then {{ days_between('judged.start_on', 'judged.end_on') }}
                else {{ days_between('judged.start_on', period_end) }} + 1
            end,
            1
        ) as stay_days,
        -- In a shelter that counts nights, the nights of the stay; elsewhere null.
        case when judged.is_night_by_night then coalesce(night.night_count, 0) end as night_count,
        -- Who joins later than the head moved in has moved in on the day of joining.
        coalesce(
            household.head_move_in_on is not null
            and greatest(household.head_move_in_on, judged.start_on)
            <= least(coalesce(judged.end_on, {{ period_end }}), {{ period_end }}),
            false
        ) as has_moved_in,
        household.head_count <> 1 as is_household_without_one_head,
        health.episode_key is not null as has_long_condition,
        coalesce(income.has_income_at_entry, false) as has_income_at_entry,
        coalesce(income.has_income_at_annual, false) as has_income_at_annual,
        coalesce(income.has_income_at_exit, false) as has_income_at_exit,
        judged.service_type_code in ('emergency_shelter', 'safe_haven', 'street_outreach') as is_shelter,
        judged.service_type_code in {{ permanent_housing_types() }} as is_permanent_housing
    from judged
    inner join household
        on judged.service_key = household.service_key and judged.household_key = household.household_key
    left join income on judged.episode_key = income.episode_key
    left join night on judged.episode_key = night.episode_key
    left join health on judged.episode_key = health.episode_key
    qualify row_number() over (
        partition by judged.service_key, judged.source_person_key
        order by judged.start_on desc nulls last, judged.episode_code desc nulls last
    ) = 1
)
{%- endmacro %}

{#-
    Chronically homeless at entry by a person's own answers: a disabling condition; on the street or in a shelter, or there
    before a short stay elsewhere (in a shelter everybody is); and so for a year, or four or more times in three years
    with twelve months in all.
-#}
{% macro is_chronically_homeless() -%}
    coalesce(
        disabling_condition_code = 'yes'
        and (
            living_situation_class_code = 'homeless'
            or is_short_stay_from_street
            or service_type_code in ('emergency_shelter', 'safe_haven', 'street_outreach')
        )
        and (
            date_to_street_on <= {{ add_months('start_on', -12) }}
            or (times_homeless_code = 'four_or_more' and months_homeless_code in ('months_12', 'more_than_12_months'))
        ),
        false
    )
{%- endmacro %}

{#- Whether a day lies within `days` of the latest anniversary of `start_on` that is not after `until`. -#}
{% macro within_days_of_anniversary(day, start_on, until, days) -%}
    {%- set years -%}
    (
        year({{ until }}) - year({{ start_on }})
        - case
            when (month({{ start_on }}) * 100 + day({{ start_on }})) > (month({{ until }}) * 100 + day({{ until }})) then 1
            else 0
        end
    )
    {%- endset -%}
    abs({{ days_between(day, add_months(start_on, '12 * ' ~ years)) }}) <= {{ days }}
{%- endmacro %}
