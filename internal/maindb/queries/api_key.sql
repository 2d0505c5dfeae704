-- name: InsertAPIKey :exec
INSERT INTO api_key (key_id, secret_hash, prefix, name, scope, race_id, created_by, creator_type, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: APIKey :one
SELECT * FROM api_key WHERE key_id = ?;

-- name: APIKeyBySecret :one
SELECT * FROM api_key WHERE secret_hash = ?;

-- name: ReplaceSecret :execrows
-- Only as long as nobody has used the key.
UPDATE api_key SET secret_hash = ?, prefix = ? WHERE key_id = ? AND last_used_at IS NULL AND revoked_at IS NULL;

-- name: KeysOfRace :many
SELECT * FROM api_key WHERE race_id = ? ORDER BY key_id DESC;

-- name: KeysOfAccount :many
-- Those that are not bound to a race.
SELECT * FROM api_key WHERE created_by = ? AND race_id IS NULL ORDER BY key_id DESC;

-- name: UsableKeysOfRaceBy :many
SELECT * FROM api_key WHERE race_id = ? AND created_by = ? AND revoked_at IS NULL FOR UPDATE;

-- name: AllKeysBy :many
SELECT * FROM api_key WHERE created_by = ? FOR UPDATE;

-- name: RevokeAPIKey :exec
UPDATE api_key SET revoked_at = ? WHERE key_id = ?;

-- name: DeleteAPIKey :exec
DELETE FROM api_key WHERE key_id = ?;

-- name: DeleteKeysOfRace :exec
DELETE FROM api_key WHERE race_id = ?;

-- name: UseAPIKey :exec
UPDATE api_key SET last_used_at = sqlc.arg(used_at)
WHERE key_id = sqlc.arg(key_id) AND (last_used_at IS NULL OR last_used_at < sqlc.arg(before_time));
