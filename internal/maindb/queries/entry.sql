-- name: LockPool :one
SELECT * FROM entry_pool WHERE race_id = ? AND pool = ? FOR UPDATE;

-- name: LockPools :many
SELECT * FROM entry_pool WHERE race_id = ? ORDER BY pool FOR UPDATE;

-- name: PoolsOfRace :many
SELECT * FROM entry_pool WHERE race_id = ? ORDER BY pool;

-- name: PutPool :exec
INSERT INTO entry_pool (race_id, pool, capacity) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE capacity = VALUES(capacity);

-- name: DeletePool :exec
DELETE FROM entry_pool WHERE race_id = ? AND pool = ?;

-- name: SetPool :exec
UPDATE entry_pool SET taken = ?, offered = ?, waiting = ?, registered = ?, next_seq = ?, next_bib = ?, version = ? WHERE race_id = ? AND pool = ?;

-- name: EntryOf :one
SELECT * FROM entry WHERE user_id = ? AND race_id = ?;

-- name: EntryAt :one
SELECT * FROM entry WHERE race_id = ? AND pool = ? AND seq = ?;

-- name: EntryPosition :one
-- How many wait in front, and the version of the line that this is of.
SELECT version, (
    SELECT COUNT(*) FROM entry
    WHERE entry.race_id = entry_pool.race_id AND entry.pool = entry_pool.pool AND entry.state = 'waiting' AND entry.seq < sqlc.arg(seq)
) AS in_front
FROM entry_pool WHERE entry_pool.race_id = sqlc.arg(race_id) AND entry_pool.pool = sqlc.arg(pool);

-- name: WaitingSeqs :many
SELECT entry.seq, entry_pool.version FROM entry_pool
JOIN entry ON entry.race_id = entry_pool.race_id AND entry.pool = entry_pool.pool AND entry.state = 'waiting'
WHERE entry_pool.race_id = ? AND entry_pool.pool = ?
ORDER BY entry.seq;

-- name: PoolNow :one
SELECT * FROM entry_pool WHERE race_id = ? AND pool = ?;

-- name: FirstInLine :many
SELECT * FROM entry WHERE race_id = ? AND pool = ? AND state = 'waiting' ORDER BY seq LIMIT ?;

-- name: Rejoin :exec
-- Somebody who left is at the end of the line again.
UPDATE entry
SET pool = ?, seq = ?, entry_id = ?, state = ?, standing = ?, offer_expires_at = NULL, sex = ?, own_age = ?, own_age_on = ?,
    team = ?, reason = '', origin = ?, received_at = ?, created_at = sqlc.arg(changed_at), changed_at = sqlc.arg(changed_at)
WHERE user_id = ? AND race_id = ?;

-- name: SetEntryState :execrows
UPDATE entry SET state = ?, reason = ?, offer_expires_at = NULL, changed_at = sqlc.arg(changed_at) WHERE race_id = ? AND pool = ? AND seq = ?;

-- name: SetEntryOrigin :exec
UPDATE entry SET origin = ? WHERE race_id = ? AND pool = ? AND seq = ?;

-- name: SetStanding :exec
UPDATE entry SET standing = ? WHERE race_id = ? AND pool = ? AND seq = ?;

-- name: EnterWaiting :exec
UPDATE entry SET state = 'entered', offer_expires_at = NULL, changed_at = sqlc.arg(changed_at) WHERE race_id = ? AND pool = ? AND seq IN (sqlc.slice(seqs));

-- name: LeaveWaiting :exec
UPDATE entry SET state = 'cancelled', changed_at = sqlc.arg(changed_at) WHERE race_id = ? AND pool = ? AND seq IN (sqlc.slice(seqs));

-- name: OfferPlaces :exec
UPDATE entry SET state = 'offered', offer_no = offer_no + 1, offer_expires_at = ?, changed_at = sqlc.arg(changed_at)
WHERE race_id = ? AND pool = ? AND seq IN (sqlc.slice(seqs));

-- Accepting and expiring are the same update with opposite conditions on one clock, so
-- exactly one of them wins.

-- name: AcceptOffer :execrows
UPDATE entry SET state = 'entered', offer_expires_at = NULL, changed_at = sqlc.arg(changed_at)
WHERE race_id = ? AND pool = ? AND seq = ? AND state = 'offered' AND offer_no = ? AND offer_expires_at > sqlc.arg(now_at);

-- name: ExpireOffer :execrows
UPDATE entry SET state = 'expired', offer_expires_at = NULL, changed_at = sqlc.arg(changed_at)
WHERE race_id = ? AND pool = ? AND seq = ? AND state = 'offered' AND offer_no = ? AND offer_expires_at <= sqlc.arg(now_at);

-- name: DeclineOffer :execrows
UPDATE entry SET state = 'declined', offer_expires_at = NULL, changed_at = sqlc.arg(changed_at)
WHERE race_id = ? AND pool = ? AND seq = ? AND state = 'offered' AND offer_no = ? AND offer_expires_at > sqlc.arg(now_at);

-- name: RenewParticipant :exec
UPDATE participant
SET participant_id = sqlc.arg(new_id), bib = sqlc.arg(bib), bib_key = sqlc.arg(bib_key), sex = sqlc.arg(sex), age = sqlc.arg(age),
    age_stated = FALSE, own_age = sqlc.arg(own_age), own_age_on = sqlc.arg(own_age_on), listed = FALSE, field = 'runner',
    team = sqlc.arg(team), status = 'entered', updated_at = sqlc.arg(updated_at)
WHERE race_id = sqlc.arg(race_id) AND user_id = sqlc.arg(user_id);

-- name: BibsTaken :many
SELECT bib_key FROM participant WHERE race_id = ? AND bib_key IN (sqlc.slice(bib_keys));

-- name: BibsOfRace :many
SELECT bib_key FROM participant WHERE race_id = ? AND bib_key IS NOT NULL;

-- name: DeparturesSince :many
SELECT version, seq FROM entry_departure WHERE race_id = ? AND pool = ? AND version > ? ORDER BY version, seq LIMIT ?;

-- name: PlacesElsewhere :one
-- How many places of a race are used outside a pool's offers: by everybody who has
-- entered, by whatever way, and by the offers of the other pools.
SELECT CAST(
    (SELECT COUNT(*) FROM participant WHERE participant.race_id = sqlc.arg(race_id) AND participant.status = 'entered')
    + (SELECT COALESCE(SUM(entry_pool.offered), 0) FROM entry_pool WHERE entry_pool.race_id = sqlc.arg(same_race_id) AND entry_pool.pool <> sqlc.arg(pool))
AS SIGNED) AS places;

-- name: OfferedPlaces :one
SELECT CAST(COALESCE(SUM(offered), 0) AS SIGNED) AS places FROM entry_pool WHERE race_id = ?;

-- name: LinesToServe :many
-- Of races to come: the others give no more places, however many wait.
SELECT entry_pool.race_id, entry_pool.pool FROM entry_pool JOIN race ON race.race_id = entry_pool.race_id
WHERE entry_pool.waiting > 0 AND (entry_pool.capacity = 0 OR entry_pool.capacity > entry_pool.taken + entry_pool.offered)
  AND race.status = 'scheduled' AND race.race_date >= UTC_DATE() - INTERVAL 1 DAY
ORDER BY entry_pool.race_id, entry_pool.pool;

-- name: LiveEntriesOf :many
-- Entries that hold a place or a position, or are registered for a draw, in races
-- without results.
SELECT entry.race_id FROM entry JOIN race ON race.race_id = entry.race_id
WHERE entry.user_id = ? AND (entry.state IN ('registered', 'waiting', 'offered') OR entry.state = 'entered' AND race.status = 'scheduled');

-- name: EraseEntryDetails :exec
UPDATE entry SET sex = '', own_age = NULL, own_age_on = NULL, team = '', reason = '' WHERE user_id = ?;

-- name: EntrantsBefore :many
-- Those who entered in person before the race had pools, in the order in which they did.
SELECT participant.* FROM participant
LEFT JOIN entry ON entry.user_id = participant.user_id AND entry.race_id = participant.race_id
WHERE participant.race_id = ? AND participant.status = 'entered' AND participant.listed = FALSE AND entry.seq IS NULL
ORDER BY participant.participant_id;

-- name: DeleteEntriesOfRace :exec
DELETE FROM entry WHERE race_id = ?;

-- name: DeletePoolsOfRace :exec
DELETE FROM entry_pool WHERE race_id = ?;

-- name: DeleteDeparturesOfRace :exec
DELETE FROM entry_departure WHERE race_id = ?;

-- name: DeleteOffersOfRace :exec
DELETE FROM offer_outbox WHERE race_id = ?;

-- name: EntriesOfUsers :many
SELECT * FROM entry FORCE INDEX (entry_user) WHERE race_id = ? AND user_id IN (sqlc.slice(user_ids));

-- name: KnownEntrants :many
-- Which of those who ask are known: their account has left, or they have an entry or are
-- a participant. The order of the tables and the indexes are forced: for many IDs the
-- optimizer would read all entries of the race instead.
SELECT STRAIGHT_JOIN account_mark.user_id, account_mark.left_at, entry.seq, participant.participant_id
FROM account_mark FORCE INDEX (PRIMARY)
LEFT JOIN entry FORCE INDEX (entry_user) ON entry.user_id = account_mark.user_id AND entry.race_id = sqlc.arg(race_id)
LEFT JOIN participant FORCE INDEX (participant_user) ON participant.race_id = sqlc.arg(same_race_id) AND participant.user_id = account_mark.user_id
WHERE account_mark.user_id IN (sqlc.slice(user_ids))
  AND (account_mark.left_at IS NOT NULL OR entry.seq IS NOT NULL OR participant.participant_id IS NOT NULL);

-- name: OffersToStart :many
SELECT * FROM offer_outbox ORDER BY created_at LIMIT ? FOR UPDATE SKIP LOCKED;

-- name: OfferStarted :exec
DELETE FROM offer_outbox WHERE race_id = ? AND pool = ? AND seq = ? AND offer_no = ?;

-- name: PoolsToAudit :many
SELECT entry_pool.race_id, entry_pool.pool FROM entry_pool JOIN race ON race.race_id = entry_pool.race_id
WHERE race.status = 'scheduled' ORDER BY entry_pool.race_id, entry_pool.pool;

-- name: CountEntries :many
SELECT state, COUNT(*) AS entries FROM entry WHERE race_id = ? AND pool = ? GROUP BY state;

-- name: LastNumber :one
SELECT CAST(COALESCE(MAX(seq), 0) AS SIGNED) AS last_seq FROM entry WHERE race_id = ? AND pool = ?;

-- name: OpenOffers :many
SELECT entry.race_id, entry.pool, entry.seq, entry.offer_no, entry.offer_expires_at FROM entry_pool
JOIN entry ON entry.race_id = entry_pool.race_id AND entry.pool = entry_pool.pool AND entry.state = 'offered'
LEFT JOIN offer_outbox ON offer_outbox.race_id = entry.race_id AND offer_outbox.pool = entry.pool AND offer_outbox.seq = entry.seq
WHERE entry_pool.offered > 0 AND entry.changed_at < ? AND offer_outbox.seq IS NULL
ORDER BY entry.offer_expires_at LIMIT ?;

-- name: HeldOffers :many
SELECT entry.race_id, race.name, entry.pool, entry.seq, entry.offer_no, entry.offer_expires_at, entry.changed_at, offer_outbox.seq IS NOT NULL AS queued
FROM entry_pool
JOIN entry ON entry.race_id = entry_pool.race_id AND entry.pool = entry_pool.pool AND entry.state = 'offered'
JOIN race ON race.race_id = entry.race_id
LEFT JOIN offer_outbox ON offer_outbox.race_id = entry.race_id AND offer_outbox.pool = entry.pool AND offer_outbox.seq = entry.seq AND offer_outbox.offer_no = entry.offer_no
WHERE entry_pool.offered > 0 AND entry.offer_expires_at >= sqlc.arg(expires_at)
AND (entry.offer_expires_at > sqlc.arg(expires_at) OR entry.race_id > sqlc.arg(race_id)
  OR entry.race_id = sqlc.arg(race_id) AND (entry.pool > sqlc.arg(pool) OR entry.pool = sqlc.arg(pool) AND entry.seq > sqlc.arg(seq)))
ORDER BY entry.offer_expires_at, entry.race_id, entry.pool, entry.seq LIMIT ?;

-- name: RequeueOffer :exec
INSERT INTO offer_outbox (race_id, pool, seq, offer_no, created_at) VALUES (?, ?, ?, ?, ?);

-- name: OpenOffersOfPool :many
SELECT * FROM entry WHERE race_id = ? AND pool = ? AND state = 'offered' ORDER BY seq;

-- name: ShortenOffers :exec
UPDATE entry SET offer_expires_at = sqlc.arg(deadline)
WHERE race_id = ? AND pool = ? AND state = 'offered' AND offer_expires_at > sqlc.arg(deadline);

-- name: WakeOffer :exec
INSERT INTO offer_wake (race_id, pool, seq, offer_no, created_at) VALUES (?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE created_at = VALUES(created_at);

-- name: OffersToWake :many
SELECT * FROM offer_wake ORDER BY created_at LIMIT ?;

-- name: OfferWoken :exec
DELETE FROM offer_wake WHERE race_id = ? AND pool = ? AND seq = ? AND offer_no = ? AND created_at = ?;

-- name: DeleteWakesOfRace :exec
DELETE FROM offer_wake WHERE race_id = ?;
