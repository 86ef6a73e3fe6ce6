-- Episodes that ended, and the deaths to be expected of each: the share of all ended episodes of the region with the same
-- age band and sex that ended with death (indirect standardisation). What is not known of age or sex is a stratum like any
-- other. Observed and expected deaths are sums, so both add up over places and time; expectations have the four decimals of
-- all sums of KPIs. Not of changed persons alone: a death in one place changes what is expected in all.
with ended as (
    select
        *,
        count(case when is_death then 1 end) over (partition by age_band_code, sex_code) as stratum_death_count,
        count(*) over (partition by age_band_code, sex_code) as stratum_episode_count
    from {{ ref('mart_closed_episode') }}
),

stratum as (
    select
        episode_key,
        case when is_death then 1 else 0 end as events,
        1 as population,
        stratum_death_count as reference_events,
        stratum_episode_count as reference_population
    from ended
)

select
    e.episode_key,
    e.source_person_key,
    e.person_key,
    e.service_key,
    e.service_type_code,
    e.end_on,
    e.is_death,
    cast(s.expected as decimal(18, 4)) as expected_death_count,
    e.stratum_death_count,
    e.stratum_episode_count,
    e.age_band_code,
    e.sex_code,
    {{ provenance('e') }}
from ended as e
inner join {{ indirectly_standardised('stratum', ['episode_key'], '95') }} as s on e.episode_key = s.episode_key
