-- name: Actions :many
-- The actions that have begun, with how they ended. An empty target matches any.
SELECT b.change_id AS action_id, b.actor_kind, b.actor_id, b.action, b.subject_id AS target, t.reason,
       b.state_before, b.changed_at AS started_at, e.state_after, e.changed_at AS finished_at
FROM change_log b FORCE INDEX (change_by_action)
LEFT JOIN change_text t ON t.change_id = b.change_id
LEFT JOIN change_log e ON e.subject_id = b.change_id AND e.subject_kind = 'operation'
WHERE b.action LIKE sqlc.arg(begun)
  AND b.change_id < sqlc.arg(before_id)
  AND (sqlc.arg(target) = '' OR b.subject_id = sqlc.arg(target))
ORDER BY b.change_id DESC
LIMIT ?;

-- name: EarlierActions :many
-- Actions from before they were entries of the change log. An empty target or action
-- matches any.
SELECT * FROM operator_action
WHERE action_id < sqlc.arg(before_id)
  AND (sqlc.arg(target) = '' OR target = sqlc.arg(target))
  AND (sqlc.arg(action) = '' OR action = sqlc.arg(action))
ORDER BY action_id DESC
LIMIT ?;

-- name: HasAction :one
SELECT EXISTS (SELECT 1 FROM change_log WHERE change_id = ? UNION ALL SELECT 1 FROM operator_action WHERE action_id = ?);

-- name: HasEarlierReset :one
-- Whether the reset that began a run was logged before actions were entries of the change
-- log, or by a program that still logs it there.
SELECT EXISTS (SELECT 1 FROM operator_action WHERE run_id = ?);
