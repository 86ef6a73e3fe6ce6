-- Organisations, with how far their deliveries go.
select
    o.organisation_id,
    o.organisation_name,
    o.calendar_code,
    max(case when c.domain_code = 'case_management' then c.covered_from_on end) as case_management_from_on,
    max(case when c.domain_code = 'case_management' then c.covered_to_on end) as case_management_to_on,
    max(case when c.domain_code = 'survey' then c.covered_to_on end) as survey_to_on,
    max(case when c.domain_code = 'funder' then c.covered_to_on end) as funder_to_on,
    max(case when c.stale_from_on is not null then 1 else 0 end) = 1 as is_stale
from {{ ref('dim_organisation') }} as o
left join {{ ref('kpi_coverage') }} as c on o.organisation_id = c.organisation_id
group by o.organisation_id, o.organisation_name, o.calendar_code
