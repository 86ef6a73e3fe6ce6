with client as (
    select
        r.*,
        coalesce(trim(r.NativeHIPacific), trim(r.NativeHIOtherPacific)) as pacific,
        trim(r.HispanicLatinaeo) = '1' or trim(r.Ethnicity) = '1' as is_hispanic
    from {{ hmis_current('client') }}
    where r._status = 'current'
),

counted as (
    select
        *,
        case when trim(AmIndAKNative) = '1' then 1 else 0 end
        + case when trim(Asian) = '1' then 1 else 0 end
        + case when trim(BlackAfAmerican) = '1' then 1 else 0 end
        + case when pacific = '1' then 1 else 0 end
        + case when trim(White) = '1' then 1 else 0 end
        + case when trim(MidEastNAfrican) = '1' then 1 else 0 end as race_count
    from client
)

select
    {{ hmis_text('PersonalID') }} as person_code,
    r._national_id_token as national_id_token,
    r._national_id_scheme as national_id_scheme,
    r._national_id_status as national_id_status,
    r._name_birth_token as name_birth_token,
    try_cast(r._birth_month as date) as birth_month,
    r._birth_on_first = '1' as is_born_on_first,
    r._birth_status as birth_status,
    {{ hmis_conformed('DOBDataQuality') }} as birth_date_quality_code,
    {{ hmis_conformed('SSNDataQuality') }} as national_id_quality_code,
    {{ hmis_conformed('NameDataQuality') }} as name_quality_code,
    -- Landing masks names; a missing one stays missing.
    r.FirstName is not null and r.LastName is not null as is_name_given,
    case
        when r._format_version = 'FY2020' then {{ hmis_conformed('Gender') }}
        when
            trim(r.Questioning) = '1' or trim(r.Transgender) = '1' or trim(r.NoSingleGender) = '1'
            or trim(r.NonBinary) = '1' or trim(r.CulturallySpecific) = '1' or trim(r.DifferentIdentity) = '1'
            then 'other'
        when
            (trim(r.Female) = '1' or trim(r.Woman) = '1') and (trim(r.Male) = '1' or trim(r.Man) = '1') then 'other'
        when trim(r.Female) = '1' or trim(r.Woman) = '1' then 'female'
        when trim(r.Male) = '1' or trim(r.Man) = '1' then 'male'
        else {{ hmis_conformed('GenderNone') }}
    end as sex_code,
    -- Hispanic of any race is one group, as in the formats that asked ethnicity apart from race.
    case
        when r.is_hispanic then 'hispanic'
        when r.race_count > 1 then 'multiple'
        when trim(r.AmIndAKNative) = '1' then 'american_indian_or_alaska_native'
        when trim(r.Asian) = '1' then 'asian'
        when trim(r.BlackAfAmerican) = '1' then 'black'
        when r.pacific = '1' then 'pacific_islander'
        when trim(r.White) = '1' then 'white'
        when trim(r.MidEastNAfrican) = '1' then 'middle_eastern_or_north_african'
        else {{ hmis_conformed('RaceNone') }}
    end as ethnicity_code,
    -- The answers one by one, as the sender asked them: reports to the funder count these.
    case
        when r._format_version = 'FY2020' then {{ hmis_conformed('Gender', 'map_gender_identity') }}
        when trim(r.Questioning) = '1' then 'questioning'
        when
            trim(r.NoSingleGender) = '1' or trim(r.NonBinary) = '1' or trim(r.CulturallySpecific) = '1'
            or trim(r.DifferentIdentity) = '1'
            or (
                (trim(r.Female) = '1' or trim(r.Woman) = '1') and (trim(r.Male) = '1' or trim(r.Man) = '1')
            )
            then 'no_single_gender'
        when trim(r.Transgender) = '1' then 'transgender'
        when trim(r.Female) = '1' or trim(r.Woman) = '1' then 'female'
        when trim(r.Male) = '1' or trim(r.Man) = '1' then 'male'
        else {{ hmis_conformed('GenderNone') }}
    end as gender_code,
    case
        when r.race_count > 0 or (r._format_version = 'FY2024' and r.is_hispanic) then 'given'
        else {{ hmis_conformed('RaceNone') }}
    end as race_answer_code,
    case
        when r._format_version <> 'FY2024' then {{ hmis_conformed('Ethnicity') }}
        when r.is_hispanic then 'yes'
        when r.race_count > 0 then 'no'
        else {{ hmis_conformed('RaceNone') }}
    end as is_hispanic_code,
    {{ hmis_conformed('VeteranStatus') }} as veteran_status_code,
    {{ try_timestamp('r.DateCreated') }} as created_at,
    {{ try_timestamp('r.DateUpdated') }} as updated_at,
    {{ hmis_provenance() }}
from counted as r
{{ hmis_code_join('birth_date_quality', 'DOBDataQuality') }}
{{ hmis_code_join('national_id_quality', 'SSNDataQuality') }}
{{ hmis_code_join('name_quality', 'NameDataQuality') }}
{{ hmis_code_join('gender', 'Gender') }}
{{ hmis_code_join('gender_identity', 'Gender', 'map_gender_identity') }}
{{ hmis_code_join('yes_no', 'Ethnicity') }}
{{ hmis_code_join('none_reason', 'GenderNone') }}
{{ hmis_code_join('none_reason', 'RaceNone') }}
{{ hmis_code_join('veteran', 'VeteranStatus') }}
