-- Strata of the sampling frames with what came back.
-- A stratum with fewer than two ratings has no variance, so such strata of one frame are made one; if that has fewer than
-- two still, it joins the smallest of the others. A frame with fewer than two ratings in all estimates nothing.
with answered as (
    select
        s.sampling_stratum_key,
        count(*) as response_count,
        count(case when r.is_rated then 1 end) as rated_count
    from {{ ref('fct_sampling_frame') }} as s
    inner join {{ ref('fct_survey_response') }} as r
        on s.organisation_id = r.organisation_id and s.form_code = r.form_code and s.stratum_code = r.stratum_code
        and s.year_start_on <= r.answered_on and s.year_end_on >= r.answered_on
    where r.has_rating
    group by s.sampling_stratum_key
),

counted as (
    select
        s.*,
        coalesce(a.response_count, 0) as response_count,
        coalesce(a.rated_count, 0) as rated_count,
        coalesce(a.rated_count, 0) < 2 as is_small
    from {{ ref('fct_sampling_frame') }} as s
    left join answered as a on s.sampling_stratum_key = a.sampling_stratum_key
),

summed as (
    select
        c.*,
        sum(case when is_small then rated_count else 0 end) over (
            partition by organisation_id, form_code, year_start_on
        ) as small_rated_count,
        min(case when is_small then stratum_code end) over (
            partition by organisation_id, form_code, year_start_on
        ) as first_small_code,
        first_value(case when not is_small then stratum_code end) over (
            partition by organisation_id, form_code, year_start_on
            order by is_small asc nulls last, population_count asc nulls last, stratum_code asc nulls last
        ) as smallest_other_code
    from counted as c
),

collapsed as (
    select
        s.*,
        case
            when not is_small then stratum_code
            when small_rated_count >= 2 then first_small_code
            else smallest_other_code
        end as collapsed_code
    from summed as s
)

select
    sampling_stratum_key,
    case
        when collapsed_code is not null
            then {{ hash_key(['organisation_id', 'form_code', 'year_start_on', 'collapsed_code']) }}
    end as collapsed_stratum_key,
    form_code,
    year_start_on,
    year_end_on,
    period_start_on,
    stratum_code,
    collapsed_code as collapsed_stratum_code,
    population_count,
    cast(case
        when collapsed_code is not null then sum(population_count) over (
            partition by organisation_id, form_code, year_start_on, collapsed_code
        )
    end as bigint) as collapsed_population_count,
    cast(response_count as bigint) as response_count,
    cast(rated_count as bigint) as rated_count,
    -- Fewer invited than answered can't be: such a number says nothing.
    cast(case when invited_count >= response_count then invited_count end as bigint) as invited_count,
    cast(case when invited_count >= response_count then response_count end as bigint) as invited_response_count,
    {{ provenance('collapsed') }}
from collapsed
