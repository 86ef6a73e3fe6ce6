-- People in need by group, and the share of each group among those whose group is known. Who is of no known group says
-- nothing of shares; groups that our codes do not have are people all the same and count in the whole. Of several sources
-- for one breakdown and year one stands, never a mixture.
with counted as (
    select
        case p.population_of_code when 'region' then 'region' else 'organisation' end as level_code,
        case p.population_of_code when 'region' then region.region_id else p.organisation_id end as level_key,
        p.dimension_code as slice_code,
        p.group_code as slice_value,
        p.*
    from {{ ref('in_management__reference_population') }} as p
    cross join {{ source('ops', 'region') }} as region
    where p.dimension_code <> 'UNMAPPED' and p.population_of_code <> 'UNMAPPED'
        and p.group_code is not null and p.reference_year is not null and p.person_count >= 0
),

chosen as (
    select *
    from counted
    qualify dense_rank() over (
        partition by level_code, level_key, slice_code, reference_year
        order by source_id asc nulls last, organisation_id asc nulls last
    ) = 1
),

grouped as (
    select
        level_code,
        level_key,
        slice_code,
        slice_value,
        reference_year,
        sum(person_count) as person_count,
        min(area) as area,
        min(origin) as origin,
        min(source_id) as source_id,
        min(organisation_id) as organisation_id,
        min(delivery_id) as delivery_id,
        min(file_name) as file_name,
        min(row_number) as row_number,
        min(line_number) as line_number
    from chosen
    group by level_code, level_key, slice_code, slice_value, reference_year
),

summed as (
    select
        *,
        coalesce(sum(case when slice_value <> 'unknown' then person_count end) over (
            partition by level_code, level_key, slice_code, reference_year
        ), 0) as known_count
    from grouped
)

select
    cast(level_code as string) as level_code,
    cast(level_key as string) as level_key,
    slice_code,
    slice_value,
    reference_year,
    cast(person_count as bigint) as person_count,
    cast(known_count as bigint) as known_count,
    case when slice_value <> 'unknown' then {{ ratio('person_count', 'known_count') }} end as population_share,
    area,
    origin,
    source_id,
    organisation_id,
    delivery_id,
    file_name,
    row_number,
    line_number
from summed
