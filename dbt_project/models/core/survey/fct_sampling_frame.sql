-- The strata of the sampling frames in force. A frame speaks for the financial year of its organisation that its period
-- begins in; of several for one year and form the latest stands, of several sources the first. Strata of nobody are none.
with framed as (
    select
        f.*,
        p.period_start_on as year_start_on,
        p.period_end_on as year_end_on
    from {{ ref('in_management__sampling_frame') }} as f
    inner join {{ ref('dim_organisation') }} as o on f.organisation_id = o.organisation_id
    inner join {{ ref('dim_period') }} as p
        on o.calendar_code = p.calendar_code and p.period_type_code = 'financial_year'
        and f.period_start_on >= p.period_start_on and f.period_start_on <= p.period_end_on
    where f.form_code is not null and f.stratum_code is not null and f.population_count >= 0
),

chosen as (
    select *
    from framed
    qualify dense_rank() over (
        partition by organisation_id, form_code, year_start_on
        order by period_start_on desc nulls last, source_id asc nulls last
    ) = 1
)

select
    {{ hash_key(['organisation_id', 'form_code', 'year_start_on', 'stratum_code']) }} as sampling_stratum_key,
    form_code,
    year_start_on,
    year_end_on,
    period_start_on,
    stratum_code,
    cast(sum(population_count) as bigint) as population_count,
    cast(sum(invited_count) as bigint) as invited_count,
    min(source_id) as source_id,
    organisation_id,
    min(delivery_id) as delivery_id,
    min(file_name) as file_name,
    min(row_number) as row_number,
    min(line_number) as line_number
from chosen
group by organisation_id, form_code, year_start_on, year_end_on, period_start_on, stratum_code
having sum(population_count) > 0
