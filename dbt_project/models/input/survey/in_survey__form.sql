with staged as (
    select * from {{ ref('stg_odk__form') }}
    union all
    select * from {{ ref('stg_redcap__form') }}
),

instrument as (
    select source_id, form_code, case when count(*) = 1 then max(instrument_code) end as instrument_code
    from {{ source('ops', 'survey_form') }}
    group by source_id, form_code
)

select
    {{ hash_key(['s.source_id', 's.form_code', 's.form_version']) }} as form_key,
    s.form_code,
    s.form_version,
    s.form_title,
    instrument.instrument_code,
    s.question_count as item_count,
    {{ input_provenance() }}
from staged as s
{{ input_source_join() }}
left join instrument on instrument.source_id = s.source_id and instrument.form_code = s.form_code
