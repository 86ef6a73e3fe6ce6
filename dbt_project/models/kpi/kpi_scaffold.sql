-- Every period of every region, organisation, service type and service that its deliveries could speak for, so that
-- "nothing happened" (0) and "nothing was delivered" (no data) are rows of their own and not gaps.
with periods as (
    select distinct calendar_start_month, period_type_number, period_start_on, period_end_on from {{ ref('kpi_period') }}
),

contributions as (
    select
        c.domain_code,
        k.calendar_code,
        k.level_number,
        k.key_number,
        p.period_type_number,
        p.period_start_on,
        p.period_end_on,
        c.covered_from_on <= greatest(p.period_start_on, coalesce(e.operates_from_on, p.period_start_on))
        and c.covered_to_on >= least(p.period_end_on, coalesce(e.operates_to_on, p.period_end_on)) as is_full,
        c.covered_from_on <= p.period_end_on and c.covered_to_on >= p.period_start_on as is_any,
        coalesce(p.period_end_on >= c.stale_from_on, false) as is_stale,
        c.covered_from_on
    from {{ ref('kpi_entity') }} as e
    inner join {{ ref('kpi_coverage') }} as c on e.organisation_id = c.organisation_id
    inner join {{ ref('kpi_calendar') }} as k on e.level_code = k.level_code and e.level_key = k.level_key
    inner join periods as p on k.start_month = p.calendar_start_month
    where c.covered_from_on <= p.period_end_on
        and coalesce(e.operates_from_on, c.covered_from_on) <= p.period_end_on
        and coalesce(e.operates_to_on, p.period_start_on) >= p.period_start_on
)

select
    cast(domain_code as string) as domain_code,
    cast(calendar_code as string) as calendar_code,
    level_number,
    key_number,
    period_type_number,
    period_start_on,
    period_end_on,
    case
        when min(case when is_full then 1 else 0 end) = 1 then {{ kpi_number('coverage', 'full') }}
        when max(case when is_any then 1 else 0 end) = 1 then {{ kpi_number('coverage', 'partial') }}
        else {{ kpi_number('coverage', 'none') }}
    end as coverage_number,
    max(case when is_stale then 1 else 0 end) = 1 as is_stale,
    count(*) as organisation_count,
    min(covered_from_on) as first_covered_from_on,
    max(covered_from_on) as last_covered_from_on
from contributions
group by domain_code, calendar_code, level_number, key_number, period_type_number, period_start_on, period_end_on
