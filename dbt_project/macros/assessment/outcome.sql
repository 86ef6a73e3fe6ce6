{#-
    What two scores of a measure come to.
    What belongs here: caseness, reliable change, clinical significance and profiles. What does not: which two scores are
    compared (the models).
-#}

{#- Whether a score is at caseness; NULL without a score or without a rule. -#}
{% macro is_case(score, operator, value) -%}
    case {{ operator }} when '>=' then {{ score }} >= {{ value }} when '<=' then {{ score }} <= {{ value }} end
{%- endmacro %}

{#- Change for the better, whatever the direction; NULL for a profile. -#}
{% macro gain(first_score, last_score, direction) -%}
    case {{ direction }}
        when 'lower_better' then {{ first_score }} - {{ last_score }}
        when 'higher_better' then {{ last_score }} - {{ first_score }}
    end
{%- endmacro %}

{#- Standard error of a difference between two scores (Jacobson and Truax 1991): SD · √2 · √(1 − reliability). -#}
{% macro difference_error(sd, reliability) -%}
    (cast({{ sd }} as double) * sqrt(2e0) * sqrt(1 - cast({{ reliability }} as double)))
{%- endmacro %}

{#- The least reliable change of a rule: the published one, else 1.96 standard errors of a difference. -#}
{% macro reliable_change(rule) -%}
    cast(
        coalesce(
            cast({{ rule }}.reliable_change as double),
            1.96 * {{ difference_error(rule ~ '.reliability_sd', rule ~ '.reliability_coefficient') }}
        ) as decimal(12, 6)
    )
{%- endmacro %}

{#- Standard deviation of a sample (n − 1) from exact sums, so that it does not depend on their order. -#}
{% macro sample_sd(value) -%}
    sqrt(greatest(0e0, {{ ratio(
        'count(' ~ value ~ ') * cast(sum(' ~ value ~ ' * ' ~ value ~ ') as double)'
        ~ ' - cast(sum(' ~ value ~ ') as double) * cast(sum(' ~ value ~ ') as double)',
        'count(' ~ value ~ ') * (count(' ~ value ~ ') - 1)'
    ) }}))
{%- endmacro %}

{#-
    Clinical significance of each pair of scores against its own sample (Jacobson and Truax 1991).
    `pairs`: pair_key, measure_key, first_score, last_score, direction_code. `parameters`, one row a measure:
    measure_key, reliability, functional_mean, functional_sd, improved_share, deteriorated_share.
    The standard deviation is that of the first scores of complete pairs (n − 1). Cut-off c lies between the two
    populations, weighted by their spread. Two methods sort each pair into one class:
      rci_class_code         recovered: reliably better and across c; improved: reliably better; deteriorated: reliably
                             worse; unchanged
      percentage_class_code  improved, deteriorated by the stated shares of the first score; unchanged
-#}
{% macro clinical_significance(pairs, parameters) -%}
    select
        j.pair_key,
        j.measure_key,
        j.first_score,
        j.last_score,
        j.pair_count,
        j.first_sd,
        j.cut_off_score,
        {{ ratio('j.last_score - j.first_score', 'j.difference_error') }} as rci,
        case
            when -j.gain_score >= 1.96 * j.difference_error then 'deteriorated'
            when j.gain_score >= 1.96 * j.difference_error and j.is_across then 'recovered'
            when j.gain_score >= 1.96 * j.difference_error then 'improved'
            when j.difference_error > 0 then 'unchanged'
        end as rci_class_code,
        case
            when j.gain_share >= j.improved_share then 'improved'
            when -j.gain_share >= j.deteriorated_share then 'deteriorated'
            when j.gain_share is not null then 'unchanged'
        end as percentage_class_code
    from (
        select
            c.*,
            {{ ratio('c.gain_score', 'abs(c.first_score)') }} as gain_share,
            case c.direction_code
                when 'lower_better' then c.first_score > c.cut_off_score and c.last_score < c.cut_off_score
                when 'higher_better' then c.first_score < c.cut_off_score and c.last_score > c.cut_off_score
            end as is_across
        from (
            select
                p.*,
                q.improved_share,
                q.deteriorated_share,
                s.pair_count,
                s.first_sd,
                {{ difference_error('s.first_sd', 'q.reliability') }} as difference_error,
                {{ gain('p.first_score', 'p.last_score', 'p.direction_code') }} as gain_score,
                {{ ratio(
                    's.first_sd * q.functional_mean + q.functional_sd * s.first_mean', 's.first_sd + q.functional_sd'
                ) }} as cut_off_score
            from {{ pairs }} as p
            inner join {{ parameters }} as q on q.measure_key = p.measure_key
            inner join (
                select
                    measure_key,
                    count(*) as pair_count,
                    {{ ratio('sum(cast(first_score as decimal(18, 6)))', 'count(*)') }} as first_mean,
                    {{ sample_sd('cast(first_score as decimal(18, 6))') }} as first_sd
                from {{ pairs }}
                where first_score is not null and last_score is not null
                group by measure_key
            ) as s on s.measure_key = p.measure_key
            where p.first_score is not null and p.last_score is not null
        ) as c
    ) as j
{%- endmacro %}

{#- Paretian class of two profiles of `digits` digits each, where a lower level is better: better if a dimension is
    better and none worse, worse if the reverse, mixed if both, same if neither. -#}
{% macro paretian_class(first_state, last_state, digits=5) -%}
    case
        when {{ first_state }} is null or {{ last_state }} is null then null
        when {{ _any_digit(first_state, last_state, '>', digits) }} and {{ _any_digit(first_state, last_state, '<', digits) }} then 'mixed'
        when {{ _any_digit(first_state, last_state, '>', digits) }} then 'better'
        when {{ _any_digit(first_state, last_state, '<', digits) }} then 'worse'
        else 'same'
    end
{%- endmacro %}

{% macro _any_digit(first_state, last_state, sign, digits) -%}
    (
        {%- for place in range(digits) %}
        floor({{ first_state }} / {{ 10 ** place }}e0) - 10 * floor({{ first_state }} / {{ 10 ** (place + 1) }}e0)
        {{ sign }} floor({{ last_state }} / {{ 10 ** place }}e0) - 10 * floor({{ last_state }} / {{ 10 ** (place + 1) }}e0)
        {%- if not loop.last %}
        or {% endif %}
        {%- endfor %}
    )
{%- endmacro %}
