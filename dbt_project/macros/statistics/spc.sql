{#-
    Control charts of series over time: limits by segment, the four rules of NHS Making Data Count with their precedence.
    `points` is a relation with the columns of `series` (they identify a series and its segment; a new segment begins where
    somebody decided so), `point_on` and `value` (not NULL); everything else passes through. Charts: `xmr` (individuals and
    moving range), `p` (proportions with varying n), `u` (counts per exposure), `p_prime` and `u_prime` (the same with
    Laney's correction for variation between the points). All but xmr need the columns numerator, denominator and
    multiplier; their centre is the sum of numerators over the sum of denominators. Parameters:
        charts         the charts that may occur; which of them a point belongs to says its column chart_code, if there
                       are several
        fix_after      limits come from the first so many points of a segment (12 or more); none: from all of them;
                       or an expression, NULL for all of them
        is_screened    moving ranges of 3.267 times their mean and more are left out once (the official Excel tool does not)
        shift_length   points on one side of the mean that make a shift
        trend_length   points in strict succession that make a trend
    Gives point_number, moving_range, is_baseline, baseline_count, mean, mean_moving_range (for xmr), sigma_z (for Laney's charts),
    lower_limit, upper_limit, near_lower_limit, near_upper_limit, is_near and rule_code: A beyond a limit, T trend, 2 two of three
    near a limit, S shift, NULL common cause; rule_sign says on which side, and sign_at_once what was to be seen when the
    point was the last one (a shift shows at its seventh point and then marks the six before). Sums run over DECIMAL with twelve places, so
    that they don't depend on the order of addition.
-#}
{% macro spc(points, series, charts=['xmr'], fix_after=none, is_screened=true, shift_length=7, trend_length=7) -%}
    {%- if fix_after is number and fix_after < 12 -%}
        {{ exceptions.raise_compiler_error("spc: limits from " ~ fix_after ~ " points are none; fix_after is 12 or more.") }}
    {%- endif -%}
    {%- set segment = series | join(', ') -%}
    {%- set in_order = "partition by " ~ segment ~ " order by point_on asc nulls last" -%}
    {%- set same_segment -%}
        {%- for name in series %}n.{{ name }} = m.{{ name }}{{ " and " if not loop.last }}{% endfor -%}
    {%- endset -%}
    {%- set decimal = "decimal(28, 12)" -%}
    {%- set attribute_charts = charts | reject('equalto', 'xmr') | list -%}
    {%- set is_xmr = "chart_code = 'xmr'" if charts | length > 1 else ("true" if charts == ['xmr'] else "false") -%}
    (
    with numbered as (
        select
            p.*,
            row_number() over ({{ in_order }}) as point_number,
            {%- if attribute_charts %}
            lag(p.value) over ({{ in_order }}) as value_before,
            lag(p.denominator) over ({{ in_order }}) as denominator_before,
            {%- endif %}
            p.value - lag(p.value) over ({{ in_order }}) as step
        from {{ points }} as p
    ),

    ranged as (
        select
            n.*,
            abs(step) as moving_range,
            {{ "true" if fix_after is none else "coalesce(point_number <= " ~ fix_after ~ ", true)" }} as is_baseline
        from numbered as n
    ),

    centre as (
        select
            {{ segment }},
            count(*) as baseline_count,
            {%- set xmr_mean = ratio("sum(cast(value as " ~ decimal ~ "))", "count(value)") %}
            {%- if attribute_charts %}
            case when {{ "min(chart_code) = 'xmr'" if charts | length > 1 else is_xmr }} then {{ xmr_mean }} else
                min(multiplier) * {{ ratio("sum(numerator)", "sum(denominator)") }}
            end as mean,
            {%- else %}
            {{ xmr_mean }} as mean,
            {%- endif %}
            {{ ratio("sum(cast(moving_range as " ~ decimal ~ "))", "count(moving_range)") }} as raw_mean_moving_range
        from ranged
        where is_baseline
        group by {{ segment }}
    ),

    centred as (
        select
            n.*,
            m.baseline_count,
            m.mean,
            m.raw_mean_moving_range
            {%- if attribute_charts %},
            {%- for name, denominator in [('sigma', 'n.denominator'), ('sigma_before', 'n.denominator_before')] %}
            case when not ({{ is_xmr | replace('chart_code', 'n.chart_code') }}) then n.multiplier * sqrt(greatest(0e0, {{ ratio(
                ratio("m.mean", "n.multiplier") ~ " * (1e0 - case when n.chart_code in ('p', 'p_prime') then "
                ~ ratio("m.mean", "n.multiplier") ~ " else 0e0 end)", denominator
            ) }})) end as {{ name }}{{ "," if not loop.last }}
            {%- endfor %}
            {%- endif %}
        from ranged as n
        inner join centre as m on {{ same_segment }}
    ),

    -- Moving ranges of 3.267 times their mean are left out; a flat series leaves out nothing but zeros, and its range is 0.
    range_of as (
        select
            {{ segment }},
            {%- if attribute_charts %}
            {{ ratio(
                "sum(cast(abs(" ~ ratio("value - mean", "sigma") ~ " - " ~ ratio("value_before - mean", "sigma_before")
                ~ ") as " ~ decimal ~ "))",
                "1.128e0 * count(" ~ ratio("value - mean", "sigma") ~ " - "
                ~ ratio("value_before - mean", "sigma_before") ~ ")"
            ) }} as sigma_z,
            {%- endif %}
            {%- set kept = "case when moving_range < 3.267e0 * raw_mean_moving_range then moving_range end"
                if is_screened else "moving_range" %}
            coalesce(
                {{ ratio("sum(cast(" ~ kept ~ " as " ~ decimal ~ "))", "count(" ~ kept ~ ")") }},
                min(raw_mean_moving_range)
            ) as mean_moving_range
        from centred
        where is_baseline
        group by {{ segment }}
    ),

    limited as (
        select
            n.*,
            m.mean_moving_range,
            {%- if attribute_charts %}
            m.sigma_z,
            case
                when {{ is_xmr | replace('chart_code', 'n.chart_code') }} then 2.66e0 * m.mean_moving_range
                when n.chart_code in ('p_prime', 'u_prime') and n.sigma > 0 then 3e0 * n.sigma * m.sigma_z
                else 3e0 * n.sigma
            end as reach
            {%- else %}
            2.66e0 * m.mean_moving_range as reach
            {%- endif %}
        from centred as n
        inner join range_of as m on {{ same_segment }}
    ),

    placed as (
        select
            l.*,
            mean - reach as lower_limit,
            mean + reach as upper_limit,
            mean - {{ ratio("2e0 * reach", "3") }} as near_lower_limit,
            mean + {{ ratio("2e0 * reach", "3") }} as near_upper_limit,
            case when value > mean then 1 when value < mean then -1 else 0 end as side,
            case when step > 0 then 1 when step < 0 then -1 else 0 end as step_sign
        from limited as l
    ),

    near as (
        select
            p.*,
            value > upper_limit or value < lower_limit as is_beyond,
            coalesce(
                (value > near_upper_limit and value <= upper_limit) or (value < near_lower_limit and value >= lower_limit),
                false
            ) as is_near
        from placed as p
    ),

    runs as (
        select
            n.*,
            abs(sum(side) over ({{ in_order }} rows between {{ shift_length - 1 }} preceding and current row))
                = {{ shift_length }} as ends_shift,
            abs(sum(step_sign) over ({{ in_order }} rows between {{ trend_length - 2 }} preceding and current row))
                = {{ trend_length - 1 }} as ends_trend,
            abs(sum(side) over ({{ in_order }} rows between 2 preceding and current row)) = 3
            and sum(case when is_near then 1 else 0 end) over ({{ in_order }} rows between 2 preceding and current row) >= 2
                as ends_pair
        from near as n
    ),

    flagged as (
        select
            p.*,
            max(case when ends_shift then 1 else 0 end)
                over ({{ in_order }} rows between current row and {{ shift_length - 1 }} following) = 1 as is_in_shift,
            max(case when ends_trend then 1 else 0 end)
                over ({{ in_order }} rows between current row and {{ trend_length - 1 }} following) = 1 as is_in_trend,
            max(case when ends_pair then 1 else 0 end)
                over ({{ in_order }} rows between current row and 2 following) = 1 as is_in_pair,
            -- Whether a trend that the point belongs to goes up or down.
            max(case when ends_trend then step_sign else -2 end)
                over ({{ in_order }} rows between current row and {{ trend_length - 1 }} following) as trend_sign
        from runs as p
    )

    select
        f.*,
        case
            when is_beyond then 'A'
            when is_in_trend then 'T'
            when is_in_pair and is_near then '2'
            when is_in_shift then 'S'
        end as rule_code,
        case
            when is_beyond then side
            when is_in_trend then trend_sign
            when (is_in_pair and is_near) or is_in_shift then side
            else 0
        end as rule_sign,
        case
            when is_beyond then side
            when ends_trend then step_sign
            when (ends_pair and is_near) or ends_shift then side
            else 0
        end as sign_at_once
    from flagged as f
    )
{%- endmacro %}

{#- What a signal means for a KPI with a direction: improvement, concern, high, low or common_cause. -#}
{% macro spc_variation(rule_sign, direction) -%}
    case
        when {{ rule_sign }} = 0 then 'common_cause'
        when {{ direction }} = 0 and {{ rule_sign }} > 0 then 'high'
        when {{ direction }} = 0 then 'low'
        when {{ rule_sign }} * {{ direction }} > 0 then 'improvement'
        else 'concern'
    end
{%- endmacro %}

{#- Whether a process within its limits will meet a target: always, never, or by chance. NULL without target or direction. -#}
{% macro spc_assurance(lower_limit, upper_limit, target, direction) -%}
    case
        when {{ target }} is null or {{ lower_limit }} is null or {{ direction }} = 0 then null
        when {{ direction }} > 0 and {{ target }} > {{ upper_limit }} then 'consistent_fail'
        when {{ direction }} > 0 and {{ target }} < {{ lower_limit }} then 'consistent_pass'
        when {{ direction }} < 0 and {{ target }} < {{ lower_limit }} then 'consistent_fail'
        when {{ direction }} < 0 and {{ target }} > {{ upper_limit }} then 'consistent_pass'
        else 'inconsistent'
    end
{%- endmacro %}
