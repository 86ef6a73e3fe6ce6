-- Who waits at the end of a month (of the current one: on the as-of day). A referral waits from the day it was made until
-- the person is seen, it is turned down, or two years have passed without a word.
with as_of as (
    select as_of as as_of_on from {{ source('ops', 'run_context') }}
),

month as (
    select p.period_start_on as month_on, least(p.period_end_on, a.as_of_on) as snapshot_on
    from {{ ref('dim_period') }} as p
    cross join as_of as a
    where p.period_type_code = 'month' and p.calendar_code = {{ calendar_code(hud_start_month()) }}
        and p.period_start_on <= a.as_of_on
),

waiting as (
    select
        *,
        least(
            coalesce(first_seen_on, {{ add_days('referred_on', 730) }}),
            coalesce(case when is_turned_down then coalesce(result_on, referred_on) end, {{ add_days('referred_on', 730) }}),
            {{ add_days('referred_on', 730) }}
        ) as waits_until_on
    from {{ ref('fct_referral') }}
    where not is_duplicate
)

select
    {{ hash_key(['w.referral_key', 'm.month_on']) }} as referral_snapshot_key,
    w.referral_key,
    w.source_person_key,
    w.person_key,
    w.episode_key,
    w.service_key,
    w.service_type_code,
    w.referred_on,
    m.month_on,
    m.snapshot_on,
    {{ days_between('w.referred_on', 'm.snapshot_on') }} as waiting_days,
    true as is_waiting,
    {{ days_between('w.referred_on', 'm.snapshot_on') }} > 126 as is_waiting_over_126_days,
    w.age_band_code,
    w.sex_code,
    w.ethnicity_code,
    w.disability_code,
    {{ provenance('w') }}
from waiting as w
inner join month as m on w.referred_on <= m.snapshot_on and w.waits_until_on > m.snapshot_on
