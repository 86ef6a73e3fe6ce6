-- Whom we reach (EQ-02): the share of a group among the people served in a year, of its share among the people in need, by
-- figures as they are published. Shares are of people whose group is known; those of whom it is not are shown beside them
-- (and left in where they are so few that their number is hidden). A population of the organisation itself comes before
-- that of the region, a newer one before an older, but none that is newer than the year. A group that nobody served is
-- of is there with 0. The population is taken as known, so the interval is that of the share served.
with served as (
    select *
    from {{ ref('pub_kpi_timeseries') }}
    where kpi_id = 'AV-05' and level_code in ('region', 'organisation') and period_type_code = 'financial_year'
        and is_period_complete and is_current_definition
),

everyone as (
    select * from served where slice_code = 'all' and value_status in ('shown', 'rounded')
),

population as (
    select
        e.level_code,
        e.level_key,
        e.period_start_on,
        p.slice_code,
        p.slice_value,
        p.person_count,
        p.population_share,
        p.reference_year,
        p.area,
        p.origin,
        p.level_code as population_of_code
    from everyone as e
    inner join {{ ref('fct_reference_population') }} as p
        on year(e.period_end_on) >= p.reference_year
        and ((e.level_code = p.level_code and e.level_key = p.level_key) or p.level_code = 'region')
    qualify dense_rank() over (
        partition by e.level_code, e.level_key, e.period_start_on, p.slice_code
        order by case when p.level_code = e.level_code then 0 else 1 end asc nulls last, p.reference_year desc nulls last
    ) = 1
),

breakdown as (
    select
        level_code, level_key, period_start_on, slice_code,
        max(reference_year) as reference_year, max(area) as area, max(origin) as origin,
        max(population_of_code) as population_of_code
    from population
    group by level_code, level_key, period_start_on, slice_code
),

-- Groups of the people served, and groups that nobody served is of.
listed as (
    select b.level_code, b.level_key, b.period_start_on, b.slice_code, p.slice_value
    from breakdown as b
    inner join population as p
        on b.level_code = p.level_code and b.level_key = p.level_key and b.period_start_on = p.period_start_on
        and b.slice_code = p.slice_code
    union
    select b.level_code, b.level_key, b.period_start_on, b.slice_code, s.slice_value
    from breakdown as b
    inner join served as s
        on b.level_code = s.level_code and b.level_key = s.level_key and b.period_start_on = s.period_start_on
        and b.slice_code = s.slice_code
),

counted as (
    select
        l.level_code,
        l.level_key,
        e.level_name,
        l.slice_code,
        l.slice_value,
        e.period_start_on,
        e.period_end_on,
        e.period_label,
        e.is_provisional,
        e.disclosure_profile_code,
        d.min_denominator,
        cast(case
            when s.value_status is null then 0
            when s.value_status in ('shown', 'rounded') then s.value
        end as double) as served_count,
        cast(e.value as double) as everyone_count,
        cast(e.value - coalesce(u.value, 0) as double) as known_count,
        coalesce(s.value_status, 'shown') as served_status,
        p.person_count as population_count,
        p.population_share,
        b.reference_year,
        b.area,
        b.origin,
        b.population_of_code
    from listed as l
    inner join breakdown as b
        on l.level_code = b.level_code and l.level_key = b.level_key and l.period_start_on = b.period_start_on
        and l.slice_code = b.slice_code
    inner join everyone as e
        on l.level_code = e.level_code and l.level_key = e.level_key and l.period_start_on = e.period_start_on
    left join served as s
        on l.level_code = s.level_code and l.level_key = s.level_key and l.period_start_on = s.period_start_on
        and l.slice_code = s.slice_code and l.slice_value = s.slice_value
    left join served as u
        on l.level_code = u.level_code and l.level_key = u.level_key and l.period_start_on = u.period_start_on
        and l.slice_code = u.slice_code and u.slice_value = 'unknown'
    left join population as p
        on l.level_code = p.level_code and l.level_key = p.level_key and l.period_start_on = p.period_start_on
        and l.slice_code = p.slice_code and l.slice_value = p.slice_value
    cross join (
        select max(min_denominator) as min_denominator from {{ ref('kpi_definition') }} where kpi_id = 'EQ-02'
    ) as d
),

judged as (
    select
        *,
        case
            when slice_value = 'unknown' then 'unknown_group'
            when served_status not in ('shown', 'rounded') then served_status
            when coalesce(population_share, 0) = 0 then 'no_reference'
            when known_count < min_denominator then 'not_computed'
            else served_status
        end as reach_status,
        -- Rounding, and people who belong to two groups in one year, may bring a group above the whole.
        least(served_count, known_count) as x,
        known_count as n
    from counted
),

reached as (
    select
        *,
        case when reach_status in ('shown', 'rounded') then {{ ratio(ratio('x', 'n'), 'population_share') }} end as reach,
        {%- for side, limit in [('lower', wilson_lower('x', 'n', '95')), ('upper', wilson_upper('x', 'n', '95'))] %}
        case when reach_status in ('shown', 'rounded') then {{ ratio(limit, 'population_share') }} end
            as reach_{{ side }}{{ "," if not loop.last }}
        {%- endfor %}
    from judged
)

select
    level_code,
    level_key,
    level_name,
    slice_code,
    slice_value,
    period_start_on,
    period_end_on,
    period_label,
    cast(case when served_status in ('shown', 'rounded') then served_count end as bigint) as served_count,
    cast(served_status as string) as served_status,
    case
        when served_status not in ('shown', 'rounded') then null
        when slice_value = 'unknown' then {{ rounded('100e0 * ' ~ ratio('least(served_count, everyone_count)', 'everyone_count'), '1') }}
        else {{ rounded('100e0 * ' ~ ratio('x', 'n'), '1') }}
    end as served_share_pct,
    population_count,
    {{ rounded('100e0 * population_share', '1') }} as population_share_pct,
    {{ rounded('reach', '2') }} as reach_ratio,
    {{ rounded('reach_lower', '2') }} as reach_ci95_lower,
    {{ rounded('reach_upper', '2') }} as reach_ci95_upper,
    cast(reach_status as string) as reach_status,
    cast(case
        when reach_lower > 1 then 'above'
        when reach_upper < 1 then 'below'
        when reach is not null then 'not_told_apart'
    end as string) as difference_code,
    reference_year,
    population_of_code,
    area,
    origin,
    is_provisional,
    disclosure_profile_code
from reached
