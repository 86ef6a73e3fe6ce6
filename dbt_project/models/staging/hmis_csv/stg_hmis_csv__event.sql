select
    {{ hmis_text('EventID') }} as referral_code,
    {{ hmis_text('EnrollmentID') }} as episode_code,
    {{ hmis_text('PersonalID') }} as person_code,
    {{ try_date('r.EventDate') }} as referred_on,
    {{ hmis_conformed('Event') }} as event_code,
    {{ hmis_conformed('ReferralResult') }} as result_code,
    {{ try_date('r.ResultDate') }} as result_on,
    {{ try_timestamp('r.DateCreated') }} as created_at,
    {{ try_timestamp('r.DateUpdated') }} as updated_at,
    {{ hmis_provenance() }}
from {{ hmis_current('event') }}
{{ hmis_code_join('event', 'Event') }}
{{ hmis_code_join('referral_result', 'ReferralResult') }}
where r._status = 'current'
