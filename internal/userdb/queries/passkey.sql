-- name: InsertCeremony :exec
INSERT INTO ceremony (ceremony_id, user_id, state, expires_at) VALUES (?, ?, ?, ?);

-- name: LockCeremony :one
SELECT * FROM ceremony WHERE ceremony_id = ? FOR UPDATE;

-- name: DeleteCeremony :exec
DELETE FROM ceremony WHERE ceremony_id = ?;

-- name: DeleteCeremonies :exec
DELETE FROM ceremony WHERE user_id = ?;

-- name: PurgeCeremonies :execrows
DELETE FROM ceremony WHERE expires_at < ? LIMIT 1000;

-- name: InsertPasskey :exec
INSERT INTO passkey (passkey_id, user_id, credential_id, public_key, sign_count, flags, aaguid, name, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: Passkeys :many
SELECT * FROM passkey WHERE user_id = ? ORDER BY passkey_id DESC;

-- name: UsePasskey :exec
UPDATE passkey SET sign_count = ?, flags = ?, last_used_at = ? WHERE passkey_id = ?;

-- name: DeletePasskey :exec
DELETE FROM passkey WHERE passkey_id = ?;

-- name: DeletePasskeys :exec
DELETE FROM passkey WHERE user_id = ?;

-- name: SessionShowedPasskey :exec
UPDATE session SET by_passkey = TRUE WHERE session_id = ?;
