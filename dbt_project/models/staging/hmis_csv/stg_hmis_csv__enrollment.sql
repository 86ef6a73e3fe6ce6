select
    {{ hmis_text('EnrollmentID') }} as episode_code,
    {{ hmis_text('PersonalID') }} as person_code,
    {{ hmis_text('ProjectID') }} as service_code,
    {{ hmis_text('HouseholdID') }} as household_code,
    {{ hmis_conformed('RelationshipToHoH') }} as relationship_to_head_code,
    {{ try_date('r.EntryDate') }} as start_on,
    {{ try_date('r.MoveInDate') }} as move_in_on,
    {{ try_date('r.DateToStreetESSH') }} as date_to_street_on,
    {{ hmis_conformed('DisablingCondition') }} as disabling_condition_code,
    {{ hmis_text('LivingSituation') }} as living_situation_code,
    case
        when coalesce(trim(r.LivingSituation), '') = '' then 'not_collected'
        else coalesce(situation.situation_class_code, 'UNMAPPED')
    end as living_situation_class_code,
    {{ hmis_conformed('LengthOfStay') }} as length_of_stay_code,
    {{ hmis_conformed('LOSUnderThreshold') }} as is_los_under_threshold_code,
    {{ hmis_conformed('PreviousStreetESSH') }} as previous_street_es_sh_code,
    {{ hmis_conformed('TimesHomelessPastThreeYears') }} as times_homeless_code,
    {{ hmis_conformed('MonthsHomelessPastThreeYears') }} as months_homeless_code,
    {{ hmis_text('EnrollmentCoC') }} as coc_code,
    {{ try_timestamp('r.DateCreated') }} as created_at,
    {{ try_timestamp('r.DateUpdated') }} as updated_at,
    {{ hmis_provenance() }}
from {{ hmis_current('enrollment') }}
{{ hmis_code_join('relationship', 'RelationshipToHoH') }}
{{ hmis_code_join('yes_no', 'DisablingCondition') }}
{{ hmis_code_join('length_of_stay', 'LengthOfStay') }}
{{ hmis_code_join('yes_no', 'LOSUnderThreshold') }}
{{ hmis_code_join('yes_no', 'PreviousStreetESSH') }}
{{ hmis_code_join('times_homeless', 'TimesHomelessPastThreeYears') }}
{{ hmis_code_join('months_homeless', 'MonthsHomelessPastThreeYears') }}
left join {{ ref('ref_hmis_situation') }} as situation
    on r._format_version = situation.format_version
    and trim(r.LivingSituation) = situation.situation_code
where r._status = 'current'
