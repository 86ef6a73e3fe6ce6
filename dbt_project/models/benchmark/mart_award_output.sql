-- What awards were to bring up to the end of a month beside what they brought (FN-02): every target of an award, in each
-- month from the end of its period on until the award is over. Only counts and sums can be added up over periods; a target
-- that was set after its period began says nothing, nor does one whose period has no complete figure. Where an award has
-- targets of several kinds of period for one KPI and entity, those of the shortest count, so that none counts twice.
with period as (
    select period_type_code, period_start_on, min(period_end_on) as period_end_on
    from {{ ref('dim_period') }}
    group by period_type_code, period_start_on
),

target as (
    select
        t.*,
        p.period_end_on,
        rank() over (
            partition by t.award_code, t.organisation_id, t.kpi_id, t.level_code, t.level_key
            order by case t.period_type_code
                when 'month' then 1 when 'quarter' then 2 when 'financial_year' then 3 else 4
            end asc nulls last
        ) = 1 as is_of_shortest_period
    from {{ ref('fct_target') }} as t
    inner join period as p on t.period_type_code = p.period_type_code and t.period_start_on = p.period_start_on
    where t.award_code is not null and t.is_in_force and t.is_kpi_known
),

output as (
    select
        t.*,
        d.additivity_code = 'place_and_time' and d.statistic_code in ('count', 'sum') and not d.is_stock as is_additive,
        case when k.is_period_complete then cast(k.numerator as decimal(18, 4)) end as actual_amount,
        k.version,
        row_number() over (partition by t.target_key order by k.version desc nulls last, d.version desc nulls last) as choice
    from target as t
    inner join {{ ref('kpi_definition') }} as d on t.kpi_id = d.kpi_id
    left join {{ ref('fct_kpi') }} as k
        on d.kpi_id = k.kpi_id and d.version = k.version and t.level_code = k.level_code and t.level_key = k.level_key
        and t.period_type_code = k.period_type_code and t.period_start_on = k.period_start_on and k.slice_code = 'all'
        and k.is_current_definition
),

judged as (
    select
        o.*,
        a.planned_end_on,
        a.award_key is not null and not o.is_retrospective and o.is_additive and o.is_of_shortest_period
        and o.actual_amount is not null as is_counted
    from output as o
    left join {{ ref('dim_award') }} as a on o.award_key = a.award_key
    where o.choice = 1
)

select
    {{ hash_key(['j.target_key', 'm.period_start_on']) }} as award_output_key,
    j.target_key,
    j.award_key,
    j.award_code,
    j.kpi_id as counted_kpi_id,
    j.level_code as target_entity_level_code,
    j.level_key as target_entity_key,
    j.period_type_code as target_period_type_code,
    j.period_start_on as target_period_start_on,
    j.period_end_on as target_period_end_on,
    m.period_start_on as month_on,
    j.target_value,
    j.actual_amount,
    j.award_key is not null as is_award_known,
    j.is_retrospective,
    j.is_additive,
    j.is_of_shortest_period,
    j.actual_amount is not null as is_delivered,
    j.is_counted,
    case when j.is_counted then j.actual_amount end as counted_actual_amount,
    case when j.is_counted then cast(j.target_value as decimal(18, 4)) end as counted_target_amount,
    {{ provenance('j') }}
from judged as j
cross join {{ source('ops', 'run_context') }} as as_of
inner join {{ ref('dim_period') }} as m
    on m.period_type_code = 'month' and m.calendar_code = {{ calendar_code(hud_start_month()) }}
    and j.period_end_on <= m.period_end_on
    and as_of.as_of >= m.period_start_on
    and greatest(coalesce(j.planned_end_on, m.period_start_on), j.period_end_on) >= m.period_start_on
