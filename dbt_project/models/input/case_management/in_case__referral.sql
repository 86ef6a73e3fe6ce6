select
    {{ hash_key(['s.source_id', 's.referral_code']) }} as referral_key,
    {{ hash_key(['s.source_id', 's.person_code']) }} as source_person_key,
    {{ hash_key(['s.source_id', 's.episode_code']) }} as episode_key,
    s.referred_on,
    s.event_code,
    s.result_code,
    s.result_on,
    s.created_at,
    s.updated_at,
    {{ input_provenance() }}
from {{ ref('stg_hmis_csv__event') }} as s
{{ input_source_join() }}
-- Problem solving is an intervention, the only coordinated entry event that refers nobody.
where s.event_code <> 'problem_solving'
