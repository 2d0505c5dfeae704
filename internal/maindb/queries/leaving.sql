-- name: MarkAccount :exec
-- Locks the row of an account that writes.
INSERT INTO account_mark (user_id) VALUES (?) ON DUPLICATE KEY UPDATE user_id = user_id;

-- name: AccountLeft :one
SELECT left_at FROM account_mark WHERE user_id = ?;

-- name: ShareMark :one
-- Keeps an account from leaving without keeping its other calls waiting.
SELECT left_at FROM account_mark WHERE user_id = ? LOCK IN SHARE MODE;

-- name: MarkLeft :exec
UPDATE account_mark SET left_at = ? WHERE user_id = ? AND left_at IS NULL;

-- name: DeleteKeysOf :exec
DELETE FROM idempotency_key WHERE user_id = ?;

-- name: DeleteMappingsOf :exec
DELETE FROM import_mapping WHERE organizer_id = ?;

-- name: DeleteOpenClaimsOf :exec
DELETE FROM claim WHERE user_id = ? AND state IN ('invited', 'requested');

-- name: ForgetOwnAges :exec
UPDATE participant SET own_age = NULL, own_age_on = NULL WHERE user_id = ?;

-- name: EraseEntriesWithoutResults :exec
-- Entries of races that have no results yet, that are void, or that were cancelled.
UPDATE participant AS p
JOIN race AS r ON r.race_id = p.race_id
SET p.status = 'cancelled', p.bib = NULL, p.bib_key = NULL, p.sex = '', p.age = NULL, p.team = '', p.updated_at = sqlc.arg(updated_at)
WHERE p.user_id = sqlc.arg(user_id) AND (p.status = 'cancelled' OR r.status IN ('scheduled', 'void'));

-- name: StandInsOf :many
-- The people of start lists whose results the account has claimed.
SELECT DISTINCT former_user_id FROM claim WHERE user_id = ? AND state = 'accepted' AND former_user_id IS NOT NULL AND former_user_id <> user_id;


-- name: VoidRecordsOf :many
-- The records of void races that an account holds.
SELECT official_record.record_id FROM official_record
JOIN participant ON participant.race_id = official_record.race_id AND participant.bib_key = official_record.held_bib
JOIN race ON race.race_id = official_record.race_id
WHERE participant.user_id = ? AND race.status = 'void'
FOR UPDATE;

-- name: EraseDisputeTexts :exec
UPDATE dispute SET wrong = '', right_would_be = '' WHERE runner_id = ?;
