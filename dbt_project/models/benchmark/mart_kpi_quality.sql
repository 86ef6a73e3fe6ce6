-- Quality of the data behind each KPI of an organisation, part by part; the weakest part is the grade. Records: of those
-- delivered in the tables that the KPI's facts are made of, the share without an open defect. Elements: the values on
-- which the KPI's measures turn (ref_dq_element_use), from the figures of data quality as they may be shown, so that a
-- grade can be published with all that it rests on.
-- What is current of a source: its latest full delivery and those after it, or all where none is full.
with profile as {{ active_profile() }},

delivered as (
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

-- Elements by quarter, protected as figures of data quality are.
measured as (
    select
        k.level_key as organisation_id,
        k.version,
        e.element_code,
        e.element_name,
        k.period_start_on,
        k.period_end_on,
        profile.percent_decimals,
        d.multiplier,
        cast(case
            when d.numerator_disclosure_code = 'person' then {{ disclosed_count('k.numerator') }} else k.numerator
        end as double) as x,
        cast(case
            when d.denominator_disclosure_code = 'person' then {{ disclosed_count('k.denominator') }} else k.denominator
        end as double) as n
    from {{ ref('fct_kpi') }} as k
    inner join {{ ref('kpi_definition') }} as d on k.kpi_id = d.kpi_id and k.version = d.version
    inner join {{ ref('ref_dq_element') }} as e
        on k.slice_value = e.element_code
        and k.kpi_id = case e.kind_code
            when 'completeness' then 'DQ-01' when 'timeliness' then 'DQ-03' when 'identity' then 'DQ-04'
            when 'consistency' then 'DQ-05'
        end
    cross join profile
    where
        k.level_code = 'organisation' and k.slice_code = 'element' and k.period_type_code = 'quarter'
        and k.is_period_complete and not k.is_below_minimum
),

-- Each element in the organisation's latest whole quarter that can be shown.
element as (
    select
        organisation_id,
        element_code,
        element_name,
        {{ rounded('multiplier * ' ~ ratio('x', 'n'), 'percent_decimals') }} as share_pct,
        period_start_on,
        period_end_on
    from measured
    where x is not null and n > 0
    qualify row_number() over (
        partition by organisation_id, element_code order by period_start_on desc nulls last, version desc nulls last
    ) = 1
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
    kpi_id,
    version,
    organisation_id,
    cast(part_code as string) as part_code,
    subject_code,
    subject_name,
    reason,
    share_pct,
    period_start_on,
    period_end_on,
    is_weakest,
    {{ quality_grade('share_pct') }} as part_grade_code,
    {{ quality_grade('kpi_share_pct') }} as grade_code
from ranked
