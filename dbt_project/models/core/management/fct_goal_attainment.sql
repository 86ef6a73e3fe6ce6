-- Goal attainment scaling: one T score for all goals of a person in a stay, of their last ratings. A goal without a
-- rating, or without a baseline, is left out with its weight. A goal set at −2 has further to go than one at −1, so T
-- scores are comparable only between people whose goals all started at one level.
with rated as (
    select
        *,
        -- Weights that are all zero say nothing: then every goal counts the same.
        case when max(weight) over (partition by source_person_key, episode_key) > 0 then weight else 1 end as used_weight
    from {{ ref('fct_goal_rating') }}
    where is_latest and is_counted and baseline_level is not null
),

summed as (
    select
        source_person_key,
        episode_key,
        organisation_id,
        max(person_key) as person_key,
        max(service_key) as service_key,
        max(service_type_code) as service_type_code,
        max(rated_on) as rated_on,
        count(*) as goal_count,
        sum(used_weight * attainment_level) as weighted_level,
        sum(used_weight * baseline_level) as weighted_baseline,
        sum(used_weight) as weight,
        sum(used_weight * used_weight) as squared_weight,
        min(baseline_level) as lowest_baseline,
        max(baseline_level) as highest_baseline
    from rated
    group by source_person_key, episode_key, organisation_id
),

scored as (
    select
        *,
        lowest_baseline = highest_baseline as is_baseline_uniform,
        cast({{ gas_t_score('weighted_level', 'weight', 'squared_weight') }} as decimal(9, 4)) as gas_t_score,
        cast({{ gas_t_score('weighted_baseline', 'weight', 'squared_weight') }} as decimal(9, 4)) as gas_t_baseline_score
    from summed
)

select
    {{ hash_key(['organisation_id', 'source_person_key', 'episode_key']) }} as goal_attainment_key,
    source_person_key,
    person_key,
    episode_key,
    service_key,
    service_type_code,
    organisation_id,
    rated_on,
    cast(goal_count as int) as goal_count,
    gas_t_score,
    gas_t_baseline_score,
    case
        when not is_baseline_uniform then 'mixed'
        when lowest_baseline = 0 then 'zero'
        when lowest_baseline < 0 then 'minus_' || cast(-lowest_baseline as string)
        else 'plus_' || cast(lowest_baseline as string)
    end as baseline_code,
    is_baseline_uniform,
    case when is_baseline_uniform then gas_t_score end as comparable_t_score
from scored
