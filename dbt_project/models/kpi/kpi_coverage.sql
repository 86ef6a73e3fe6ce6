-- What has been delivered of an organisation: from when to when its figures can be read as complete, and from when on
-- they wait for a delivery that is late or paused.
with as_of as (
    select as_of as as_of_on from {{ source('ops', 'run_context') }}
),

activity as (
    select
        o.key_text as organisation_id,
        d.code as domain_code,
        a.first_month_on,
        a.last_month_on
    from (
        select organisation_number, domain_number, min(month_on) as first_month_on, max(month_on) as last_month_on
        from {{ ref('kpi_atom') }}
        group by organisation_number, domain_number
    ) as a
    inner join {{ ref('kpi_key') }} as o on a.organisation_number = o.key_number
    inner join {{ ref('kpi_code') }} as d on d.code_kind = 'domain' and a.domain_number = d.code_number
),

loaded as (
    select
        source_id,
        min(scope_from) as scope_from_on,
        max(coalesce(least(scope_to, cast(stated_at as date)), cast(stated_at as date))) as delivered_to_on,
        max(received_order) as received_order
    from {{ source('ops', 'delivery') }}
    where status = 'loaded'
    group by source_id
),

held_back as (
    select
        d.source_id,
        min(coalesce(d.scope_from, date '1900-01-01')) as held_from_on
    from {{ source('ops', 'delivery') }} as d
    left join loaded on d.source_id = loaded.source_id
    where d.status <> 'loaded' and d.received_order > coalesce(loaded.received_order, 0)
    group by d.source_id
),

by_source as (
    select
        s.organisation_id,
        s.domain as domain_code,
        loaded.scope_from_on,
        loaded.delivered_to_on,
        c.stale_after_days,
        held_back.held_from_on
    from {{ source('ops', 'source_config') }} as s
    left join loaded on s.source_id = loaded.source_id
    left join held_back on s.source_id = held_back.source_id
    left join {{ ref('ref_cadence') }} as c on s.cadence = c.cadence_code
    union all
    -- What the platform itself knows reaches to the as-of date.
    select
        s.organisation_id,
        'operations' as domain_code,
        loaded.scope_from_on,
        as_of.as_of_on as delivered_to_on,
        cast(null as int) as stale_after_days,
        cast(null as date) as held_from_on
    from {{ source('ops', 'source_config') }} as s
    inner join loaded on s.source_id = loaded.source_id
    cross join as_of
),

by_organisation as (
    select
        organisation_id,
        domain_code,
        min(scope_from_on) as scope_from_on,
        -- Sheets of one organisation each have their own rhythm: a yearly survey does not hold the staffing back.
        case when domain_code = 'management' then max(delivered_to_on) else min(delivered_to_on) end as delivered_to_on,
        min(stale_after_days) as stale_after_days,
        min(held_from_on) as held_from_on
    from by_source
    group by organisation_id, domain_code
),

joined as (
    select
        coalesce(o.organisation_id, a.organisation_id) as organisation_id,
        coalesce(o.domain_code, a.domain_code) as domain_code,
        greatest(
            coalesce(o.scope_from_on, a.first_month_on),
            coalesce(a.first_month_on, o.scope_from_on),
            {{ add_months('as_of.as_of_on', '-240') }}
        ) as covered_from_on,
        least(
            coalesce(o.delivered_to_on, {{ add_days(add_months('a.last_month_on', '1'), '-1') }}),
            as_of.as_of_on
        ) as covered_to_on,
        o.stale_after_days,
        o.held_from_on,
        as_of.as_of_on
    from by_organisation as o
    full outer join activity as a on o.organisation_id = a.organisation_id and o.domain_code = a.domain_code
    cross join as_of
    -- Of an organisation that never delivered there is nothing to say.
    where o.delivered_to_on is not null or a.first_month_on is not null
)

select
    organisation_id,
    domain_code,
    -- A survey response may carry the date of a device whose clock is wrong: nobody is surveyed before the first episode
    -- that is known.
    case
        when domain_code = 'survey' then greatest(covered_from_on, min(
            case when domain_code = 'case_management' then covered_from_on end
        ) over (partition by organisation_id))
        else covered_from_on
    end as covered_from_on,
    covered_to_on,
    case
        when held_from_on is not null then least(held_from_on, {{ add_days('covered_to_on', '1') }})
        when {{ days_between('covered_to_on', 'as_of_on') }} > stale_after_days then {{ add_days('covered_to_on', '1') }}
    end as stale_from_on
from joined
where covered_from_on <= covered_to_on
