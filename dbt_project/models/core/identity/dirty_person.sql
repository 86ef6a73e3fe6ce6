{{ config(materialized='incremental', incremental_strategy='append') }}
-- Whose facts are to be made again. Rows gather until a build has succeeded and orchestration empties the table, so a
-- build that broke off is made up for by the next one. On a first or full build it stays empty and nobody reads it.
{% set before = adapter.get_relation(database=this.database, schema=this.schema, identifier='person_xref') %}
{% set responses_before = adapter.get_relation(
    database=this.database, schema=this.schema, identifier='bridge_response_episode'
) %}
{% set changed_persons = changed_hmis_persons() %}
{% set changed_responses = changed_responses() %}
{% set changed_appointments = changed_appointments() %}
{% set response = ref('in_survey__response') %}
{% if is_incremental() and before is not none and responses_before is not none %}
with changed_response as (
    {{ changed_responses }}
),

-- Responses that changed, came, went, or turned out to be someone else's: of who they were and of whose they are.
response as (
    select new.source_person_key as new_person_key, old.source_person_key as old_person_key
    from (select * from {{ response }} where source_person_key is not null) as new
    full outer join {{ responses_before }} as old on new.response_key = old.response_key
    left join changed_response as c on c.response_key = coalesce(new.response_key, old.response_key)
    where
        c.response_key is not null
        or new.source_person_key is null
        or old.source_person_key is null
        or new.source_person_key <> old.source_person_key
),

touched as (
    select {{ hash_key(['source_id', 'person_code']) }} as source_person_key
    from ({{ changed_persons }}) as changed
    union
    select source_person_key from ({{ changed_appointments }}) as changed where source_person_key is not null
    union
    -- New, gone, or now known to be someone else.
    select coalesce(new.source_person_key, old.source_person_key)
    from {{ ref('int_person_identity') }} as new
    full outer join {{ before }} as old on new.source_person_key = old.source_person_key
    where new.person_key is null or old.person_key is null or new.person_key <> old.person_key
    union
    select new_person_key from response where new_person_key is not null
    union
    select old_person_key from response where old_person_key is not null
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
    inner join person as t on p.person_key = t.person_key
    inner join touched on t.source_person_key = touched.source_person_key
)

select source_person_key
from dirty
where source_person_key not in (select d.source_person_key from {{ this }} as d)
{% else %}
select source_person_key
from {{ ref('int_person_identity') }}
where false
{% endif %}
