{#-
    System performance measures 1a, 1b and 3.2 of every sender's system, one row a cell of HUD's tables, by
    macros/hmis/spm.sql. Variables: spm_start and spm_end, both included; spm_lookback, before which nothing counts.
-#}
with homeless as (
    select * from {{ spm_homeless_days(
        var('spm_start', '2020-10-01'), var('spm_end', '2021-09-30'), var('spm_lookback', '2012-10-01')
    ) }} as people
),

homeless_cells as (
    select
        source_id,
        question,
        line_number,
        count(*) as person_count,
        avg(homeless_days) as mean_days,
        median(homeless_days) as median_days
    from homeless
    group by source_id, question, line_number
),

sheltered as (
    select * from {{ spm_sheltered(var('spm_start', '2020-10-01'), var('spm_end', '2021-09-30')) }} as people
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
    source_id,
    '3.2' as question,
    '{{ cell }}' as cell,
    cast(count(distinct case when {{ condition }} then source_person_key end) as decimal(18, 4)) as value
from sheltered
group by source_id
{{ 'union all' if not loop.last }}
{% endfor -%}
order by source_id asc nulls last, question asc nulls last, cell asc nulls last
