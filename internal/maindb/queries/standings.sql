-- name: LatestStandings :one
SELECT version, status, computed_at, inputs_hash, ruleset, reason, entries, body_kind
FROM standings WHERE race_id = ? ORDER BY version DESC LIMIT 1;

-- name: StandingsVersion :one
SELECT * FROM standings WHERE race_id = ? AND version = ?;

-- name: StandingsBefore :many
SELECT version, status, computed_at, inputs_hash, ruleset, reason, entries, body_kind
FROM standings WHERE race_id = ? AND version < ? ORDER BY version DESC LIMIT ?;

-- name: StandingsBodies :many
-- The versions that have rows, without reading the rows.
SELECT version, status, computed_at, body_kind, body_base
FROM standings WHERE race_id = ? AND body_kind <> 'dropped' ORDER BY version;

-- name: MakeStandingsBase :exec
UPDATE standings SET body_kind = 'base' WHERE race_id = ? AND version = ? AND body_kind = 'rows';

-- name: StoreStandingsDifference :exec
UPDATE standings SET body = sqlc.arg(body), body_kind = 'difference', body_base = sqlc.arg(body_base)
WHERE race_id = sqlc.arg(race_id) AND version = sqlc.arg(version) AND body_kind = 'rows';

-- name: DropStandingsRows :exec
UPDATE standings SET body = '', body_kind = 'dropped'
WHERE race_id = sqlc.arg(race_id) AND version = sqlc.arg(version) AND body_kind = 'rows' AND status = 'provisional';

-- name: KeptStandingsBefore :one
SELECT version FROM standings WHERE race_id = ? AND version < ? AND body_kind <> 'dropped' ORDER BY version DESC LIMIT 1;

-- name: KeptStandingsAfter :one
SELECT version FROM standings WHERE race_id = ? AND version > ? AND body_kind <> 'dropped' ORDER BY version LIMIT 1;

-- name: InsertStandings :exec
INSERT INTO standings (race_id, version, status, computed_at, inputs_hash, ruleset, reason, entries, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: StandingsEntries :many
-- The records of a race with their runners. Removed ones are included, because their revisions count.
SELECT r.record_id, r.revision, r.bib, r.held_bib, r.gun_ms, r.net_ms, r.status, r.finish_sequence, r.removed,
       r.time_confirmed, p.participant_id, p.user_id, p.sex, p.age, p.field, p.team
FROM official_record AS r
LEFT JOIN participant AS p ON p.race_id = r.race_id AND p.bib_key = r.held_bib AND p.status = 'entered'
WHERE r.race_id = ?
ORDER BY r.record_id;

-- name: SetStandingsMark :exec
INSERT INTO standings_mark (race_id, record_revisions, credit_revisions, race_changed_at)
VALUES (?, ?, ?, ?)
ON DUPLICATE KEY UPDATE record_revisions = VALUES(record_revisions), credit_revisions = VALUES(credit_revisions),
    race_changed_at = VALUES(race_changed_at);

-- name: RevisionReasons :many
SELECT record_id, revision, removed, reason, changed_at
FROM official_record_revision WHERE record_id IN (sqlc.slice(record_ids)) ORDER BY record_id, revision;
