with individual as (
    select * from {{ ref('stg_threesixtygiving__recipient_individual') }}
    where position_number = 0
),

organisation as (
    select * from {{ ref('stg_threesixtygiving__recipient_organization') }}
    where position_number = 0
),

programme as (
    select * from {{ ref('stg_threesixtygiving__grant_programme') }}
    where position_number = 0
),

place as (
    select *
    from {{ ref('stg_threesixtygiving__beneficiary_location') }}
    qualify row_number() over (
        partition by source_id, grant_code, occurrence_number, record_hash
        order by is_region desc nulls last, position_number asc nulls last
    ) = 1
)

select
    {{ hash_key(['s.source_id', 's.grant_code', 's.occurrence_number']) }} as award_key,
    s.award_code,
    s.funder_code,
    s.title,
    programme.programme_code,
    programme.programme_name,
    s.amount_awarded,
    s.currency_code,
    s.awarded_on,
    s.planned_start_on,
    s.planned_end_on,
    case
        when individual.source_id is not null then 'individual'
        when organisation.source_id is not null then 'organisation'
        else 'unknown'
    end as recipient_type_code,
    case
        when individual.source_id is not null then individual.recipient_code else organisation.recipient_code
    end as recipient_code,
    case when individual.source_id is null then organisation.recipient_name end as recipient_name,
    place.location_name as region_name,
    s.is_identifier_repeated,
    s.modified_at,
    {{ input_provenance() }}
from {{ ref('stg_threesixtygiving__grant') }} as s
{{ input_source_join() }}
left join individual on {{ is_part_of('individual', 's') }}
left join organisation on {{ is_part_of('organisation', 's') }}
left join programme on {{ is_part_of('programme', 's') }}
left join place on {{ is_part_of('place', 's') }}
