-- Own KPIs beside the national and regional figures that others published: the latest published period of the same kind
-- that had ended by then. Own figures are the protected ones; figures in different units are never put side by side.
with published as (
    select *
    from {{ ref('fct_benchmark_external') }}
    where kpi_id is not null and level_code in ('national', 'region') and slice_type_code = 'all' and value is not null
),

paired as (
    select
        t.kpi_id,
        t.version,
        t.kpi_name,
        t.level_code,
        t.level_key,
        t.level_name,
        t.period_type_code,
        t.period_start_on,
        t.period_end_on,
        t.period_label,
        t.value,
        t.value_status,
        t.ci95_lower,
        t.ci95_upper,
        p.source_id,
        p.publication_code,
        p.method_version,
        p.comparability_code,
        p.measure_id,
        p.level_code as published_level_code,
        p.organisation_code as published_organisation_code,
        p.organisation_name as published_organisation_name,
        p.period_start_on as published_start_on,
        p.period_end_on as published_end_on,
        p.period_label as published_period_label,
        p.value as published_value,
        p.value_lower as published_lower,
        p.value_upper as published_upper,
        t.unit_code,
        t.direction
    from {{ ref('pub_kpi_timeseries') }} as t
    inner join published as p
        on t.kpi_id = p.kpi_id and t.unit_code = p.unit_code and t.period_type_code = p.period_type_code
        and t.period_end_on >= p.period_end_on
    where t.slice_code = 'all' and t.level_code in ('region', 'organisation') and t.is_period_complete
    qualify row_number() over (
        partition by
            t.kpi_id, t.version, t.level_code, t.level_key, t.period_type_code, t.period_start_on,
            p.source_id, p.measure_id, p.level_code, p.organisation_code
        order by p.period_end_on desc nulls last, p.period_start_on desc nulls last
    ) = 1
)

select
    *,
    published_end_on = period_end_on and published_start_on = period_start_on as is_same_period,
    value - published_value as difference,
    -- Only what lies wholly beyond the published figure's own interval is called different.
    cast(case
        when ci95_lower is null or ci95_upper is null then null
        when ci95_lower > coalesce(published_upper, published_value) then 'higher'
        when ci95_upper < coalesce(published_lower, published_value) then 'lower'
        else 'similar'
    end as string) as difference_code
from paired
