-- name: InsertCredit :exec
INSERT INTO credit (record_id, race_id, revision, status, user_id, points, parts, rule, edition, reason, workflow_id, updated_at, fingerprint)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: LockCredit :one
SELECT * FROM credit WHERE record_id = ? FOR UPDATE;

-- name: UpdateCredit :exec
UPDATE credit
SET revision = ?, status = ?, user_id = ?, points = ?, parts = ?, rule = ?, edition = ?, reason = ?, workflow_id = ?, updated_at = ?,
    fingerprint = ?, orphaned_at = NULL
WHERE record_id = ?;

-- name: InsertPoint :exec
INSERT INTO point (user_id, race_id, record_id, revision, entry, rule, edition, points, parts, reason, workflow_id, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: AddToTotal :execrows
UPDATE user SET total_point = total_point + sqlc.arg(points), updated_at = sqlc.arg(updated_at)
WHERE user_id = sqlc.arg(user_id);
