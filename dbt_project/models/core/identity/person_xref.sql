-- Made after dirty_person, which compares the identities of this run with those that stand here from the run before.
-- depends_on: {{ ref('dirty_person') }}
select
    i.source_person_key,
    i.person_key,
    i.match_rule_code,
    case i.match_rule_code when 'national_id' then 'exact' when 'name_birth' then 'probable' else 'none' end
        as confidence_code,
    i.is_doubtful,
    p.person_code,
    {{ provenance('p') }}
from {{ ref('int_person_identity') }} as i
inner join {{ ref('in_case__person') }} as p on i.source_person_key = p.source_person_key
