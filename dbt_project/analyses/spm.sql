{#-
    System performance measures 1a, 1b and 3.2 of every sender's system, one row a cell of HUD's tables, by
    macros/hmis/spm.sql. Variables: spm_start and spm_end, both included; spm_lookback, before which nothing counts.
-#}
with homeless as (
    select * from {{ spm_homeless_days(
        var('spm_start', '2020-10-01'), var('spm_end', '2021-09-30'), var('spm_lookback', '2012-10-01')
    ) }} as people
),

sheltered as (
    select * from {{ spm_sheltered(var('spm_start', '2020-10-01'), var('spm_end', '2021-09-30')) }} as people
),

-- Every sender has every cell, nobody in it or not.
sender as (
    select distinct source_id from {{ ref('dim_service') }}
),

line (question, line_number) as (
    values ('1a', 1), ('1a', 2), ('1b', 1), ('1b', 2)
),

homeless_cells as (
    select
        s.source_id,
        l.question,
        l.line_number,
        count(h.source_person_key) as person_count,
        avg(h.homeless_days) as mean_days,
        median(h.homeless_days) as median_days
    from sender as s
    cross join line as l
    left join homeless as h
        on s.source_id = h.source_id and l.question = h.question and l.line_number = h.line_number
    group by s.source_id, l.question, l.line_number
)

{% for column, value in [('C', 'person_count'), ('E', 'mean_days'), ('H', 'median_days')] -%}
select
    source_id,
    question,
    '{{ column }}' || cast(line_number + 1 as string) as cell,
    cast({{ value }} as decimal(18, 4)) as value
from homeless_cells
union all
{% endfor -%}
{% for cell, condition in [
    ('C2', 'true'),
    ('C3', "service_type_code = 'emergency_shelter'"),
    ('C4', "service_type_code = 'safe_haven'"),
    ('C5', "service_type_code = 'transitional_housing'"),
] -%}
select
    s.source_id,
    '3.2' as question,
    '{{ cell }}' as cell,
    cast(count(distinct case when {{ condition }} then p.source_person_key end) as decimal(18, 4)) as value
from sender as s
left join sheltered as p on s.source_id = p.source_id
group by s.source_id
{{ 'union all' if not loop.last }}
{% endfor -%}
order by source_id asc nulls last, question asc nulls last, cell asc nulls last
