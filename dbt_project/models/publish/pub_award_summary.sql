-- Money awarded by funder, programme, currency and financial year of the region. Awards are the funders' own published
-- facts; amounts are never added across currencies.
with programme as (
    select
        t.programme_key,
        max(t.programme_code) as programme_code,
        max(t.programme_name) as programme_name,
        max(t.funder_code) as funder_code,
        max(coalesce(f.funder_name, t.funder_code)) as funder_name
    from {{ ref('fct_award_transaction') }} as t
    left join {{ ref('dim_funder') }} as f on t.funder_key = f.funder_key
    group by t.programme_key
)

select
    p.funder_code,
    p.funder_name,
    p.programme_code,
    p.programme_name,
    k.slice_value as currency_code,
    k.period_start_on,
    k.period_end_on,
    cast(max(case when k.kpi_id = 'FN-06.awards' then k.numerator end) as bigint) as award_count,
    cast(max(case when k.kpi_id = 'FN-06' then k.numerator end) as decimal(18, 2)) as awarded_amount,
    min(case when k.is_period_complete then 1 else 0 end) = 1 as is_period_complete
from {{ ref('fct_kpi') }} as k
inner join programme as p on k.level_key = p.programme_key
where k.level_code = 'programme' and k.period_type_code = 'financial_year' and k.kpi_id in ('FN-06', 'FN-06.awards')
group by p.funder_code, p.funder_name, p.programme_code, p.programme_name, k.slice_value,
    k.period_start_on, k.period_end_on
