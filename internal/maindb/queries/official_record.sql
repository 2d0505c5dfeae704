-- Whoever changes records that exist holds their race exclusively; whoever adds
-- one record shares it. So a set of a race's records stays what it is for the
-- rest of the transaction, and writers of one race never deadlock.

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
INSERT INTO outbox (race_id, record_id, revision, created_at)
SELECT r.race_id, r.record_id, r.revision + 1, sqlc.arg(created_at)
FROM official_record AS r
WHERE r.race_id = sqlc.arg(race_id) AND r.removed = FALSE
ORDER BY r.record_id;

-- name: AdvanceRecordsOfRace :execrows
UPDATE official_record SET revision = revision + 1, updated_at = ? WHERE race_id = ? AND removed = FALSE;

-- name: AddRevisionsOfBibs :exec
INSERT INTO official_record_revision
    (record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, reason, changed_by, changed_at)
SELECT record_id, revision + 1, bib, gun_ms, net_ms, status, finish_sequence, removed,
       sqlc.arg(reason), sqlc.arg(changed_by), sqlc.arg(changed_at)
FROM official_record
WHERE race_id = sqlc.arg(race_id) AND bib_key IN (sqlc.slice(bib_keys)) AND removed = FALSE;

-- name: EnqueueNextRevisionsOfBibs :exec
INSERT INTO outbox (race_id, record_id, revision, created_at)
SELECT r.race_id, r.record_id, r.revision + 1, sqlc.arg(created_at)
FROM official_record AS r
WHERE r.race_id = sqlc.arg(race_id) AND r.bib_key IN (sqlc.slice(bib_keys)) AND r.removed = FALSE
ORDER BY r.record_id;

-- name: AdvanceRecordsOfBibs :execrows
UPDATE official_record SET revision = revision + 1, updated_at = sqlc.arg(updated_at)
WHERE race_id = sqlc.arg(race_id) AND bib_key IN (sqlc.slice(bib_keys)) AND removed = FALSE;
