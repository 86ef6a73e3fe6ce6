-- Figures that others published, as they published them: what they hid stays hidden, with its status. Beside them stand
-- where each lies on the chart of its series and among the others of its level; of a figure that two sources bring, only
-- the one that counts there has these, and the region's own target.
{#- How the long list of series calls what a published figure is (benchmark_series). -#}
{%- set same = {
    'publication_code': 'publication_code', 'measure_id': 'measure_id', 'method_version': 'method_version',
    'level_code': 'level_code', 'organisation_code': 'level_key', 'slice_type_code': 'slice_code',
    'slice_code': 'slice_value', 'period_type_code': 'period_type_code', 'period_start_on': 'period_start_on',
    'period_end_on': 'period_end_on'
} %}
with measure as (
    select source_id, measure_id, publication_name, publication_source, licence
    from {{ source('ops', 'indicator_measure') }}
),

ranked as (
    select
        e.*,
        row_number() over (
            partition by {% for name in same %}e.{{ name }}{{ ", " if not loop.last }}{% endfor %}
            order by e.source_id desc nulls last
        ) as source_rank
    from {{ ref('fct_benchmark_external') }} as e
),

-- Whose chart, peers and target are looked for. Asked of the figure alone within a join, these would compare every
-- figure with every point.
figure as (
    select
        *,
        case when source_rank = 1 then publication_code end as compared_publication_code,
        case when source_rank = 1 and slice_type_code = 'all' then publication_code end as judged_publication_code
    from ranked
)

select
    e.publication_code,
    coalesce(q.publication_name, e.publication_code) as publication_name,
    q.publication_source,
    q.licence,
    e.method_version,
    e.comparability_code,
    e.measure_id,
    e.measure_name,
    e.kpi_id,
    e.organisation_code,
    e.organisation_name,
    e.level_code,
    e.slice_type_code,
    e.slice_code,
    e.period_type_code,
    e.period_start_on,
    e.period_end_on,
    e.period_label,
    e.value,
    e.status_code as value_status,
    e.value_lower,
    e.value_upper,
    e.ci95_lower,
    e.ci95_upper,
    e.numerator,
    e.denominator,
    {{ rounded('c.mean', '4') }} as spc_mean,
    {{ rounded('c.lower_limit', '4') }} as spc_lower_limit,
    {{ rounded('c.upper_limit', '4') }} as spc_upper_limit,
    c.is_trial as spc_is_trial,
    c.rule_code as spc_rule_code,
    c.variation_code,
    m.peer_count,
    {%- for name, column in [
        ('median_of_others', 'm.median_of_others'), ('q1', 'g.q1'), ('median', 'g.median'), ('q3', 'g.q3'),
        ('centre', 'm.centre'), ('funnel95_lower', 'm.funnel95_lower'), ('funnel95_upper', 'm.funnel95_upper'),
        ('funnel998_lower', 'm.funnel998_lower'), ('funnel998_upper', 'm.funnel998_upper')
    ] %}
    {{ rounded(column, '4') }} as {{ name }},
    {%- endfor %}
    m.quartile_number,
    cast({{ rounded('m.percentile_rank', '0') }} as int) as percentile_rank,
    m.funnel_band_code,
    g.is_over_dispersed,
    {{ rounded('g.phi', '2') }} as phi,
    e.unit_code,
    e.direction,
    e.statistic_code,
    e.source_id,
    t.target,
    {{ rounded('t.gap', '4') }} as gap,
    t.rag_code
from figure as e
left join measure as q on e.source_id = q.source_id and e.measure_id = q.measure_id
{%- for alias, table, more in [
    ('c', 'fct_spc_point', ''),
    ('m', 'fct_benchmark_member', "and m.peer_group_code = 'all' and m.subject_code = 'all'")
] %}
left join {{ ref(table) }} as {{ alias }}
    on e.compared_publication_code = {{ alias }}.publication_code and {{ alias }}.origin_code = 'external' {{ more }}
    {%- for own, other in same.items() %}
    and e.{{ own }} = {{ alias }}.{{ other }}
    {%- endfor %}
{%- endfor %}
left join {{ ref('fct_benchmark') }} as g on m.benchmark_key = g.benchmark_key
left join {{ ref('fct_performance_gap') }} as t
    on e.judged_publication_code = t.publication_code and e.measure_id = t.measure_id
    and e.method_version = t.method_version
    and e.level_code = t.level_code and e.organisation_code = t.level_key
    and e.period_type_code = t.period_type_code and e.period_start_on = t.period_start_on
    and t.origin_code = 'external' and t.is_leading_target
