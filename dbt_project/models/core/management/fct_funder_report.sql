-- Reports that funders ask for, and whether they went out in time. An extension that was agreed moves the day; a day
-- before the first one is no extension.
with due as (
    select
        r.*,
        case when r.extended_due_on >= r.due_on then r.extended_due_on else r.due_on end as current_due_on
    from {{ ref('in_management__funder_report') }} as r
    where r.due_on is not null
)

select
    d.funder_report_key,
    award.award_key,
    d.award_code,
    d.report_code,
    d.due_on,
    d.extended_due_on,
    d.current_due_on,
    d.current_due_on > d.due_on as is_extended,
    d.submitted_on,
    coalesce(d.submitted_on <= d.current_due_on, false) as is_on_time,
    {{ days_between('d.current_due_on', 'd.submitted_on') }} as days_late,
    {{ provenance('d') }}
from due as d
-- An identifier that a funder uses for several awards names none of them.
left join (
    select award_code, min(award_key) as award_key
    from {{ ref('dim_award') }}
    group by award_code
    having count(*) = 1
) as award on d.award_code = award.award_code
