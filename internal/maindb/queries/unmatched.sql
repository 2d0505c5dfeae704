-- name: InsertUnmatched :exec
INSERT INTO unmatched_revision (race_id, record_id, revision, reason, rejected_at) VALUES (?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE reason = VALUES(reason);

-- name: Unmatched :many
-- What is still unmatched in one race or, with the empty and the last ID as bounds, in all.
SELECT u.race_id, u.record_id, u.revision, u.reason, u.rejected_at FROM unmatched_revision AS u
WHERE u.race_id >= sqlc.arg(first_race) AND u.race_id <= sqlc.arg(last_race)
  AND (u.race_id > sqlc.arg(after_race)
    OR u.race_id = sqlc.arg(after_race) AND u.record_id > sqlc.arg(after_record)
    OR u.race_id = sqlc.arg(after_race) AND u.record_id = sqlc.arg(after_record) AND u.revision > sqlc.arg(after_revision))
  AND NOT EXISTS (SELECT 1 FROM official_record AS o
    WHERE o.record_id = u.record_id AND o.race_id = u.race_id AND o.revision >= u.revision)
ORDER BY u.race_id, u.record_id, u.revision
LIMIT ?;

-- name: CountUnmatched :one
SELECT COUNT(*) FROM unmatched_revision AS u
WHERE u.race_id >= sqlc.arg(first_race) AND u.race_id <= sqlc.arg(last_race)
  AND NOT EXISTS (SELECT 1 FROM official_record AS o
    WHERE o.record_id = u.record_id AND o.race_id = u.race_id AND o.revision >= u.revision);

-- name: UnmatchedOfRecord :many
SELECT race_id, record_id, revision, reason, rejected_at FROM unmatched_revision
WHERE record_id = ? ORDER BY revision, race_id;

-- name: PurgeUnmatched :execrows
DELETE FROM unmatched_revision WHERE rejected_at < ?;
