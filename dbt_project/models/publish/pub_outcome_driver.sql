-- Which attributes go along with which outcomes, small numbers protected. An association, not a cause.
with profile as {{ active_profile() }},

judged as (
    select
        o.*,
        case
            when {{ is_small('o.numerator') }} or {{ is_small('o.denominator') }}
                or {{ is_small('(o.denominator - o.numerator)') }} then 'suppressed'
            else 'rounded'
        end as value_status,
        profile.percent_decimals as decimals,
        profile.profile_code
    from {{ ref('mart_outcome_driver') }} as o
    cross join profile
)

select
    j.outcome_code,
    j.attribute_code,
    j.attribute_value,
    {%- for name in ['numerator', 'denominator'] %}
    cast(case when j.value_status = 'rounded' then {{ disclosed_count('j.' ~ name) }} end as decimal(18, 2)) as {{ name }},
    {%- endfor %}
    case when j.value_status = 'rounded' then
        {{ rounded('100e0 * ' ~ ratio(disclosed_count('j.numerator'), disclosed_count('j.denominator')), 'j.decimals') }}
    end as value,
    {%- for name in ['risk_difference', 'risk_difference95_lower', 'risk_difference95_upper'] %}
    case when j.value_status = 'rounded' then {{ rounded('j.' ~ name, 'j.decimals') }} end as {{ name }},
    {%- endfor %}
    cast(j.value_status as string) as value_status,
    cast({{ disclosed_count('j.episode_count') }} as decimal(18, 2)) as episode_count,
    {{ rounded('j.cramers_v', '2') }} as cramers_v,
    {{ rounded('j.adjusted_p_value', '3') }} as adjusted_p_value,
    j.is_large_enough_for_test,
    j.caveat,
    j.profile_code as disclosure_profile_code
from judged as j
cross join profile
