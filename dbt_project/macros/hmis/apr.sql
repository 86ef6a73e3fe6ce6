{#-
    The people of an HMIS annual performance report (APR, CAPER) and what its tables ask of each of them, by the rules of
    domain.md §12.2. One row a person and service, for the report period `start_on` to `end_on` (both included).

    `start_on` must be the first day of a month: the age of who entered before it is then exact without a birth date.
    It reads the core episodes and, because it counts people as the sender does, the sender's own record of each of them.
    A person with several stays in the period is reported by the latest one; households are looked at with all members.
-#}
{% macro apr_universe(start_on, end_on) -%}
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
            e.episode_key,
            e.episode_code,
            e.source_person_key,
            e.household_key,
            e.relationship_to_head_code = 'head' as is_head,
            e.relationship_to_head_code = 'child' as is_child_of_head,
            e.start_on,
            e.end_on,
            coalesce(e.end_on <= {{ period_end }}, false) as is_leaver,
            p.veteran_status_code = 'veteran' as is_stated_veteran,
            case
                when e.start_on >= {{ period_start }} then e.age_at_start_years
                when e.age_at_start_years is not null
                    then {{ age_on_first_of_month('p.birth_month', 'p.is_born_on_first', period_start) }}
            end as age_years
        from {{ ref('fct_episode') }} as e
        inner join {{ ref('in_case__person') }} as p on p.source_person_key = e.source_person_key
        where e.start_on <= {{ period_end }} and (e.end_on is null or e.end_on >= {{ period_start }})
    ),

    household as (
        select
            service_key,
            household_key,
            max(age_years) as oldest_years,
            sum(case when age_years >= 18 then 1 else 0 end) as adult_count,
            sum(case when age_years < 18 then 1 else 0 end) as child_count,
            sum(case when age_years is null then 1 else 0 end) as unknown_age_count,
            sum(case when is_child_of_head then 1 else 0 end) as child_of_head_count
        from stay
        group by service_key, household_key
    )

    select
        stay.source_id,
        stay.organisation_id,
        stay.service_key,
        stay.episode_key,
        stay.source_person_key,
        stay.household_key,
        stay.is_head,
        stay.start_on,
        stay.end_on,
        stay.is_leaver,
        stay.age_years,
        coalesce(stay.age_years >= 18, false) as is_adult,
        coalesce(stay.age_years < 18, false) as is_child,
        stay.age_years is null as is_age_unknown,
        case
            when household.adult_count > 0 and household.child_count > 0 then 'with_children'
            when household.unknown_age_count > 0 then 'unknown'
            when household.adult_count > 0 then 'without_children'
            else 'only_children'
        end as household_type_code,
        coalesce(stay.age_years >= 18 and stay.is_stated_veteran, false) as is_veteran,
        coalesce(stay.age_years between 12 and 24 and household.oldest_years < 25, false) as is_youth,
        coalesce(
            stay.age_years between 12 and 24
            and stay.is_head
            and household.oldest_years < 25
            and household.unknown_age_count = 0
            and household.child_of_head_count > 0,
            false
        ) as is_parenting_youth,
        greatest(
            case
                when stay.is_leaver then {{ days_between('stay.start_on', 'stay.end_on') }}
                else {{ days_between('stay.start_on', period_end) }} + 1
            end,
            1
        ) as stay_days
    from stay
    inner join household
        on household.service_key = stay.service_key and household.household_key = stay.household_key
    qualify row_number() over (
        partition by stay.service_key, stay.source_person_key
        order by stay.start_on desc nulls last, stay.episode_code desc nulls last
    ) = 1
)
{%- endmacro %}
