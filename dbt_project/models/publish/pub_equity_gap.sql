-- How far groups of people lie apart (EQ-01): each group of a breakdown against the largest known group of the region, by
-- figures as they are published. Groups whose figure is hidden, or rests on fewer than the KPI's minimum, are left out.
with shown as (
    select
        kpi_id, version, kpi_name, level_code, level_key, level_name, slice_code, slice_value,
        period_type_code, period_start_on, period_end_on, period_label,
        numerator, denominator, value,
        cast(numerator as double) as x,
        cast(denominator as double) as n,
        direction, is_provisional, disclosure_profile_code
    from {{ ref('pub_kpi_timeseries') }}
    where statistic_code = 'proportion' and slice_code in ('age_band', 'sex', 'ethnicity', 'disability')
        and value_status in ('shown', 'rounded') and not is_below_minimum and is_period_complete and is_current_definition
        and denominator > 0
),

-- One reference for all entities of a region, so that their gaps can be held against each other.
reference_group as (
    select kpi_id, version, slice_code, period_type_code, period_start_on, slice_value as reference_value
    from shown
    where level_code = 'region' and slice_value <> 'unknown'
    qualify row_number() over (
        partition by kpi_id, version, slice_code, period_type_code, period_start_on
        order by denominator desc nulls last, slice_value asc nulls last
    ) = 1
),

compared as (
    select
        g.*,
        f.reference_value as reference_slice_value,
        r.value as reference_group_value,
        r.numerator as reference_numerator,
        r.denominator as reference_denominator,
        r.x as rx,
        r.n as rn
    from shown as g
    inner join reference_group as f
        on g.kpi_id = f.kpi_id and g.version = f.version and g.slice_code = f.slice_code
        and g.period_type_code = f.period_type_code and g.period_start_on = f.period_start_on
    inner join shown as r
        on g.kpi_id = r.kpi_id and g.version = r.version and g.level_code = r.level_code and g.level_key = r.level_key
        and g.slice_code = r.slice_code and f.reference_value = r.slice_value
        and g.period_type_code = r.period_type_code and g.period_start_on = r.period_start_on
        and g.period_end_on = r.period_end_on
    where g.slice_value <> f.reference_value
)

select
    kpi_id,
    version,
    kpi_name,
    level_code,
    level_key,
    level_name,
    slice_code,
    slice_value,
    reference_slice_value,
    period_type_code,
    period_start_on,
    period_end_on,
    period_label,
    value as group_value,
    reference_group_value,
    denominator,
    reference_denominator,
    {{ rounded('100e0 * (' ~ ratio('x', 'n') ~ ' - ' ~ ratio('rx', 'rn') ~ ')', '1') }} as gap_pp,
    {{ rounded('100e0 * ' ~ difference_lower('x', 'n', 'rx', 'rn', '95'), '1') }} as gap_ci95_lower,
    {{ rounded('100e0 * ' ~ difference_upper('x', 'n', 'rx', 'rn', '95'), '1') }} as gap_ci95_upper,
    {{ rounded(ratio(ratio('x', 'n'), ratio('rx', 'rn')), '2') }} as rate_ratio,
    {{ rounded(proportion_ratio_limit('x', 'n', 'rx', 'rn', '95', -1), '2') }} as rate_ratio_ci95_lower,
    {{ rounded(proportion_ratio_limit('x', 'n', 'rx', 'rn', '95', 1), '2') }} as rate_ratio_ci95_upper,
    cast(case
        when {{ difference_lower('x', 'n', 'rx', 'rn', '95') }} > 0 then 'above'
        when {{ difference_upper('x', 'n', 'rx', 'rn', '95') }} < 0 then 'below'
        else 'not_told_apart'
    end as string) as difference_code,
    direction,
    is_provisional,
    disclosure_profile_code
from compared
