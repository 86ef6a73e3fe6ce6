-- The floor: three KPI tables of the sample, written by hand over the same files, without provenance, checks, vault,
-- history, slices or levels. It shows what the arithmetic alone costs.
--
-- Expects the table `delivery` (number, source_id, organisation_id, is_full, stated_at) of the deliveries that the
-- pipeline loaded, and reads `<folder>/<number>/<File>.csv`, where {folder} is filled in by the caller.

CREATE TABLE wanted AS
-- A full export speaks for its whole period: what came before the last one is history.
SELECT d.number, d.source_id, d.organisation_id, d.stated_at
FROM delivery AS d
LEFT JOIN (SELECT source_id, max(stated_at) AS last_full FROM delivery WHERE is_full GROUP BY source_id) AS f USING (source_id)
WHERE d.stated_at >= coalesce(f.last_full, d.stated_at);

CREATE TABLE project AS
SELECT w.source_id, ProjectID AS project_id, ProjectType AS project_type
FROM read_csv('{folder}/*/Project.csv', all_varchar = true, union_by_name = true, filename = true, header = true, delim = ',',
    quote = '"', escape = '"', sample_size = 1000) AS r
INNER JOIN wanted AS w ON w.number = CAST(split_part(r.filename, '/', -2) AS INTEGER)
QUALIFY row_number() OVER (PARTITION BY w.source_id, ProjectID ORDER BY DateUpdated DESC, w.stated_at DESC) = 1;

CREATE TABLE client AS
SELECT DISTINCT w.source_id, PersonalID AS person_id
FROM read_csv('{folder}/*/Client.csv', all_varchar = true, union_by_name = true, filename = true, header = true, delim = ',',
    quote = '"', escape = '"', sample_size = 1000, ignore_errors = true, strict_mode = false) AS r
INNER JOIN wanted AS w ON w.number = CAST(split_part(r.filename, '/', -2) AS INTEGER);

CREATE TABLE enrolment AS
SELECT * FROM (
    SELECT w.source_id, w.organisation_id, EnrollmentID AS enrolment_id, PersonalID AS person_id, ProjectID AS project_id,
        try_cast(EntryDate AS DATE) AS start_on, try_cast(MoveInDate AS DATE) AS move_in_on, DateDeleted AS deleted
    FROM read_csv('{folder}/*/Enrollment.csv', all_varchar = true, union_by_name = true, filename = true, header = true, delim = ',',
    quote = '"', escape = '"', sample_size = 1000) AS r
    INNER JOIN wanted AS w ON w.number = CAST(split_part(r.filename, '/', -2) AS INTEGER)
    WHERE try_cast(EntryDate AS DATE) IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY w.source_id, EnrollmentID ORDER BY DateUpdated DESC, w.stated_at DESC) = 1
)
WHERE deleted IS NULL;

CREATE TABLE leaving AS
SELECT * FROM (
    SELECT w.source_id, EnrollmentID AS enrolment_id, try_cast(ExitDate AS DATE) AS end_on, Destination AS destination,
        DateDeleted AS deleted
    FROM read_csv('{folder}/*/Exit.csv', all_varchar = true, union_by_name = true, filename = true, header = true, delim = ',',
    quote = '"', escape = '"', sample_size = 1000) AS r
    INNER JOIN wanted AS w ON w.number = CAST(split_part(r.filename, '/', -2) AS INTEGER)
    WHERE try_cast(ExitDate AS DATE) IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY w.source_id, EnrollmentID ORDER BY DateUpdated DESC, w.stated_at DESC) = 1
)
WHERE deleted IS NULL;

CREATE TABLE stay AS
SELECT e.source_id, e.organisation_id, e.enrolment_id, e.person_id, e.start_on, e.move_in_on, p.project_type, x.end_on,
    -- Codes of FY2022 and, from 400 on, of FY2024.
    x.destination IN ('3', '10', '11', '19', '20', '21', '22', '23', '26', '28', '31', '33', '34', '410', '411', '421',
        '422', '423', '426', '435') AS is_permanent,
    x.destination IN ('6', '15', '24', '25', '206', '215', '225') AS is_excluded
FROM enrolment AS e
INNER JOIN client AS c USING (source_id, person_id)
INNER JOIN project AS p USING (source_id, project_id)
LEFT JOIN leaving AS x ON e.source_id = x.source_id AND e.enrolment_id = x.enrolment_id AND x.end_on >= e.start_on;

-- AC-06.mean: closed episodes and their mean length, by organisation and month.
CREATE TABLE length_of_stay AS
SELECT organisation_id, date_trunc('month', end_on)::DATE AS period_start_on, sum(end_on - start_on) AS numerator,
    count(*) AS denominator
FROM stay WHERE end_on IS NOT NULL GROUP BY ALL;

-- AV-05: distinct people with a stay on any day of the month, by organisation.
CREATE TABLE people_served AS
SELECT s.organisation_id, m.month_on AS period_start_on, count(DISTINCT s.person_id) AS numerator, NULL::BIGINT AS denominator
FROM stay AS s
INNER JOIN (
    SELECT unnest(generate_series(DATE '2022-01-01', DATE '2026-12-01', INTERVAL 1 MONTH))::DATE AS month_on
) AS m ON s.start_on < m.month_on + INTERVAL 1 MONTH AND coalesce(s.end_on, DATE '9999-12-31') >= m.month_on
GROUP BY ALL;

-- OC-12: people whose last exit of the year (October to September) was to permanent housing, of people who left.
CREATE TABLE system_stay AS
SELECT *, make_date(year(end_on) + CASE WHEN month(end_on) >= 10 THEN 0 ELSE -1 END, 10, 1) AS period_start_on
FROM stay
WHERE project_type IN ('0', '1', '2', '8', '13') OR (project_type IN ('3', '9', '10') AND move_in_on IS NULL);

CREATE TABLE exits_to_permanent AS
SELECT x.organisation_id, x.period_start_on, count(*) FILTER (WHERE x.is_permanent) AS numerator, count(*) AS denominator
FROM (
    SELECT * FROM system_stay WHERE end_on IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY source_id, person_id, period_start_on ORDER BY end_on DESC, start_on DESC, md5(source_id || '|' || enrolment_id) DESC
    ) = 1
) AS x
WHERE NOT coalesce(x.is_excluded, false) AND NOT EXISTS (
    SELECT 1 FROM system_stay AS s
    WHERE s.source_id = x.source_id AND s.person_id = x.person_id AND s.start_on < x.period_start_on + INTERVAL 1 YEAR
        AND (s.end_on IS NULL OR s.end_on >= x.period_start_on + INTERVAL 1 YEAR)
)
GROUP BY ALL;
