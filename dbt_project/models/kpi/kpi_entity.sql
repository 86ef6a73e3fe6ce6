-- Entities that KPIs have full series for, each with the organisations whose deliveries speak for it, the month in which
-- its own financial year starts, and for services from when to when they operate.
with region as (
    select region_id, financial_year_start_month from {{ source('ops', 'region') }}
),

first_activity as (
    select k.key_text as service_key, a.first_month_on
    from (
        select service_number, min(month_on) as first_month_on
        from {{ ref('kpi_atom') }}
        group by service_number
    ) as a
    inner join {{ ref('kpi_key') }} as k on a.service_number = k.key_number
),

services as (
    select
        s.service_key,
        s.organisation_id,
        s.service_type_code,
        least(s.operating_start_on, a.first_month_on) as operates_from_on,
        s.operating_end_on as operates_to_on
    from {{ ref('dim_service') }} as s
    left join first_activity as a on s.service_key = a.service_key
),

organisations as (
    select
        c.organisation_id,
        coalesce(max(cast(substr(o.calendar_code, 3, 2) as int)), max(r.financial_year_start_month)) as start_month
    from (select distinct organisation_id from {{ ref('kpi_coverage') }}) as c
    cross join region as r
    left join {{ ref('dim_organisation') }} as o on c.organisation_id = o.organisation_id
    group by c.organisation_id
)

select 'region' as level_code, r.region_id as level_key, r.financial_year_start_month as start_month,
    o.organisation_id, cast(null as date) as operates_from_on, cast(null as date) as operates_to_on
from organisations as o
cross join region as r
union all
select 'organisation' as level_code, o.organisation_id as level_key, o.start_month,
    o.organisation_id, cast(null as date) as operates_from_on, cast(null as date) as operates_to_on
from organisations as o
union all
select 'service_type' as level_code, t.service_type_code as level_key, r.financial_year_start_month as start_month,
    t.organisation_id, cast(null as date) as operates_from_on, cast(null as date) as operates_to_on
from (select distinct organisation_id, service_type_code from services) as t
cross join region as r
union all
select 'service' as level_code, s.service_key as level_key, o.start_month,
    s.organisation_id, s.operates_from_on, s.operates_to_on
from services as s
inner join organisations as o on s.organisation_id = o.organisation_id
