{{ config(materialized='incremental', incremental_strategy='append') }}
-- Whose facts are to be made again. Rows gather until a build has succeeded and orchestration empties the table, so a
-- build that broke off is made up for by the next one. On a first or full build it stays empty and nobody reads it.
{% set before = load_relation(this.incorporate(path={'identifier': 'person_xref'})) %}
{% set changed_persons = changed_hmis_persons() %}
{% if is_incremental() and before is not none %}
with touched as (
    select {{ hash_key(['source_id', 'person_code']) }} as source_person_key
    from ({{ changed_persons }}) as changed
    union
    -- New, gone, or now known to be someone else.
    select coalesce(new.source_person_key, old.source_person_key)
    from {{ ref('int_person_identity') }} as new
    full outer join {{ before }} as old on old.source_person_key = new.source_person_key
    where new.person_key is null or old.person_key is null or new.person_key <> old.person_key
),

-- A person is one over all senders: who is touched at one sender is touched at all.
person as (
    select source_person_key, person_key from {{ ref('int_person_identity') }}
    union
    select source_person_key, person_key from {{ before }}
),

dirty as (
    select source_person_key from touched
    union
    select p.source_person_key
    from person as p
    inner join person as t on t.person_key = p.person_key
    inner join touched on touched.source_person_key = t.source_person_key
)

select source_person_key
from dirty
where source_person_key not in (select d.source_person_key from {{ this }} as d)
{% else %}
select source_person_key
from {{ ref('int_person_identity') }}
where false
{% endif %}
