-- Transactions that change existing records lock the race exclusively; those that add one
-- record share the lock. So the set of a race's records does not change during the
-- transaction, and writers of one race never deadlock.

-- name: HoldRaceForRecords :one
SELECT status FROM race WHERE race_id = ? FOR UPDATE;

-- name: ShareRaceForRecords :one
SELECT status FROM race WHERE race_id = ? LOCK IN SHARE MODE;

-- name: StartResults :exec
UPDATE race SET status = 'provisional', updated_at = ? WHERE race_id = ? AND status = 'scheduled';

-- name: LiveRecordsOfRace :many
SELECT record_id FROM official_record WHERE race_id = ? AND removed = FALSE ORDER BY record_id;

-- name: LiveRecordsOfBibs :many
SELECT record_id FROM official_record
WHERE race_id = ? AND bib_key IN (sqlc.slice(bib_keys)) AND removed = FALSE;

-- name: RecordsOfRace :many
SELECT * FROM official_record WHERE race_id = ? ORDER BY record_id;

-- name: Record :one
SELECT * FROM official_record WHERE record_id = ? AND race_id = ?;

-- name: RecordsByID :many
SELECT * FROM official_record WHERE race_id = ? AND record_id IN (sqlc.slice(record_ids));

-- name: RecordHoldingBib :one
SELECT record_id FROM official_record WHERE race_id = ? AND held_bib = ?;

-- name: RecordsHoldingBibs :many
SELECT * FROM official_record WHERE race_id = ? AND bib_key IN (sqlc.slice(bib_keys)) AND held_bib IS NOT NULL;

-- name: DecidedRecordsWithBibs :many
-- Records that a person has decided, once for each bib that a file or timing software gave
-- them.
SELECT sqlc.embed(r), v.bib AS had_bib
FROM official_record AS r
JOIN official_record_revision AS v ON v.record_id = r.record_id
WHERE r.race_id = ? AND r.decided = TRUE AND (v.revision = 1 OR v.origin NOT IN ('hand', 'system'))
ORDER BY r.record_id, v.revision;

-- name: RecordsWaiting :many
-- The longest wait first.
SELECT * FROM official_record
WHERE race_id = ? AND bib_key IN (sqlc.slice(bib_keys)) AND held_bib IS NULL AND removed = FALSE
ORDER BY waiting_since, record_id;

-- The status '%' means any status; removed = TRUE includes removed records.

-- name: ListRecords :many
SELECT * FROM official_record
WHERE race_id = sqlc.arg(race_id) AND record_id > sqlc.arg(after)
  AND status LIKE sqlc.arg(status) AND removed <= sqlc.arg(removed)
ORDER BY record_id
LIMIT ?;

-- name: ListRecordsOfBib :many
SELECT * FROM official_record
WHERE race_id = sqlc.arg(race_id) AND bib_key = sqlc.arg(bib_key) AND record_id > sqlc.arg(after)
  AND status LIKE sqlc.arg(status) AND removed <= sqlc.arg(removed)
ORDER BY record_id
LIMIT ?;

-- name: Revisions :many
SELECT * FROM official_record_revision WHERE record_id = ? ORDER BY revision;

-- name: CountRevisions :one
SELECT COUNT(*) AS records, CAST(COALESCE(SUM(revision), 0) AS SIGNED) AS revisions
FROM official_record WHERE race_id = ?;

-- name: RevisionsOfRecords :many
-- Reads only the index.
SELECT record_id, revision FROM official_record WHERE race_id = ?;
