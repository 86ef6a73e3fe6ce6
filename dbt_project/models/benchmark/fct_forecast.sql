-- Where a financial year will end, for KPIs that add up over time: by the mean of the last three months (run_rate), by the
-- share that earlier years had reached by then (seasonal), and by monthly targets as a profile (phased). Numerator and
-- denominator are forecast apart. The interval is what the same method was off by, in the same month of past years: the
-- ninetieth percentile of all entities of a level. Nothing is fitted to the year that it is tested on.
{%- set methods = ['run_rate', 'seasonal', 'phased'] %}
with month_of_year as (
    select
        y.series_key,
        y.kpi_id,
        y.version,
        y.level_code,
        y.level_key,
        y.multiplier,
        y.unit_code,
        y.statistic_code,
        y.period_start_on as year_start_on,
        y.period_end_on as year_end_on,
        m.period_start_on as month_on,
        cast(m.numerator as double) as x,
        cast(m.denominator as double) as n,
        row_number() over (
            partition by y.series_key, y.period_start_on order by m.period_start_on asc nulls last
        ) as month_number
    from {{ ref('benchmark_series') }} as y
    inner join {{ ref('benchmark_series') }} as m
        on y.kpi_id = m.kpi_id and y.version = m.version and y.level_code = m.level_code and y.level_key = m.level_key
        and y.period_start_on <= m.period_start_on and y.period_end_on >= m.period_end_on
    where y.origin_code = 'own' and y.is_flow and y.period_type_code = 'financial_year'
        and m.origin_code = 'own' and m.period_type_code = 'month' and m.is_period_complete and not m.is_provisional
        and m.numerator is not null
),

profile as (
    select kpi_id, level_code, level_key, period_start_on as month_on, cast(target_value as decimal(28, 6)) as target
    from {{ ref('fct_target') }}
    where period_type_code = 'month' and not is_retrospective and award_code is null
    qualify row_number() over (
        partition by kpi_id, level_code, level_key, period_start_on
        order by set_on desc nulls last, target_value asc nulls last, target_key asc nulls last
    ) = 1
),

-- Months without a gap from the first one on.
gapless as (
    select m.*, p.target
    from month_of_year as m
    left join profile as p
        on m.kpi_id = p.kpi_id and m.level_code = p.level_code and m.level_key = p.level_key
        and m.month_on = p.month_on
    where m.month_on = {{ add_months('m.year_start_on', 'm.month_number - 1') }}
),

profiled as (
    select y.series_key, y.year_start_on, sum(p.target) as profile_total
    from (select distinct series_key, kpi_id, level_code, level_key, year_start_on, year_end_on from gapless) as y
    inner join profile as p
        on y.kpi_id = p.kpi_id and y.level_code = p.level_code and y.level_key = p.level_key
        and y.year_start_on <= p.month_on and y.year_end_on >= p.month_on
    group by y.series_key, y.year_start_on
    having count(*) = 12
),

summed as (
    select
        g.*,
        {%- for part in ['x', 'n'] %}
        sum(cast({{ part }} as decimal(28, 6))) over to_date as {{ part }}_to_date,
        {{ ratio(
            "sum(cast(" ~ part ~ " as decimal(28, 6))) over (partition by series_key, year_start_on"
            ~ " order by month_number asc nulls last rows between 2 preceding and current row)",
            "least(month_number, 3)"
        ) }} as {{ part }}_a_month,
        case when count(*) over whole = 12 then sum(cast({{ part }} as decimal(28, 6))) over whole end as {{ part }}_total,
        {%- endfor %}
        sum(target) over to_date as profile_to_date,
        max(month_number) over whole as month_count
    from gapless as g
    window
        whole as (partition by series_key, year_start_on),
        to_date as (
            partition by series_key, year_start_on order by month_number asc nulls last
            rows between unbounded preceding and current row
        )
),

shared as (
    select
        s.*,
        p.profile_total,
        {%- for part in ['x', 'n'] %}
        {{ ratio(
            "sum(case when " ~ part ~ "_total is not null then " ~ part ~ "_to_date end) over earlier",
            "sum(" ~ part ~ "_total) over earlier"
        ) }} as {{ part }}_share,
        {%- endfor %}
        count(x_total) over earlier as earlier_count
    from summed as s
    left join profiled as p on s.series_key = p.series_key and s.year_start_on = p.year_start_on
    window earlier as (
        partition by s.series_key, s.month_number order by s.year_start_on asc nulls last
        rows between unbounded preceding and 1 preceding
    )
),

forecast as (
    select
        s.*,
        method.method_code,
        {%- for part in ['x', 'n'] %}
        case method.method_code
            when 'run_rate' then {{ part }}_to_date + {{ part }}_a_month * (12 - month_number)
            when 'seasonal' then case when earlier_count >= 2 then {{ ratio(part ~ "_to_date", part ~ "_share") }} end
            {%- if part == 'x' %}
            when 'phased' then case when n is null then
                x_to_date * {{ ratio('profile_total', 'profile_to_date') }}
            end
            {%- endif %}
        end as {{ part }}_forecast{{ "," if not loop.last }}
        {%- endfor %}
    from shared as s
    cross join (
        {%- for method in methods %}
        select '{{ method }}' as method_code {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as method
    where s.month_number < 12
),

valued as (
    select
        f.*,
        multiplier * case when n is null then cast(x_to_date as double) else {{ ratio('x_to_date', 'n_to_date') }} end
            as value_to_date,
        multiplier * case when n is null then x_forecast else {{ ratio('x_forecast', 'n_forecast') }} end as forecast,
        multiplier * case when n is null then cast(x_total as double) else {{ ratio('x_total', 'n_total') }} end as actual
    from forecast as f
),

tested as (
    select
        kpi_id,
        version,
        level_code,
        method_code,
        month_number,
        count(*) as error_count,
        percentile_cont(0.9) within group (order by abs({{ ratio('forecast', 'actual') }} - 1e0) asc nulls last) as error_p90
    from valued
    where actual is not null and actual <> 0 and forecast is not null
    group by kpi_id, version, level_code, method_code, month_number
)

select
    {{ hash_key(['v.series_key', 'v.year_start_on', 'v.method_code']) }} as forecast_key,
    v.series_key,
    v.kpi_id,
    v.version,
    v.level_code,
    v.level_key,
    v.unit_code,
    v.year_start_on as period_start_on,
    v.year_end_on as period_end_on,
    cast(v.method_code as string) as method_code,
    cast(v.month_count as int) as month_count,
    cast(v.x_to_date as decimal(28, 4)) as numerator_to_date,
    cast(v.n_to_date as decimal(28, 4)) as denominator_to_date,
    v.value_to_date,
    {{ possible_value('v.forecast', 'v.statistic_code', 'v.multiplier') }} as forecast,
    -- Fewer than five tests make no interval.
    case when t.error_count >= 5 then
        {{ possible_value('(v.forecast - abs(v.forecast) * t.error_p90)', 'v.statistic_code', 'v.multiplier') }}
    end as forecast_lower,
    case when t.error_count >= 5 then
        {{ possible_value('(v.forecast + abs(v.forecast) * t.error_p90)', 'v.statistic_code', 'v.multiplier') }}
    end as forecast_upper,
    cast(coalesce(t.error_count, 0) as int) as error_count,
    t.error_p90,
    v.month_count < 6 as is_low_confidence,
    row_number() over (
        partition by v.series_key, v.year_start_on
        order by
            case when t.error_count >= 5 then t.error_p90 end asc nulls last,
            case v.method_code {% for method in methods %}when '{{ method }}' then {{ loop.index }} {% endfor %}end
                asc nulls last
    ) = 1 as is_preferred
from valued as v
cross join {{ source('ops', 'run_context') }} as c
left join tested as t
    on v.kpi_id = t.kpi_id and v.version = t.version and v.level_code = t.level_code
    and v.method_code = t.method_code and v.month_number = t.month_number
where v.month_number = v.month_count and v.forecast is not null
    and v.year_start_on <= c.as_of and v.year_end_on > c.as_of
