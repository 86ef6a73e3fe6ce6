{#-
    Clinical significance of a measure's pairs against the sample itself, one row a closed episode. For a measure without a
    published reliable change, and for comparing one with it. Variables: instrument, scale, reliability, functional_mean,
    functional_sd, and the shares of the first score from which on a pair counts as improved or deteriorated.
-#}
with pair as (
    select
        o.episode_instrument_key as pair_key,
        o.instrument_code as measure_key,
        o.first_score,
        o.last_score,
        s.direction_code
    from {{ ref('mart_episode_outcome') }} as o
    inner join {{ ref('ref_instrument_scale') }} as s
        on o.instrument_code = s.instrument_code
        and o.instrument_version = s.instrument_version
        and o.scale_code = s.scale_code
        and s.basis_rank = 1
    where
        o.instrument_code = '{{ var("instrument", "phq9") }}'
        and o.scale_code = '{{ var("scale", "total") }}'
        and o.is_closed
        and o.is_paired
),

parameter as (
    select
        '{{ var("instrument", "phq9") }}' as measure_key,
        cast({{ var("reliability", 0.8) }} as double) as reliability,
        cast({{ var("functional_mean", "null") }} as double) as functional_mean,
        cast({{ var("functional_sd", "null") }} as double) as functional_sd,
        cast({{ var("improved_share", 0.5) }} as double) as improved_share,
        cast({{ var("deteriorated_share", 0.5) }} as double) as deteriorated_share
)

{{ clinical_significance('pair', 'parameter') }}
