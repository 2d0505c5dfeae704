-- name: LatestStandings :one
SELECT version, status, computed_at, inputs_hash, ruleset, reason, entries
FROM standings WHERE race_id = ? ORDER BY version DESC LIMIT 1;

-- name: StandingsVersion :one
SELECT * FROM standings WHERE race_id = ? AND version = ?;

-- name: StandingsBefore :many
SELECT version, status, computed_at, inputs_hash, ruleset, reason, entries
FROM standings WHERE race_id = ? AND version < ? ORDER BY version DESC LIMIT ?;

-- name: InsertStandings :exec
INSERT INTO standings (race_id, version, status, computed_at, inputs_hash, ruleset, reason, entries, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: StandingsEntries :many
-- The records of a race with who runs, removed ones too: their revisions count.
SELECT r.record_id, r.revision, r.bib, r.held_bib, r.gun_ms, r.net_ms, r.status, r.finish_sequence, r.removed,
       p.user_id, p.sex, p.age, p.field
FROM official_record AS r
LEFT JOIN participant AS p ON p.race_id = r.race_id AND p.bib_key = r.held_bib AND p.status = 'entered'
WHERE r.race_id = ?
ORDER BY r.record_id;

-- name: SetStandingsMark :exec
INSERT INTO standings_mark (race_id, record_revisions, credit_revisions, race_changed_at)
VALUES (?, ?, ?, ?)
ON DUPLICATE KEY UPDATE record_revisions = VALUES(record_revisions), credit_revisions = VALUES(credit_revisions),
    race_changed_at = VALUES(race_changed_at);

-- name: RacesWithRecordsChangedSince :many
SELECT DISTINCT race_id FROM official_record WHERE updated_at >= ?;

-- name: RacesChangedSince :many
SELECT race_id FROM race WHERE updated_at >= ? AND status <> 'scheduled';

-- name: StandingsMarkOf :one
SELECT c.updated_at AS race_changed_at, m.record_revisions, m.credit_revisions, m.race_changed_at AS marked_changed_at
FROM race AS c LEFT JOIN standings_mark AS m ON m.race_id = c.race_id
WHERE c.race_id = ?;

-- name: RevisionReasons :many
SELECT record_id, revision, removed, reason, changed_at
FROM official_record_revision WHERE record_id IN (sqlc.slice(record_ids)) ORDER BY record_id, revision;
