{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Contacts, and where in its episode an attended one stands: of two on one day only the first counts as the next day of
-- contact. An appointment that names no stay belongs to that of the person in its service on the day. One that was
-- attended and a contact that the case-management system records of that stay and day are one and the same. Who cancels
-- on the day, or after it, gave no notice and is missed like somebody who did not come.
with written as (
    -- Who is looked for among stays of the day. Asked of one side of the join alone, this would compare every contact with
    -- every stay.
    select r.*, case when r.episode_key is null then r.source_person_key end as sought_person_key
    from {{ ref('in_case__contact') }} as r
    where {{ dirty_only('r.source_person_key') }}
),

recorded as (
    select
        r.*,
        x.person_key,
        coalesce(named.episode_key, own.episode_key) as stay_key,
        row_number() over (
            partition by r.contact_key order by own.start_on desc nulls last, own.episode_key desc nulls last
        ) as stay_rank
    from written as r
    left join {{ ref('person_xref') }} as x on r.source_person_key = x.source_person_key
    left join {{ ref('fct_episode') }} as named
        on r.episode_key = named.episode_key and r.source_person_key = named.source_person_key
    left join {{ ref('fct_episode') }} as own
        on
            r.sought_person_key = own.source_person_key
            and r.service_key = own.service_key
            and r.contact_on >= own.start_on
            and r.contact_on <= coalesce(own.end_on, date '9999-12-31')
),

contact as (
    select
        r.contact_key,
        r.source_person_key,
        r.person_key,
        e.episode_key,
        coalesce(e.service_key, service.service_key) as service_key,
        coalesce(e.service_type_code, service.service_type_code, 'UNMAPPED') as service_type_code,
        r.contact_on,
        r.contact_kind_code,
        r.contact_kind_code = 'appointment' as is_appointment,
        r.attended_status_code,
        r.cancelled_on,
        r.problem_code,
        coalesce(r.attended_status_code = 'attended', false) as is_attended,
        r.living_situation_code,
        {{ episode_traits('e') }},
        {{ provenance('r') }}
    from recorded as r
    left join {{ ref('fct_episode') }} as e on r.stay_key = e.episode_key
    left join {{ ref('dim_service') }} as service on r.service_key = service.service_key
    where r.stay_rank = 1
),

numbered as (
    select
        *,
        min(contact_on) over (partition by episode_key, is_attended) as first_contact_on,
        dense_rank() over (partition by episode_key, is_attended order by contact_on asc nulls last) as day_rank,
        row_number() over (
            partition by episode_key, is_attended, contact_on order by contact_key asc nulls last
        ) as rank_in_day,
        max(case when is_appointment then 1 else 0 end) over (
            partition by episode_key, is_attended, contact_on
        ) = 1 as is_appointment_of_day,
        is_appointment and (
            coalesce(attended_status_code, '') in ('did_not_attend', 'arrived_too_late')
            or coalesce(attended_status_code = 'cancelled_by_person' and cancelled_on >= contact_on, false)
        ) as is_missed
    from contact
)

select
    contact_key,
    source_person_key,
    person_key,
    episode_key,
    service_key,
    service_type_code,
    contact_on,
    contact_kind_code,
    case when is_appointment then contact_on end as appointed_on,
    attended_status_code,
    cancelled_on,
    problem_code,
    is_attended,
    is_attended and not (episode_key is not null and is_appointment_of_day and not is_appointment) as is_counted,
    is_attended and episode_key is not null and day_rank = 2 and rank_in_day = 1 as is_second,
    is_attended and episode_key is not null and day_rank = 2 and rank_in_day = 1
    and {{ days_between('first_contact_on', 'contact_on') }} > 90 as is_second_late,
    is_missed,
    is_appointment and (is_attended or is_missed) as is_attendance_counted,
    coalesce(attended_status_code = 'cancelled_by_provider', false) as is_cancelled_by_provider,
    coalesce(attended_status_code = 'cancelled_by_person' and cancelled_on < contact_on, false)
        as is_cancelled_with_notice,
    coalesce(attended_status_code = 'cancelled_by_person', false) and cancelled_on is null as is_notice_unknown,
    is_appointment and coalesce(attended_status_code, 'UNMAPPED') in ('booked', 'UNMAPPED') as is_attendance_unknown,
    living_situation_code,
    age_band_code,
    sex_code,
    ethnicity_code,
    disability_code,
    {{ provenance('numbered') }}
from numbered
