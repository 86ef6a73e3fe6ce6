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
            s.period_end_on = max(s.period_end_on) over (partition by s.comparison_key) as is_last_period,
            case
                when s.denominator > 0 and s.numerator >= 0 and s.statistic_code = 'proportion' then 'proportion'
                when s.denominator > 0 and s.numerator >= 0 and s.statistic_code = 'rate' then 'ratio'
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
    )

    select c.*, cast('all' as string) as peer_group_code, cast('all' as string) as subject_code
    from comparable as c
    union all
    select c.*, p.peer_group_code, p.subject_code
    from comparable as c
    inner join {{ ref('bridge_peer_group') }} as p
        on c.level_key = p.member_code and (p.subject_code = 'all' or c.is_last_period)
    )
{%- endmacro %}
