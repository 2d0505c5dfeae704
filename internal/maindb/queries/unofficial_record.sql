-- name: InsertUnofficialRecord :exec
INSERT INTO unofficial_record (unofficial_record_id, user_id, record_date, distance_mm, time_ms, title, note, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: UnofficialRecord :one
SELECT * FROM unofficial_record WHERE unofficial_record_id = ? AND user_id = ?;

-- name: LockUnofficialRecord :one
SELECT * FROM unofficial_record WHERE unofficial_record_id = ? AND user_id = ? FOR UPDATE;

-- The newest first, after the last record of the previous page.

-- name: UnofficialRecordsBefore :many
SELECT * FROM unofficial_record
WHERE user_id = sqlc.arg(user_id) AND record_date <= sqlc.arg(record_date)
  AND (record_date < sqlc.arg(record_date) OR unofficial_record_id < sqlc.arg(unofficial_record_id))
ORDER BY record_date DESC, unofficial_record_id DESC
LIMIT ?;

-- name: UpdateUnofficialRecord :exec
UPDATE unofficial_record SET record_date = ?, distance_mm = ?, time_ms = ?, title = ?, note = ?, updated_at = ?
WHERE unofficial_record_id = ?;

-- name: DeleteUnofficialRecord :execrows
DELETE FROM unofficial_record WHERE unofficial_record_id = ? AND user_id = ?;

-- name: DeleteUnofficialRecordsOf :exec
DELETE FROM unofficial_record WHERE user_id = ?;
