{#-
    System performance measures of HUD for one sender's system, as cells: source_id, question, cell, value.

    Nights are half-open spans: from entry to the night before exit; shelters that count nights are taken by their
    records. Permanent housing counts as homeless until the person moves in and as housed from then on.
-#}

{#- Before this day nothing counts as homeless: HUD's look-back stops there. -#}
{% macro spm_lookback() -%} date '2012-10-01' {%- endmacro %}

{#-
    Spans of nights by what they are, half-open: shelter, transitional, not_moved_in, housed, street and
    street_to_transitional. Columns: source_id, organisation_id, source_person_key, person_key, kind_code, from_on,
    until_on. An open stay lasts until `open_until`; `condition` chooses stays (alias e).
-#}
{% macro spm_spans(open_until, condition='true') -%}
(
    with stay as (
        select
            e.source_id,
            e.organisation_id,
            e.source_person_key,
            e.person_key,
            e.start_on,
            coalesce(e.end_on, {{ open_until }}) as until_on,
            e.date_to_street_on,
            coalesce(s.is_night_by_night, false) as is_night_by_night,
            case
                when e.service_type_code in ('emergency_shelter', 'safe_haven') then 'shelter'
                when e.service_type_code = 'transitional_housing' then 'transitional'
                when e.service_type_code in {{ permanent_housing_types() }} then 'permanent'
            end as kind_code,
            case when e.move_in_on >= e.start_on then e.move_in_on end as move_in_on
        from {{ ref('fct_episode') }} as e
        left join {{ ref('dim_service') }} as s on e.service_key = s.service_key
        where e.is_date_order_valid and {{ condition }}
    ),

    span as (
        select
            source_id, organisation_id, source_person_key, person_key, 'shelter' as kind_code, start_on as from_on,
            until_on
        from stay
        where kind_code = 'shelter' and not is_night_by_night
        union all
        select
            source_id, organisation_id, source_person_key, person_key, 'shelter', night_on,
            {{ add_days('night_on', 1) }}
        from {{ ref('fct_bed_night') }}
        where service_type_code in ('emergency_shelter', 'safe_haven')
        union all
        select source_id, organisation_id, source_person_key, person_key, 'transitional', start_on, until_on
        from stay
        where kind_code = 'transitional'
        union all
        select
            source_id, organisation_id, source_person_key, person_key, 'not_moved_in', start_on,
            least(coalesce(move_in_on, until_on), until_on)
        from stay
        where kind_code = 'permanent'
        union all
        select source_id, organisation_id, source_person_key, person_key, 'housed', move_in_on, until_on
        from stay
        where kind_code = 'permanent' and move_in_on is not null
        union all
        select
            source_id,
            organisation_id,
            source_person_key,
            person_key,
            case kind_code when 'transitional' then 'street_to_transitional' else 'street' end,
            date_to_street_on,
            start_on
        from stay
        where kind_code is not null and date_to_street_on < start_on
    )

    select * from span
    where from_on < until_on
)
{%- endmacro %}

{#-
    Measures 1a and 1b: how long people were homeless, in days. One row a sender, measure, line and person.

    Counted are the distinct nights of a person up to the last one within the report period, and back from there for 365
    days; if the person was homeless on that day too, further back to the start of that unbroken time. Nights that were
    spent housed do not count. Measure 1b adds the nights from the approximate start of homelessness to entry, and those
    in permanent housing before moving in. Line 2 of each measure adds transitional housing; in line 1 its nights are
    housed. Nothing before `lookback_on` counts.
-#}
{% macro spm_homeless_days(start_on, end_on, lookback_on) -%}
{%- set period_start = "date '" ~ start_on ~ "'" -%}
{%- set period_end = "date '" ~ end_on ~ "'" -%}
(
    with span as (
        select * from {{ spm_spans(add_days(period_end, 1), 'e.start_on <= ' ~ period_end) }} as spans
    ),

    night as (
        select distinct s.source_id, s.source_person_key, s.kind_code, d.date_on as night_on
        from span as s
        inner join {{ ref('dim_date') }} as d
            on s.from_on <= d.date_on and s.until_on > d.date_on
        where d.date_on >= date '{{ lookback_on }}' and d.date_on <= {{ period_end }}
    ),

    part (question, line_number, kind_code, is_counted) as (
        values
        ('1a', 1, 'shelter', true),
        ('1a', 1, 'transitional', false),
        ('1a', 1, 'housed', false),
        ('1a', 2, 'shelter', true),
        ('1a', 2, 'transitional', true),
        ('1a', 2, 'housed', false),
        ('1b', 1, 'shelter', true),
        ('1b', 1, 'street', true),
        ('1b', 1, 'not_moved_in', true),
        ('1b', 1, 'transitional', false),
        ('1b', 1, 'housed', false),
        ('1b', 2, 'shelter', true),
        ('1b', 2, 'street', true),
        ('1b', 2, 'street_to_transitional', true),
        ('1b', 2, 'not_moved_in', true),
        ('1b', 2, 'transitional', true),
        ('1b', 2, 'housed', false)
    ),

    counted as (
        select p.question, p.line_number, n.source_id, n.source_person_key, n.night_on
        from night as n
        inner join part as p on n.kind_code = p.kind_code
        group by p.question, p.line_number, n.source_id, n.source_person_key, n.night_on
        having min(case when p.is_counted then 1 else 0 end) = 1
    ),

    unbroken as (
        select
            *,
            {{ add_days(
                'night_on',
                '-row_number() over (partition by question, line_number, source_id, source_person_key '
                ~ 'order by night_on asc nulls last)'
            ) }} as time_number,
            max(night_on) over (partition by question, line_number, source_id, source_person_key) as last_on
        from counted
    ),

    -- Of every unbroken time, its start.
    dated as (
        select
            *,
            min(night_on) over (
                partition by question, line_number, source_id, source_person_key, time_number
            ) as time_start_on
        from unbroken
    ),

    bounded as (
        select
            question,
            line_number,
            source_id,
            source_person_key,
            coalesce(
                min(case when night_on = {{ add_days('last_on', -365) }} then time_start_on end),
                min({{ add_days('last_on', -365) }})
            ) as from_on
        from dated
        where last_on >= {{ period_start }}
        group by question, line_number, source_id, source_person_key
    )

    select
        b.question, b.line_number, b.source_id, b.source_person_key, cast(count(*) as int) as homeless_days
    from bounded as b
    inner join counted as c
        on b.question = c.question
        and b.line_number = c.line_number
        and b.source_id = c.source_id
        and b.source_person_key = c.source_person_key
        and b.from_on <= c.night_on
    group by b.question, b.line_number, b.source_id, b.source_person_key
)
{%- endmacro %}

{#-
    Measure 3.2: who was sheltered in the report period, by the kind of shelter. One row a sender, kind and person. A
    shelter that counts nights has sheltered whom it gave a night.
-#}
{% macro spm_sheltered(start_on, end_on) -%}
(
    select distinct e.source_id, e.service_type_code, e.source_person_key
    from {{ ref('fct_episode') }} as e
    left join {{ ref('dim_service') }} as s on e.service_key = s.service_key
    left join {{ ref('fct_bed_night') }} as n
        on e.episode_key = n.episode_key and n.night_on between date '{{ start_on }}' and date '{{ end_on }}'
    where
        e.service_type_code in ('emergency_shelter', 'safe_haven', 'transitional_housing')
        and e.is_date_order_valid
        and e.start_on <= date '{{ end_on }}'
        and (e.end_on is null or e.end_on >= date '{{ start_on }}')
        and (not coalesce(s.is_night_by_night, false) or n.bed_night_key is not null)
)
{%- endmacro %}
