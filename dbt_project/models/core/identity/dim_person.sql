-- Where senders differ, the value of the newest record that knows one stands, for each attribute by itself.
with record as (
    select
        x.person_key,
        x.source_person_key,
        p.updated_at,
        case when p.birth_status = 'valid' then p.birth_month end as birth_month,
        nullif({{ known_code('p.sex_code') }}, 'unknown') as sex_code,
        nullif({{ known_code('p.ethnicity_code') }}, 'unknown') as ethnicity_code,
        nullif({{ known_code('p.veteran_status_code') }}, 'unknown') as veteran_status_code
    from {{ ref('person_xref') }} as x
    inner join {{ ref('in_case__person') }} as p on x.source_person_key = p.source_person_key
)
{% set attributes = ['birth_month', 'sex_code', 'ethnicity_code', 'veteran_status_code'] %}
,

chosen as (
    select
        person_key,
        count(*) over (partition by person_key) as source_person_count,
        {%- for attribute in attributes %}
        first_value({{ attribute }}) over (
            partition by person_key
            order by
                case when {{ attribute }} is null then 1 else 0 end asc nulls last,
                updated_at desc nulls last, source_person_key asc nulls last
            rows between unbounded preceding and unbounded following
        ) as {{ attribute }},
        {%- endfor %}
        row_number() over (partition by person_key order by source_person_key asc nulls last) as record_number
    from record
)

select
    person_key,
    birth_month,
    coalesce(sex_code, 'unknown') as sex_code,
    coalesce(ethnicity_code, 'unknown') as ethnicity_code,
    coalesce(veteran_status_code, 'unknown') as veteran_status_code,
    cast(source_person_count as int) as source_person_count
from chosen
where record_number = 1
