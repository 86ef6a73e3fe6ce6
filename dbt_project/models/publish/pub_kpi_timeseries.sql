-- Every KPI as it may be shown. Rates are made anew from the protected numerator and denominator; whatever depends on a
-- hidden number is hidden with it. Means and quantiles are rounded instead, and the sum behind a mean is not shown; numbers
-- to be expected are rounded to whole people. Differences of two KPIs are made of both as they are shown. Weighted
-- estimates can't be made anew from counts: they are hidden with their counts, and rounded.
{%- set differences = kpi_differences() %}
with profile as {{ active_profile() }},

figure as (
    select * from {{ ref('fct_kpi') }}
    union all
    select * from {{ ref('fct_kpi_second') }}
),

defined as (
    select
        k.*,
        d.kpi_name,
        d.unit_code,
        d.direction,
        d.multiplier,
        k.statistic_code in ('mean', 'effect_size', 'median', 'quantile') as is_statistic_of_values,
        k.statistic_code = 'difference' as is_difference,
        k.statistic_code = 'stratified' as is_weighted,
        d.numerator_disclosure_code = 'person' as is_numerator_protected,
        d.denominator_disclosure_code = 'person' as is_denominator_protected,
        d.denominator_disclosure_code = 'expected' as is_denominator_expected
    from figure as k
    inner join {{ ref('kpi_definition') }} as d on k.kpi_id = d.kpi_id and k.version = d.version
),

protected as (
    select
        k.*,
        profile.profile_code,
        case when k.unit_code = 'percent' then profile.percent_decimals else profile.mean_decimals end as decimals,
        case
            when k.status_code = 'no_data' then 'no_data'
            when k.is_statistic_of_values or k.is_difference then 'not_computed'
            when k.is_numerator_protected then {{ disclosure_status('k.numerator') }}
            else 'shown'
        end as numerator_status,
        case
            when k.status_code = 'no_data' then 'no_data'
            when k.denominator is null then 'not_computed'
            when k.is_denominator_protected then {{ disclosure_status('k.denominator') }}
            when not k.is_denominator_expected then 'shown'
            -- Expected numbers add up to the observed ones: exact, or beside a hidden one, they would give it away.
            when {{ is_small('k.numerator') }} then 'suppressed'
            else 'rounded'
        end as denominator_status,
        cast(case when k.is_numerator_protected then {{ disclosed_count('k.numerator') }} else k.numerator end as double)
            as x,
        cast(case
            when k.is_denominator_protected then {{ disclosed_count('k.denominator') }}
            when k.is_denominator_expected then {{ rounded('k.denominator', '0') }}
            else k.denominator
        end as double) as n
    from defined as k
    cross join profile
),

judged as (
    select
        p.*,
        case
            when status_code = 'no_data' then 'no_data'
            when denominator_status = 'suppressed' or numerator_status = 'suppressed' then 'suppressed'
            when status_code = 'no_denominator' or is_below_minimum then 'not_computed'
            when statistic_code in ('count', 'sum', 'distinct_count') then numerator_status
            when is_numerator_protected or is_denominator_protected or is_denominator_expected then 'rounded'
            else 'shown'
        end as value_status
    from protected as p
),

-- A difference is of its two parts as they are shown, and hidden with either.
part as (
    select
        p.*,
        d.difference_kpi_id,
        d.part_number
    from judged as p
    inner join (
        {%- for kpi in differences %}
        {%- for part in kpi.difference_of %}
        select '{{ kpi.kpi_id }}' as difference_kpi_id, '{{ part }}' as kpi_id, {{ loop.index }} as part_number
        {{ "union all" if not loop.last }}
        {%- endfor %}
        {{ "union all" if not loop.last }}
        {%- else %}
        select cast(null as string) as difference_kpi_id, cast(null as string) as kpi_id, 0 as part_number
        {%- endfor %}
    ) as d on p.kpi_id = d.kpi_id
    where p.is_current_definition
),

pair as (
    select
        a.difference_kpi_id as kpi_id,
        a.level_code,
        a.level_key,
        a.slice_code,
        a.slice_value,
        a.period_type_code,
        a.period_start_on,
        a.x as x1,
        a.n as n1,
        b.x as x2,
        b.n as n2,
        case
            when 'no_data' in (a.value_status, b.value_status) then 'no_data'
            when 'suppressed' in (a.value_status, b.value_status) then 'suppressed'
            when 'not_computed' in (a.value_status, b.value_status) then 'not_computed'
            when 'rounded' in (a.value_status, b.value_status) then 'rounded'
            else 'shown'
        end as value_status
    from part as a
    inner join part as b
        on a.difference_kpi_id = b.difference_kpi_id and a.level_code = b.level_code and a.level_key = b.level_key
        and a.slice_code = b.slice_code and a.slice_value = b.slice_value
        and a.period_type_code = b.period_type_code and a.period_start_on = b.period_start_on
    where a.part_number = 1 and b.part_number = 2
),

shown as (
    select
        j.*,
        p.x1,
        p.n1,
        p.x2,
        p.n2,
        coalesce(p.value_status, j.value_status) as shown_status
    from judged as j
    left join pair as p
        on j.kpi_id = p.kpi_id and j.level_code = p.level_code and j.level_key = p.level_key
        and j.slice_code = p.slice_code and j.slice_value = p.slice_value
        and j.period_type_code = p.period_type_code and j.period_start_on = p.period_start_on
),

named as (
    select 'region' as level_code, region_id as level_key, region_name as level_name from {{ source('ops', 'region') }}
    union all
    select 'organisation', organisation_id, organisation_name from {{ ref('dim_organisation') }}
    union all
    select 'service', service_key, service_name from {{ ref('dim_service') }}
    union all
    select 'funder', funder_key, coalesce(funder_name, funder_code) from {{ ref('dim_funder') }}
    union all
    select 'programme', programme_key, max(programme_name) from {{ ref('fct_award_transaction') }} group by programme_key
    union all
    select 'award', award_key, coalesce(title, award_code) from {{ ref('dim_award') }}
),

period_label as (
    select period_type_code, period_start_on, min(label) as period_label
    from {{ ref('dim_period') }}
    group by period_type_code, period_start_on
),

-- Slice and period type as columns: a join on constants of the left side would compare every row with every row.
charted as (
    select c.*, 'all' as slice_code, 'month' as period_type_code from {{ ref('fct_spc_point') }} as c
),

targeted as (
    select g.*, 'all' as slice_code from {{ ref('fct_performance_gap') }} as g
    where g.is_leading_target
)

{#- The KPI as it may be shown; gaps are of this figure, so that they give away no more than it does. -#}
{%- set value -%}
    case
        when j.shown_status not in ('shown', 'rounded') then null
        when j.is_statistic_of_values or j.is_weighted then {{ rounded('j.value', 'j.decimals') }}
        when j.is_difference then {{ rounded(
            'j.multiplier * (' ~ ratio('j.x1', 'j.n1') ~ ' - ' ~ ratio('j.x2', 'j.n2') ~ ')', 'j.decimals') }}
        when j.statistic_code in ('count', 'sum', 'distinct_count') then j.x * j.multiplier
        else {{ rounded('j.multiplier * ' ~ ratio('j.x', 'j.n'), 'j.decimals') }}
    end
{%- endset %}
{#- Limits that follow n are those of the n that is shown; those of the true one would give it away. -#}
{%- set reach_shown -%}
    case
        when c.chart_code = 'xmr' or j.n = cast(j.denominator as double) then 1e0
        else sqrt({{ ratio('j.denominator', 'j.n') }})
    end
{%- endset %}
select
    j.kpi_id,
    j.version,
    j.kpi_name,
    j.level_code,
    j.level_key,
    cast(coalesce(n.level_name, j.level_key) as string) as level_name,
    j.slice_code,
    j.slice_value,
    j.period_type_code,
    j.period_start_on,
    j.period_end_on,
    l.period_label,
    cast(case when j.numerator_status in ('shown', 'rounded') then j.x end as decimal(18, 2)) as numerator,
    cast(j.numerator_status as string) as numerator_status,
    cast(case when j.denominator_status in ('shown', 'rounded') then j.n end as decimal(18, 2)) as denominator,
    cast(j.denominator_status as string) as denominator_status,
    {{ value }} as value,
    cast(j.shown_status as string) as value_status,
    {%- for side in ['lower', 'upper'] %}
    case
        when j.shown_status not in ('shown', 'rounded') then null
        when j.interval_method_code = 'wilson' then {{ rounded(
            'j.multiplier * ' ~ (wilson_lower('j.x', 'j.n', '95') if side == 'lower' else wilson_upper('j.x', 'j.n', '95')),
            'j.decimals') }}
        when j.interval_method_code = 'byar' then {{ rounded(
            'j.multiplier * ' ~ ratio(count_lower('j.x', '95') if side == 'lower' else count_upper('j.x', '95'), 'j.n'),
            'j.decimals') }}
        when j.interval_method_code = 'newcombe' then {{ rounded(
            'j.multiplier * ' ~ (difference_lower('j.x1', 'j.n1', 'j.x2', 'j.n2', '95') if side == 'lower'
                else difference_upper('j.x1', 'j.n1', 'j.x2', 'j.n2', '95')), 'j.decimals') }}
        when j.interval_method_code in ('t', 'stratified') then {{ rounded('j.ci95_' ~ side, 'j.decimals') }}
    end as ci95_{{ side }},
    {%- endfor %}
    case when j.shown_status in ('shown', 'rounded') then c.rule_code end as spc_rule_code,
    case when j.shown_status in ('shown', 'rounded') then c.variation_code end as variation_code,
    case when j.shown_status in ('shown', 'rounded') then {{ rounded('c.mean', 'j.decimals') }} end as spc_mean,
    {%- for name in ['lower_limit', 'upper_limit'] %}
    case when j.shown_status in ('shown', 'rounded') then {{ rounded(
        '(c.mean + (c.' ~ name ~ ' - c.mean) * ' ~ reach_shown ~ ')', 'j.decimals') }} end as spc_{{ name }},
    {%- endfor %}
    case when j.shown_status in ('shown', 'rounded') then c.is_trial end as spc_is_trial,
    coalesce(g.target, c.target) as target,
    case
        when g.target is not null and j.direction <> 0
            then {{ rounded('(j.direction * (' ~ value ~ ' - g.target))', 'greatest(j.decimals, 2)') }}
    end as gap,
    case when j.shown_status in ('shown', 'rounded') then g.rag_code end as rag_code,
    case when j.shown_status in ('shown', 'rounded') then c.assurance_code end as assurance_code,
    case when j.shown_status in ('shown', 'rounded') then g.is_problem end as is_problem,
    j.unit_code,
    j.direction,
    j.statistic_code,
    j.interval_method_code,
    j.coverage_code,
    j.is_period_complete,
    j.is_provisional,
    j.is_stale,
    j.is_below_minimum,
    j.is_current_definition,
    j.profile_code as disclosure_profile_code
from shown as j
left join named as n on j.level_code = n.level_code and j.level_key = n.level_key
left join period_label as l on j.period_type_code = l.period_type_code and j.period_start_on = l.period_start_on
left join charted as c
    on j.kpi_id = c.kpi_id and j.version = c.version and j.level_code = c.level_code and j.level_key = c.level_key
    and j.slice_code = c.slice_code and j.period_type_code = c.period_type_code and j.period_start_on = c.period_start_on
left join targeted as g
    on j.kpi_id = g.kpi_id and j.version = g.version and j.level_code = g.level_code and j.level_key = g.level_key
    and j.slice_code = g.slice_code and j.period_type_code = g.period_type_code and j.period_start_on = g.period_start_on
