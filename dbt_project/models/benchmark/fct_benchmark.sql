-- Groups of peers by measure and period: how many, where the middle lies, how far they spread, and whether more than chance
-- spreads them. A median needs five members, quartiles need eight, and no group is shown that one member dominates. The
-- centre of a funnel is the sum of numerators over the sum of denominators, never a mean of rates.
{%- set keys = ['comparison_key', 'peer_group_code', 'subject_code', 'period_start_on', 'period_end_on'] %}
with member as (
    select * from {{ compared_figures() }} as compared
),

summed as (
    select
        {{ keys | join(', ') }},
        min(origin_code) as origin_code,
        min(publication_code) as publication_code,
        min(measure_id) as measure_id,
        min(method_version) as method_version,
        min(kpi_id) as kpi_id,
        min(version) as version,
        min(level_code) as level_code,
        min(slice_code) as slice_code,
        min(slice_value) as slice_value,
        min(period_type_code) as period_type_code,
        min(multiplier) as multiplier,
        count(*) as peer_count,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        count(funnel_code) as funnel_count,
        min(funnel_code) as funnel_code,
        {{ ratio(
            "sum(case when funnel_code is not null then numerator end)",
            "sum(case when funnel_code is not null then denominator end)"
        ) }} as centre,
        max(denominator) as largest_denominator,
        percentile_cont(0.1) within group (order by value asc nulls last) as p10,
        percentile_cont(0.25) within group (order by value asc nulls last) as q1,
        percentile_cont(0.5) within group (order by value asc nulls last) as median,
        percentile_cont(0.75) within group (order by value asc nulls last) as q3,
        percentile_cont(0.9) within group (order by value asc nulls last) as p90
    from member
    group by {{ keys | join(', ') }}
),

numbered as (
    select
        s.*,
        row_number() over (
            order by {% for key in keys %}{{ key }} asc nulls last{{ ", " if not loop.last }}{% endfor %}
        ) as group_number
    from summed as s
),

placed as (
    select
        g.group_number,
        abs(m.value - g.median) as deviation,
        case
            when m.funnel_code = 'proportion' and g.centre > 0 and g.centre < 1
                then {{ funnel_z('m.x', 'm.n', 'g.centre', 'proportion') }}
            when m.funnel_code = 'ratio' and g.centre > 0
                then {{ funnel_z('m.x', '(m.n * g.centre)', '1e0', 'ratio') }}
        end as z,
        case
            when m.funnel_code = 'proportion' then {{ funnel_weight('m.n', 'proportion') }}
            else {{ funnel_weight('(m.n * g.centre)', 'ratio') }}
        end as weight
    from member as m
    inner join numbered as g
        on {% for key in keys %}m.{{ key }} = g.{{ key }}{{ " and " if not loop.last }}{% endfor %}
),

deviated as (
    select group_number, percentile_cont(0.5) within group (order by deviation asc nulls last) as mad
    from placed
    group by group_number
),

dispersed as (
    select * from {{ over_dispersion('placed', ['group_number']) }} as dispersion
)

select
    {{ hash_key([
        'g.comparison_key', 'g.peer_group_code', 'g.subject_code', 'g.period_start_on', 'g.period_end_on'
    ]) }} as benchmark_key,
    g.comparison_key,
    g.origin_code,
    g.publication_code,
    g.measure_id,
    g.method_version,
    g.kpi_id,
    g.version,
    g.level_code,
    g.slice_code,
    g.slice_value,
    g.peer_group_code,
    g.subject_code,
    g.period_type_code,
    g.period_start_on,
    g.period_end_on,
    cast(g.peer_count as int) as peer_count,
    cast(g.numerator as decimal(28, 4)) as numerator,
    cast(g.denominator as decimal(28, 4)) as denominator,
    g.multiplier * g.centre as centre,
    case when g.peer_count >= 8 then g.p10 end as p10,
    case when g.peer_count >= 8 then g.q1 end as q1,
    case when g.peer_count >= 5 then g.median end as median,
    case when g.peer_count >= 8 then g.q3 end as q3,
    case when g.peer_count >= 8 then g.p90 end as p90,
    case when g.peer_count >= 5 then d.mad end as mad,
    cast(g.funnel_code as string) as funnel_code,
    o.phi,
    o.tau_squared,
    -- Only many members that differ by more than chance widen a funnel (domain §5.7).
    coalesce(g.funnel_count >= 10 and o.phi > 1 and o.tau_squared > 0, false) as is_over_dispersed,
    coalesce(cast(g.largest_denominator as double) > 0.85e0 * cast(g.denominator as double), false) as is_dominated
from numbered as g
left join deviated as d on g.group_number = d.group_number
left join dispersed as o on g.group_number = o.group_number
