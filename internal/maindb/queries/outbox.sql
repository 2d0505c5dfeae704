-- name: CountOutbox :one
SELECT COUNT(*) FROM outbox;

-- name: OldestOutbox :one
SELECT created_at FROM outbox ORDER BY outbox_id LIMIT 1;
