-- name: InsertSession :exec
-- Does nothing if the session exists.
INSERT IGNORE INTO session (session_id, user_id, kind, secret_hash, device, created_at, last_used_at, expires_at, by_passkey)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: Session :one
SELECT * FROM session WHERE session_id = ?;

-- name: TouchSession :exec
UPDATE session SET last_used_at = ?, expires_at = ? WHERE session_id = ?;

-- name: BrowserSession :one
SELECT sqlc.embed(session), user.user_type, user.suspended_at, user.erased_at
FROM session
JOIN user ON user.user_id = session.user_id
WHERE session.session_id = ? AND session.kind = 'browser';

-- name: NoteSessionUse :exec
UPDATE session SET last_used_at = ? WHERE session_id = ?;

-- name: LiveSessions :many
SELECT * FROM session
WHERE user_id = sqlc.arg(user_id) AND ended_at IS NULL AND expires_at > sqlc.arg(now) AND session_id < sqlc.arg(before_id)
ORDER BY session_id DESC
LIMIT ?;

-- name: DeviceKnown :one
SELECT EXISTS (SELECT 1 FROM session WHERE user_id = ? AND device = ?);

-- name: EndSession :execrows
UPDATE session SET ended_at = sqlc.arg(ended_at)
WHERE session_id = sqlc.arg(session_id) AND user_id = sqlc.arg(user_id) AND ended_at IS NULL;

-- name: EndOtherSessions :execrows
UPDATE session SET ended_at = sqlc.arg(ended_at)
WHERE user_id = sqlc.arg(user_id) AND session_id <> sqlc.arg(kept_session_id) AND ended_at IS NULL;

-- name: DeleteSessions :exec
DELETE FROM session WHERE user_id = ?;

-- name: PurgeSessions :execrows
DELETE FROM session WHERE expires_at < ? LIMIT 1000;

-- name: TokenStanding :one
SELECT user.suspended_at, user.erased_at, user.tokens_ended_at, session.session_id, session.ended_at
FROM user
LEFT JOIN session ON session.session_id = sqlc.arg(session_id) AND session.user_id = user.user_id
WHERE user.user_id = sqlc.arg(user_id);

-- name: SuspendUser :exec
UPDATE user SET suspended_at = ?, suspended_by = ?, suspend_reason = ?, tokens_ended_at = ?, updated_at = ? WHERE user_id = ?;

-- name: RestoreUser :exec
UPDATE user SET suspended_at = NULL, suspended_by = NULL, suspend_reason = '', updated_at = ? WHERE user_id = ?;
