-- name: CountOutbox :many
SELECT race_id, COUNT(*) AS waiting FROM outbox GROUP BY race_id;

-- name: OldestOutbox :one
SELECT created_at FROM outbox ORDER BY outbox_id LIMIT 1;
