-- Whoever changes records that exist holds their race exclusively; whoever adds
-- one record shares it. So a set of a race's records stays what it is for the
-- rest of the transaction, and writers of one race never deadlock.

-- An index is forced where rows are locked: with many values in an IN the
-- optimizer may scan the table instead, and wait for rows of other races.

-- name: HoldRaceForRecords :one
SELECT status FROM race WHERE race_id = ? FOR UPDATE;

-- name: ShareRaceForRecords :one
SELECT status FROM race WHERE race_id = ? LOCK IN SHARE MODE;

-- name: StartResults :exec
UPDATE race SET status = 'provisional', updated_at = ? WHERE race_id = ? AND status = 'scheduled';

-- name: AddRevisionsOfRace :exec
INSERT INTO official_record_revision
    (record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, reason, changed_by, changed_at)
SELECT record_id, revision + 1, bib, gun_ms, net_ms, status, finish_sequence, removed,
       sqlc.arg(reason), sqlc.arg(changed_by), sqlc.arg(changed_at)
FROM official_record
WHERE race_id = sqlc.arg(race_id) AND removed = FALSE;

-- name: EnqueueNextRevisionsOfRace :exec
INSERT INTO outbox (race_id, record_id, revision, created_at, tracelink)
SELECT r.race_id, r.record_id, r.revision + 1, sqlc.arg(created_at), sqlc.narg(tracelink)
FROM official_record AS r
WHERE r.race_id = sqlc.arg(race_id) AND r.removed = FALSE
ORDER BY r.record_id;

-- name: AdvanceRecordsOfRace :execrows
UPDATE official_record FORCE INDEX (official_record_by_race)
SET revision = revision + 1, updated_at = ?
WHERE race_id = ? AND removed = FALSE;

-- name: AddRevisionsOfBibs :exec
INSERT INTO official_record_revision
    (record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, reason, changed_by, changed_at)
SELECT record_id, revision + 1, bib, gun_ms, net_ms, status, finish_sequence, removed,
       sqlc.arg(reason), sqlc.arg(changed_by), sqlc.arg(changed_at)
FROM official_record
WHERE race_id = sqlc.arg(race_id) AND bib_key IN (sqlc.slice(bib_keys)) AND removed = FALSE;

-- name: EnqueueNextRevisionsOfBibs :exec
INSERT INTO outbox (race_id, record_id, revision, created_at, tracelink)
SELECT r.race_id, r.record_id, r.revision + 1, sqlc.arg(created_at), sqlc.narg(tracelink)
FROM official_record AS r
WHERE r.race_id = sqlc.arg(race_id) AND r.bib_key IN (sqlc.slice(bib_keys)) AND r.removed = FALSE
ORDER BY r.record_id;

-- name: AdvanceRecordsOfBibs :execrows
UPDATE official_record FORCE INDEX (official_record_by_bib)
SET revision = revision + 1, updated_at = sqlc.arg(updated_at)
WHERE race_id = sqlc.arg(race_id) AND bib_key IN (sqlc.slice(bib_keys)) AND removed = FALSE;

-- name: InsertRecord :exec
INSERT INTO official_record
    (record_id, race_id, revision, bib, bib_key, held_bib, gun_ms, net_ms, status, finish_sequence, removed,
     created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, FALSE, ?, ?);

-- name: UpdateRecord :exec
UPDATE official_record
SET revision = ?, bib = ?, bib_key = ?, held_bib = ?, waiting_since = ?, gun_ms = ?, net_ms = ?, status = ?,
    finish_sequence = ?, removed = ?, updated_at = ?
WHERE record_id = ?;

-- name: InsertRevision :exec
INSERT INTO official_record_revision
    (record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, reason, changed_by, changed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: Record :one
SELECT * FROM official_record WHERE record_id = ? AND race_id = ?;

-- name: RecordsByID :many
SELECT * FROM official_record WHERE race_id = ? AND record_id IN (sqlc.slice(record_ids));

-- name: RecordHoldingBib :one
SELECT record_id FROM official_record WHERE race_id = ? AND held_bib = ?;

-- name: RecordsHoldingBibs :many
SELECT * FROM official_record WHERE race_id = ? AND bib_key IN (sqlc.slice(bib_keys)) AND held_bib IS NOT NULL;

-- name: RecordWaitingLongest :one
SELECT * FROM official_record
WHERE race_id = ? AND bib_key = ? AND held_bib IS NULL AND removed = FALSE
ORDER BY waiting_since, record_id
LIMIT 1;

-- The status '%' stands for every status, removed = TRUE takes removed records too.

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
-- From the index alone.
SELECT record_id, revision FROM official_record WHERE race_id = ? AND revision > ?;
