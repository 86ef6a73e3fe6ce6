-- Who is the same person, from all senders, deterministically and without regard to the order of arrival.
--   1. An equal valid national id of one scheme is one person, unless one sender gives it to people with different
--      vouched-for birth dates and names: then it tells nobody apart, and every code that has it is a person.
--   2. A code without a usable id joins the one person whose records carry the same name and birth date, unless that
--      person already has a code of the same sender, or another code of that sender would join too.
--   3. Codes without a usable id that share name and birth date are one person when every sender has just one of them.
--   Whatever is ambiguous stays alone. Nothing is joined through a third record: each code is compared with whole
--   persons of step 1, never with another code that was itself joined, so two different ids can't come together.
with usable as (
    select
        source_person_key,
        source_id,
        case when birth_status = 'valid' then birth_month end as birth_month,
        -- 'full' says that the sender vouches for the value; a sender that grades nothing leaves NULL.
        case
            when national_id_status = 'valid' and coalesce(national_id_quality_code, 'full') = 'full'
                then {{ hash_key(["'national_id'", 'national_id_scheme', 'national_id_token']) }}
        end as id_key,
        case
            when
                birth_status = 'valid'
                and coalesce(name_quality_code, 'full') = 'full'
                and coalesce(birth_date_quality_code, 'full') = 'full'
                then name_birth_token
        end as name_birth_token
    from {{ ref('in_case__person') }}
),

contested_id as (
    select distinct id_key
    from (
        select id_key
        from usable
        where id_key is not null and name_birth_token is not null
        group by id_key, source_id
        having count(distinct name_birth_token) > 1 and count(distinct birth_month) > 1
    ) as told_apart_by_one_sender
),

with_id as (
    select
        u.*,
        c.id_key is not null as is_contested,
        case when c.id_key is null then u.id_key else {{ hash_key(["'own_code'", 'u.source_person_key']) }} end
            as id_person_key
    from usable as u
    left join contested_id as c on u.id_key = c.id_key
    where u.id_key is not null
),

id_person as (
    select id_person_key, count(*) as code_count, count(distinct birth_month) as birth_month_count
    from with_id
    group by id_person_key
),

-- Persons of step 1 by the names and birth dates on their records.
id_person_by_name as (
    select name_birth_token, count(distinct id_person_key) as person_count, min(id_person_key) as id_person_key
    from with_id
    where name_birth_token is not null
    group by name_birth_token
),

without_id as (
    select u.source_person_key, u.source_id, u.name_birth_token, n.person_count, n.id_person_key as candidate_key
    from usable as u
    left join id_person_by_name as n on u.name_birth_token = n.name_birth_token
    where u.id_key is null
),

-- Codes of one sender that would all join the same person.
joiner as (
    select candidate_key, source_id, count(*) as code_count
    from without_id
    where person_count = 1
    group by candidate_key, source_id
),

sender_of_id_person as (
    select distinct id_person_key, source_id from with_id
),

-- Codes with the same name and birth date where no id person has them.
name_group as (
    select name_birth_token, count(*) as code_count, count(distinct source_id) as sender_count
    from without_id
    where name_birth_token is not null and person_count is null
    group by name_birth_token
),

decided as (
    select
        w.source_person_key,
        case
            when w.person_count = 1 and j.code_count = 1 and s.source_id is null then w.candidate_key
            when g.code_count > 1 and g.code_count = g.sender_count
                then {{ hash_key(["'name_birth'", 'w.name_birth_token']) }}
        end as person_key,
        w.person_count is not null or g.code_count > 1 as has_candidate
    from without_id as w
    left join joiner as j on w.candidate_key = j.candidate_key and w.source_id = j.source_id
    left join sender_of_id_person as s on w.candidate_key = s.id_person_key and w.source_id = s.source_id
    left join name_group as g on w.name_birth_token = g.name_birth_token
)

select
    w.source_person_key,
    w.id_person_key as person_key,
    case when p.code_count > 1 then 'national_id' else 'own_code' end as match_rule_code,
    w.is_contested or p.birth_month_count > 1 as is_doubtful
from with_id as w
inner join id_person as p on w.id_person_key = p.id_person_key
union all
select
    source_person_key,
    coalesce(person_key, {{ hash_key(["'own_code'", 'source_person_key']) }}),
    case when person_key is null then 'own_code' else 'name_birth' end,
    person_key is null and coalesce(has_candidate, false)
from decided
