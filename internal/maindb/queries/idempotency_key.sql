-- name: InsertKey :exec
INSERT INTO idempotency_key (key_hash, request_hash, resource_id, user_id, created_at) VALUES (?, ?, ?, ?, ?);

-- name: Key :one
SELECT request_hash, resource_id, response_status, response_body FROM idempotency_key WHERE key_hash = ?;

-- name: SaveKeyResponse :exec
UPDATE idempotency_key SET response_status = ?, response_body = ? WHERE key_hash = ? AND response_status IS NULL;

-- name: PurgeKeys :execrows
DELETE FROM idempotency_key WHERE created_at < ? ORDER BY created_at LIMIT 1000;

-- name: DeleteKey :exec
DELETE FROM idempotency_key WHERE key_hash = ? AND response_status IS NULL;
