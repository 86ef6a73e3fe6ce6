-- Awards by the objectives that they serve. What no objective claims stays as a share of its own, so that the parts of an
-- award always add up to the award. Shares that add up to more than one are scaled back, and reported.
with claimed as (
    select l.*
    from {{ ref('in_management__objective_link') }} as l
    where l.linked_type_code = 'award'
),

award as (
    select distinct organisation_id, award_code
    from (
        select organisation_id, linked_code as award_code from claimed
        union all
        select organisation_id, award_code from {{ ref('fct_finance') }} where award_code is not null
    ) as named
),

summed as (
    select organisation_id, linked_code as award_code, sum(coalesce(weight, 1)) as share_sum
    from claimed
    group by organisation_id, linked_code
),

part as (
    select
        c.organisation_id,
        c.linked_code as award_code,
        c.objective_key,
        coalesce(c.weight, 1) / greatest(s.share_sum, 1) as share,
        s.share_sum <= 1.000001 as is_share_valid,
        c.source_id,
        c.delivery_id,
        c.file_name,
        c.row_number,
        c.line_number
    from claimed as c
    inner join summed as s on c.organisation_id = s.organisation_id and c.linked_code = s.award_code
    union all
    select
        a.organisation_id,
        a.award_code,
        cast(null as string),
        1 - least(coalesce(s.share_sum, 0), 1),
        true,
        cast(null as string),
        cast(null as string),
        cast(null as string),
        cast(null as bigint),
        cast(null as bigint)
    from award as a
    left join summed as s on a.organisation_id = s.organisation_id and a.award_code = s.award_code
    where coalesce(s.share_sum, 0) < 0.999999
)

select
    {{ hash_key(['p.organisation_id', 'p.award_code', 'p.objective_key']) }} as award_objective_key,
    p.objective_key,
    d.award_key,
    p.award_code,
    d.awarded_on,
    d.currency_code,
    d.amount_awarded,
    cast(p.share as decimal(9, 6)) as share,
    cast(cast(d.amount_awarded as double) * cast(p.share as double) as decimal(18, 2)) as allocated_amount,
    cast(
        case when o.is_active and o.mission_key is not null
            then cast(d.amount_awarded as double) * cast(p.share as double) else 0 end as decimal(18, 2)
    ) as mission_aligned_amount,
    p.is_share_valid,
    coalesce(o.is_active and o.mission_key is not null, false) as is_mission_aligned,
    p.source_id,
    p.organisation_id,
    p.delivery_id,
    p.file_name,
    p.row_number,
    p.line_number
from part as p
left join (
    select *
    from {{ ref('dim_award') }}
    qualify count(*) over (partition by award_code) = 1
) as d on p.award_code = d.award_code
left join {{ ref('dim_objective') }} as o on p.objective_key = o.objective_key
