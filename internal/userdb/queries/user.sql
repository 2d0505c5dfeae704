-- name: InsertUser :exec
INSERT INTO user (user_id, login_id, password_hash, user_type, name, phone, birth_date, sex, email_pending, email_pending_at, language, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: User :one
SELECT * FROM user WHERE user_id = ?;

-- name: UserByLogin :one
SELECT * FROM user WHERE login_id = ?;

-- name: LockUser :one
SELECT * FROM user WHERE user_id = ? FOR UPDATE;

-- name: UpdateUser :exec
UPDATE user SET password_hash = ?, name = ?, phone = ?, birth_date = ?, sex = ?, language = ?, hide_name = ?, hide_age = ?, updated_at = ?
WHERE user_id = ?;

-- name: ReplaceHash :execrows
UPDATE user SET password_hash = sqlc.arg(new_hash), updated_at = sqlc.arg(updated_at)
WHERE user_id = sqlc.arg(user_id) AND password_hash = sqlc.arg(old_hash);

-- name: EraseUser :exec
UPDATE user
SET login_id = NULL, password_hash = NULL, name = '', phone = '', birth_date = NULL, sex = '',
    email = NULL, email_pending = NULL, email_problem = '', email_problem_at = NULL, email_confirmed_at = NULL,
    email_pending_at = NULL, language = 'en', hide_name = NULL, hide_age = NULL, notices_paused_until = NULL,
    tokens_ended_at = sqlc.arg(erased_at), erased_at = sqlc.arg(erased_at), updated_at = sqlc.arg(updated_at)
WHERE user_id = sqlc.arg(user_id);

-- name: EraseStandIns :exec
-- People of start lists; a list sent again does not bring back what is erased.
UPDATE user SET name = '', phone = '', birth_date = NULL, sex = '', erased_at = sqlc.arg(erased_at), updated_at = sqlc.arg(updated_at)
WHERE user_id IN (sqlc.slice(user_ids)) AND login_id IS NULL AND erased_at IS NULL;

-- name: EraseCreditParts :exec
UPDATE credit SET parts = NULL WHERE user_id = sqlc.arg(user_id);

-- name: ErasePointParts :exec
UPDATE point SET parts = NULL WHERE user_id = sqlc.arg(user_id);
