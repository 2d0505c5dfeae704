-- name: InsertDispute :exec
INSERT INTO dispute (dispute_id, race_id, record_id, revision, runner_id, state, wrong, right_would_be, opened_at)
VALUES (?, ?, ?, ?, ?, 'open', ?, ?, ?);

-- name: Dispute :one
SELECT * FROM dispute WHERE dispute_id = ?;

-- name: OpenDisputes :one
-- The worker may read only these columns.
SELECT COUNT(dispute_id) FROM dispute WHERE race_id = ? AND state = 'open';

-- name: DisputesOfRecord :many
SELECT * FROM dispute WHERE record_id = ? ORDER BY dispute_id;

-- name: DisputesOfRace :many
-- An empty state stands for any.
SELECT sqlc.embed(dispute), official_record.bib
FROM dispute JOIN official_record ON official_record.record_id = dispute.record_id
WHERE dispute.race_id = sqlc.arg(race_id) AND dispute.dispute_id < sqlc.arg(before_id)
  AND (sqlc.arg(state) = '' OR dispute.state = sqlc.arg(state))
ORDER BY dispute.dispute_id DESC
LIMIT ?;

-- name: DisputesOfRunner :many
SELECT sqlc.embed(dispute), official_record.bib
FROM dispute JOIN official_record ON official_record.record_id = dispute.record_id
WHERE dispute.runner_id = sqlc.arg(runner_id) AND dispute.dispute_id < sqlc.arg(before_id)
ORDER BY dispute.dispute_id DESC
LIMIT ?;

-- name: CloseDispute :exec
UPDATE dispute SET state = ?, closed_at = ?, closed_by = ?, answer = ?, answered_revision = ? WHERE dispute_id = ?;

-- name: EraseDisputes :exec
UPDATE dispute SET wrong = '', right_would_be = '' WHERE runner_id = ?;

-- name: OpenDisputesOfRunner :many
SELECT * FROM dispute WHERE runner_id = ? AND state = 'open' FOR UPDATE;

-- name: PublishDespiteDisputes :exec
UPDATE publication SET despite_disputes = TRUE WHERE race_id = ?;
