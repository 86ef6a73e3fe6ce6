-- Organisations beside each other, by KPI and period: rank, quartile, median of the others, and place in the funnel.
-- The centre of a funnel is the sum of numerators over the sum of denominators, never a mean of rates.
with member as (
    select
        k.kpi_id,
        k.version,
        'all' as peer_group_code,
        k.period_type_code,
        k.period_start_on,
        k.period_end_on,
        k.level_key as organisation_id,
        k.value,
        k.numerator,
        k.denominator,
        d.direction,
        d.multiplier,
        d.statistic_code
    from {{ ref('fct_kpi') }} as k
    inner join {{ ref('kpi_definition') }} as d on k.kpi_id = d.kpi_id and k.version = d.version
    where k.level_code = 'organisation'
        and k.slice_code = 'all'
        and k.period_type_code in ('quarter', 'financial_year', 'rolling12')
        and d.statistic_code in ('proportion', 'ratio', 'rate', 'mean', 'median', 'quantile')
        and k.value is not null
        and k.is_period_complete
        and not k.is_below_minimum
),

ranked as (
    select
        m.*,
        count(*) over peers as peer_count,
        rank() over (
            partition by kpi_id, version, peer_group_code, period_type_code, period_start_on order by value asc nulls last
        ) as value_rank,
        row_number() over (
            partition by kpi_id, version, peer_group_code, period_type_code, period_start_on
            order by value asc nulls last, organisation_id asc nulls last
        ) as value_position,
        count(*) over (
            partition by kpi_id, version, peer_group_code, period_type_code, period_start_on, value
        ) as tie_count,
        sum(numerator) over peers as peer_numerator,
        sum(denominator) over peers as peer_denominator,
        max(denominator) over peers as largest_denominator
    from member as m
    window peers as (partition by kpi_id, version, peer_group_code, period_type_code, period_start_on)
),

-- The values in the middle of the list; without the organisation itself the middle is one of them or between two.
middled as (
    select
        r.*,
        floor({{ ratio('peer_count', 2) }}) as half,
        mod(peer_count, 2) = 0 as is_even,
        {%- for offset in [0, 1, 2] %}
        max(case when value_position = floor({{ ratio('peer_count', 2) }}) + {{ offset }} then value end) over (
            partition by kpi_id, version, peer_group_code, period_type_code, period_start_on
        ) as middle_{{ offset }}{{ "," if not loop.last }}
        {%- endfor %}
    from ranked as r
),

centred as (
    select
        m.*,
        case
            when statistic_code = 'proportion' then {{ ratio('peer_numerator', 'peer_denominator') }}
        end as centre,
        case when statistic_code = 'proportion' then {{ ratio('numerator', 'denominator') }} end as proportion,
        cast(denominator as double) as n,
        case
            when is_even then case when value_position > half then middle_0 else middle_1 end
            else {{ ratio(
                "(case when value_position > half then middle_0 else middle_1 end"
                ~ " + case when value_position > half + 1 then middle_1 else middle_2 end)", 2
            ) }}
        end as median_of_others
    from middled as m
)

select
    kpi_id,
    version,
    cast(peer_group_code as string) as peer_group_code,
    period_type_code,
    period_start_on,
    period_end_on,
    organisation_id,
    value,
    numerator,
    denominator,
    cast(peer_count as int) as peer_count,
    -- Five peers for a median, eight for quartiles (domain §5.8); the organisation itself is no peer of its own.
    case when peer_count - 1 >= 5 then median_of_others end as median_of_others,
    case when peer_count - 1 >= 8 then
        case
            when direction < 0 then 5 - cast({{ quantile_group('value_rank', 'peer_count', 4) }} as int)
            else cast({{ quantile_group('value_rank', 'peer_count', 4) }} as int)
        end
    end as quartile_number,
    case when peer_count - 1 >= 8 then
        {{ percentile_rank('(value_rank - 1)', 'tie_count', 'peer_count', 'direction') }}
    end as percentile_rank,
    multiplier * centre as centre,
    {%- for name, confidence in [('95', '95'), ('998', '99.8')] %}
    multiplier * {{ funnel_lower('centre', 'n', confidence) }} as funnel{{ name }}_lower,
    multiplier * {{ funnel_upper('centre', 'n', confidence) }} as funnel{{ name }}_upper,
    {%- endfor %}
    cast({{ funnel_band('proportion', 'centre', 'n') }} as string) as funnel_band_code,
    coalesce(cast(largest_denominator as double) > 0.85e0 * cast(peer_denominator as double), false) as is_group_dominated
from centred
