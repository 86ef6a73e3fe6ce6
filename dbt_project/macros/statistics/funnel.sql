{#-
    Control limits of a funnel plot at a centre and a size, for proportions (x of n around p0) and for ratios (observed
    over expected around 1; times a rate, also for rates). Parameters:
        tau_squared   an expression: additive variance between the members (over_dispersion); none: no such limits.
                      Where it is NULL the plain limits hold.
        z_decimals    round z as a publication did
    Proportions are clipped to [0, 1], ratios are positive; nothing without a size or a centre.
-#}
{% macro funnel_lower(centre, n, confidence, tau_squared=none, z_decimals=none) -%}
    {{ _funnel_limit(centre, n, confidence, tau_squared, z_decimals, "lower") }}
{%- endmacro %}

{% macro funnel_upper(centre, n, confidence, tau_squared=none, z_decimals=none) -%}
    {{ _funnel_limit(centre, n, confidence, tau_squared, z_decimals, "upper") }}
{%- endmacro %}

{#- Plain: the closed form of the inverse Wilson limits. Over-dispersed: on the arcsine scale, which ends at 0 and π/2. -#}
{% macro _funnel_limit(centre, n, confidence, tau_squared, z_decimals, side) -%}
    {%- set z = z_quantile(confidence, z_decimals) -%}
    {%- set sign, clip, last = ("-", "greatest", "0e0") if side == "lower" else ("+", "least", "1e0") -%}
    (case
        when {{ n }} is null or {{ centre }} is null or {{ n }} <= 0 then null
        {%- if tau_squared is not none %}
        when {{ tau_squared }} is not null then power(sin({{ clip }}(
            asin(sqrt({{ centre }})) {{ sign }} {{ z }} * sqrt({{ ratio(1, "4e0 * " ~ n) }} + {{ tau_squared }}),
            {{ "0e0" if side == "lower" else "1.5707963267948966e0" }}
        )), 2)
        {%- endif %}
        else {{ clip }}(
            {{ last }}, {{ centre }} {{ sign }} {{ z }} * sqrt({{ ratio(centre ~ " * (1e0 - " ~ centre ~ ")", n) }})
        )
    end)
{%- endmacro %}

{#- Plain: exact Poisson limits of the expected number, over it. Over-dispersed: on the logarithmic scale. -#}
{% macro ratio_funnel_lower(expected, confidence, tau_squared=none, z_decimals=none) -%}
    (case
        when {{ expected }} is null or {{ expected }} <= 0 then null
        {%- if tau_squared is not none %}
        when {{ tau_squared }} is not null then
            exp(-{{ z_quantile(confidence, z_decimals) }} * sqrt({{ ratio(1, expected) }} + {{ tau_squared }}))
        {%- endif %}
        else {{ ratio(gamma_quantile(expected, {'95': '0.025', '99.8': '0.001'}[confidence | string]), expected) }}
    end)
{%- endmacro %}

{% macro ratio_funnel_upper(expected, confidence, tau_squared=none, z_decimals=none) -%}
    {%- set tail = {'95': '0.975', '99.8': '0.999'}[confidence | string] -%}
    (case
        when {{ expected }} is null or {{ expected }} <= 0 then null
        {%- if tau_squared is not none %}
        when {{ tau_squared }} is not null then
            exp({{ z_quantile(confidence, z_decimals) }} * sqrt({{ ratio(1, expected) }} + {{ tau_squared }}))
        {%- endif %}
        else {{ ratio(gamma_quantile("(" ~ expected ~ " + 1e0)", tail), expected) }}
    end)
{%- endmacro %}

{#-
    How far a member lies from the centre on the scale on which the variance does not depend on the size, in standard
    errors, and its weight (one over the variance). Scales: `proportion` (arcsine), `ratio` (logarithm, as the SHMI does)
    and `root_ratio` (square root, as the CQC does). `size` is n or the expected number.
-#}
{% macro funnel_z(observed, size, centre, scale) -%}
    {%- if scale == 'proportion' -%}
    ((asin(sqrt({{ ratio(observed, size) }})) - asin(sqrt({{ centre }}))) * 2e0 * sqrt({{ size }}))
    {%- elif scale == 'ratio' -%}
    (case when {{ observed }} > 0 then ln({{ ratio(observed, size) }}) * sqrt({{ size }}) end)
    {%- else -%}
    ((sqrt({{ ratio(observed, size) }}) - 1e0) * 2e0 * sqrt({{ size }}))
    {%- endif -%}
{%- endmacro %}

{% macro funnel_weight(size, scale) -%}
    ({{ '1e0' if scale == 'ratio' else '4e0' }} * {{ size }})
{%- endmacro %}

{#-
    Over-dispersion of groups of members after Spiegelhalter: φ and the additive variance τ². `points` has the columns of
    `groups`, and z and weight of every member (funnel_z, funnel_weight; members without a z don't count). Extreme z are
    pulled in to the quantiles at `share` and 1 - `share` (`trim`='winsorise'), or left out by rank (`trim`='truncate', as
    the SHMI does). Gives member_count, phi and tau_squared by group; τ² is 0 where chance alone explains the spread.
    Sums run over DECIMAL, so that they don't depend on the order of addition.
-#}
{% macro over_dispersion(points, groups, trim='winsorise', share=0.1) -%}
    {%- set group = groups | join(', ') -%}
    {%- set decimal = "decimal(38, 12)" -%}
    (
    {%- if trim == 'winsorise' %}
    with bounds as (
        select
            {{ group }},
            percentile_cont({{ share }}) within group (order by z asc nulls last) as low_z,
            percentile_cont({{ 1 - share }}) within group (order by z asc nulls last) as high_z
        from {{ points }}
        where z is not null
        group by {{ group }}
    ),

    trimmed as (
        select
            {%- for name in groups %}
            p.{{ name }},
            {%- endfor %}
            least(greatest(p.z, b.low_z), b.high_z) as z,
            p.weight
        from {{ points }} as p
        inner join bounds as b
            on {% for name in groups %}p.{{ name }} = b.{{ name }}{{ " and " if not loop.last }}{% endfor %}
        where p.z is not null
    ),
    {%- else %}
    with ranked as (
        select
            {{ group }},
            z,
            weight,
            -- Ties share the mean of their ranks.
            rank() over (partition by {{ group }} order by z asc nulls last)
            + {{ ratio("count(*) over (partition by " ~ group ~ ", z) - 1", 2) }} as z_rank,
            count(*) over (partition by {{ group }}) as n
        from {{ points }}
        where z is not null
    ),

    trimmed as (
        select {{ group }}, z, weight
        from ranked
        where floor({{ ratio("z_rank * " ~ (1 / share) | round | int, "n + 1") }}) not in (0, {{ (1 / share) | round | int - 1 }})
    ),
    {%- endif %}

    summed as (
        select
            {{ group }},
            count(*) as member_count,
            cast(sum(cast(z * z as {{ decimal }})) as double) as z_squares,
            cast(sum(cast(weight as {{ decimal }})) as double) as weights,
            cast(sum(cast(weight * weight as decimal(38, 4))) as double) as weight_squares
        from trimmed
        group by {{ group }}
    )

    select
        {{ group }},
        member_count,
        {{ ratio("z_squares", "member_count") }} as phi,
        greatest(0e0, coalesce(
            {{ ratio("z_squares - (member_count - 1)", "weights - " ~ ratio("weight_squares", "weights")) }}, 0e0
        )) as tau_squared
    from summed
    )
{%- endmacro %}

{#- Where a value lies within limits: low998, low95, within, high95 or high998; NULL without value or limits. -#}
{% macro funnel_band(value, lower998, lower95, upper95, upper998) -%}
    (case
        when {{ value }} is null or {{ lower998 }} is null or {{ upper998 }} is null then null
        when {{ value }} < {{ lower998 }} then 'low998'
        when {{ value }} > {{ upper998 }} then 'high998'
        when {{ value }} < {{ lower95 }} then 'low95'
        when {{ value }} > {{ upper95 }} then 'high95'
        else 'within'
    end)
{%- endmacro %}
