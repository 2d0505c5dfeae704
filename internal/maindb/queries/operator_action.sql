-- name: InsertAction :exec
INSERT INTO operator_action (action_id, operator_id, action, target, reason, state_before, state_after, started_at)
VALUES (?, ?, ?, ?, ?, ?, 'null', ?);

-- name: FinishAction :exec
UPDATE operator_action SET state_after = ?, finished_at = ? WHERE action_id = ?;

-- name: Actions :many
-- An empty target or action matches any.
SELECT * FROM operator_action
WHERE action_id < sqlc.arg(before_id)
  AND (sqlc.arg(target) = '' OR target = sqlc.arg(target))
  AND (sqlc.arg(action) = '' OR action = sqlc.arg(action))
ORDER BY action_id DESC
LIMIT ?;

-- name: InsertOutsideAction :execrows
-- Does nothing if the run is already in the log.
INSERT IGNORE INTO operator_action
    (action_id, operator_id, actor, run_id, action, target, reason, state_before, state_after, started_at, finished_at)
VALUES (?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: HasAction :one
SELECT EXISTS (SELECT 1 FROM operator_action WHERE action_id = ?);
