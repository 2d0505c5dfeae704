-- name: EraseChangeTexts :exec
-- What an account wrote, and its notes about others.
DELETE t FROM change_text t JOIN change_log c ON c.change_id = t.change_id WHERE c.account_id = ?;

-- name: HasUnsealedChanges :one
SELECT EXISTS (SELECT 1 FROM change_unsealed);

-- name: LockChangeChain :one
SELECT position, hash, opened_at FROM change_chain WHERE id = 1 FOR UPDATE;

-- name: ChangeChain :one
SELECT position, hash FROM change_chain WHERE id = 1;

-- name: UnsealedChanges :many
SELECT change_id, hash FROM change_unsealed ORDER BY change_id LIMIT ?;

-- name: MoveChangeChain :exec
UPDATE change_chain SET position = ?, hash = ? WHERE id = 1;

-- name: AdoptChanges :execrows
INSERT INTO change_unsealed (change_id, hash)
SELECT c.change_id, c.hash
FROM change_log c
LEFT JOIN change_unsealed u ON u.change_id = c.change_id
LEFT JOIN change_seal s ON s.change_id = c.change_id
WHERE c.change_id >= sqlc.arg(oldest) AND u.change_id IS NULL AND s.change_id IS NULL;

-- name: ChangeReader :one
SELECT position FROM change_reader WHERE name = ?;

-- name: LockChangeReader :one
SELECT position FROM change_reader WHERE name = ? FOR UPDATE;

-- name: AddChangeReader :exec
INSERT IGNORE INTO change_reader (name, position) VALUES (?, 0);

-- name: MoveChangeReader :exec
UPDATE change_reader SET position = ? WHERE name = ?;
