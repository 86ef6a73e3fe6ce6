select
    t.award_transaction_key,
    t.award_key,
    a.funder_key,
    a.funder_code,
    a.programme_code,
    {{ hash_key(['a.funder_key', 'a.programme_code']) }} as programme_key,
    a.programme_name,
    a.recipient_type_code,
    a.region_name,
    coalesce(t.currency_code, 'unstated') as currency_code,
    t.transaction_type_code,
    t.transacted_on,
    t.amount,
    t.transaction_type_code = 'award' as is_award,
    case when t.transaction_type_code = 'award' then t.amount else cast(0 as decimal(18, 2)) end as awarded_amount,
    case when t.transaction_type_code = 'disbursement' then t.amount else cast(0 as decimal(18, 2)) end as disbursed_amount,
    {{ provenance('t') }}
from {{ ref('in_funder__award_transaction') }} as t
inner join {{ ref('dim_award') }} as a on t.award_key = a.award_key
