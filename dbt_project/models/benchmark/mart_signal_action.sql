-- Signals of organisations and the first action that answers each: seen, and done something about.
select
    s.signal_key,
    s.level_key as organisation_id,
    s.kpi_id,
    s.version,
    s.signal_type_code,
    s.variation_code,
    s.period_start_on,
    s.period_end_on,
    min(a.opened_on) as first_action_on,
    cast(count(a.action_key) as int) as action_count,
    min(a.opened_on) is not null as is_answered,
    coalesce(min(a.opened_on) <= {{ add_days('s.period_end_on', 30) }}, false) as is_answered_within_30_days
from {{ ref('fct_signal') }} as s
left join {{ ref('fct_action') }} as a
    on s.level_key = a.organisation_id
    and s.kpi_id = a.signal_kpi_id
    and a.signal_month_on between s.period_start_on and s.period_end_on
    and a.status_code <> 'cancelled'
where s.level_code = 'organisation' and s.kpi_id is not null and s.slice_code = 'all'
group by
    s.signal_key, s.level_key, s.kpi_id, s.version, s.signal_type_code, s.variation_code, s.period_start_on, s.period_end_on
