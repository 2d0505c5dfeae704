-- name: Runners :many
SELECT user_id, name, sex, birth_date, login_id IS NOT NULL AS has_login, erased_at IS NOT NULL AS erased
FROM user
WHERE user_id IN (sqlc.slice(user_ids));

-- name: AccountsByLogin :many
SELECT user_id, login_id, user_type, sex, birth_date
FROM user
WHERE login_id IN (sqlc.slice(login_ids));
