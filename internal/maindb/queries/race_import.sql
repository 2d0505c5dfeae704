-- name: InsertRaceImport :exec
INSERT INTO race_import (import_id, race_id, kind, status, file_name, file_hash, reason, imported_by, imported_at, outcome)
VALUES (?, ?, 'results', 'applied', ?, ?, ?, ?, ?, ?);

-- name: RaceImport :one
SELECT * FROM race_import WHERE import_id = ? AND race_id = ?;

-- name: RaceImportsBefore :many
SELECT * FROM race_import WHERE race_id = ? AND import_id < sqlc.arg(before) ORDER BY import_id DESC LIMIT ?;

-- name: HasImportSince :one
SELECT EXISTS (SELECT 1 FROM race_import WHERE race_id = ? AND status = 'applied' AND imported_at > sqlc.arg(since));

-- name: UndoRaceImport :exec
UPDATE race_import SET status = 'undone', undone_by = ?, undone_at = ?, undo_reason = ? WHERE import_id = ?;

-- name: ImportedRecords :many
-- The records that an import wrote, with their earlier revision (none if it added them),
-- the revision that it made, and whether anything but the system and undone imports has
-- changed them since.
SELECT sqlc.embed(r), v.revision AS import_revision,
       b.bib AS before_bib, b.gun_ms AS before_gun_ms, b.net_ms AS before_net_ms, b.status AS before_status,
       b.finish_sequence AS before_sequence, b.removed AS before_removed, b.decided AS before_decided,
       b.time_confirmed AS before_time_confirmed, b.revision AS before_revision,
       EXISTS (SELECT 1 FROM official_record_revision AS n LEFT JOIN race_import AS i ON i.import_id = n.import_id
               WHERE n.record_id = r.record_id AND n.revision > v.revision AND n.origin <> 'system'
                 AND COALESCE(i.status, '') <> 'undone') AS changed_since
FROM official_record AS r
JOIN official_record_revision AS v ON v.record_id = r.record_id AND v.import_id = sqlc.arg(import_id) AND v.origin = 'file'
LEFT JOIN official_record_revision AS b ON b.record_id = r.record_id AND b.revision = (
    SELECT MAX(p.revision) FROM official_record_revision AS p
    WHERE p.record_id = r.record_id AND p.revision < v.revision)
WHERE r.race_id = sqlc.arg(race_id)
ORDER BY r.record_id;

-- name: InsertImportPlan :exec
INSERT INTO race_import (import_id, race_id, kind, status, file_name, file_hash, reason, imported_by, imported_at, outcome, plan_hash, kept_until)
VALUES (?, ?, ?, 'planned', ?, ?, '', ?, ?, ?, ?, ?);

-- name: LockRaceImport :one
SELECT * FROM race_import WHERE import_id = ? AND race_id = ? FOR UPDATE;

-- name: ApplyRaceImport :exec
UPDATE race_import SET status = 'applied', reason = ?, imported_by = ?, imported_at = ?, outcome = ?, kept_until = ? WHERE import_id = ?;

-- name: ImportContent :many
SELECT body FROM import_content WHERE import_id = ? AND content = ? ORDER BY part;

-- name: EndedImports :many
-- Imports whose contents have expired.
SELECT import_id, status FROM race_import WHERE kept_until < sqlc.arg(now) ORDER BY kept_until LIMIT ?;

-- name: DeleteImportContents :exec
DELETE FROM import_content WHERE import_id = ?;

-- name: DeletePlannedImport :exec
DELETE FROM race_import WHERE import_id = ? AND status = 'planned';

-- name: ForgetImportEnd :exec
UPDATE race_import SET kept_until = NULL WHERE import_id = ?;

-- name: DeleteImportContentsOfRace :exec
DELETE FROM import_content WHERE race_id = ?;

-- name: DeleteImportsOfRace :exec
DELETE FROM race_import WHERE race_id = ?;

-- name: PutImportMapping :exec
INSERT INTO import_mapping (organizer_id, shape, mapping, updated_at) VALUES (?, ?, ?, ?)
ON DUPLICATE KEY UPDATE mapping = VALUES(mapping), updated_at = VALUES(updated_at);

-- name: DeleteImportMapping :exec
DELETE FROM import_mapping WHERE organizer_id = ? AND shape = ?;

-- name: ImportMappings :many
SELECT shape, mapping FROM import_mapping WHERE organizer_id = ? ORDER BY updated_at DESC LIMIT ?;
