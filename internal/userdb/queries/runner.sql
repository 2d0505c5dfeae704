-- name: Runners :many
SELECT user_id, name, sex, birth_date, hide_name, hide_age, (login_id IS NOT NULL OR erased_at IS NOT NULL) AS owned
FROM user
WHERE user_id IN (sqlc.slice(user_ids));

-- name: LoginsOf :many
SELECT user_id, login_id, email FROM user WHERE user_id IN (sqlc.slice(user_ids)) AND login_id IS NOT NULL;

-- name: ForgetStandIns :exec
-- Clears the personal data of stand-ins; accounts of people are left alone.
UPDATE user SET name = '', birth_date = NULL, sex = ''
WHERE user_id IN (sqlc.slice(user_ids)) AND login_id IS NULL AND erased_at IS NULL;
