-- name: Race :one
SELECT * FROM race WHERE race_id = ?;
