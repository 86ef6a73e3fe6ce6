{#-
    The tables of the annual performance report (APR, CAPER; form of FY2022) over the people of `apr_universe`.

    A table is the names of its columns, and rows of a name and one aggregate expression a column; none is a cell that the
    form leaves empty. `apr_table` turns it into rows of one cell each: source_id, service_key, table_code, row_number,
    row_name, column_number, column_name, value. Rows and columns are numbered from 1 in the order of the form.
-#}
{% macro apr_table(table_code, columns, rows) -%}
    select
        t.source_id,
        t.service_key,
        '{{ table_code }}' as table_code,
        r.row_number,
        r.row_name,
        c.column_number,
        c.column_name,
        cast(
            case r.row_number * 100 + c.column_number
                {%- for row in rows %}
                {%- set row_number = loop.index %}
                {%- for cell in row[1] %}
                when {{ row_number * 100 + loop.index }} then t.cell_{{ row_number * 100 + loop.index }}
                {%- endfor %}
                {%- endfor %}
            end as decimal(18, 4)
        ) as value
    from (
        select
            source_id,
            service_key
            {%- for row in rows %}
            {%- set row_number = loop.index %}
            {%- for cell in row[1] %}
            , {{ cell if cell is not none else 'null' }} as cell_{{ row_number * 100 + loop.index }}
            {%- endfor %}
            {%- endfor %}
        from universe
        group by source_id, service_key
    ) as t
    cross join (
        values
        {%- for row in rows %}
        ({{ loop.index }}, '{{ row[0] | replace("'", "''") }}'){{ ',' if not loop.last }}
        {%- endfor %}
    ) as r (row_number, row_name)
    cross join (
        values
        {%- for column in columns %}
        ({{ loop.index }}, '{{ column | replace("'", "''") }}'){{ ',' if not loop.last }}
        {%- endfor %}
    ) as c (column_number, column_name)
{%- endmacro %}

{#- A table that counts people: `rows` and `columns` are (name, condition), a row without condition is a heading. -#}
{% macro apr_counts(table_code, columns, rows) -%}
    {%- set counted = [] -%}
    {%- for row in rows -%}
        {%- set cells = [] -%}
        {%- for column in columns -%}
            {%- do cells.append(apr_count(row[1], column[1]) if row[1] is not none else none) -%}
        {%- endfor -%}
        {%- do counted.append((row[0], cells)) -%}
    {%- endfor -%}
    {{ apr_table(table_code, columns | map(attribute=0) | list, counted) }}
{%- endmacro %}

{% macro apr_count(condition, other='true') -%}
    count(*) filter (where ({{ condition }}) and ({{ other }}))
{%- endmacro %}

{#- A share of one where it is one of nothing: 0, as the form has it. -#}
{% macro apr_share(condition, base) -%}
    coalesce({{ ratio(apr_count(condition), apr_count(base)) }}, 0)
{%- endmacro %}

{#- The columns by type of household; `omit` names types that a table has not. -#}
{% macro apr_household_columns(omit=[]) -%}
    {%- set columns = [('Total', 'true')] -%}
    {%- for name, code in [
        ('Without children', 'without_children'),
        ('With children and adults', 'with_children'),
        ('With only children', 'only_children'),
        ('Unknown household type', 'unknown'),
    ] if code not in omit -%}
        {%- do columns.append((name, "household_type_code = '" ~ code ~ "'")) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{#- Who was served. -#}
{% macro apr_q5a() -%}
    {{ apr_counts('Q5a', [('Count of persons', 'true')], [
        ('1. Persons served', 'true'),
        ('2. Adults (18 or over)', 'is_adult'),
        ('3. Children (under 18)', 'is_child'),
        ('4. Persons of unknown age', 'is_age_unknown'),
        ('5. Leavers', 'is_leaver'),
        ('6. Adult leavers', 'is_leaver and is_adult'),
        ('7. Adult and head of household leavers', 'is_leaver and is_adult_or_head'),
        ('8. Stayers', 'not is_leaver'),
        ('9. Adult stayers', 'not is_leaver and is_adult'),
        ('10. Veterans', 'is_veteran'),
        ('11. Chronically homeless persons', 'is_chronic'),
        ('12. Youth under 25', 'is_youth'),
        ('13. Parenting youth under 25 with children', 'is_parenting_youth'),
        ('14. Adult heads of household', 'is_head and is_adult'),
        ('15. Child and unknown-age heads of household', 'is_head and not is_adult'),
        ('16. Heads of household and adult stayers of 365 days or more', apr_is_long_stayer()),
    ]) }}
{%- endmacro %}

{% macro apr_is_long_stayer() -%}
    not is_leaver and stay_days >= 365 and is_adult_or_head
{%- endmacro %}

{#-
    Quality of personal information. An element has one kind of error a person: not told before missing before doubtful.
    A birth date of quality "not collected" that is there is a birth date.
-#}
{% macro apr_q6a() -%}
    {%- set elements = [
        ('Name', "name_quality_code = 'unknown'", "name_quality_code = 'not_collected' or not is_name_given", "name_quality_code = 'partial'"),
        (
            'Social Security Number',
            "national_id_quality_code = 'unknown'",
            "national_id_quality_code = 'not_collected' or national_id_status = 'missing'",
            "national_id_quality_code = 'partial' or national_id_status not in ('valid', 'hashed')",
        ),
        (
            'Date of birth',
            "birth_date_quality_code = 'unknown'",
            "birth_status = 'missing'",
            "birth_date_quality_code = 'partial' or birth_status <> 'valid' or birth_relation_at_start = 'after' or (birth_relation_at_start = 'same_day' and is_adult_or_head)",
        ),
        ('Race', "race_answer_code = 'unknown'", "race_answer_code = 'not_collected'", 'false'),
        ('Ethnicity', "is_hispanic_code = 'unknown'", "is_hispanic_code = 'not_collected'", 'false'),
        ('Gender', "gender_code = 'unknown'", "gender_code = 'not_collected'", 'false'),
    ] -%}
    {%- set rows, any_error = [], [] -%}
    {%- for name, not_told, missing, doubtful in elements -%}
        {%- set error = '(' ~ not_told ~ ') or (' ~ missing ~ ') or (' ~ doubtful ~ ')' -%}
        {%- do any_error.append('(' ~ error ~ ')') -%}
        {%- do rows.append((name, [
            apr_count(not_told),
            apr_count(missing, 'not (' ~ not_told ~ ')'),
            apr_count(doubtful, 'not (' ~ not_told ~ ') and not (' ~ missing ~ ')'),
            apr_count(error),
            apr_share(error, 'true'),
        ])) -%}
    {%- endfor -%}
    {%- set error = any_error | join(' or ') -%}
    {%- do rows.append(('Overall Score', [none, none, none, apr_count(error), apr_share(error, 'true')])) -%}
    {{ apr_table(
        'Q6a', ["Client doesn't know / refused", 'Information missing', 'Data issues', 'Total', 'Error rate'], rows
    ) }}
{%- endmacro %}

{#- Quality of universal data elements: (name, error, among whom). -#}
{% macro apr_q6b() -%}
    {{ apr_error_rates('Q6b', [
        (
            'Veteran Status',
            "(is_adult and veteran_status_code in ('unknown', 'not_collected')) or (is_child and veteran_status_code = 'veteran')",
            'is_adult',
        ),
        ('Project Start Date', 'not is_date_order_valid or overlaps_earlier_stay', 'true'),
        (
            'Relationship to Head of Household',
            "relationship_to_head_code in ('not_collected', 'UNMAPPED') or is_household_without_one_head",
            'true',
        ),
        ('Client Location', 'is_head and coc_code is null', 'is_head'),
        (
            'Disabling Condition',
            "disabling_condition_code in ('unknown', 'not_collected') or (disabling_condition_code = 'no' and has_long_condition)",
            'true',
        ),
    ]) }}
{%- endmacro %}

{#- Quality of destination and income: (name, error, among whom). -#}
{% macro apr_q6c() -%}
    {{ apr_error_rates('Q6c', [
        ('Destination', "is_leaver and destination_class_code in ('unknown', 'not_collected')", 'is_leaver'),
        ('Income and Sources at Start', 'is_adult_or_head and not has_income_at_entry', 'is_adult_or_head'),
        (
            'Income and Sources at Annual Assessment',
            apr_is_long_stayer() ~ ' and not has_income_at_annual',
            apr_is_long_stayer(),
        ),
        (
            'Income and Sources at Exit',
            'is_leaver and is_adult_or_head and not has_income_at_exit',
            'is_leaver and is_adult_or_head',
        ),
    ]) }}
{%- endmacro %}

{% macro apr_error_rates(table_code, elements) -%}
    {%- set rows = [] -%}
    {%- for name, error, base in elements -%}
        {%- do rows.append((name, [apr_count(error), apr_share(error, base)])) -%}
    {%- endfor -%}
    {{ apr_table(table_code, ['Error count', 'Error rate'], rows) }}
{%- endmacro %}

{#-
    Quality of the start of homelessness, for adults and heads by the kind of project they entered. In a shelter everybody
    is asked; elsewhere who came from the street or a shelter, or from there by way of a short stay.
-#}
{% macro apr_q6d() -%}
    {%- set is_asked = "(is_shelter or living_situation_class_code = 'homeless' or (living_situation_class_code <> 'homeless' and is_short_stay_from_street))" -%}
    {%- set no_length = "not is_shelter and length_of_stay_code in ('unknown', 'not_collected')" -%}
    {%- set checks = [
        ('institution', no_length ~ " and living_situation_class_code = 'institutional'"),
        ('housing', no_length ~ " and living_situation_class_code not in ('institutional', 'homeless')"),
        ('date', is_asked ~ ' and date_to_street_on is null'),
        ('times', is_asked ~ " and times_homeless_code in ('unknown', 'not_collected')"),
        ('months', is_asked ~ " and months_homeless_code in ('unknown', 'not_collected')"),
    ] -%}
    {%- set any_error = '(' ~ (checks | map(attribute=1) | join(') or (')) ~ ')' -%}
    {%- set rows = [] -%}
    {%- for name, kind in [
        ('ES, SH, Street Outreach', 'is_shelter'),
        ('TH', "service_type_code = 'transitional_housing'"),
        ('PH (all)', 'is_permanent_housing'),
    ] -%}
        {%- set entered = 'is_adult_or_head and ' ~ kind -%}
        {%- set cells = [apr_count(entered)] -%}
        {%- for check, error in checks -%}
            {%- set is_empty = kind == 'is_shelter' and check in ('institution', 'housing') -%}
            {%- do cells.append(
                none if is_empty else 'case when ' ~ apr_count(entered) ~ ' > 0 then ' ~ apr_count(error, entered) ~ ' end'
            ) -%}
        {%- endfor -%}
        {%- do cells.append(ratio(apr_count(any_error, entered), apr_count(entered))) -%}
        {%- do rows.append((name, cells)) -%}
    {%- endfor -%}
    {%- set entered = "is_adult_or_head and (is_shelter or service_type_code = 'transitional_housing' or is_permanent_housing)" -%}
    {%- do rows.append(('TOTAL', [
        apr_count(entered), none, none, none, none, none, ratio(apr_count(any_error, entered), apr_count(entered))
    ])) -%}
    {{ apr_table('Q6d', [
        'Count of total records', 'Missing time in institution', 'Missing time in housing',
        "Approximate date started doesn't know / refused / missing",
        "Number of times doesn't know / refused / missing",
        "Number of months doesn't know / refused / missing",
        'Share of records unable to calculate',
    ], rows) }}
{%- endmacro %}

{#- People served, and in housing projects those who moved in. -#}
{% macro apr_q7a() -%}
    {%- set rows = [] -%}
    {%- for name, condition in [
        ('a. Adults', 'is_adult'),
        ('b. Children', 'is_child'),
        ("c. Client doesn't know / refused", 'is_age_not_told'),
        ('d. Data not collected', 'is_age_unknown and not is_age_not_told'),
        ('e. Total', 'true'),
        ('f. PSH and RRH: persons who moved into housing', 'has_moved_in'),
    ] -%}
        {%- set cells = [] -%}
        {%- for column in apr_household_columns() -%}
            {%- set cell = apr_count(condition, column[1]) -%}
            {%- do cells.append(
                'case when max(case when is_permanent_housing then 1 else 0 end) = 1 then ' ~ cell ~ ' end'
                if condition == 'has_moved_in' else cell
            ) -%}
        {%- endfor -%}
        {%- do rows.append((name, cells)) -%}
    {%- endfor -%}
    {{ apr_table('Q7a', apr_household_columns() | map(attribute=0) | list, rows) }}
{%- endmacro %}

{#- Households served, counted by their heads. -#}
{% macro apr_q8a() -%}
    {{ apr_counts('Q8a', apr_household_columns(), [
        ('Total Households', 'is_head'),
        ('PSH and RRH: households who moved into housing', 'is_head and is_permanent_housing and has_moved_in'),
    ]) }}
{%- endmacro %}

{#- Gender of adults, children and persons of unknown age by type of household, and of all by age. -#}
{% macro apr_q10(letter) -%}
    {%- set among, columns = {
        'a': ('is_adult', apr_household_columns(omit=['only_children'])),
        'b': ('is_child', apr_household_columns(omit=['without_children'])),
        'c': ('is_age_unknown', apr_household_columns()),
        'd': ('true', [
            ('Total', 'true'),
            ('Under age 18', 'is_child'),
            ('Age 18-24', 'age_years between 18 and 24'),
            ('Age 25-61', 'age_years between 25 and 61'),
            ('Age 62 and over', 'age_years >= 62'),
            ("Client doesn't know / refused", 'is_age_not_told'),
            ('Data not collected', 'is_age_unknown and not is_age_not_told'),
        ]),
    }[letter] -%}
    {%- set rows = [] -%}
    {%- for name, code in [
        ('a. Male', 'male'),
        ('b. Female', 'female'),
        ('c. No single gender', 'no_single_gender'),
        ('d. Questioning', 'questioning'),
        ('e. Transgender', 'transgender'),
        ("f. Client doesn't know / refused", 'unknown'),
    ] -%}
        {%- do rows.append((name, among ~ " and gender_code = '" ~ code ~ "'")) -%}
    {%- endfor -%}
    {%- do rows.append(('g. Data not collected', among ~ " and gender_code in ('not_collected', 'UNMAPPED')")) -%}
    {%- do rows.append(('h. Total', among)) -%}
    {{ apr_counts('Q10' ~ letter, columns, rows) }}
{%- endmacro %}

{#- Ages. -#}
{% macro apr_q11() -%}
    {{ apr_counts('Q11', apr_household_columns(), [
        ('a. Under 5', 'age_years < 5'),
        ('b. 5 - 12', 'age_years between 5 and 12'),
        ('c. 13 - 17', 'age_years between 13 and 17'),
        ('d. 18 - 24', 'age_years between 18 and 24'),
        ('e. 25 - 34', 'age_years between 25 and 34'),
        ('f. 35 - 44', 'age_years between 35 and 44'),
        ('g. 45 - 54', 'age_years between 45 and 54'),
        ('h. 55 - 61', 'age_years between 55 and 61'),
        ('i. 62+', 'age_years >= 62'),
        ("j. Client doesn't know / refused", 'is_age_not_told'),
        ('k. Data not collected', 'is_age_unknown and not is_age_not_told'),
        ('l. Total', 'true'),
    ]) }}
{%- endmacro %}

{#- Length of participation. -#}
{% macro apr_q22a1() -%}
    {{ apr_counts('Q22a1', [('Total', 'true'), ('Leavers', 'is_leaver'), ('Stayers', 'not is_leaver')], [
        ('a. 30 days or less', 'stay_days <= 30'),
        ('b. 31 to 60 days', 'stay_days between 31 and 60'),
        ('c. 61 to 90 days', 'stay_days between 61 and 90'),
        ('d. 91 to 180 days', 'stay_days between 91 and 180'),
        ('e. 181 to 365 days', 'stay_days between 181 and 365'),
        ('f. 366 to 730 days', 'stay_days between 366 and 730'),
        ('g. 731 to 1095 days', 'stay_days between 731 and 1095'),
        ('h. 1096 to 1460 days', 'stay_days between 1096 and 1460'),
        ('i. 1461 to 1825 days', 'stay_days between 1461 and 1825'),
        ('j. More than 1825 days', 'stay_days > 1825'),
        ('k. Data not collected', 'stay_days is null'),
        ('l. Total', 'true'),
    ]) }}
{%- endmacro %}

{% macro apr_q22b() -%}
    {{ apr_table('Q22b', ['Leavers', 'Stayers'], [
        ('m. Average length in days', [
            'round(avg(stay_days) filter (where is_leaver))', 'round(avg(stay_days) filter (where not is_leaver))'
        ]),
        ('n. Median length in days', [
            'round(median(stay_days) filter (where is_leaver))', 'round(median(stay_days) filter (where not is_leaver))'
        ]),
    ]) }}
{%- endmacro %}

{#- Length of participation of the shelter report, which counts recorded nights where the shelter does. -#}
{% macro apr_q22a2() -%}
    {{ apr_counts('Q22a2', [('Total', 'true'), ('Leavers', 'is_leaver'), ('Stayers', 'not is_leaver')], apr_lengths()) }}
{%- endmacro %}

{% macro apr_q22d() -%}
    {{ apr_counts('Q22d', apr_household_columns(), apr_lengths()) }}
{%- endmacro %}

{% macro apr_lengths() -%}
    {%- set rows = [] -%}
    {%- for name, lower, upper in [
        ('a. 0 to 7 days', 0, 7), ('b. 8 to 14 days', 8, 14), ('c. 15 to 21 days', 15, 21), ('d. 22 to 30 days', 22, 30),
        ('e. 31 to 60 days', 31, 60), ('f. 61 to 90 days', 61, 90), ('g. 91 to 180 days', 91, 180),
        ('h. 181 to 365 days', 181, 365), ('i. 366 to 730 days', 366, 730), ('j. 731 to 1095 days', 731, 1095),
        ('k. 1096 to 1460 days', 1096, 1460), ('l. 1461 to 1825 days', 1461, 1825),
    ] -%}
        {%- do rows.append((name, 'coalesce(night_count, stay_days) between ' ~ lower ~ ' and ' ~ upper)) -%}
    {%- endfor -%}
    {%- do rows.append(('m. More than 1825 days', 'coalesce(night_count, stay_days) > 1825')) -%}
    {%- do rows.append(('n. Data not collected', 'stay_days is null')) -%}
    {%- do rows.append(('o. Total', 'true')) -%}
    {{ return(rows) }}
{%- endmacro %}

{#-
    Destinations of leavers. Positive are permanent ones, from a shelter a host home too. FY2024 no longer tells subsidised
    rentals apart: all count in a07.
-#}
{% macro apr_q23c() -%}
    {%- set rows, all_codes = [], [] -%}
    {%- for letter, heading, destinations in [
        ('a', 'Permanent destinations', [
            ('a01. HOPWA funded project to HOPWA permanent housing', ['hopwa_permanent']),
            ('a02. Owned, no ongoing subsidy', ['owned_no_subsidy']),
            ('a03. Owned, with ongoing subsidy', ['owned_subsidy']),
            ('a04. Rental, no ongoing subsidy', ['rental_no_subsidy']),
            ('a05. Rental, VASH subsidy', ['rental_vash']),
            ('a06. Rental, GPD TIP subsidy', ['rental_gpd_tip']),
            ('a07. Rental, other ongoing subsidy', ['rental_other_subsidy', 'rental_subsidy']),
            ('a08. Permanent housing (other than RRH) for formerly homeless persons', ['permanent_housing_formerly_homeless']),
            ('a09. With family, permanent tenure', ['family_permanent']),
            ('a10. With friends, permanent tenure', ['friends_permanent']),
            ('a11. Rental, RRH or equivalent subsidy', ['rental_rapid_rehousing']),
            ('a12. Rental, housing choice voucher', ['rental_voucher']),
            ('a13. Rental in a public housing unit', ['rental_public_housing']),
        ]),
        ('b', 'Temporary destinations', [
            ('b1. Emergency shelter', ['shelter']),
            ('b2. HOPWA funded project to HOPWA transitional housing', ['hopwa_transitional']),
            ('b3. Transitional housing for homeless persons', ['transitional_housing']),
            ('b4. With family, temporary tenure', ['family_temporary']),
            ('b5. With friends, temporary tenure', ['friends_temporary']),
            ('b6. Place not meant for habitation', ['not_for_habitation']),
            ('b7. Safe haven', ['safe_haven']),
            ('b8. Hotel or motel without a shelter voucher', ['hotel']),
            ('b9. Host home (non-crisis)', ['host_home']),
        ]),
        ('c', 'Institutional settings', [
            ('c1. Foster care', ['foster_care']),
            ('c2. Psychiatric hospital or facility', ['psychiatric_facility']),
            ('c3. Substance use treatment facility or detox centre', ['substance_use_facility']),
            ('c4. Hospital or other residential non-psychiatric medical facility', ['hospital']),
            ('c5. Jail, prison or juvenile detention facility', ['jail']),
            ('c6. Long-term care facility or nursing home', ['long_term_care']),
        ]),
        ('d', 'Other destinations', [
            ('d1. Residential project or halfway house without homeless criteria', ['halfway_house']),
            ('d2. Deceased', ['deceased']),
            ('d3. Other', ['other']),
            ("d4. Client doesn't know / refused", ['does_not_know', 'refused']),
            ('d5. Data not collected (no exit interview completed)', ['no_exit_interview', 'not_collected']),
        ]),
    ] -%}
        {%- do rows.append((letter ~ '. ' ~ heading, none)) -%}
        {%- set codes = [] -%}
        {%- for name, details in destinations -%}
            {%- do rows.append((name, apr_left_for(details))) -%}
            {%- do codes.extend(details) -%}
        {%- endfor -%}
        {%- do rows.append((letter ~ 'z. Total', apr_left_for(codes))) -%}
    {%- endfor -%}
    {%- do rows.append(('e. Total', 'is_leaver')) -%}
    {%- set positive = "is_leaver and (destination_class_code = 'permanent' or (is_shelter and destination_detail_code = 'host_home'))" -%}
    {%- set excluded = 'is_leaver and is_destination_excluded' -%}
    {%- do rows.append(('f1. Persons exiting to positive housing destinations', positive)) -%}
    {%- do rows.append(('f2. Persons whose destinations exclude them from the calculation', excluded)) -%}

    {%- set counted = [] -%}
    {%- for name, condition in rows -%}
        {%- set cells = [] -%}
        {%- for column in apr_household_columns() -%}
            {%- do cells.append(apr_count(condition, column[1]) if condition is not none else none) -%}
        {%- endfor -%}
        {%- do counted.append((name, cells)) -%}
    {%- endfor -%}
    {%- set shares = [] -%}
    {%- for column in apr_household_columns() -%}
        {%- do shares.append(
            apr_share('(' ~ positive ~ ') and ' ~ column[1], 'is_leaver and not is_destination_excluded and ' ~ column[1])
        ) -%}
    {%- endfor -%}
    {%- do counted.append(('f3. Percentage', shares)) -%}
    {{ apr_table('Q23c', apr_household_columns() | map(attribute=0) | list, counted) }}
{%- endmacro %}

{% macro apr_left_for(details) -%}
    is_leaver and destination_detail_code in ('{{ details | join("', '") }}')
{%- endmacro %}
