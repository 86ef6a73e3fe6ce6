{#-
    What data quality counts, as SQL over the rows of fct_data_quality's `record`. The elements and what they are is the
    seed ref_dq_element; a test compares the two.

    `at`: the date whose month the record falls in. `value`: state of the value of a completeness element: missing,
    known, unknown (asked, and not known or not given: complete, though it tells nothing), invalid (supplied, and not
    in the code list or not possible). `passes`: the row passes the rule of a consistency element. `recorded`: when the
    record was made. `resolves`: the person can be matched across senders. `when`: rows to which the element applies.
-#}

{% macro coded_state(code) -%}
    case
        when coalesce({{ code }}, 'not_collected') = 'not_collected' then 'missing'
        when {{ code }} = 'UNMAPPED' then 'invalid'
        when {{ code }} = 'unknown' then 'unknown'
        else 'known'
    end
{%- endmacro %}

{#- An identifier: refused, or given and possible; what is only partly given is not complete. -#}
{% macro identifier_state(quality, status) -%}
    case
        when {{ quality }} = 'unknown' then 'unknown'
        when {{ status }} = 'missing' or {{ status }} is null then 'missing'
        when {{ status }} = 'valid' and coalesce({{ quality }}, 'full') = 'full' then 'known'
        else 'invalid'
    end
{%- endmacro %}

{% macro dq_elements() -%}
    {{ return([
        {'code': 'national_id', 'at': 'start_on',
         'value': identifier_state('national_id_quality_code', 'national_id_status')},
        {'code': 'birth_date', 'at': 'start_on',
         'value': identifier_state('birth_date_quality_code', 'birth_status')},
        {'code': 'name', 'at': 'start_on', 'value': coded_state('name_quality_code')},
        {'code': 'sex', 'at': 'start_on', 'value': coded_state('sex_code')},
        {'code': 'ethnicity', 'at': 'start_on', 'value': coded_state('ethnicity_code')},
        {'code': 'veteran_status', 'at': 'start_on', 'when': 'is_adult', 'value': coded_state('veteran_status_code')},
        {'code': 'relationship_to_head', 'at': 'start_on', 'value': coded_state('relationship_to_head_code')},
        {'code': 'disabling_condition', 'at': 'start_on', 'value': coded_state('disabling_condition_code')},
        {'code': 'living_situation', 'at': 'start_on', 'when': 'is_adult_or_head',
         'value': coded_state('living_situation_class_code')},
        {'code': 'income_at_start', 'at': 'start_on', 'when': 'is_adult', 'value': coded_state('income_at_start_code')},
        {'code': 'destination', 'at': 'end_on', 'value': coded_state('destination_class_code')},
        {'code': 'income_at_exit', 'at': 'end_on', 'when': 'is_adult', 'value': coded_state('income_at_exit_code')},
        {'code': 'entry_record', 'at': 'start_on', 'recorded': 'created_at'},
        {'code': 'exit_record', 'at': 'end_on', 'recorded': 'exit_created_at'},
        {'code': 'resolvable_person', 'at': 'start_on',
         'resolves': '(national_id_token is not null or name_birth_token is not null)'},
        {'code': 'end_not_before_start', 'at': 'start_on', 'passes': 'is_date_order_valid'},
        {'code': 'no_overlap_in_service', 'at': 'start_on', 'passes': 'not is_overlapping'},
        {'code': 'one_head_per_household', 'at': 'start_on', 'passes': 'head_count = 1'},
        {'code': 'nights_within_stay', 'at': 'start_on', 'when': 'night_count > 0',
         'passes': 'night_count = countable_night_count'},
    ]) }}
{%- endmacro %}

{#- Grade of a share in per cent (domain §8.4); none without one. -#}
{% macro quality_grade(share_pct) -%}
    case
        when {{ share_pct }} >= 98 then 'A'
        when {{ share_pct }} >= 95 then 'B'
        when {{ share_pct }} >= 85 then 'C'
        when {{ share_pct }} is not null then 'D'
    end
{%- endmacro %}
