-- Signals of organisations as they came to be seen, and the first action that answers each (PI-01). A special cause of a
-- chart is seen when its month is final; what only later months made a trend or a shift of was not yet to be seen. A
-- signal that was there the month before goes on and is the same. Organisations beyond the limits of a funnel stand beside
-- them, as of the last period only.
with as_of as (
    select as_of as as_of_on from {{ source('ops', 'run_context') }}
),

charted as (
    select
        *,
        coalesce(
            lag(variation_at_once_code)
                over (partition by series_key order by period_start_on asc nulls last) = variation_at_once_code,
            false
        ) as is_continued
    from {{ ref('fct_spc_point') }}
    where level_code = 'organisation' and kpi_id is not null and slice_code = 'all'
),

signal as (
    select
        {{ hash_key(["'spc'", 'series_key', 'period_start_on']) }} as signal_key,
        level_key as organisation_id,
        kpi_id,
        version,
        'spc' as signal_type_code,
        variation_at_once_code as variation_code,
        period_type_code,
        period_start_on,
        period_end_on,
        is_continued,
        is_baseline
    from charted
    where variation_at_once_code <> 'common_cause'
    union all
    select
        signal_key,
        level_key,
        kpi_id,
        version,
        signal_type_code,
        variation_code,
        period_type_code,
        period_start_on,
        period_end_on,
        false,
        false
    from {{ ref('fct_signal') }}
    where signal_type_code = 'funnel' and level_code = 'organisation' and kpi_id is not null and slice_code = 'all'
),

seen as (
    select
        s.*,
        {{ add_days('s.period_end_on', 'd.maturity_lag_days') }} as visible_on
    from signal as s
    inner join {{ ref('kpi_definition') }} as d on s.kpi_id = d.kpi_id and s.version = d.version
),

answered as (
    select
        s.signal_key,
        min(a.opened_on) as first_action_on,
        cast(count(a.action_key) as int) as action_count
    from seen as s
    left join {{ ref('fct_action') }} as a
        on s.organisation_id = a.organisation_id
        and upper(s.kpi_id) = a.signal_kpi_id
        and a.signal_month_on between s.period_start_on and s.period_end_on
        and a.status_code <> 'cancelled'
    group by s.signal_key
),

-- An organisation writes down what it does from its first action on; before, that there is none says nothing.
logging as (
    select organisation_id, min(opened_on) as logs_from_on
    from {{ ref('fct_action') }}
    group by organisation_id
),

judged as (
    select
        s.*,
        a.first_action_on,
        a.action_count,
        {{ add_days('s.visible_on', 30) }} as answer_due_on,
        s.signal_type_code = 'spc' as is_of_chart,
        s.variation_code = 'concern' as is_concern,
        {{ add_days('s.visible_on', 30) }} <= least(as_of.as_of_on, coalesce(c.covered_to_on, date '0001-01-01')) as is_due,
        coalesce(l.logs_from_on <= {{ add_days('s.visible_on', 30) }}, false) as is_logging
    from seen as s
    inner join answered as a on s.signal_key = a.signal_key
    cross join as_of
    left join logging as l on s.organisation_id = l.organisation_id
    left join {{ ref('kpi_coverage') }} as c on s.organisation_id = c.organisation_id and c.domain_code = 'management'
)

select
    signal_key,
    -- For people: what was to be seen of whom.
    kpi_id || ' ' || organisation_id || ' ' || cast(period_start_on as string) || ' ' || signal_type_code
    || case when period_type_code = 'month' then '' else ' ' || period_type_code end as signal_code,
    organisation_id,
    kpi_id,
    version,
    signal_type_code,
    variation_code,
    period_type_code,
    period_start_on,
    period_end_on,
    visible_on,
    answer_due_on,
    is_of_chart,
    is_concern,
    is_baseline,
    is_continued,
    is_logging,
    is_due,
    first_action_on,
    action_count,
    first_action_on is not null as is_answered,
    coalesce(first_action_on <= answer_due_on, false) as is_answered_within_30_days,
    is_of_chart and is_concern and not is_baseline and not is_continued and is_logging and is_due as is_counted,
    is_of_chart and is_concern and not is_baseline and not is_continued and is_logging and is_due
    and coalesce(first_action_on <= answer_due_on, false) as is_counted_and_answered
from judged
