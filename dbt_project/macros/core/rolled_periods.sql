{#-
    Months of the periods by which HUD's system measures count a person once a period and level: quarters and financial
    years of the United States federal year, for the region and for each organisation. One row a level, key, period and
    month in it, so that facts join by equality.
-#}
{% macro rolled_period_months() -%}
    select
        l.level_code,
        l.level_key,
        p.calendar_code,
        p.period_type_code,
        p.period_start_on,
        p.period_end_on,
        m.period_start_on as month_on
    from (
        select 'region' as level_code, region_id as level_key from {{ source('ops', 'region') }}
        union all
        select 'organisation', organisation_id from {{ ref('dim_organisation') }}
    ) as l
    inner join {{ ref('dim_period') }} as p
        on p.calendar_code = 'fy10' and p.period_type_code in ('quarter', 'financial_year')
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
