-- Figures that others published, each with the interval that rounding and suppression leave for the true value. Where
-- numerator and denominator are published, they bound the value beside its own rounding; where a number is hidden, its
-- mark's interval takes its place. No mark ever becomes a number: a hidden value stays empty, whatever could be guessed.
with counted as (
    select
        f.*,
        f.multiplier * {{ ratio('f.numerator', 'f.denominator') }} as counted_value,
        f.multiplier * {{ ratio('f.numerator_lower', 'f.denominator_upper') }} as counted_lower,
        case
            when f.statistic_code = 'proportion' then least(
                f.multiplier,
                coalesce(f.multiplier * {{ ratio('f.numerator_upper', 'greatest(f.denominator_lower, 0)') }}, f.multiplier)
            )
            when f.denominator_lower > 0 then f.multiplier * {{ ratio('f.numerator_upper', 'f.denominator_lower') }}
        end as unchecked_upper
    from {{ ref('in_benchmark__figure') }} as f
),

bounded as (
    select
        c.*,
        -- Both ends, or none: half an interval of a proportion would be made of nothing.
        case when numerator_upper is not null and denominator_upper > 0 then unchecked_upper end as counted_upper,
        coalesce(
            value_status_code,
            case
                when counted_value is not null then 'published'
                when is_part_suppressed then 'suppressed'
                else 'not_published'
            end
        ) as status_code
    from counted as c
),

judged as (
    select
        b.*,
        cast(numerator as double) as x,
        cast(denominator as double) as n,
        case when value_status_code is null then counted_value else value end as shown_value,
        coalesce(
            is_value_rounding_known
            and (value_lower > counted_upper + 1e-9 or value_upper < counted_lower - 1e-9),
            false
        ) as is_contradictory
    from bounded as b
)

select
    {{ hash_key([
        'source_id', 'measure_id', 'level_code', 'organisation_code', 'period_type_code', 'period_start_on',
        'period_end_on', 'slice_type_code', 'slice_code'
    ]) }} as external_figure_key,
    publication_code,
    method_version,
    comparability_code,
    measure_id,
    measure_name,
    kpi_id,
    direction,
    unit_code,
    multiplier,
    statistic_code,
    organisation_code,
    organisation_name,
    level_code,
    slice_type_code,
    slice_code,
    period_type_code,
    period_start_on,
    period_end_on,
    period_label,
    status_code,
    numerator,
    denominator,
    shown_value as value,
    case when is_contradictory then value_lower else greatest(value_lower, counted_lower) end as value_lower,
    case when is_contradictory then value_upper else least(value_upper, counted_upper) end as value_upper,
    numerator_lower,
    numerator_upper,
    denominator_lower,
    denominator_upper,
    {%- for side, proportion_limit, count_limit in [
        ('lower', wilson_lower, count_lower), ('upper', wilson_upper, count_upper)
    ] %}
    -- Only of figures that were published: what is hidden has no interval that would tell it.
    case
        when status_code <> 'published' then null
        when statistic_code = 'proportion' then multiplier * {{ proportion_limit('x', 'n', '95') }}
        when statistic_code = 'rate' then multiplier * {{ ratio(count_limit('x', '95'), 'n') }}
    end as ci95_{{ side }},
    {%- endfor %}
    is_contradictory,
    published_lower,
    published_upper,
    published_centre,
    published_score,
    source_id,
    organisation_id,
    delivery_id,
    file_name,
    row_number,
    line_number
from judged
