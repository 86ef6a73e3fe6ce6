-- Where the financial year will end, by the method that was off least in past years, as far as the months so far may be
-- shown. Forecasts of people are rounded like counts of people.
with profile as {{ active_profile() }},

judged as (
    select
        f.*,
        d.kpi_name,
        d.direction,
        d.statistic_code in ('count', 'sum') as is_count,
        d.numerator_disclosure_code = 'person' as is_numerator_protected,
        case when d.unit_code = 'percent' then profile.percent_decimals else profile.mean_decimals end as decimals,
        case
            when d.numerator_disclosure_code = 'person' and {{ is_small('f.numerator_to_date') }} then 'suppressed'
            when d.denominator_disclosure_code = 'person' and {{ is_small('f.denominator_to_date') }} then 'suppressed'
            when coalesce(f.denominator_to_date, f.numerator_to_date) < d.min_denominator then 'not_computed'
            else 'rounded'
        end as value_status,
        profile.profile_code
    from {{ ref('fct_forecast') }} as f
    inner join {{ ref('kpi_definition') }} as d on f.kpi_id = d.kpi_id and f.version = d.version
    cross join profile
    where f.is_preferred
)

select
    j.kpi_id,
    j.version,
    j.kpi_name,
    j.level_code,
    j.level_key,
    j.period_start_on,
    j.period_end_on,
    j.method_code,
    j.month_count,
    {%- for name in ['forecast', 'forecast_lower', 'forecast_upper'] %}
    case
        when j.value_status <> 'rounded' then null
        when j.is_count and j.is_numerator_protected then cast({{ disclosed_count('j.' ~ name) }} as double)
        else {{ rounded('j.' ~ name, 'j.decimals') }}
    end as {{ name }},
    {%- endfor %}
    cast(j.value_status as string) as value_status,
    j.is_low_confidence,
    {{ rounded('100e0 * j.error_p90', '0') }} as error_p90_pct,
    j.error_count,
    j.unit_code,
    j.direction,
    j.profile_code as disclosure_profile_code
from judged as j
cross join profile
