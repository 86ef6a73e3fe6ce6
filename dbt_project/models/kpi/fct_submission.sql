-- What sources should have delivered and did: one row a source and month, from the first month that its deliveries speak
-- for up to the month before the as-of date.
with delivered as (
    select
        s.source_id,
        s.organisation_id,
        s.domain as domain_code,
        min(d.scope_from) as scope_from_on,
        min(cast(d.stated_at as date)) as first_stated_on,
        max(coalesce(least(d.scope_to, cast(d.stated_at as date)), cast(d.stated_at as date))) as delivered_to_on
    from {{ source('ops', 'source_config') }} as s
    inner join {{ source('ops', 'delivery') }} as d on s.source_id = d.source_id
    where d.status = 'loaded'
    group by s.source_id, s.organisation_id, s.domain
)

select
    {{ hash_key(['d.source_id', 'p.period_start_on']) }} as submission_key,
    d.source_id,
    d.organisation_id,
    p.period_start_on as month_on,
    d.domain_code as source_domain_code,
    true as is_expected,
    p.period_end_on <= d.delivered_to_on as is_delivered
from delivered as d
cross join {{ source('ops', 'run_context') }} as c
inner join {{ ref('dim_period') }} as p
    on {{ first_of_month('coalesce(d.scope_from_on, d.first_stated_on)') }} <= p.period_start_on
    and c.as_of > p.period_end_on
where p.period_type_code = 'month' and p.calendar_code = {{ calendar_code(hud_start_month()) }}
