{#-
    The one way from answers to scores, for every instrument: what differs between instruments is data (seeds
    ref_instrument_*, compiled from dbt_project/instruments/). These macros take relations and give a SELECT; the models
    call them with refs, tests/unit/test_instruments.py calls them over the vectors of the definitions.
-#}

{#-
    Answers to items with their points.
    `answers`: assessment_key, instrument_code, instrument_version, item_number, answer_value, missing_reason_code,
    is_prereversed. A value that the instrument does not have is missing and invalid, never clamped. Reversal and
    weights are in the points; a sender that reversed already has its own points, so nothing is reversed twice.
-#}
{% macro scored_items(answers, item_values) -%}
    select
        a.*,
        v.item_value,
        case when a.is_prereversed then v.points_if_prereversed else v.points end as points,
        v.item_value is null and nullif(trim(a.answer_value), '') is not null as is_invalid
    from {{ answers }} as a
    left join {{ item_values }} as v
        on v.instrument_code = a.instrument_code
        and v.instrument_version = a.instrument_version
        and v.item_number = a.item_number
        and v.item_value = {{ try_decimal('a.answer_value', 9, 4) }}
{%- endmacro %}

{#-
    Scores of the scales whose members are `points`: assessment_key, instrument_code, instrument_version, member_code,
    points, is_not_applicable. Members are items (stage 1) or scales (stage 2).
    A scale has one basis or several, in order (such as five items, or four where the fifth does not apply); the first
    that is answered enough counts. Fewer answers than members are prorated where the basis allows it.
-#}
{% macro scale_scores(points, bases, members, lookup, stage) -%}
    select
        s.assessment_key,
        s.instrument_code,
        s.instrument_version,
        s.scale_code,
        s.answered_count,
        s.member_count,
        case
            when s.is_enough and s.answered_count < s.member_count then 'prorated'
            when s.is_enough then s.basis_code
        end as basis_code,
        case when s.is_enough then s.raw_total end as raw_total,
        case
            when not s.is_enough then null
            when s.has_lookup then l.score
            else cast(s.raw_total * s.multiplier + s.score_offset as decimal(9, 4))
        end as score
    from (
        select
            c.*,
            cast(
                case
                    when c.method_code = 'mean' then {{ ratio('c.point_sum', 'c.answered_count') }}
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
                p.answered_count,
                p.answered_count >= b.minimum_answered
                and (b.not_applicable_member is null or n.assessment_key is not null) as is_enough
            from (
                select
                    p.assessment_key,
                    m.instrument_code,
                    m.instrument_version,
                    m.scale_code,
                    m.basis_code,
                    cast(sum(p.points) as decimal(18, 6)) as point_sum,
                    cast(count(p.points) as int) as answered_count
                from {{ points }} as p
                inner join {{ members }} as m
                    on m.instrument_code = p.instrument_code
                    and m.instrument_version = p.instrument_version
                    and m.member_code = p.member_code
                group by p.assessment_key, m.instrument_code, m.instrument_version, m.scale_code, m.basis_code
            ) as p
            inner join {{ bases }} as b
                on b.instrument_code = p.instrument_code
                and b.instrument_version = p.instrument_version
                and b.scale_code = p.scale_code
                and b.basis_code = p.basis_code
                and b.stage = {{ stage }}
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
        and l.raw_total = s.raw_total
{%- endmacro %}

{#- Points of items, as members of scales. -#}
{% macro item_points(items) -%}
    select
        assessment_key,
        instrument_code,
        instrument_version,
        cast(item_number as string) as member_code,
        points,
        coalesce(missing_reason_code in ('not_applicable', 'not_relevant'), false) as is_not_applicable
    from {{ items }}
{%- endmacro %}

{#- All scales of all assessments: those made of items, then those made of these. -#}
{% macro all_scale_scores(items, bases, members, lookup) -%}
    with item_point as (
        {{ item_points(items) }}
    ),

    item_scale as (
        {{ scale_scores('item_point', bases, members, lookup, 1) }}
    ),

    scale_point as (
        select
            assessment_key, instrument_code, instrument_version, scale_code as member_code,
            cast(score as decimal(12, 6)) as points, false as is_not_applicable
        from item_scale
    ),

    scale_of_scales as (
        {{ scale_scores('scale_point', bases, members, lookup, 2) }}
    )

    select * from item_scale
    union all
    select * from scale_of_scales
{%- endmacro %}
