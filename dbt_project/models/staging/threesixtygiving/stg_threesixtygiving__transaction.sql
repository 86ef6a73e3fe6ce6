select
    {{ grant_record() }},
    case r.arrayName
        when 'applicationTransaction' then 'application'
        when 'commitmentTransaction' then 'commitment'
        when 'disbursementTransaction' then 'disbursement'
    end as transaction_type_code,
    cast(r.arrayIndex as int) as position_number,
    coalesce({{ grant_date('r.transactionDate') }}, {{ grant_date('r.valueDate') }}) as transacted_on,
    {{ try_decimal('r.value') }} as amount,
    {{ grant_currency('r.currency') }} as currency_code,
    {{ grant_provenance() }}
from {{ source('raw', 'threesixtygiving__transaction') }} as r
{{ grant_parts_once() }}
