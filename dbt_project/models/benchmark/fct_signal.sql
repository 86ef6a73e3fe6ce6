-- What calls for a look: special causes in the last period of a chart, and organisations beyond the 99.8 % limits of a funnel
-- in the last period of a comparison. The 95 % limits are no signal: one of twenty lies beyond them by chance.
with charted as (
    select
        *,
        max(period_start_on) over (
            partition by origin_code, publication_code, measure_id, method_version, period_type_code
        ) as last_start_on
    from {{ ref('fct_spc_point') }}
),

signal as (
    select
        cast('spc' as string) as signal_type_code,
        series_key,
        origin_code,
        publication_code,
        measure_id,
        method_version,
        kpi_id,
        version,
        level_code,
        level_key,
        slice_code,
        slice_value,
        period_type_code,
        period_start_on,
        period_end_on,
        rule_code,
        variation_code,
        assurance_code,
        value,
        mean as centre,
        lower_limit,
        upper_limit
    from charted
    -- A series that ended earlier has no last period to speak of.
    where period_start_on = last_start_on and rule_code is not null
    union all
    select
        'funnel',
        series_key,
        origin_code,
        publication_code,
        measure_id,
        method_version,
        kpi_id,
        version,
        level_code,
        level_key,
        slice_code,
        slice_value,
        period_type_code,
        period_start_on,
        period_end_on,
        funnel_band_code,
        {{ spc_variation("case when funnel_band_code = 'high998' then 1 else -1 end", 'direction') }},
        cast(null as string),
        value,
        centre,
        funnel998_lower,
        funnel998_upper
    from {{ ref('fct_benchmark_member') }}
    where peer_group_code = 'all' and is_last_period and funnel_band_code in ('low998', 'high998') and not is_group_dominated
)

select
    {{ hash_key(['signal_type_code', 'series_key', 'period_start_on', 'rule_code']) }} as signal_key,
    signal.*
from signal
