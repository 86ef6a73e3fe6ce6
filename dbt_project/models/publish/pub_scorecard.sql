-- The latest complete quarter and financial year of each KPI beside the one before, for two audiences: the board sees the
-- headline KPIs of the region and of organisations, a service all of its own. Every number is the one of
-- pub_kpi_timeseries, so that board room and front line never read different ones.
with figure as (
    select
        t.*,
        d.category_code,
        d.balancing_kpi_id,
        d.is_headline,
        case when t.level_code = 'service' then 'service' else 'board' end as audience_code
    from {{ ref('pub_kpi_timeseries') }} as t
    inner join {{ ref('kpi_definition') }} as d on t.kpi_id = d.kpi_id and t.version = d.version
    where t.period_type_code in ('quarter', 'financial_year') and t.is_period_complete and t.is_current_definition
        and t.slice_code = d.base_slice_code
        and (t.level_code = 'service' or (d.is_headline and t.level_code in ('region', 'organisation')))
),

-- What stands beside a headline: of the same breakdown, or the whole where it has none.
balancing as (
    select t.*
    from {{ ref('pub_kpi_timeseries') }} as t
    inner join {{ ref('kpi_definition') }} as d
        on t.kpi_id = d.kpi_id and t.version = d.version and t.slice_code = d.base_slice_code
    where t.is_current_definition
),

numbered as (
    select
        *,
        lag(value) over (
            partition by kpi_id, level_code, level_key, slice_value, period_type_code
            order by period_start_on asc nulls last, version asc nulls last
        ) as previous_value,
        row_number() over (
            partition by kpi_id, level_code, level_key, slice_value, period_type_code
            order by period_start_on desc nulls last, version desc nulls last
        ) as recency
    from figure
)

select
    f.audience_code,
    f.level_code,
    f.level_key,
    f.level_name,
    f.category_code,
    f.kpi_id,
    f.version,
    f.kpi_name,
    f.slice_value,
    f.period_type_code,
    f.period_start_on,
    f.period_end_on,
    f.period_label,
    f.value,
    f.value_status,
    f.unit_code,
    f.direction,
    f.previous_value,
    f.target,
    f.gap,
    f.rag_code,
    f.balancing_kpi_id,
    case when whole.kpi_id is not null then whole.value else part.value end as balancing_value,
    coalesce(whole.value_status, part.value_status) as balancing_value_status,
    f.is_provisional,
    f.is_stale
from numbered as f
{%- for alias, slice in [
    ('whole', "whole.slice_code = 'all'"),
    ('part', "f.slice_code = part.slice_code and f.slice_value = part.slice_value and part.slice_code <> 'all'")
] %}
left join balancing as {{ alias }}
    on f.balancing_kpi_id = {{ alias }}.kpi_id
    and f.level_code = {{ alias }}.level_code and f.level_key = {{ alias }}.level_key
    and f.period_type_code = {{ alias }}.period_type_code and f.period_start_on = {{ alias }}.period_start_on
    and {{ slice }}
{%- endfor %}
where f.recency = 1
