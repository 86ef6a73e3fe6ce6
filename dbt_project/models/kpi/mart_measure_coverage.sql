-- What is measured of each programme (a type of service): how many KPIs there are of each kind, and how many of them have
-- a figure. The gaps are what funders' data systems leave out: quality and outcomes.
with measured as (
    select
        k.level_key as programme_code,
        m.kind_code,
        k.kpi_id,
        max(case when k.value is not null then 1 else 0 end) as has_figure
    from {{ ref('fct_kpi') }} as k
    inner join {{ ref('kpi_definition') }} as d on k.kpi_id = d.kpi_id and k.version = d.version
    inner join {{ ref('ref_measure_kind') }} as m on d.category_code = m.category_code
    where k.level_code = 'service_type' and k.slice_code = 'all' and d.valid_to_on is null
    group by k.level_key, m.kind_code, k.kpi_id
)

select
    p.programme_code,
    m.kind_code,
    cast(count(k.kpi_id) as int) as kpi_count,
    cast(coalesce(sum(k.has_figure), 0) as int) as kpi_with_figure_count
from (select distinct programme_code from measured) as p
cross join (select distinct kind_code from {{ ref('ref_measure_kind') }}) as m
left join measured as k on p.programme_code = k.programme_code and m.kind_code = k.kind_code
group by p.programme_code, m.kind_code
