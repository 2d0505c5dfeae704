-- +goose Up
-- A disqualification that was posted with a reason is a person's decision too.
-- 0005 marked only corrections, so this marks earlier records that only the system has
-- changed since they were posted.
UPDATE official_record AS r
JOIN official_record_revision AS p ON p.record_id = r.record_id AND p.revision = 1
LEFT JOIN official_record_revision AS n ON n.record_id = r.record_id AND n.revision > 1 AND n.changed_by <> 'system'
SET r.decided = TRUE
WHERE p.origin = '' AND p.status = 'DQ' AND p.reason NOT IN ('', 'results file imported') AND n.record_id IS NULL;

UPDATE official_record_revision AS v
JOIN official_record AS r ON r.record_id = v.record_id AND r.revision = v.revision
SET v.decided = TRUE
WHERE r.decided AND NOT v.decided;

-- +goose Down
SELECT 1; -- which records were marked here is not noted, and being marked harms none
