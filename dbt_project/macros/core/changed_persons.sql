{#-
    Persons of a kind of case management whose raw rows changed since the last build: `source_id, person_code`.

    A row counts for the person that it names and, where it names an episode, for the person of that episode; a changed
    service counts for everyone with an episode there. tests/unit/test_core_models.py compares the list of tables with
    the connector's specification.
-#}

{% macro hmis_person_tables() -%}
    client enrollment enrollment_coc exit services current_living_situation income_benefits disabilities event assessment
{%- endmacro %}

{% macro changed_hmis_persons() -%}
    with changed as (
        {%- for table in hmis_person_tables().split() %}
        select
            _source_id,
            PersonalID,
            {% if table == 'client' %}cast(null as string){% else %}EnrollmentID{% endif %} as EnrollmentID
        from {{ source('raw', 'hmis_csv__' ~ table) }}
        where _changed_seq > (select last_built_seq from {{ source('ops', 'run_context') }})
        {% if not loop.last %}union all{% endif %}
        {%- endfor %}
    ),

    changed_service as (
        select distinct _source_id, ProjectID
        from {{ source('raw', 'hmis_csv__project') }}
        where _changed_seq > (select last_built_seq from {{ source('ops', 'run_context') }})
    )

    select _source_id as source_id, trim(PersonalID) as person_code
    from changed
    union
    select enrolment._source_id, trim(enrolment.PersonalID)
    from {{ source('raw', 'hmis_csv__enrollment') }} as enrolment
    inner join changed
        on changed._source_id = enrolment._source_id and changed.EnrollmentID = enrolment.EnrollmentID
    union
    select enrolment._source_id, trim(enrolment.PersonalID)
    from {{ source('raw', 'hmis_csv__enrollment') }} as enrolment
    inner join changed_service
        on changed_service._source_id = enrolment._source_id and changed_service.ProjectID = enrolment.ProjectID
{%- endmacro %}

{#-
    Persons with an appointment in the sheets that changed, came or went since the last build, or that is with a service
    that changed: `source_person_key`.
-#}
{% macro changed_appointments() -%}
    {%- set is_changed = "_changed_seq > (select last_built_seq from " ~ source('ops', 'run_context') ~ ")" -%}
    select {{ sheet_reference_key('person_code') }} as source_person_key
    {{ sheet_rows('appointment', condition='r.' ~ is_changed) }}
    union
    select source_person_key
    from {{ ref('in_case__contact') }}
    where service_key in (
        select {{ hash_key(['p._source_id', 'trim(p.ProjectID)']) }}
        from {{ source('raw', 'hmis_csv__project') }} as p
        where p.{{ is_changed }}
    )
{%- endmacro %}

{#- Responses with a raw row that changed since the last build: `response_key`. -#}
{% macro changed_responses() -%}
    {%- for table in ['odk__response', 'odk__answer', 'redcap__response', 'redcap__answer'] %}
    select {{ hash_key(['_source_id', 'trim(response_code)']) }} as response_key
    from {{ source('raw', table) }}
    where _changed_seq > (select last_built_seq from {{ source('ops', 'run_context') }})
    {% if not loop.last %}union{% endif %}
    {%- endfor %}
{%- endmacro %}
