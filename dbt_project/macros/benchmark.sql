{#-
    Figures that are held against each other: every comparable one of organisations (or of what a publication calls so) in
    the group of all and in the peer groups of the region file. What cannot be compared between them, such as counts,
    stays out. The nearest peers are found for the last period of a comparison only.
-#}
{% macro compared_figures() -%}
    (
    with comparable as (
        select
            s.*,
            case
                when s.statistic_code = 'proportion' and s.numerator >= 0 and s.numerator <= s.denominator and s.denominator > 0
                    then 'proportion'
                when s.statistic_code = 'rate' and s.numerator >= 0 and s.denominator > 0 then 'ratio'
            end as funnel_code,
            cast(s.numerator as double) as x,
            cast(s.denominator as double) as n
        from {{ ref('benchmark_series') }} as s
        where s.is_comparable
            and s.statistic_code in ('proportion', 'ratio', 'rate', 'mean', 'median', 'quantile', 'value')
            and (
                s.origin_code = 'external' and s.level_code <> 'national'
                or s.level_code = 'organisation' and s.period_type_code in ('quarter', 'financial_year', 'rolling12')
            )
    ),

    last_period as (
        select comparison_key, max(period_end_on) as last_end_on
        from comparable
        group by comparison_key
    ),

    dated as (
        select c.*, c.period_end_on = l.last_end_on as is_last_period
        from comparable as c
        inner join last_period as l on c.comparison_key = l.comparison_key
    )

    select d.*, cast('all' as string) as peer_group_code, cast('all' as string) as subject_code
    from dated as d
    union all
    select d.*, p.peer_group_code, p.subject_code
    from dated as d
    inner join {{ ref('bridge_peer_group') }} as p
        on d.level_key = p.member_code and (p.subject_code = 'all' or d.is_last_period)
    )
{%- endmacro %}

{#- A value that the statistic can take: a proportion does not leave 0 to 100 %. -#}
{% macro possible_value(value, statistic, multiplier) -%}
    case when {{ statistic }} = 'proportion' then least(greatest({{ value }}, 0e0), {{ multiplier }}) else {{ value }} end
{%- endmacro %}
