-- name: InsertTransfer :exec
INSERT INTO entry_transfer (transfer_id, race_id, user_id, entry_id, code_hash, state, by_hand, reason, offered_at, expires_at, changed_at)
VALUES (?, ?, ?, ?, ?, 'offered', ?, ?, sqlc.arg(offered_at), ?, sqlc.arg(offered_at));

-- name: TransferWithCode :one
SELECT * FROM entry_transfer WHERE race_id = ? AND code_hash = ?;

-- name: LockTransfer :one
SELECT * FROM entry_transfer WHERE transfer_id = ? FOR UPDATE;

-- name: LastTransferOf :one
SELECT * FROM entry_transfer WHERE race_id = ? AND user_id = ? ORDER BY offered_at DESC, transfer_id DESC LIMIT 1;

-- name: TransfersOfRace :many
-- The newest first, by their IDs, which are in the order of time.
SELECT * FROM entry_transfer WHERE race_id = ? AND (sqlc.arg(before) = '' OR transfer_id < sqlc.arg(before)) ORDER BY transfer_id DESC LIMIT ?;

-- name: OpenTransfersWith :many
-- Of a runner, on either side.
SELECT * FROM entry_transfer
WHERE (user_id = sqlc.arg(user_id) OR runner_id = sqlc.arg(runner_id)) AND state IN ('offered', 'accepted') AND expires_at > sqlc.arg(now)
ORDER BY expires_at, transfer_id LIMIT 50;

-- name: SetTransfer :exec
UPDATE entry_transfer SET state = ?, runner_id = ?, giver_hash = ?, changed_at = ? WHERE transfer_id = ?;

-- name: EndTransfers :exec
-- Of somebody who has no place to give any more, or offers it anew.
UPDATE entry_transfer SET state = ?, changed_at = ? WHERE race_id = ? AND user_id = ? AND state IN ('offered', 'accepted');

-- name: ForgetTransfersOf :exec
-- Of an account that is deleted, on either side.
UPDATE entry_transfer
SET reason = '', giver_hash = '', changed_at = sqlc.arg(changed_at), state = CASE WHEN state IN ('offered', 'accepted') THEN 'ended' ELSE state END
WHERE user_id = sqlc.arg(user_id) OR runner_id = sqlc.arg(runner_id);

-- name: DeleteTransfersOfRace :exec
DELETE FROM entry_transfer WHERE race_id = ?;
