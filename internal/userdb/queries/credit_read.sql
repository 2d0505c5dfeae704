-- name: Credits :many
SELECT * FROM credit WHERE record_id IN (sqlc.slice(record_ids));

-- name: CreditsOfRace :many
SELECT * FROM credit
WHERE race_id = sqlc.arg(race_id) AND status = sqlc.arg(status) AND record_id > sqlc.arg(after)
ORDER BY record_id
LIMIT ?;

-- name: SettledRevisions :many
-- Reads only the index.
SELECT record_id, revision, status FROM credit WHERE race_id = ?;

-- name: CountCredits :many
SELECT status, COUNT(*) AS credits, CAST(SUM(revision) AS SIGNED) AS revisions
FROM credit WHERE race_id = ? GROUP BY status;

-- name: CreditRevisionsOfRaces :many
-- Reads only an index.
SELECT race_id, CAST(SUM(revision) AS SIGNED) AS revisions
FROM credit WHERE race_id IN (sqlc.slice(race_ids)) GROUP BY race_id;

-- name: MarkOrphans :exec
UPDATE credit SET orphaned_at = sqlc.arg(orphaned_at)
WHERE record_id IN (sqlc.slice(record_ids)) AND (orphaned_at IS NULL OR orphaned_at < sqlc.arg(stale_before));

-- name: OrphanedSince :many
SELECT record_id, orphaned_at FROM credit WHERE record_id IN (sqlc.slice(record_ids)) AND orphaned_at IS NOT NULL;
