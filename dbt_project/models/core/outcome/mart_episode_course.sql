-- Closed episodes with what all their measures together come to, by the rule of the programme that the region file
-- names, else of the default one. Measures of one thing stand for each other, and one of a group is judged. Where the
-- problem is known, the programme lists the measures for it, and no others count: of those taken twice the first of the
-- list, else of those taken once (Talking Therapies: the anxiety measure made for the problem, else GAD-7). Where it is
-- not known, the one of the lowest rank that was taken.
--   eligible        the service measured outcomes when the episode ended, and saw the person on more than one day
--   finished        a course: measured by the programme at least once, and seen on more than one day
--   case at start   any measure at caseness; not at caseness: finished and none
--   recovered       a case at start, and every measure taken at the start is below caseness at the end; a measure without
--                   a second score is not known to be below, so unpaired courses count as not recovered
--   tt              improved: a measure reliably better and none reliably worse; deteriorated: the reverse
--   corc            deteriorated: any measure reliably worse
with programme as (
    select p.programme_code, p.multi_measure_rule_code
    from {{ ref('ref_outcome_programme') }} as p
    left join {{ source('ops', 'outcome_programme') }} as chosen on true
    where p.programme_code = chosen.programme_code or (chosen.programme_code is null and p.is_default)
),

-- What the course is about, as it was said last.
problem as (
    select episode_key, problem_code
    from {{ ref('fct_contact') }}
    where episode_key is not null and problem_code <> 'UNMAPPED'
    qualify row_number() over (
        partition by episode_key order by contact_on desc nulls last, contact_key desc nulls last
    ) = 1
),

listed_group as (
    select distinct programme_code, problem_code, measure_group_code
    from {{ ref('ref_problem_measure') }}
),

ranked as (
    select
        o.*,
        r.programme_code,
        r.caseness_operator,
        r.caseness_value,
        {{ reliable_change('r') }} as reliable_change,
        p.multi_measure_rule_code,
        -- A group without a list for the problem is judged by ranks.
        listed_group.problem_code is null or listed.problem_code is not null as is_for_problem,
        row_number() over (
            partition by o.episode_key, r.measure_group_code
            order by
                case when listed.problem_code is null then 1 else 0 end asc nulls last,
                case when listed.problem_code is not null and not o.is_paired then 1 else 0 end asc nulls last,
                coalesce(listed.measure_rank, r.measure_rank) asc nulls last, o.first_assessed_on asc nulls last,
                o.instrument_code asc nulls last, o.scale_code asc nulls last
        ) as group_rank
    from {{ ref('mart_episode_outcome') }} as o
    cross join programme as p
    left join {{ ref('ref_instrument_rule') }} as r
        on p.programme_code = r.programme_code
        and o.instrument_code = r.instrument_code
        and o.instrument_version = r.instrument_version
        and o.scale_code = r.scale_code
    left join problem on o.episode_key = problem.episode_key
    left join listed_group
        on p.programme_code = listed_group.programme_code
        and problem.problem_code = listed_group.problem_code
        and r.measure_group_code = listed_group.measure_group_code
    left join {{ ref('ref_problem_measure') }} as listed
        on p.programme_code = listed.programme_code
        and problem.problem_code = listed.problem_code
        and r.measure_group_code = listed.measure_group_code
        and o.instrument_code = listed.instrument_code
),

measure as (
    select
        o.episode_key,
        o.service_key,
        o.first_assessed_on,
        o.is_paired,
        o.multi_measure_rule_code,
        o.programme_code is not null and o.group_rank = 1 and o.is_for_problem as is_measure,
        {{ is_case('o.first_score', 'o.caseness_operator', 'o.caseness_value') }} as is_case_at_start,
        {{ is_case('o.last_score', 'o.caseness_operator', 'o.caseness_value') }} as is_case_at_end,
        coalesce(o.gain_score >= o.reliable_change, false) as is_better,
        coalesce(-o.gain_score >= o.reliable_change, false) as is_worse
    from ranked as o
),

-- A service measures outcomes from the day of its first score on.
measuring_service as (
    select service_key, min(first_assessed_on) as measures_from_on
    from measure
    group by service_key
),

combined as (
    select
        episode_key,
        bool_or(is_paired) as is_paired,
        bool_or(is_measure) as is_measured,
        bool_or(is_measure and coalesce(is_case_at_start, false)) as is_case_at_start,
        -- Measures without caseness have no part in recovery.
        bool_and(not is_measure or is_case_at_start is null or coalesce(not is_case_at_end, false)) as is_below_at_end,
        bool_or(is_measure and is_better) as is_any_better,
        bool_or(is_measure and is_worse) as is_any_worse,
        max(multi_measure_rule_code) as multi_measure_rule_code
    from measure
    group by episode_key
),

-- Seen on a day after the first: by a contact, a service, a night or a response; who lives in a service is seen daily.
seen_again as (
    select e.episode_key
    from {{ ref('fct_episode') }} as e
    inner join (
        select episode_key, provided_on as seen_on from {{ ref('fct_service_event') }}
        union all
        select episode_key, contact_on from {{ ref('fct_contact') }} where attended_status_code = 'attended'
        union all
        select episode_key, answered_on from {{ ref('bridge_response_episode') }}
    ) as seen on e.episode_key = seen.episode_key
    where e.is_closed and seen.seen_on > e.start_on
    union
    select e.episode_key
    from {{ ref('fct_episode') }} as e
    inner join {{ ref('dim_service') }} as s on e.service_key = s.service_key
    where
        e.los_days > 0
        and not s.is_night_by_night
        and (
            e.service_type_code in ('emergency_shelter', 'safe_haven', 'transitional_housing')
            or (e.service_type_code in {{ permanent_housing_types() }} and e.move_in_on is not null)
        )
),

course as (
    select
        e.*,
        coalesce(s.episode_key is not null and e.end_on >= m.measures_from_on, false) as is_eligible,
        coalesce(s.episode_key is not null and c.is_measured, false) as is_finished,
        coalesce(c.is_paired, false) as has_pair,
        coalesce(c.is_case_at_start, false) as is_case_at_start,
        coalesce(c.is_case_at_start and c.is_below_at_end, false) as is_case_no_more,
        coalesce(c.is_any_better, false) as is_any_better,
        coalesce(c.is_any_worse, false) as is_any_worse,
        c.multi_measure_rule_code
    from {{ ref('fct_episode') }} as e
    inner join measuring_service as m on e.service_key = m.service_key
    left join seen_again as s on e.episode_key = s.episode_key
    left join combined as c on e.episode_key = c.episode_key
    where e.is_closed and e.is_date_order_valid
),

judged as (
    select
        *,
        is_any_better and not is_any_worse as is_better,
        case multi_measure_rule_code
            when 'corc' then is_any_worse else is_any_worse and not is_any_better
        end as is_worse
    from course
)

select
    episode_key,
    source_person_key,
    person_key,
    service_key,
    service_type_code,
    start_on,
    end_on,
    is_eligible,
    is_eligible and has_pair as is_paired,
    is_finished,
    is_finished and not is_case_at_start as is_not_case,
    is_finished and is_case_at_start as is_finished_case,
    is_finished and is_case_no_more as is_recovered,
    is_finished and is_better as is_reliably_improved,
    is_finished and coalesce(is_worse, false) as is_reliably_deteriorated,
    is_finished and is_case_no_more and is_better as is_reliably_recovered,
    age_band_code,
    sex_code,
    ethnicity_code,
    disability_code,
    {{ provenance('judged') }}
from judged
