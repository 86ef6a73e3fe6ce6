{#-
    Months of the periods by which persons are counted once a period and level: for the region its own calendar and the
    federal year, for an organisation its own and the federal year; quarters and financial years. One row a level, key,
    calendar, period and month in it, so that facts join by equality.
-#}
{% macro rolled_period_months() -%}
    select
        l.level_code,
        l.level_key,
        l.calendar_code,
        p.period_type_code,
        p.period_start_on,
        p.period_end_on,
        m.period_start_on as month_on
    from (
        select 'region' as level_code, region_id as level_key, {{ calendar_code('financial_year_start_month') }} as calendar_code
        from {{ source('ops', 'region') }}
        union
        select 'region', region_id, 'fy10' from {{ source('ops', 'region') }}
        union
        select 'organisation', organisation_id, calendar_code from {{ ref('dim_organisation') }}
        union
        select 'organisation', organisation_id, 'fy10' from {{ ref('dim_organisation') }}
    ) as l
    inner join {{ ref('dim_period') }} as p
        on p.calendar_code = l.calendar_code and p.period_type_code in ('quarter', 'financial_year')
    inner join {{ ref('dim_period') }} as m
        on m.calendar_code = p.calendar_code
        and m.period_type_code = 'month'
        and m.period_start_on >= p.period_start_on
        and m.period_end_on <= p.period_end_on
{%- endmacro %}

{#- Rows of a relation once for the region and once for their organisation: adds `level_code`, `level_key`. -#}
{% macro by_level(relation) -%}
    select 'region' as level_code, r.region_id as level_key, t.*
    from {{ relation }} as t
    cross join {{ source('ops', 'region') }} as r
    union all
    select 'organisation', t.organisation_id, t.*
    from {{ relation }} as t
{%- endmacro %}

{#- Key of a row of such a fact. -#}
{% macro rolled_key(alias) -%}
    {{ hash_key([
        alias ~ '.level_code', alias ~ '.level_key', alias ~ '.calendar_code', alias ~ '.period_type_code',
        alias ~ '.period_start_on', alias ~ '.person_key',
    ]) }}
{%- endmacro %}
