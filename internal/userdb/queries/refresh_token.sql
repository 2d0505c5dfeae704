-- name: InsertToken :exec
INSERT INTO refresh_token (token_hash, family_id, user_id, issued_at, expires_at) VALUES (?, ?, ?, ?, ?);

-- name: Token :one
SELECT * FROM refresh_token WHERE token_hash = ?;

-- name: UseToken :exec
UPDATE refresh_token SET used_at = sqlc.arg(used_at) WHERE token_hash = sqlc.arg(token_hash);

-- name: RevokeFamily :exec
UPDATE refresh_token SET revoked_at = sqlc.arg(revoked_at)
WHERE family_id = sqlc.arg(family_id) AND revoked_at IS NULL;

-- name: RevokeOthers :exec
UPDATE refresh_token SET revoked_at = sqlc.arg(revoked_at)
WHERE user_id = sqlc.arg(user_id) AND family_id <> sqlc.arg(kept_family_id) AND revoked_at IS NULL;

-- name: PurgeTokens :execrows
DELETE FROM refresh_token WHERE expires_at < ? LIMIT 1000;

-- name: DeleteTokens :exec
DELETE FROM refresh_token WHERE user_id = ?;
