-- Which attributes go along with which outcomes, over all closed episodes of the region: Cramér's V of the whole attribute
-- with its p (adjusted after Benjamini and Hochberg within the outcome), and each value's difference from all other episodes
-- (Newcombe). An association, not a cause: people were not given their attributes by lot.
{%- set outcomes = {
    'reliably_improved': ('is_finished', 'is_reliably_improved'),
    'reliably_deteriorated': ('is_finished', 'is_reliably_deteriorated'),
    'recovered': ('is_finished_case', 'is_recovered'),
    'reliably_recovered': ('is_finished_case', 'is_reliably_recovered'),
} %}
{%- set attributes = {
    'age_band': 'c.age_band_code',
    'sex': 'c.sex_code',
    'ethnicity': 'c.ethnicity_code',
    'disabling_condition': 'e.disabling_condition_code',
    'living_situation': 'e.living_situation_class_code',
    'service_type': 'c.service_type_code',
    'organisation': 'c.organisation_id',
    'length_of_stay': "case when e.los_days <= 30 then '0_30' when e.los_days <= 90 then '31_90' "
        ~ "when e.los_days <= 180 then '91_180' when e.los_days <= 365 then '181_365' "
        ~ "when e.los_days > 365 then '366_or_more' end",
} %}
{%- set unknown = "('unknown', 'not_collected', 'UNMAPPED')" %}
with episode as (
    select
        c.*,
        {%- for name, column in attributes.items() %}
        {{ column }} as attribute_{{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('mart_episode_course') }} as c
    inner join {{ ref('fct_episode') }} as e on c.episode_key = e.episode_key
),

-- One pass over the episodes; what is not known says nothing.
counted as (
    {%- for name in attributes %}
    select
        '{{ name }}' as attribute_code,
        attribute_{{ name }} as attribute_value,
        {%- for outcome, (denominator, numerator) in outcomes.items() %}
        count(case when {{ denominator }} then 1 end) as n_{{ outcome }},
        count(case when {{ denominator }} and {{ numerator }} then 1 end) as x_{{ outcome }}{{ "," if not loop.last }}
        {%- endfor %}
    from episode
    where attribute_{{ name }} is not null and attribute_{{ name }} not in {{ unknown }}
    group by attribute_{{ name }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

cell as (
    {%- for outcome in outcomes %}
    select '{{ outcome }}' as outcome_code, attribute_code, attribute_value, n_{{ outcome }} as n, x_{{ outcome }} as x
    from counted
    where n_{{ outcome }} > 0
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

totalled as (
    select
        c.*,
        cast(sum(n) over (partition by outcome_code, attribute_code) as bigint) as total_n,
        cast(sum(x) over (partition by outcome_code, attribute_code) as bigint) as total_x,
        count(*) over (partition by outcome_code, attribute_code) as value_count
    from cell as c
),

-- χ² of values × (outcome, none): sum of (observed - expected)² / expected over both columns.
squared as (
    select
        outcome_code,
        attribute_code,
        min(total_n) as total_n,
        min(value_count) as value_count,
        min(least({{ ratio("cast(n as double) * total_x", "total_n") }},
            {{ ratio("cast(n as double) * (total_n - total_x)", "total_n") }})) as least_expected,
        cast(sum(cast({{ ratio(
            "power(x - " ~ ratio("cast(n as double) * total_x", "total_n") ~ ", 2) * total_n * total_n",
            "cast(n as double) * total_x * (total_n - total_x)"
        ) }} as decimal(28, 12))) as double) as chi_square
    from totalled
    group by outcome_code, attribute_code
),

tested as (
    select
        s.*,
        sqrt({{ ratio('chi_square', 'total_n') }}) as cramers_v,
        {{ p_of_chi_square('chi_square', '(value_count - 1)') }} as p_value
    from squared as s
    where total_n >= 30 and value_count >= 2 and chi_square is not null
),

ranked as (
    select
        t.*,
        count(p_value) over (partition by outcome_code) as test_count,
        row_number() over (
            partition by outcome_code order by p_value asc nulls last, attribute_code asc nulls last
        ) as p_rank
    from tested as t
),

adjusted as (
    select
        r.*,
        case when p_value is not null then
            {{ adjusted_p('p_value', 'test_count', 'p_rank', 'outcome_code', 'attribute_code') }}
        end as adjusted_p_value
    from ranked as r
)

select
    {{ hash_key(['t.outcome_code', 't.attribute_code', 't.attribute_value']) }} as outcome_driver_key,
    cast(t.outcome_code as string) as outcome_code,
    cast(t.attribute_code as string) as attribute_code,
    cast(t.attribute_value as string) as attribute_value,
    cast(t.x as bigint) as numerator,
    cast(t.n as bigint) as denominator,
    100e0 * {{ ratio('t.x', 't.n') }} as value,
    100e0 * {{ ratio('t.total_x - t.x', 't.total_n - t.n') }} as value_of_others,
    -- Fewer than 30 episodes here or elsewhere make no difference to speak of.
    case when t.n >= 30 and t.total_n - t.n >= 30 then
        100e0 * ({{ ratio('t.x', 't.n') }} - {{ ratio('t.total_x - t.x', 't.total_n - t.n') }})
    end as risk_difference,
    {%- for side, limit in [('lower', difference_lower), ('upper', difference_upper)] %}
    case when t.n >= 30 and t.total_n - t.n >= 30 then
        100e0 * {{ limit('t.x', 't.n', '(t.total_x - t.x)', '(t.total_n - t.n)', '95') }}
    end as risk_difference95_{{ side }},
    {%- endfor %}
    cast(a.total_n as bigint) as episode_count,
    cast(a.value_count as int) as attribute_value_count,
    a.cramers_v,
    a.p_value,
    a.adjusted_p_value,
    a.least_expected >= 5 as is_large_enough_for_test,
    cast('association, not cause' as string) as caveat
from totalled as t
inner join adjusted as a on t.outcome_code = a.outcome_code and t.attribute_code = a.attribute_code
