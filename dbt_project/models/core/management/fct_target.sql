-- Targets of the region file and of sheets in one place. A target that was set after its period began is retrospective:
-- it is kept and shown, and never judged. Of several versions of one target the last that was set in time is in force. A
-- target may be what an award is given for: then it names the award beside the entity whose figure is to reach it. It may be
-- of a figure that others publish: then it names measure and entity as the publication does, and no KPI.
with service as (
    select organisation_id, service_code, min(service_key) as service_key
    from {{ ref('dim_service') }}
    group by organisation_id, service_code
),

-- An identifier that a funder uses for several awards names none of them.
award as (
    select award_code, min(award_key) as award_key
    from {{ ref('dim_award') }}
    group by award_code
    having count(*) = 1
),

stated as (
    select
        cast(null as string) as target_code,
        upper(t.kpi_id) as kpi_id,
        t.measure_id,
        case when t.award_code is null then 'regional' else 'funder' end as target_level_code,
        case
            when t.measure_id is not null then 'published'
            when t.organisation_id is null then 'region'
            else 'organisation'
        end as level_code,
        coalesce(t.entity_code, t.organisation_id, region.region_id) as level_key,
        t.award_code,
        t.period_type as period_type_code,
        t.period_start as period_start_on,
        cast(t.target as decimal(18, 6)) as target_value,
        cast(t.tolerance_pct as decimal(9, 4)) as tolerance_pct,
        cast(null as decimal(18, 6)) as baseline_value,
        cast(null as string) as origin,
        t.set_on,
        cast('region_file' as string) as source_id,
        t.organisation_id,
        cast(null as string) as delivery_id,
        t.file_name,
        cast(null as bigint) as row_number,
        cast(t.line_number as bigint) as line_number
    from {{ source('ops', 'kpi_target') }} as t
    cross join {{ source('ops', 'region') }} as region
    union all
    select
        s.target_code,
        s.kpi_id,
        cast(null as string),
        s.target_level_code,
        s.entity_type_code,
        case s.entity_type_code
            when 'region' then region.region_id
            when 'organisation' then s.organisation_id
            when 'service' then service.service_key
            when 'award' then named.award_key
            else s.entity_code
        end,
        s.award_code,
        s.period_type_code,
        s.period_start_on,
        s.target_value,
        s.tolerance_pct,
        s.baseline_value,
        s.origin,
        s.set_on,
        {{ provenance('s') }}
    from {{ ref('in_management__target') }} as s
    cross join {{ source('ops', 'region') }} as region
    left join service on s.organisation_id = service.organisation_id and s.entity_code = service.service_code
    left join award as named on s.entity_code = named.award_code
    where s.target_value is not null and s.period_start_on is not null and s.set_on is not null
),

-- Sheets and people write ids in any case; the catalogue has one spelling of each.
known as (
    select upper(kpi_id) as upper_id, min(kpi_id) as kpi_id
    from {{ ref('kpi_definition') }}
    group by upper(kpi_id)
)

select
    {{ hash_key([
        't.source_id', 't.organisation_id', 't.target_level_code', 't.kpi_id', 't.level_code', 't.level_key',
        't.period_type_code', 't.period_start_on', 't.set_on', 't.award_code',
        't.measure_id',
    ]) }} as target_key,
    t.target_code,
    coalesce(known.kpi_id, t.kpi_id) as kpi_id,
    t.measure_id,
    known.kpi_id is not null or published.measure_id is not null as is_kpi_known,
    t.target_level_code,
    t.level_code,
    t.level_key,
    t.level_key is not null as is_entity_known,
    t.award_code,
    award.award_key,
    t.period_type_code,
    t.period_start_on,
    t.target_value,
    t.tolerance_pct,
    t.baseline_value,
    t.origin,
    t.set_on,
    t.set_on > t.period_start_on as is_retrospective,
    row_number() over (
        partition by
            t.kpi_id, t.measure_id, t.target_level_code, t.level_code, t.level_key, t.award_code, t.period_type_code,
            t.period_start_on
        order by
            (t.set_on > t.period_start_on) asc nulls last, t.set_on desc nulls last, t.target_value asc nulls last,
            t.source_id asc nulls last, t.row_number asc nulls last
    ) = 1 as is_in_force,
    {{ provenance('t') }}
from stated as t
left join known on t.kpi_id = known.upper_id
left join (select distinct measure_id from {{ source('ops', 'indicator_measure') }}) as published
    on t.measure_id = published.measure_id
left join award on t.award_code = award.award_code
