-- name: User :one
SELECT * FROM user WHERE user_id = ?;
