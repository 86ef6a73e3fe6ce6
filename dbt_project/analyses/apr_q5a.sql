{#-
    Table Q5a of the annual performance report: who was served. One row a service; columns are the table's rows.
    Row 11 (chronic homelessness) is not part of it.
-#}
select
    source_id,
    service_key,
    count(*) as q5a_01_persons,
    count(*) filter (where is_adult) as q5a_02_adults,
    count(*) filter (where is_child) as q5a_03_children,
    count(*) filter (where is_age_unknown) as q5a_04_unknown_age,
    count(*) filter (where is_leaver) as q5a_05_leavers,
    count(*) filter (where is_leaver and is_adult) as q5a_06_adult_leavers,
    count(*) filter (where is_leaver and (is_adult or is_head)) as q5a_07_adult_and_head_leavers,
    count(*) filter (where not is_leaver) as q5a_08_stayers,
    count(*) filter (where not is_leaver and is_adult) as q5a_09_adult_stayers,
    count(*) filter (where is_veteran) as q5a_10_veterans,
    count(*) filter (where is_youth) as q5a_12_youth,
    count(*) filter (where is_parenting_youth) as q5a_13_parenting_youth,
    count(*) filter (where is_head and is_adult) as q5a_14_adult_heads,
    count(*) filter (where is_head and not is_adult) as q5a_15_child_and_unknown_age_heads,
    count(*) filter (where not is_leaver and stay_days >= 365 and (is_adult or is_head)) as q5a_16_long_stayers
from {{ apr_universe(var('apr_start', '2020-10-01'), var('apr_end', '2021-09-30')) }} as universe
group by source_id, service_key
order by source_id asc nulls last, service_key asc nulls last
