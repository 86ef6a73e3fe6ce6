-- Organisations beside their peers, as far as their own figure may be shown. Figures of groups are rounded like those of
-- organisations; a group that one member dominates shows none.
with profile as {{ active_profile() }}

select
    m.kpi_id,
    m.version,
    t.kpi_name,
    m.peer_group_code,
    m.period_type_code,
    m.period_start_on,
    m.period_end_on,
    m.organisation_id,
    t.level_name as organisation_name,
    t.value,
    t.value_status,
    t.ci95_lower,
    t.ci95_upper,
    m.peer_count,
    {%- for name, column in [
        ('median_of_others', 'm.median_of_others'), ('q1', 'g.q1'), ('median', 'g.median'), ('q3', 'g.q3'),
        ('centre', 'm.centre'), ('funnel95_lower', 'm.funnel95_lower'), ('funnel95_upper', 'm.funnel95_upper'),
        ('funnel998_lower', 'm.funnel998_lower'), ('funnel998_upper', 'm.funnel998_upper')
    ] %}
    case when t.value_status in ('shown', 'rounded') and not g.is_dominated then
        {{ rounded(column, "case when t.unit_code = 'percent' then profile.percent_decimals else profile.mean_decimals end") }}
    end as {{ name }},
    {%- endfor %}
    case when t.value_status in ('shown', 'rounded') then m.quartile_number end as quartile_number,
    case when t.value_status in ('shown', 'rounded') then cast({{ rounded('m.percentile_rank', '0') }} as int) end
        as percentile_rank,
    case when t.value_status in ('shown', 'rounded') then m.funnel_band_code end as funnel_band_code,
    g.is_over_dispersed,
    {{ rounded('g.phi', '2') }} as phi,
    case
        when t.value_status not in ('shown', 'rounded') then t.value_status
        when g.is_dominated then 'suppressed'
        when g.median is null then 'not_computed'
        else 'rounded'
    end as peer_status,
    t.unit_code,
    t.direction,
    t.disclosure_profile_code
from {{ ref('fct_benchmark_member') }} as m
inner join {{ ref('fct_benchmark') }} as g
    on m.benchmark_key = g.benchmark_key
inner join {{ ref('pub_kpi_timeseries') }} as t
    on m.kpi_id = t.kpi_id and m.version = t.version and t.level_code = 'organisation'
    and m.organisation_id = t.level_key and t.slice_code = 'all'
    and m.period_type_code = t.period_type_code and m.period_start_on = t.period_start_on
cross join profile
where m.origin_code = 'own'
