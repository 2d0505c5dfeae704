-- name: LatestRevisions :many
SELECT record_id, race_id, revision, updated_at
FROM official_record
WHERE updated_at >= sqlc.arg(after_time) AND updated_at < sqlc.arg(changed_before)
  AND (updated_at > sqlc.arg(after_time) OR record_id > sqlc.arg(after_record))
ORDER BY updated_at, record_id
LIMIT ?;

-- name: OutboxOfRecords :many
SELECT record_id, revision FROM outbox WHERE record_id IN (sqlc.slice('record_ids'));

-- name: RequeueRecords :execrows
INSERT INTO outbox (race_id, record_id, revision, created_at, tracelink)
SELECT r.race_id, r.record_id, r.revision, sqlc.arg(created_at), sqlc.narg(tracelink)
FROM official_record AS r
WHERE r.record_id IN (sqlc.slice(record_ids))
ORDER BY r.record_id;

-- name: OutboxHasRows :one
SELECT EXISTS (SELECT 1 FROM outbox);

-- name: LateOutbox :one
SELECT COUNT(*) FROM outbox WHERE created_at < ?;

-- name: OldestLateOutbox :many
SELECT * FROM outbox WHERE created_at < ? ORDER BY created_at, outbox_id LIMIT ?;

-- name: AuditPosition :one
SELECT changed_at, record_id FROM audit_position WHERE check_name = ?;

-- name: SetAuditPosition :exec
INSERT INTO audit_position (check_name, changed_at, record_id) VALUES (?, ?, ?)
ON DUPLICATE KEY UPDATE changed_at = VALUES(changed_at), record_id = VALUES(record_id);
