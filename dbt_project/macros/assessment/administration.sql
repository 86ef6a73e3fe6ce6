{#-
    The headline score of each administration, from the computed scores and from what the sender supplied.
    `administration`: assessment_key, instrument_code, instrument_version, supplied_total, supplied_score,
    item_answer_count. Computed wins over supplied; a supplied one stands only where no item was sent.

    Raw or converted: where a table converts totals, what was supplied is looked up as a total first and as a score
    second. So it does not matter what the sender calls it: whole numbers are raw totals (SWEMWBS: the only whole
    converted scores are 7 and 35, which are their own totals), and a value that is neither is no score.
-#}
{% macro headline_scores(administration, instruments, bases, lookup, scores) -%}
    select
        d.*,
        case d.score_origin_code
            when 'computed' then d.computed_score
            when 'supplied' then coalesce(d.score_of_score, d.score_of_total)
        end as score,
        case d.score_origin_code
            when 'computed' then d.computed_total
            when 'supplied' then coalesce(d.raw_of_total, d.raw_of_score)
        end as raw_total,
        case d.score_origin_code when 'computed' then d.computed_basis_code when 'supplied' then d.full_basis_code end
            as score_basis_code
    from (
        select
            c.*,
            case
                when c.computed_score is not null then 'computed'
                when c.item_answer_count > 0 then null
                when c.score_of_score is not null or c.score_of_total is not null then 'supplied'
            end as score_origin_code,
            -- Less than a hundredth apart is rounding.
            coalesce(abs(c.computed_total - c.raw_of_total) >= 0.01, false)
            or coalesce(abs(c.computed_score - c.score_of_score) >= 0.01, false) as is_total_mismatch,
            (c.supplied_total is not null and c.score_of_total is null)
            or (c.supplied_score is not null and c.score_of_score is null) as is_supplied_invalid
        from (
            select
                a.*,
                i.use_code,
                i.item_count,
                i.headline_scale_code,
                s.raw_total as computed_total,
                s.score as computed_score,
                s.score_basis_code as computed_basis_code,
                s.answered_count,
                coalesce(s.member_count, b.member_count, i.item_count) as member_count,
                b.basis_code as full_basis_code,
                {{ score_of_supplied('total') }} as score_of_total,
                {{ score_of_supplied('score') }} as score_of_score,
                case
                    when b.has_lookup then case when total_raw.score is not null then a.supplied_total else total_score.raw_total end
                    when a.supplied_total >= b.raw_min and a.supplied_total <= b.raw_max then a.supplied_total
                end as raw_of_total,
                case
                    when not b.has_lookup then null
                    when score_raw.score is not null then cast(a.supplied_score as decimal(18, 6))
                    else score_score.raw_total
                end as raw_of_score
            from {{ administration }} as a
            inner join {{ instruments }} as i
                on i.instrument_code = a.instrument_code and i.instrument_version = a.instrument_version
            left join {{ bases }} as b
                on b.instrument_code = i.instrument_code
                and b.instrument_version = i.instrument_version
                and b.scale_code = i.headline_scale_code
                and b.basis_rank = 1
            {%- for supplied in ('total', 'score') %}
            {%- for found, column in (('raw', 'raw_total'), ('score', 'score')) %}
            left join {{ lookup }} as {{ supplied }}_{{ found }}
                on {{ supplied }}_{{ found }}.instrument_code = i.instrument_code
                and {{ supplied }}_{{ found }}.instrument_version = i.instrument_version
                and {{ supplied }}_{{ found }}.scale_code = i.headline_scale_code
                and {{ supplied }}_{{ found }}.member_code is null
                and {{ supplied }}_{{ found }}.{{ column }} = a.supplied_{{ supplied }}
                and b.value_set_code is null
            {%- endfor %}
            {%- endfor %}
            left join {{ scores }} as s
                on s.assessment_key = a.assessment_key and s.scale_code = i.headline_scale_code
        ) as c
    ) as d
{%- endmacro %}

{#- What a supplied total or score comes to; NULL where it is out of range or in no table. -#}
{% macro score_of_supplied(supplied) -%}
    case
        when b.has_lookup and b.value_set_code is null then coalesce({{ supplied }}_raw.score, {{ supplied }}_score.score)
        {%- if supplied == 'total' %}
        when a.supplied_total >= b.raw_min and a.supplied_total <= b.raw_max and b.value_set_code is null
            then cast(a.supplied_total * b.multiplier + b.score_offset as decimal(9, 4))
        {%- else %}
        when a.supplied_score >= b.score_min and a.supplied_score <= b.score_max
            then cast(a.supplied_score as decimal(9, 4))
        {%- endif %}
    end
{%- endmacro %}
