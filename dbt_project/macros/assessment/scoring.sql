{#-
    The one way from answers to scores, for every instrument: what differs between instruments is data (seeds
    ref_instrument_*, compiled from dbt_project/instruments/). These macros take relations and give a SELECT; the models
    call them with refs, tests/unit/test_instruments.py calls them over the vectors of the definitions.
-#}

{#-
    The version of an instrument that answers of a day are scored by; without a day, the latest.
    `i`: alias of ref_instrument; `answered_on`: a date.
-#}
{% macro is_version_of_day(i, answered_on) -%}
    (
        ({{ i }}.valid_from is null or {{ i }}.valid_from <= coalesce({{ answered_on }}, date '9999-12-31'))
        and ({{ i }}.valid_to is null or {{ i }}.valid_to >= coalesce({{ answered_on }}, date '9999-12-31'))
    )
{%- endmacro %}

{#-
    Answers to items with their points.
    `answers`: assessment_key, instrument_code, instrument_version, item_number, answer_value, missing_reason_code,
    is_prereversed. A value that the instrument does not have is missing and invalid, never clamped; a value that stands
    for no answer (such as 9) is missing. Reversal is in the points; a sender that reversed already has its own points,
    so nothing is reversed twice.
-#}
{% macro scored_items(answers, item_values) -%}
    select
        a.*,
        case when v.missing_reason_code is null then v.item_value end as item_value,
        case when a.is_prereversed then v.points_if_prereversed else v.points end as points,
        coalesce(a.missing_reason_code, v.missing_reason_code) as reason_code,
        v.item_value is null and nullif(trim(a.answer_value), '') is not null as is_invalid
    from {{ answers }} as a
    left join {{ item_values }} as v
        on v.instrument_code = a.instrument_code
        and v.instrument_version = a.instrument_version
        and v.item_number = a.item_number
        and v.item_value = {{ try_decimal('a.answer_value', 9, 4) }}
{%- endmacro %}

{#-
    Goal attainment over the goals that were rated (the formula: gas_t_score). Where all weights are 0, every goal weighs
    the same. Arguments are sums over rated goals: w the weight, x the level from −2 to 2; `n` counts them.
-#}
{% macro goal_attainment(sum_wx, sum_ww, sum_w, sum_x, n) -%}
    case when {{ sum_w }} = 0 then {{ gas_t_score(sum_x, n, n) }} else {{ gas_t_score(sum_wx, sum_w, sum_ww) }} end
{%- endmacro %}

{#-
    Scores of the scales whose members are `points`: assessment_key, instrument_code, instrument_version, member_code,
    points, answer_weight, is_not_applicable. Members are items (stage 1), or scales and items (stage 2).
    A scale has one basis or several, in order (such as five items, or four where the fifth does not apply); the first
    that is answered enough counts. Fewer answers than members are prorated where the basis allows it. A member counts
    its points times its factor, or what the table says that its points weigh. A profile has no score: it is no number.
-#}
{% macro scale_scores(points, bases, members, lookup, stage) -%}
    select
        s.assessment_key,
        s.instrument_code,
        s.instrument_version,
        s.scale_code,
        s.method_code,
        s.answered_count,
        s.member_count,
        case
            when s.is_enough and s.answered_count < s.member_count and s.method_code in ('sum', 'mean') then 'prorated'
            when s.is_enough then s.basis_code
        end as basis_code,
        case when s.is_enough then s.raw_total end as raw_total,
        case
            when not s.is_enough or s.method_code = 'profile' then null
            when s.has_lookup then l.score
            else cast(s.raw_total * s.multiplier + s.score_offset as decimal(9, 4))
        end as score
    from (
        select
            c.*,
            cast(
                case
                    when c.method_code = 'mean' then {{ ratio('c.point_sum', 'c.answered_count') }}
                    when c.method_code = 'max' then cast(c.point_max as double)
                    when c.method_code = 'goal_attainment'
                        then {{ goal_attainment(
                            'c.weighted_sum', 'c.weight_square_sum', 'c.weight_sum', 'c.point_sum', 'c.answered_count'
                        ) }}
                    when c.answered_count = c.member_count then cast(c.point_sum as double)
                    when c.rounding_code = 'half_up'
                        then floor({{ ratio('c.point_sum * c.member_count', 'c.answered_count') }} + 0.5)
                    else {{ ratio('c.point_sum * c.member_count', 'c.answered_count') }}
                end as decimal(18, 6)
            ) as raw_total
        from (
            select
                b.*,
                p.assessment_key,
                p.point_sum,
                p.point_max,
                p.weighted_sum,
                p.weight_square_sum,
                p.weight_sum,
                p.answered_count,
                p.answered_count >= b.minimum_answered
                and (b.not_applicable_member is null or n.assessment_key is not null) as is_enough
            from (
                select
                    m.assessment_key,
                    m.instrument_code,
                    m.instrument_version,
                    m.scale_code,
                    m.basis_code,
                    cast(sum(m.counted) as decimal(18, 6)) as point_sum,
                    max(m.counted) as point_max,
                    cast(sum(m.counted * m.answer_weight) as decimal(18, 6)) as weighted_sum,
                    cast(sum(case when m.counted is not null then m.answer_weight * m.answer_weight end) as decimal(18, 6))
                        as weight_square_sum,
                    cast(sum(case when m.counted is not null then m.answer_weight end) as decimal(18, 6)) as weight_sum,
                    cast(count(m.counted) as int) as answered_count
                from (
                    select
                        p.assessment_key, m.instrument_code, m.instrument_version, m.scale_code, m.basis_code,
                        case when m.is_weighed then cast(coalesce(p.answer_weight, 1) as decimal(9, 4)) end
                            as answer_weight,
                        case when m.factor = 1 then p.points else cast(p.points * m.factor as decimal(18, 6)) end
                            as counted
                    from {{ points }} as p
                    inner join {{ members }} as m
                        on m.instrument_code = p.instrument_code
                        and m.instrument_version = p.instrument_version
                        and m.member_code = p.member_code
                        and m.stage = {{ stage }}
                        and not m.has_weights
                    union all
                    select
                        p.assessment_key, m.instrument_code, m.instrument_version, m.scale_code, m.basis_code,
                        cast(null as decimal(9, 4)) as answer_weight,
                        cast(w.score as decimal(18, 6)) as counted
                    from {{ points }} as p
                    inner join {{ members }} as m
                        on m.instrument_code = p.instrument_code
                        and m.instrument_version = p.instrument_version
                        and m.member_code = p.member_code
                        and m.stage = {{ stage }}
                        and m.has_weights
                    left join {{ lookup }} as w
                        on w.instrument_code = m.instrument_code
                        and w.instrument_version = m.instrument_version
                        and w.scale_code = m.scale_code
                        and w.member_code = m.member_code
                        and w.raw_total = p.points
                ) as m
                group by m.assessment_key, m.instrument_code, m.instrument_version, m.scale_code, m.basis_code
            ) as p
            inner join {{ bases }} as b
                on b.instrument_code = p.instrument_code
                and b.instrument_version = p.instrument_version
                and b.scale_code = p.scale_code
                and b.basis_code = p.basis_code
            left join {{ points }} as n
                on n.assessment_key = p.assessment_key
                and n.member_code = b.not_applicable_member
                and n.is_not_applicable
        ) as c
        qualify row_number() over (
            partition by c.assessment_key, c.scale_code
            order by case when c.is_enough then 0 else 1 end asc nulls last, c.basis_rank asc nulls last
        ) = 1
    ) as s
    left join {{ lookup }} as l
        on l.instrument_code = s.instrument_code
        and l.instrument_version = s.instrument_version
        and l.scale_code = s.scale_code
        and l.member_code is null
        and l.raw_total = s.raw_total
{%- endmacro %}

{#- Points of items, as members of scales. -#}
{% macro item_points(items) -%}
    select
        assessment_key,
        instrument_code,
        instrument_version,
        cast(item_number as string) as member_code,
        cast(points as decimal(18, 6)) as points,
        answer_weight,
        coalesce(missing_reason_code in ('not_applicable', 'not_relevant'), false) as is_not_applicable
    from {{ items }}
{%- endmacro %}

{#- All scales of all assessments: those made of items, then those made of these (and of items). -#}
{% macro all_scale_scores(items, bases, members, lookup) -%}
    with item_point as (
        {{ item_points(items) }}
    ),

    item_scale as (
        {{ scale_scores('item_point', bases, members, lookup, 1) }}
    ),

    any_point as (
        select
            assessment_key, instrument_code, instrument_version, scale_code as member_code,
            cast(case when method_code = 'profile' then raw_total else score end as decimal(18, 6)) as points,
            cast(null as decimal(12, 6)) as answer_weight, false as is_not_applicable
        from item_scale
        union all
        select
            assessment_key, instrument_code, instrument_version, member_code, points, answer_weight, is_not_applicable
        from item_point
        where instrument_code in (select m.instrument_code from {{ members }} as m where m.stage = 2)
    ),

    scale_of_scales as (
        {{ scale_scores('any_point', bases, members, lookup, 2) }}
    )

    select * from item_scale
    union all
    select * from scale_of_scales
{%- endmacro %}
