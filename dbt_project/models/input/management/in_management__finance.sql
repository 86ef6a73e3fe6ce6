select
    {{ hash_key([
        'r._source_id', 'r.organisation_code', 'r.service_code', 'r.cost_centre_code', 'r.award_code',
        'r.currency_code', 'r.month_start_on',
    ]) }} as finance_key,
    {{ sheet_reference_key('service_code') }} as service_key,
    {{ sheet_text('award_code') }} as award_code,
    {{ sheet_text('cost_centre_code') }} as cost_centre_code,
    {{ try_date('r.month_start_on') }} as month_start_on,
    {{ sheet_number('budget_amount', 18, 2) }} as budget_amount,
    {{ sheet_number('actual_amount', 18, 2) }} as actual_amount,
    {{ sheet_number('commitment_amount', 18, 2) }} as commitment_amount,
    {{ sheet_number('eligible_amount', 18, 2) }} as eligible_amount,
    upper({{ sheet_text('currency_code') }}) as currency_code,
    {{ sheet_provenance() }}
{{ sheet_rows('finance') }}
