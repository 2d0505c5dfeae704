-- name: InsertUnloggedChange :exec
INSERT INTO change_outbox (change_id, entry) VALUES (?, ?);

-- name: UnloggedChanges :many
SELECT * FROM change_outbox ORDER BY change_id LIMIT ?;

-- name: DeleteUnloggedChange :exec
DELETE FROM change_outbox WHERE change_id = ?;
