{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Referrals, what was decided, and when the person was first seen after it: the start of, or an attended contact in,
-- another episode than the one in which the referral was made. A referral of the same person to the same end within seven
-- days of the one before is the same referral sent twice. Who was turned down does not wait.
with referral as (
    select
        r.referral_key,
        r.episode_key as made_in_episode_key,
        {{ episode_columns('e', 'x') }},
        r.referred_on,
        r.event_code,
        r.result_code,
        r.result_on,
        lag(r.referred_on) over (
            partition by r.source_person_key, e.service_key, r.event_code
            order by r.referred_on asc nulls first, r.referral_key asc nulls first
        ) as referred_before_on,
        {{ episode_traits('e') }},
        {{ provenance('r') }}
    from {{ ref('in_case__referral') }} as r
    {{ join_person_and_episode('r') }}
    where {{ dirty_only('r.source_person_key') }}
),

seen as (
    select source_person_key, episode_key, start_on as seen_on
    from {{ ref('fct_episode') }}
    where {{ dirty_only('source_person_key') }}
    union all
    select source_person_key, episode_key, contact_on as seen_on
    from {{ ref('fct_contact') }}
    where is_attended and {{ dirty_only('source_person_key') }}
),

first_seen as (
    select r.referral_key, min(s.seen_on) as first_seen_on
    from referral as r
    inner join seen as s on r.source_person_key = s.source_person_key and r.referred_on <= s.seen_on
    where coalesce(r.made_in_episode_key, '') <> coalesce(s.episode_key, '')
    group by r.referral_key
),

judged as (
    select
        r.*,
        f.first_seen_on,
        coalesce({{ days_between('r.referred_before_on', 'r.referred_on') }} <= 7, false) as is_duplicate,
        coalesce(r.result_code in ('client_rejected', 'provider_rejected'), false) as is_turned_down
    from referral as r
    left join first_seen as f on r.referral_key = f.referral_key
),

waited as (
    select
        *,
        case
            when not is_duplicate and not is_turned_down then {{ days_between('referred_on', 'first_seen_on') }}
        end as waiting_days
    from judged
)

select
    referral_key,
    source_person_key,
    person_key,
    episode_key,
    service_key,
    service_type_code,
    referred_on,
    event_code,
    result_code,
    result_on,
    is_duplicate,
    not is_duplicate as is_received,
    is_turned_down,
    not is_duplicate and coalesce(is_turned_down or result_code = 'accepted', false) as is_decided,
    not is_duplicate and coalesce(result_code = 'accepted', false) as is_accepted,
    first_seen_on,
    waiting_days,
    waiting_days is not null as is_seen_after_waiting,
    coalesce(waiting_days <= 42, false) as is_seen_within_42_days,
    coalesce(waiting_days <= 126, false) as is_seen_within_126_days,
    age_band_code,
    sex_code,
    ethnicity_code,
    disability_code,
    {{ provenance('waited') }}
from waited
