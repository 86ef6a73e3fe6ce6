{#- A total and the transactions that make it up are never both counted: payments before the total of payments, and
    commitments, which repeat the award, not at all. -#}
{%- set grant_columns = [
    'source_id', 'grant_code', 'occurrence_number', 'delivery_id', 'file_name', 'row_number', 'line_number',
] -%}
with grants as (
    select * from {{ ref('stg_threesixtygiving__grant') }}
),

payments as (
    select * from {{ ref('stg_threesixtygiving__transaction') }}
    where transaction_type_code = 'disbursement' and amount is not null
),

itemised as (
    select distinct source_id, grant_code, occurrence_number, record_hash from payments
),

s as (
    select
        g.{{ grant_columns | join(', g.') }},
        'award' as transaction_type_code,
        -1 as position_number,
        g.awarded_on as transacted_on,
        g.amount_awarded as amount,
        g.currency_code
    from grants as g
    where g.amount_awarded is not null
    union all
    select
        g.{{ grant_columns | join(', g.') }},
        'disbursement' as transaction_type_code,
        -1 as position_number,
        cast(null as date) as transacted_on,
        g.amount_disbursed as amount,
        g.currency_code
    from grants as g
    left join itemised on {{ is_part_of('itemised', 'g') }}
    where g.amount_disbursed is not null and itemised.source_id is null
    union all
    select
        g.{{ grant_columns | join(', g.') }},
        'disbursement' as transaction_type_code,
        payments.position_number,
        payments.transacted_on,
        payments.amount,
        coalesce(payments.currency_code, g.currency_code) as currency_code
    from grants as g
    inner join payments on {{ is_part_of('payments', 'g') }}
)

select
    {{ hash_key([
        's.source_id', 's.grant_code', 's.occurrence_number', 's.transaction_type_code', 's.position_number'
    ]) }} as award_transaction_key,
    {{ hash_key(['s.source_id', 's.grant_code', 's.occurrence_number']) }} as award_key,
    s.transaction_type_code,
    s.transacted_on,
    s.amount,
    s.currency_code,
    {{ input_provenance() }}
from s
{{ input_source_join() }}
