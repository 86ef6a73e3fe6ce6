{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ delete_dirty(this) }}") }}
-- Unbroken times in emergency shelter and safe haven, by nights, without nights that the person spent in transitional
-- housing or housed (HUD SPM 1a, line 1). Once for the region, over all senders, and once for each organisation, as its
-- senders count people. Half-open: the first night after a spell is its end; a spell that goes on has none.
--
-- The edges of all spans are swept in order of time: a night counts while a stay in shelter is open and nothing else is.
with span as (
    select
        *,
        case when kind_code = 'shelter' then 1 else 0 end as is_shelter,
        greatest(from_on, {{ spm_lookback() }}) as counted_from_on
    from {{ spm_spans("date '9999-12-31'", dirty_only('e.source_person_key')) }} as spans
    where kind_code in ('shelter', 'transitional', 'housed')
        and until_on > {{ spm_lookback() }}
        and {{ dirty_only('spans.source_person_key') }}
),

level_span as (
    select 'region' as level_code, region.region_id as level_key, s.person_key as counted_person_key, s.*
    from span as s
    cross join {{ source('ops', 'region') }} as region
    union all
    select 'organisation', s.organisation_id, s.source_person_key, s.*
    from span as s
),

edge as (
    select
        level_code, level_key, counted_person_key, source_person_key,
        counted_from_on as edge_on, is_shelter as shelter_step, 1 - is_shelter as other_step
    from level_span
    union all
    select
        level_code, level_key, counted_person_key, source_person_key,
        until_on, -is_shelter, is_shelter - 1
    from level_span
),

step as (
    select
        level_code,
        level_key,
        counted_person_key,
        min(source_person_key) as source_person_key,
        edge_on,
        sum(shelter_step) as shelter_step,
        sum(other_step) as other_step
    from edge
    group by level_code, level_key, counted_person_key, edge_on
    -- Where one stay ends on the day on which another begins, nothing changes: of a month of nights two edges are left.
    having sum(shelter_step) <> 0 or sum(other_step) <> 0
),

swept as (
    select
        *,
        sum(shelter_step) over (
            partition by level_code, level_key, counted_person_key order by edge_on asc nulls last
            rows between unbounded preceding and current row
        ) as shelter_count,
        sum(other_step) over (
            partition by level_code, level_key, counted_person_key order by edge_on asc nulls last
            rows between unbounded preceding and current row
        ) as other_count,
        lead(edge_on) over (
            partition by level_code, level_key, counted_person_key order by edge_on asc nulls last
        ) as next_on
    from step
),

piece as (
    select
        *,
        case
            when lag(next_on) over (
                partition by level_code, level_key, counted_person_key order by edge_on asc nulls last
            ) = edge_on then 0
            else 1
        end as is_first
    from swept
    where shelter_count > 0 and other_count = 0 and next_on is not null
),

numbered as (
    select
        *,
        sum(is_first) over (
            partition by level_code, level_key, counted_person_key order by edge_on asc nulls last
            rows between unbounded preceding and current row
        ) as spell_number
    from piece
)

select
    {{ hash_key(['level_code', 'level_key', 'counted_person_key', 'spell_number']) }} as homeless_spell_key,
    cast(level_code as string) as level_code,
    cast(level_key as string) as level_key,
    counted_person_key,
    min(source_person_key) as source_person_key,
    min(edge_on) as from_on,
    nullif(max(next_on), date '9999-12-31') as until_on
from numbered
group by level_code, level_key, counted_person_key, spell_number
