-- Quality of the data behind each KPI of an organisation, part by part; the weakest part is the grade. Records: of those
-- delivered in the tables that the KPI's facts are made of, the share without an open defect. Elements: the values on
-- which the KPI's measures turn (ref_dq_element_use), from the figures of data quality as they are published.
-- What is current of a source: its latest full delivery and those after it, or all where none is full.
with delivered as (
    select
        d.delivery_id,
        d.source_id,
        d.organisation_id,
        d.kind,
        d.regime = 'full' as is_full
    from {{ source('ops', 'delivery') }} as d
    left join (
        select source_id, max(received_order) as received_order
        from {{ source('ops', 'delivery') }}
        where status = 'loaded' and regime = 'full'
        group by source_id
    ) as f on d.source_id = f.source_id
    where d.status = 'loaded' and (f.source_id is null or d.received_order >= f.received_order)
),

-- A row that a later delivery only repeats is counted once; lines that could not be read are defects too.
counted as (
    select
        d.organisation_id,
        d.kind,
        a.table_name,
        sum(a.landed_count + a.rejected_count - case when d.is_full then 0 else a.unchanged_count end) as record_count,
        sum(a.rejected_count) as unreadable_count
    from delivered as d
    inner join {{ source('ops', 'row_account') }} as a on d.delivery_id = a.delivery_id
    group by d.organisation_id, d.kind, a.table_name
),

-- Checks of deliveries tell how many rows fail; what a later delivery mended, dropped or repeats is no longer open here.
-- Checks of the warehouse come after the build that this is part of.
failed as (
    select
        d.organisation_id,
        d.kind,
        r.table_name,
        sum(r.failed_count) - coalesce(sum(c.closed_count), 0) as defect_count
    from delivered as d
    inner join {{ source('ops', 'dq_result') }} as r on d.delivery_id = r.delivery_id
    left join (
        select delivery_id, stage, check_id, count(*) as closed_count
        from {{ source('ops', 'dq_finding') }}
        where status <> 'open'
        group by delivery_id, stage, check_id
    ) as c on r.delivery_id = c.delivery_id and r.stage = c.stage and r.check_id = c.check_id
    where r.stage = 'landing' and r.severity in ('record', 'warning')
    group by d.organisation_id, d.kind, r.table_name
),

sound as (
    select
        n.organisation_id,
        n.kind,
        n.table_name,
        100e0 - 100e0 * least(1e0, {{ ratio('n.unreadable_count + coalesce(f.defect_count, 0)', 'n.record_count') }})
            as share_pct
    from counted as n
    left join failed as f
        on n.organisation_id = f.organisation_id and n.kind = f.kind and n.table_name = f.table_name
    where n.record_count > 0
),

-- Each element in the organisation's latest whole quarter that can be shown.
element as (
    select
        t.level_key as organisation_id,
        e.element_code,
        e.element_name,
        t.value as share_pct,
        t.period_start_on,
        t.period_end_on
    from {{ ref('pub_kpi_timeseries') }} as t
    inner join {{ ref('ref_dq_element') }} as e
        on t.slice_value = e.element_code
        and t.kpi_id = case e.kind_code
            when 'completeness' then 'DQ-01' when 'timeliness' then 'DQ-03' when 'identity' then 'DQ-04'
            when 'consistency' then 'DQ-05'
        end
    where
        t.level_code = 'organisation' and t.slice_code = 'element' and t.period_type_code = 'quarter'
        and t.is_period_complete and t.value is not null
    qualify row_number() over (
        partition by t.level_key, e.element_code order by t.period_start_on desc nulls last, t.version desc nulls last
    ) = 1
),

figured as (
    select distinct kpi_id, version, level_key as organisation_id
    from {{ ref('pub_kpi_timeseries') }}
    where level_code = 'organisation'
),

part as (
    select
        k.kpi_id,
        k.version,
        s.organisation_id,
        'records' as part_code,
        k.input_name as subject_code,
        replace(s.table_name, '_', ' ') as subject_name,
        cast(null as string) as reason,
        s.share_pct,
        cast(null as date) as period_start_on,
        cast(null as date) as period_end_on
    from {{ ref('kpi_input') }} as k
    inner join sound as s on k.input_name = concat(s.kind, '.', s.table_name)
    where k.input_code = 'table'
    union all
    select
        k.kpi_id,
        k.version,
        e.organisation_id,
        'element' as part_code,
        e.element_code as subject_code,
        min(e.element_name) as subject_name,
        min(u.reason) as reason,
        min(e.share_pct) as share_pct,
        min(e.period_start_on) as period_start_on,
        min(e.period_end_on) as period_end_on
    from {{ ref('kpi_input') }} as k
    inner join {{ ref('ref_dq_element_use') }} as u on k.input_name = u.measure_name
    inner join element as e on u.element_code = e.element_code
    where k.input_code = 'measure'
    group by k.kpi_id, k.version, e.organisation_id, e.element_code
),

ranked as (
    select
        p.*,
        row_number() over (
            partition by p.kpi_id, p.version, p.organisation_id
            order by p.share_pct asc nulls last, p.part_code asc nulls last, p.subject_code asc nulls last
        ) = 1 as is_weakest,
        min(p.share_pct) over (partition by p.kpi_id, p.version, p.organisation_id) as kpi_share_pct
    from part as p
)

select
    r.kpi_id,
    r.version,
    r.organisation_id,
    o.organisation_name,
    cast(r.part_code as string) as part_code,
    r.subject_code,
    r.subject_name,
    r.reason,
    -- Rounded down: what is short of a grade must not look as if it had reached it.
    {{ ratio('floor(r.share_pct * 10 + 1e-9)', '10') }} as share_pct,
    r.period_start_on,
    r.period_end_on,
    r.is_weakest,
    {{ quality_grade('r.share_pct') }} as part_grade_code,
    {{ quality_grade('r.kpi_share_pct') }} as grade_code
from ranked as r
inner join {{ source('ops', 'organisation') }} as o on r.organisation_id = o.organisation_id
inner join figured as f on r.kpi_id = f.kpi_id and r.version = f.version and r.organisation_id = f.organisation_id
