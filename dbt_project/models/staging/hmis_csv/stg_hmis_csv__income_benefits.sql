{%- set sources = [
    'Earned', 'Unemployment', 'SSI', 'SSDI', 'VADisabilityService', 'VADisabilityNonService', 'PrivateDisability',
    'WorkersComp', 'TANF', 'GA', 'SocSecRetirement', 'Pension', 'ChildSupport', 'Alimony', 'OtherIncomeSource',
] -%}
select
    {{ hmis_text('IncomeBenefitsID') }} as income_code,
    {{ hmis_text('EnrollmentID') }} as episode_code,
    {{ hmis_text('PersonalID') }} as person_code,
    {{ try_date('r.InformationDate') }} as information_on,
    {{ hmis_conformed('DataCollectionStage') }} as collection_stage_code,
    {{ hmis_conformed('IncomeFromAnySource') }} as has_income_code,
    {{ try_decimal('r.TotalMonthlyIncome') }} as total_monthly_income,
    cast(
        {%- for column in sources %}
        case when trim(r.{{ column }}) = '1' then 1 else 0 end{{ ' +' if not loop.last }}
        {%- endfor %} as int
    ) as income_source_count,
    {{ hmis_conformed('Earned') }} as has_earned_income_code,
    {{ try_decimal('r.EarnedAmount') }} as earned_amount,
    {{ hmis_conformed('BenefitsFromAnySource') }} as has_benefits_code,
    {{ hmis_conformed('InsuranceFromAnySource') }} as has_insurance_code,
    {{ try_timestamp('r.DateCreated') }} as created_at,
    {{ try_timestamp('r.DateUpdated') }} as updated_at,
    {{ hmis_provenance() }}
from {{ hmis_current('income_benefits') }}
{{ hmis_code_join('collection_stage', 'DataCollectionStage') }}
{{ hmis_code_join('yes_no', 'IncomeFromAnySource') }}
{{ hmis_code_join('yes_no', 'Earned') }}
{{ hmis_code_join('yes_no', 'BenefitsFromAnySource') }}
{{ hmis_code_join('yes_no', 'InsuranceFromAnySource') }}
where r._status = 'current'
