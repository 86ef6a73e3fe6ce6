-- Who is whose peer, apart from the group of all. Groups by rule and by list are shared; of the nearest, each organisation
-- has a group of its own, itself included. A release keeps the members that it used.
with shared as (
    select
        g.peer_group_code,
        a.organisation_id as member_code,
        count(distinct g.attribute_code) as met_count
    from {{ source('ops', 'peer_group') }} as g
    inner join {{ source('ops', 'organisation_attribute') }} as a
        on g.attribute_code = a.attribute_code
        and (
            g.text_value = a.text_value
            or (
                g.text_value is null and a.number_value >= coalesce(g.at_least, a.number_value)
                and a.number_value <= coalesce(g.at_most, a.number_value)
            )
        )
    where g.kind_code = 'rule'
    group by g.peer_group_code, a.organisation_id
),

required as (
    select peer_group_code, count(distinct attribute_code) as attribute_count
    from {{ source('ops', 'peer_group') }}
    where kind_code in ('rule', 'nearest')
    group by peer_group_code
),

-- Each attribute with a mean of 0 and a standard deviation of 1 over the organisations that have it. Sums over DECIMAL,
-- so that they don't depend on the order of addition.
moment as (
    select
        attribute_code,
        {{ ratio("sum(cast(number_value as decimal(38, 9)))", "count(number_value)") }} as mean,
        {{ ratio("sum(cast(number_value * number_value as decimal(38, 9)))", "count(number_value)") }} as mean_of_squares
    from {{ source('ops', 'organisation_attribute') }}
    where number_value is not null
    group by attribute_code
),

scaled as (
    select
        g.peer_group_code,
        g.nearest_count,
        a.organisation_id,
        a.attribute_code,
        {{ ratio("a.number_value - m.mean", "sqrt(greatest(0e0, m.mean_of_squares - m.mean * m.mean))") }} as z
    from {{ source('ops', 'peer_group') }} as g
    inner join {{ source('ops', 'organisation_attribute') }} as a on g.attribute_code = a.attribute_code
    inner join moment as m on a.attribute_code = m.attribute_code
    where g.kind_code = 'nearest' and a.number_value is not null
),

-- An attribute in which all are the same tells nobody apart.
distance as (
    select
        s.peer_group_code,
        s.nearest_count,
        s.organisation_id as subject_code,
        o.organisation_id as member_code,
        count(*) as attribute_count,
        sum(cast(coalesce((s.z - o.z) * (s.z - o.z), 0e0) as decimal(28, 12))) as squared_distance
    from scaled as s
    inner join scaled as o on s.peer_group_code = o.peer_group_code and s.attribute_code = o.attribute_code
    group by s.peer_group_code, s.nearest_count, s.organisation_id, o.organisation_id
),

-- The organisation itself is first; its peers follow.
nearest as (
    select
        d.*,
        row_number() over (
            partition by d.peer_group_code, d.subject_code
            order by
                case when d.subject_code = d.member_code then 0 else 1 end asc nulls last,
                d.squared_distance asc nulls last, d.member_code asc nulls last
        ) as position
    from distance as d
    inner join required as r on d.peer_group_code = r.peer_group_code and d.attribute_count = r.attribute_count
)

select
    s.peer_group_code,
    cast('all' as string) as subject_code,
    s.member_code,
    cast(null as double) as distance
from shared as s
inner join required as r on s.peer_group_code = r.peer_group_code and s.met_count = r.attribute_count
union all
select peer_group_code, 'all', member_code, cast(null as double)
from {{ source('ops', 'peer_group') }}
where kind_code = 'list'
union all
select peer_group_code, subject_code, member_code, sqrt(cast(squared_distance as double))
from nearest
where position <= nearest_count + 1
